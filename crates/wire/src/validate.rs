//! Constraints of the models, checked on a decoded input; every violation is collected, in the order of the model.
//!
//! Message: `N validation error(s) detected: V; V`, each `V` being `Value at 'userName' failed to satisfy constraint:
//! Member must …`. Paths have a lower-case first letter; list members are `tags.1.member.key`. A list of texts is one
//! violation that names all constraints of its members, whichever failed. Length comes before pattern. IAM names no
//! enum values and quotes no value, save where an override says so; so values, secret or not, stay out of messages.
//!
//! Limit: the first [`ERRORS_MAX`] violations. Source: recorded answers of IAM.
//! DIFFERENCE: older answers of STS quote the value (`Value 'x' at …`); ours follow the newer form for both.
//! DIFFERENCE: some services give their `ValidationException` members besides the message (`fieldList`, `error`); what breaks
//! a constraint is told in the message alone.

use std::fmt::Write;

use crate::error::{CommonError, Error};
use crate::names::camel;
use crate::params::shortened;
use crate::{Kind, List, Map, Range, Record, Ref, Schema, Value};

/// Most violations that one answer lists.
pub const ERRORS_MAX: usize = 100;

const NOT_NULL: &str = "Member must not be null";

/// Checks `record` against its schema.
///
/// # Errors
/// `ValidationError` with every violation.
pub fn validate(record: &Record) -> Result<(), Error> {
    let mut checker = Checker::default();
    checker.structure(record);
    match checker.errors.len() {
        0 => Ok(()),
        count => {
            let plural = if count == 1 { "" } else { "s" };
            let list = checker.errors.join("; ");
            Err(CommonError::ValidationError
                .with(format!("{count} validation error{plural} detected: {list}")))
        }
    }
}

#[derive(Default)]
struct Checker {
    path: String,
    errors: Vec<String>,
}

impl Checker {
    fn fail(&mut self, constraint: &str) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(format!("Value at '{}' failed to satisfy constraint: {constraint}", self.path));
        }
    }

    /// The recorded form of the few members that quote: `Value "129" at "minimumPasswordLength"`.
    fn fail_number(&mut self, range: Range, number: i64, constraint: &str) {
        if range.quoted && self.errors.len() < ERRORS_MAX {
            let path = &self.path;
            self.errors
                .push(format!("Value \"{number}\" at \"{path}\" failed to satisfy constraint: {constraint}"));
        } else {
            self.fail(constraint);
        }
    }

    /// Runs `check` with `.segment` added to the path.
    fn below(&mut self, segment: std::fmt::Arguments<'_>, check: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        let dot = if length == 0 { "" } else { "." };
        // Writing to a String cannot fail.
        let _ = write!(self.path, "{dot}{segment}");
        check(self);
        self.path.truncate(length);
    }

    fn structure(&mut self, record: &Record) {
        for (member, value) in record.schema.members().iter().zip(&record.fields) {
            self.below(format_args!("{}", camel(member.name)), |checker| match value {
                Some(value) => checker.value(member.shape, value),
                None if member.required => checker.fail(NOT_NULL),
                None => {}
            });
        }
        if let Kind::Union(_) = record.schema.kind
            && record.fields.iter().flatten().count() != 1
        {
            self.fail("Member must have exactly one member set");
        }
    }

    fn value(&mut self, schema: &Schema, value: &Value) {
        match (&schema.kind, value) {
            (Kind::List(shape), Value::List(items)) => self.list(shape, items),
            (Kind::Map(shape), Value::Map(entries)) => self.map(shape, entries),
            (_, Value::Structure(record)) => self.structure(record),
            (_, Value::Integer(number)) => self.number(schema, *number),
            _ => violations(schema, value.as_ref()).iter().for_each(|constraint| self.fail(constraint)),
        }
    }

    fn number(&mut self, schema: &Schema, number: i64) {
        if let Kind::Integer(range) | Kind::Long(range) = schema.kind {
            for constraint in violations(schema, Ref::Integer(number)) {
                self.fail_number(range, number, &constraint);
            }
        }
    }

    fn list(&mut self, shape: &List, items: &[Option<Value>]) {
        if let Some(constraint) = out_of(shape.length, items.len(), LENGTH) {
            self.fail(&constraint);
        }
        if is_scalar(shape.member) {
            if items.iter().any(|item| fails(shape.member, item.as_ref())) {
                self.fail(&format!("Member must satisfy constraint: [{}]", constraints(shape.member)));
            }
            return;
        }
        for (item, number) in items.iter().zip(1_usize..) {
            self.below(format_args!("{number}.member"), |checker| match item {
                Some(item) => checker.value(shape.member, item),
                None => checker.fail(NOT_NULL),
            });
        }
    }

    fn map(&mut self, shape: &Map, entries: &[(String, Option<Value>)]) {
        if let Some(constraint) = out_of(shape.length, entries.len(), LENGTH) {
            self.fail(&constraint);
        }
        if entries.iter().any(|(key, _)| !violations(shape.key, Ref::String(key)).is_empty()) {
            self.fail(&format!("Map keys must satisfy constraint: [{}]", constraints(shape.key)));
        }
        if is_scalar(shape.value) {
            if entries.iter().any(|(_, value)| fails(shape.value, value.as_ref())) {
                self.fail(&format!("Map value must satisfy constraint: [{}]", constraints(shape.value)));
            }
            return;
        }
        for (key, value) in entries {
            self.below(format_args!("{}.member", shortened(key)), |checker| match value {
                Some(value) => checker.value(shape.value, value),
                None => checker.fail(NOT_NULL),
            });
        }
    }
}

