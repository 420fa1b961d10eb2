//! Constraints of the models, checked on a decoded input; every violation is collected, in the order of the model.
//!
//! Most services answer all of them. Message: `N validation error(s) detected: V; V`, each `V` being `Value at 'userName'
//! failed to satisfy constraint: Member must …`. Paths have a lower-case first letter; list members are
//! `tags.1.member.key`. A list of texts is one violation that names all constraints of its members, whichever failed.
//! Length comes before pattern. IAM names no enum values and quotes no value, save where an override says so; so values,
//! secret or not, stay out of messages. A service whose model says so ([`ConstraintError`]) answers an error of its own
//! with a reason for the first violation alone.
//!
//! Limit: the first [`ERRORS_MAX`] violations. Source: recorded answers of IAM.
//! DIFFERENCE: older answers of STS quote the value (`Value 'x' at …`); ours follow the newer form for both.
//! DIFFERENCE: some services give their `ValidationException` members besides the message (`fieldList`, `error`); what breaks
//! a constraint is told in the message alone.

use std::fmt::{self, Write};

use crate::error::{CommonError, Error, Members};
use crate::names::camel;
use crate::params::shortened;
use crate::{Constraint, ConstraintError, Kind, List, Map, Range, Record, Ref, Schema, ServiceSchema, Value};

/// Most violations that one answer lists.
pub const ERRORS_MAX: usize = 100;

/// Checks `record`, an input of `service`, against its schema.
///
/// # Errors
/// The service's own error for broken constraints with the first violation, where it has one; else `ValidationError`
/// with every violation.
pub fn validate(record: &Record, service: &ServiceSchema) -> Result<(), Error> {
    let mut checker = Checker::default();
    checker.structure(record);
    let Some(first) = checker.found.first() else { return Ok(()) };
    let own = service.constraint_error.and_then(|error| own_error(error, first));
    Err(own.unwrap_or_else(|| validation_error(&checker.found)))
}

/// Nothing where the service has no reason for this.
fn own_error(own: &ConstraintError, violation: &Violation) -> Option<Error> {
    let (constraint, shape) = (violation.rule.constraint(), violation.shape);
    let fits = own.reasons.iter().find(|reason| {
        reason.constraint == constraint && reason.shape.is_none_or(|name| name == shape.name)
    })?;
    let members = Members::from_iter([(own.member.to_owned(), fits.value.into())]);
    Some(Error { members, ..Error::new(own.error, fits.message) })
}

fn validation_error(violations: &[Violation]) -> Error {
    let count = violations.len();
    let plural = if count == 1 { "" } else { "s" };
    let list: Vec<String> = violations.iter().map(Violation::to_string).collect();
    let list = list.join("; ");
    CommonError::ValidationError.with(format!("{count} validation error{plural} detected: {list}"))
}

/// A value that breaks a rule.
struct Violation {
    path: String,
    /// Of the value.
    shape: &'static Schema,
    rule: Rule,
    /// The recorded form of the few members that quote: `Value "129" at "minimumPasswordLength"`.
    quoted: Option<i64>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, rule, .. } = self;
        match self.quoted {
            Some(number) => write!(f, "Value \"{number}\" at \"{path}\"")?,
            None => write!(f, "Value at '{path}'")?,
        }
        write!(f, " failed to satisfy constraint: {rule}")
    }
}

