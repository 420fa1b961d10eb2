//! JSON taken apart member by member, so that every fault names the member and its line.
//!
//! Objects are strict: no member twice, and an unknown member is taken for a remark only as long as it cannot be a policy
//! (a misspelt `boundary` must not turn a denial into a permission). Values stay text until somebody wants them, which keeps
//! documents exactly as they were written and reads nesting of any depth in constant stack.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Why an input, or one case of it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// From 1.
    pub line: usize,
    /// The case's id, or which one it is if it has none.
    pub case: Option<String>,
    /// What is wrong, in one line.
    pub message: String,
}

impl Unreadable {
    pub(crate) fn new(line: usize, message: impl fmt::Display) -> Self {
        Self { line, case: None, message: one_line(&message.to_string()) }
    }

    /// The same, said of a case.
    pub(crate) fn of(self, case: &str) -> Self {
        Self { case: Some(one_line(case)), ..self }
    }
}

/// `line N: case ID: MESSAGE`
impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if let Some(case) = &self.case {
            write!(f, "case {case}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Unreadable {}

/// A value with its place and its name.
#[derive(Clone)]
pub(crate) struct Value<'a> {
    input: &'a str,
    /// Part of `input`.
    text: &'a str,
    /// Such as `request.action`; empty for a whole input.
    path: String,
}

/// The values of a text, one after another.
pub(crate) fn values(input: &str) -> impl Iterator<Item = Result<Value<'_>, Unreadable>> {
    serde_json::Deserializer::from_str(input).into_iter::<&RawValue>().map(move |value| match value {
        Ok(raw) => Ok(Value { input, text: raw.get(), path: String::new() }),
        Err(error) => Err(Unreadable::new(error.line(), reason(&error))),
    })
}

/// Without the place, which is relative to what was parsed.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    text.to_owned()
}

/// One line of bounded length without control characters: what is quoted may be anything.
fn one_line(text: &str) -> String {
    let mut chars = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut line: String = chars.by_ref().take(MESSAGE_CHARS_MAX).collect();
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

const MESSAGE_CHARS_MAX: usize = 300;

impl<'a> Value<'a> {
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The JSON as written.
    pub(crate) const fn text(&self) -> &'a str {
        self.text
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.text.bytes().next() {
            Some(b'"') => Kind::Text,
            Some(b'[') => Kind::List,
            Some(b'{') => Kind::Object,
            Some(b'n') => Kind::Null,
            Some(b't' | b'f') => Kind::Boolean,
            _ => Kind::Number,
        }
    }

    pub(crate) fn line(&self) -> usize {
        let at = self.text.as_ptr().addr().saturating_sub(self.input.as_ptr().addr());
        1 + self.input.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
    }

    pub(crate) fn fault(&self, message: impl fmt::Display) -> Unreadable {
        let name = if self.path.is_empty() { String::new() } else { format!("`{}` ", self.path) };
        Unreadable::new(self.line(), format_args!("{name}{message}"))
    }

    fn mistyped(&self, expected: &str) -> Unreadable {
        let subject = if self.path.is_empty() { "it " } else { "" };
        self.fault(format_args!("{subject}must be {expected}, found {}", self.kind().name()))
    }

    fn parse<T: Deserialize<'a>>(&self) -> Result<T, Unreadable> {
        serde_json::from_str(self.text).map_err(|error| {
            let line = self.line() + error.line().saturating_sub(1);
            Unreadable { line, ..self.fault(format_args!("cannot be read: {}", reason(&error))) }
        })
    }

    fn child(&self, name: &str, raw: &'a RawValue) -> Self {
        let path = match (self.path.is_empty(), name.starts_with('[')) {
            (true, _) => name.to_owned(),
            (false, true) => format!("{}{name}", self.path),
            (false, false) => format!("{}.{name}", self.path),
        };
        Self { input: self.input, text: raw.get(), path }
    }

    pub(crate) fn string(&self) -> Result<String, Unreadable> {
        if self.kind() != Kind::Text {
            return Err(self.mistyped("a string"));
        }
        self.parse()
    }

    pub(crate) fn boolean(&self) -> Result<bool, Unreadable> {
        if self.kind() != Kind::Boolean {
            return Err(self.mistyped("true or false"));
        }
        self.parse()
    }

    /// A string, number or boolean as text, numbers as they were written.
    pub(crate) fn scalar(&self) -> Result<String, Unreadable> {
        match self.kind() {
            Kind::Text => self.parse(),
            Kind::Number | Kind::Boolean => Ok(self.text.to_owned()),
            Kind::List | Kind::Null | Kind::Object => Err(self.mistyped("a string, number or boolean")),
        }
    }

    pub(crate) fn list(&self) -> Result<Vec<Self>, Unreadable> {
        if self.kind() != Kind::List {
            return Err(self.mistyped("a list"));
        }
        let elements: Vec<&'a RawValue> = self.parse()?;
        Ok(elements.into_iter().enumerate().map(|(at, raw)| self.child(&format!("[{at}]"), raw)).collect())
    }

    /// The elements of a list without names of their own, or the one value that this is.
    pub(crate) fn elements_or_self(self) -> Result<Vec<Self>, Unreadable> {
        if self.kind() != Kind::List {
            return Ok(vec![self]);
        }
        Ok(self.list()?.into_iter().map(|element| Self { path: String::new(), ..element }).collect())
    }

    pub(crate) fn object(&self) -> Result<Object<'a>, Unreadable> {
        if self.kind() != Kind::Object {
            return Err(self.mistyped("an object"));
        }
        let Members(members) = self.parse()?;
        let members = members.into_iter().map(|(name, raw)| (self.child(&name, raw), name)).collect();
        Ok(Object { whole: self.clone(), members })
    }

    /// Whether it holds an object, or is the text of one.
    fn may_be_policy(&self) -> bool {
        match self.kind() {
            Kind::Object => true,
            Kind::List => self.text.contains('{'),
            Kind::Text => self.string().is_ok_and(|text| text.trim_start().starts_with('{')),
            Kind::Boolean | Kind::Null | Kind::Number => false,
        }
    }
}