fn is_scalar(schema: &Schema) -> bool {
    !matches!(schema.kind, Kind::List(_) | Kind::Map(_) | Kind::Structure(_) | Kind::Union(_))
}

fn fails(schema: &Schema, value: Option<&Value>) -> bool {
    value.is_none_or(|value| !violations(schema, value.as_ref()).is_empty())
}

/// The constraints of a scalar that `value` breaks.
fn violations(schema: &Schema, value: Ref<'_>) -> Vec<String> {
    let mut found = Vec::new();
    match (&schema.kind, value) {
        (Kind::Blob(range), Ref::Blob(bytes)) => found.extend(out_of(*range, bytes.len(), LENGTH)),
        (Kind::Enum(values), Ref::String(text)) => {
            found.extend((!values.contains(&text)).then(enum_constraint));
        }
        (Kind::Integer(range) | Kind::Long(range), Ref::Integer(number)) => {
            found.extend(out_of(*range, number, VALUE))
        }
        (Kind::String(range, pattern), Ref::String(text)) => {
            found.extend(out_of(*range, text.chars().count(), LENGTH));
            found.extend(
                pattern
                    .filter(|pattern| !pattern.matches(text))
                    .map(|pattern| pattern_constraint(pattern.text)),
            );
        }
        _ => {}
    }
    found
}

/// All constraints of a scalar, as answers about lists and maps name them.
fn constraints(schema: &Schema) -> String {
    let mut all = Vec::new();
    match &schema.kind {
        Kind::Blob(range) => all.extend(bounds(*range, LENGTH)),
        Kind::Enum(_) => all.push(enum_constraint()),
        Kind::Integer(range) | Kind::Long(range) => all.extend(bounds(*range, VALUE)),
        Kind::String(range, pattern) => {
            all.extend(bounds(*range, LENGTH));
            all.extend(pattern.map(|pattern| pattern_constraint(pattern.text)));
        }
        _ => {}
    }
    all.push(NOT_NULL.to_owned());
    all.join(", ")
}

const LENGTH: &str = "length";
const VALUE: &str = "value";

fn enum_constraint() -> String {
    "Member must satisfy enum value set".to_owned()
}

fn pattern_constraint(text: &str) -> String {
    format!("Member must satisfy regular expression pattern: {text}")
}

fn at_least(what: &str, min: i64) -> String {
    format!("Member must have {what} greater than or equal to {min}")
}

fn at_most(what: &str, max: i64) -> String {
    format!("Member must have {what} less than or equal to {max}")
}

fn bounds(range: Range, what: &str) -> impl Iterator<Item = String> {
    range.max.map(|max| at_most(what, max)).into_iter().chain(range.min.map(|min| at_least(what, min)))
}

fn out_of(range: Range, number: impl TryInto<i64>, what: &str) -> Option<String> {
    let number = number.try_into().unwrap_or(i64::MAX);
    let low = range.min.filter(|min| number < *min).map(|min| at_least(what, min));
    low.or_else(|| range.max.filter(|max| number > *max).map(|max| at_most(what, max)))
}