/// What a value must be.
#[derive(Clone, Copy)]
enum Rule {
    NotNull,
    OneMember,
    Enum,
    Pattern(&'static str),
    AtLeast(Measure, i64),
    AtMost(Measure, i64),
    Members(&'static Schema),
    MapKeys(&'static Schema),
    MapValues(&'static Schema),
}

#[derive(Clone, Copy)]
enum Measure {
    Length,
    Value,
}

impl Rule {
    fn constraint(self) -> Constraint {
        match self {
            Self::NotNull => Constraint::Required,
            Self::OneMember => Constraint::Union,
            Self::Enum => Constraint::Enum,
            Self::Pattern(_) => Constraint::Pattern,
            Self::AtLeast(Measure::Length, _) => Constraint::MinLength,
            Self::AtLeast(Measure::Value, _) => Constraint::MinValue,
            Self::AtMost(Measure::Length, _) => Constraint::MaxLength,
            Self::AtMost(Measure::Value, _) => Constraint::MaxValue,
            Self::Members(_) => Constraint::Members,
            Self::MapKeys(_) | Self::MapValues(_) => Constraint::Entries,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNull => f.write_str("Member must not be null"),
            Self::OneMember => f.write_str("Member must have exactly one member set"),
            Self::Enum => f.write_str("Member must satisfy enum value set"),
            Self::Pattern(text) => write!(f, "Member must satisfy regular expression pattern: {text}"),
            Self::AtLeast(what, min) => write!(f, "Member must have {what} greater than or equal to {min}"),
            Self::AtMost(what, max) => write!(f, "Member must have {what} less than or equal to {max}"),
            Self::Members(shape) => write!(f, "Member must satisfy constraint: [{}]", All(shape)),
            Self::MapKeys(shape) => write!(f, "Map keys must satisfy constraint: [{}]", All(shape)),
            Self::MapValues(shape) => write!(f, "Map value must satisfy constraint: [{}]", All(shape)),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "length",
            Self::Value => "value",
        })
    }
}

/// All rules of a scalar, as answers about lists and maps name them.
struct All(&'static Schema);

impl fmt::Display for All {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_kind = match &self.0.kind {
            Kind::Blob(range) => bounds(*range, Measure::Length).to_vec(),
            Kind::Enum(_) => vec![Some(Rule::Enum)],
            Kind::Integer(range) | Kind::Long(range) => bounds(*range, Measure::Value).to_vec(),
            Kind::String(range, pattern) => {
                let mut rules = bounds(*range, Measure::Length).to_vec();
                rules.push(pattern.map(|pattern| Rule::Pattern(pattern.text)));
                rules
            }
            _ => Vec::new(),
        };
        for rule in of_kind.into_iter().flatten() {
            write!(f, "{rule}, ")?;
        }
        Rule::NotNull.fmt(f)
    }
}

#[derive(Default)]
struct Checker {
    path: String,
    found: Vec<Violation>,
}

impl Checker {
    fn fail(&mut self, shape: &'static Schema, rule: Rule) {
        self.push(shape, rule, None);
    }

    fn push(&mut self, shape: &'static Schema, rule: Rule, quoted: Option<i64>) {
        if self.found.len() < ERRORS_MAX {
            self.found.push(Violation { path: self.path.clone(), shape, rule, quoted });
        }
    }

    /// Runs `check` with `.segment` added to the path.
    fn below(&mut self, segment: fmt::Arguments<'_>, check: impl FnOnce(&mut Self)) {
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
                None if member.required => checker.fail(member.shape, Rule::NotNull),
                None => {}
            });
        }
        if let Kind::Union(_) = record.schema.kind
            && record.fields.iter().flatten().count() != 1
        {
            self.fail(record.schema, Rule::OneMember);
        }
    }

    fn value(&mut self, schema: &'static Schema, value: &Value) {
        match (&schema.kind, value) {
            (Kind::List(shape), Value::List(items)) => self.list(schema, shape, items),
            (Kind::Map(shape), Value::Map(entries)) => self.map(schema, shape, entries),
            (_, Value::Structure(record)) => self.structure(record),
            (Kind::Integer(range) | Kind::Long(range), Value::Integer(number)) => {
                for rule in broken(schema, Ref::Integer(*number)) {
                    self.push(schema, rule, range.quoted.then_some(*number));
                }
            }
            _ => broken(schema, value.as_ref()).into_iter().for_each(|rule| self.fail(schema, rule)),
        }
    }

    fn list(&mut self, schema: &'static Schema, shape: &'static List, items: &[Option<Value>]) {
        if let Some(rule) = out_of(shape.length, items.len(), Measure::Length) {
            self.fail(schema, rule);
        }
        if is_scalar(shape.member) {
            if items.iter().any(|item| fails(shape.member, item.as_ref())) {
                self.fail(schema, Rule::Members(shape.member));
            }
            return;
        }
        for (item, number) in items.iter().zip(1_usize..) {
            self.below(format_args!("{number}.member"), |checker| match item {
                Some(item) => checker.value(shape.member, item),
                None => checker.fail(shape.member, Rule::NotNull),
            });
        }
    }