/// What a value is, by its first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    List,
    Null,
    Number,
    Object,
    Text,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "a boolean",
            Self::List => "a list",
            Self::Null => "null",
            Self::Number => "a number",
            Self::Object => "an object",
            Self::Text => "a string",
        }
    }
}

/// An object whose members are taken one by one.
pub(crate) struct Object<'a> {
    whole: Value<'a>,
    members: Vec<(Value<'a>, String)>,
}

impl<'a> Object<'a> {
    /// A member; none if it is absent or null.
    pub(crate) fn optional(&mut self, name: &str) -> Option<Value<'a>> {
        let at = self.members.iter().position(|(_, known)| known == name)?;
        let (value, _) = self.members.swap_remove(at);
        (value.kind() != Kind::Null).then_some(value)
    }

    pub(crate) fn required(&mut self, name: &str) -> Result<Value<'a>, Unreadable> {
        let here = |whole: &Value<'a>| if whole.path.is_empty() { "" } else { "has " }.to_owned();
        match self.members.iter().position(|(_, known)| known == name) {
            Some(at) => Ok(self.members.swap_remove(at).0),
            None => Err(self.whole.fault(format_args!("{}no member `{name}`", here(&self.whole)))),
        }
    }

    /// All members that were not taken, in the order of the text.
    pub(crate) fn rest(self) -> impl Iterator<Item = (String, Value<'a>)> {
        let mut members = self.members;
        members.sort_by_key(|(value, _)| value.text.as_ptr().addr());
        members.into_iter().map(|(value, name)| (name, value))
    }

    /// Passes over remarks: members that the format does not know and that cannot be policies.
    pub(crate) fn finish(self) -> Result<(), Unreadable> {
        match self.rest().find(|(_, value)| value.may_be_policy()) {
            Some((_, value)) => Err(value.fault("is no member of the format")),
            None => Ok(()),
        }
    }
}

/// The members of an object, none of them twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, &'de RawValue)> = Vec::new();
                let mut names = std::collections::HashSet::new();
                while let Some((name, raw)) = map.next_entry::<String, &'de RawValue>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format_args!("member `{name}` occurs twice")));
                    }
                    members.push((name, raw));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