    fn map(&mut self, schema: &'static Schema, shape: &'static Map, entries: &[(String, Option<Value>)]) {
        if let Some(rule) = out_of(shape.length, entries.len(), Measure::Length) {
            self.fail(schema, rule);
        }
        if entries.iter().any(|(key, _)| !broken(shape.key, Ref::String(key)).is_empty()) {
            self.fail(schema, Rule::MapKeys(shape.key));
        }
        if is_scalar(shape.value) {
            if entries.iter().any(|(_, value)| fails(shape.value, value.as_ref())) {
                self.fail(schema, Rule::MapValues(shape.value));
            }
            return;
        }
        for (key, value) in entries {
            self.below(format_args!("{}.member", shortened(key)), |checker| match value {
                Some(value) => checker.value(shape.value, value),
                None => checker.fail(shape.value, Rule::NotNull),
            });
        }
    }
}

fn is_scalar(schema: &Schema) -> bool {
    !matches!(schema.kind, Kind::List(_) | Kind::Map(_) | Kind::Structure(_) | Kind::Union(_))
}

fn fails(schema: &Schema, value: Option<&Value>) -> bool {
    value.is_none_or(|value| !broken(schema, value.as_ref()).is_empty())
}

/// The rules of a scalar that `value` breaks.
fn broken(schema: &Schema, value: Ref<'_>) -> Vec<Rule> {
    let mut found = Vec::new();
    match (&schema.kind, value) {
        (Kind::Blob(range), Ref::Blob(bytes)) => found.extend(out_of(*range, bytes.len(), Measure::Length)),
        (Kind::Enum(values), Ref::String(text)) => {
            found.extend((!values.contains(&text)).then_some(Rule::Enum))
        }
        (Kind::Integer(range) | Kind::Long(range), Ref::Integer(number)) => {
            found.extend(out_of(*range, number, Measure::Value))
        }
        (Kind::String(range, pattern), Ref::String(text)) => {
            found.extend(out_of(*range, text.chars().count(), Measure::Length));
            let pattern = pattern.filter(|pattern| !pattern.matches(text));
            found.extend(pattern.map(|pattern| Rule::Pattern(pattern.text)));
        }
        _ => {}
    }
    found
}

fn bounds(range: Range, what: Measure) -> [Option<Rule>; 2] {
    [range.max.map(|max| Rule::AtMost(what, max)), range.min.map(|min| Rule::AtLeast(what, min))]
}

fn out_of(range: Range, number: impl TryInto<i64>, what: Measure) -> Option<Rule> {
    let number = number.try_into().unwrap_or(i64::MAX);
    let low = range.min.filter(|min| number < *min).map(|min| Rule::AtLeast(what, min));
    low.or_else(|| range.max.filter(|max| number > *max).map(|max| Rule::AtMost(what, max)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorSchema, Fault, Member, Pattern, Protocol, Reason};

    static DIGITS: Pattern = Pattern::expression(r"\d+", r"\d+", None);
    static TEXT: Schema = Schema::new("Text", Kind::String(Range::new(2, 4), Some(&DIGITS)));
    static NUMBER: Schema = Schema::new("Number", Kind::Integer(Range::new(1, 20)));
    static COLOR: Schema = Schema::new("Color", Kind::Enum(&["RED"]));
    static SIZE: Schema = Schema::new("Size", Kind::Enum(&["BIG"]));
    static TEXTS: Schema = Schema::new(
        "Texts",
        Kind::List(List { member: &TEXT, member_name: "member", flattened: false, length: Range::ANY }),
    );
    static INPUT: Schema = Schema::new(
        "Input",
        Kind::Structure(&[
            Member::new("Text", &TEXT).required(),
            Member::new("Number", &NUMBER),
            Member::new("Color", &COLOR),
            Member::new("Size", &SIZE),
            Member::new("Texts", &TEXTS),
        ]),
    );
    static ERROR: ErrorSchema = ErrorSchema { code: "Wrong", status: 400, fault: Fault::Sender };
    static COMMON: ServiceSchema = ServiceSchema {
        name: "common",
        id: "Common",
        version: "2014-01-01",
        protocols: &[Protocol::Json],
        xml_namespace: "",
        target_prefix: None,
        json_version: "1.1",
        event_source: "common",
        is_global: false,
        operations: &[],
        errors: &[],
        constraint_error: None,
    };

    const fn reason(constraint: Constraint, value: &'static str) -> Reason {
        Reason { constraint, shape: None, value, message: "No." }
    }

    static OWN_ERROR: ConstraintError = ConstraintError {
        error: &ERROR,
        member: "Why",
        reasons: &[
            reason(Constraint::Required, "MISSING"),
            Reason { constraint: Constraint::Enum, shape: Some("Size"), value: "SIZE", message: "No size." },
            reason(Constraint::Enum, "ENUM"),
            reason(Constraint::Pattern, "PATTERN"),
            reason(Constraint::MinLength, "SHORT"),
            reason(Constraint::MaxLength, "LONG"),
            reason(Constraint::MinValue, "LOW"),
            reason(Constraint::Members, "MEMBER"),
        ],
    };
    static OWN: ServiceSchema = ServiceSchema { constraint_error: Some(&OWN_ERROR), ..COMMON };

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    /// A good input with another value for the member at `index`.
    fn with(index: usize, value: Option<Value>) -> Record {
        let mut record = Record::empty(&INPUT);
        record.fields[0] = Some(text("123"));
        record.fields[index] = value;
        record
    }

    #[test]
    fn own_error_has_the_reason_of_the_constraint() {
        for (index, value, why, message) in [
            (0, None, "MISSING", "No."),
            (0, Some(text("1")), "SHORT", "No."),
            (0, Some(text("12345")), "LONG", "No."),
            (0, Some(text("abc")), "PATTERN", "No."),
            (1, Some(Value::Integer(0)), "LOW", "No."),
            (2, Some(text("BLUE")), "ENUM", "No."),
            (3, Some(text("SMALL")), "SIZE", "No size."),
            (4, Some(Value::List(vec![Some(text("abc"))])), "MEMBER", "No."),
            (4, Some(Value::List(vec![None])), "MEMBER", "No."),
        ] {
            let error = validate(&with(index, value), &OWN).unwrap_err();
            assert_eq!((error.code.as_ref(), error.status, error.message.as_str()), ("Wrong", 400, message));
            assert_eq!(serde_json::Value::Object(error.members), serde_json::json!({ "Why": why }));
        }
        assert_eq!(validate(&with(1, Some(Value::Integer(20))), &OWN), Ok(()));
    }

    #[test]
    fn own_error_is_about_the_first_violation_in_the_order_of_the_model() {
        let mut record = with(0, Some(text("abcde")));
        record.fields[2] = Some(text("BLUE"));
        assert_eq!(validate(&record, &OWN).unwrap_err().members["Why"], "LONG");
        record.fields[0] = Some(text("123"));
        assert_eq!(validate(&record, &OWN).unwrap_err().members["Why"], "ENUM");
    }

    #[test]
    fn constraint_without_a_reason_is_answered_as_by_every_service() {
        let record = with(1, Some(Value::Integer(21)));
        let error = validate(&record, &OWN).unwrap_err();
        assert_eq!(error.code, "ValidationError");
        assert_eq!(
            error.message,
            "1 validation error detected: Value at 'number' failed to satisfy constraint: Member must have value less \
             than or equal to 20"
        );
        assert_eq!(validate(&record, &COMMON), Err(error));
    }

    #[test]
    fn every_violation_is_listed_where_the_service_has_no_error_of_its_own() {
        let mut record = with(0, Some(text("abcde")));
        record.fields[4] = Some(Value::List(vec![None]));
        let error = validate(&record, &COMMON).unwrap_err();
        assert!(error.members.is_empty());
        assert_eq!(
            error.message,
            "3 validation errors detected: Value at 'text' failed to satisfy constraint: Member must have length less than \
             or equal to 4; Value at 'text' failed to satisfy constraint: Member must satisfy regular expression pattern: \
             \\d+; Value at 'texts' failed to satisfy constraint: Member must satisfy constraint: [Member must have length \
             less than or equal to 4, Member must have length greater than or equal to 2, Member must satisfy regular \
             expression pattern: \\d+, Member must not be null]"
        );
    }
}
