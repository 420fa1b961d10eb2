//! JSON over the same schemas: the bodies of the JSON protocols, and the parameters in audit records.
//!
//! Writing is a serde `Serialize` over any [`Structure`], in model order; reading goes by the schema and refuses what has
//! another type, with the texts of AWS's own `SerializationException`. Nesting is bounded by the JSON parser (128). A key
//! that occurs twice in one object is refused: two readers of one signed request must not see two different values.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value as Json;

use crate::error::Error;
use crate::names::camel;
use crate::{
    Entries, Items, Kind, Location, Member, Mismatch, Record, Ref, Schema, Structure, TimestampFormat, Value,
    timestamp,
};

/// What an audit record shows of sensitive members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// The text `HIDDEN_DUE_TO_SECURITY_REASONS` in place of the value.
    Hidden,
    /// No member at all, as IAM does with passwords and secret keys.
    Omitted,
}

/// The text that stands in for a sensitive value.
pub const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// `requestParameters` or `responseElements` of an audit record: names with a lower-case first letter, instants as
/// CloudTrail shows them, nothing sensitive.
///
/// # Errors
/// [`Mismatch`] when the structure does not fit its schema, which is our bug.
pub fn audit_json(structure: &dyn Structure, secrets: Secrets) -> Result<String, Mismatch> {
    let view = View { structure, style: Style::Audit(secrets) };
    serde_json::to_string(&view).map_err(|_| Mismatch)
}

/// The body of a JSON request or response.
///
/// # Errors
/// [`Mismatch`] when the structure does not fit its schema, which is our bug.
pub fn to_json(structure: &dyn Structure) -> Result<Vec<u8>, Mismatch> {
    serde_json::to_vec(&View { structure, style: Style::Wire }).map_err(|_| Mismatch)
}

/// The body of a REST-JSON response: the members that belong nowhere else.
pub(crate) fn document(structure: &dyn Structure) -> Result<Vec<u8>, Mismatch> {
    serde_json::to_vec(&View { structure, style: Style::Document }).map_err(|_| Mismatch)
}

/// The body of a REST-JSON response whose member is the body.
pub(crate) fn payload(member: &Member, value: Ref<'_>) -> Result<Vec<u8>, Mismatch> {
    let view = ValueView { schema: member.shape, format: member.timestamp, value, style: Style::Wire };
    serde_json::to_vec(&view).map_err(|_| Mismatch)
}

#[derive(Clone, Copy)]
enum Style {
    Audit(Secrets),
    /// Of the members in the body alone; below them as on the wire.
    Document,
    Wire,
}

struct View<'a> {
    structure: &'a dyn Structure,
    style: Style,
}

struct ValueView<'a> {
    schema: &'a Schema,
    format: Option<TimestampFormat>,
    value: Ref<'a>,
    style: Style,
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let below = if let Style::Document = self.style { Style::Wire } else { self.style };
        let mut map = serializer.serialize_map(None)?;
        for (index, member) in self.structure.schema().members().iter().enumerate() {
            let Some(value) = self.structure.field(index) else { continue };
            let view = ValueView { schema: member.shape, format: member.timestamp, value, style: below };
            match self.style {
                Style::Audit(Secrets::Omitted) if member.shape.sensitive => {}
                Style::Audit(_) => map.serialize_entry(&camel(member.name).to_string(), &view)?,
                Style::Document if !is_in_document(member.location) => {}
                Style::Document | Style::Wire => map.serialize_entry(member.wire_name(), &view)?,
            }
        }
        map.end()
    }
}

/// Path and query string are for requests; a response has such a member in its body.
fn is_in_document(location: Location) -> bool {
    matches!(location, Location::Body | Location::QueryString | Location::Uri)
}

impl Serialize for ValueView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.schema.sensitive && matches!(self.style, Style::Audit(_)) {
            return serializer.serialize_str(HIDDEN);
        }
        let style = self.style;
        match (self.value, &self.schema.kind) {
            (Ref::Blob(bytes), _) => serializer.serialize_str(&STANDARD.encode(bytes)),
            (Ref::Boolean(flag), _) => serializer.serialize_bool(flag),
            (Ref::Double(number), _) => serializer.serialize_f64(number),
            (Ref::Integer(number), _) => serializer.serialize_i64(number),
            (Ref::List(items), Kind::List(shape)) => list(items, shape.member, style, serializer),
            (Ref::Map(entries), Kind::Map(shape)) => map(entries, shape.value, style, serializer),
            (Ref::String(text), _) => serializer.serialize_str(text),
            (Ref::Structure(structure), _) => View { structure, style }.serialize(serializer),
            (Ref::Timestamp(time), kind) => self.time(time, kind, serializer),
            _ => Err(S::Error::custom("a value has not the type of its shape")),
        }
    }
}

impl ValueView<'_> {
    fn time<S: Serializer>(
        &self,
        time: rootward_names::Time,
        kind: &Kind,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let own = if let Kind::Timestamp(format) = kind { *format } else { None };
        match (self.style, self.format.or(own)) {
            (Style::Audit(_), _) => serializer.serialize_str(&timestamp::trail_date(time)),
            (_, None | Some(TimestampFormat::EpochSeconds)) => serializer.serialize_i64(time.seconds()),
            (_, Some(format)) => serializer.serialize_str(&timestamp::text(time, format)),
        }
    }
}

fn list<S: Serializer>(
    items: &dyn Items,
    schema: &Schema,
    style: Style,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut seq = serializer.serialize_seq(None)?;
    for value in (0..items.count()).filter_map(|index| items.item(index)) {
        seq.serialize_element(&ValueView { schema, format: None, value, style })?;
    }
    seq.end()
}

fn map<S: Serializer>(
    entries: &dyn Entries,
    schema: &Schema,
    style: Style,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    let mut outcome = Ok(());
    entries.each(&mut |key, value| {
        if outcome.is_ok() {
            outcome = map.serialize_entry(key, &ValueView { schema, format: None, value, style });
        }
    });
    outcome?;
    map.end()
}

/// Decodes the input `schema` from a JSON body. An empty body is an empty input.
pub(crate) fn decode(schema: &'static Schema, body: &[u8]) -> Result<Record, Error> {
    object(body)?.map_or_else(|| Ok(Record::empty(schema)), |object| record(schema, object))
}

/// The object that is the body; none for an empty one.
pub(crate) fn object(body: &[u8]) -> Result<Option<Object>, Error> {
    if body.is_empty() {
        return Ok(None);
    }
    match tree(body)? {
        Json::Object(object) => Ok(Some(object)),
        _ => Err(Error::serialization("The body is not a JSON object")),
    }
}

/// The JSON that is the body.
pub(crate) fn tree(body: &[u8]) -> Result<Json, Error> {
    serde_json::from_slice(body)
        .map(|Strict(json)| json)
        .map_err(|error| Error::serialization(format!("The body is not valid JSON: {error}")))
}

fn record(schema: &'static Schema, mut object: Object) -> Result<Record, Error> {
    let fields = schema.members().iter().map(|member| match object.remove(member.wire_name()) {
        Some(json) => value(member.shape, json),
        None => Ok(None),
    });
    Ok(Record { schema, fields: fields.collect::<Result<_, _>>()? })
}

/// The value of `json` as `schema` has it; none for `null`.
pub(crate) fn value(schema: &'static Schema, json: Json) -> Result<Option<Value>, Error> {
    if json.is_null() {
        return Ok(None);
    }
    let wrong = |found: &Json| Error::serialization(mismatch(&schema.kind, found));
    let value = match (&schema.kind, json) {
        (Kind::Blob(_), Json::String(text)) => {
            let bytes = STANDARD.decode(text).map_err(|_| Error::serialization("Invalid base64"))?;
            Value::blob(schema, bytes)
        }
        (Kind::Boolean, Json::Bool(flag)) => Value::Boolean(flag),
        (Kind::Double, Json::Number(number)) => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        (Kind::Integer(_), Json::Number(number)) => {
            Value::Integer(integer(&number, i32::MIN.into(), i32::MAX.into())?)
        }
        (Kind::Long(_), Json::Number(number)) => Value::Integer(integer(&number, i64::MIN, i64::MAX)?),
        (Kind::Enum(_) | Kind::String(..), Json::String(text)) => Value::text(schema, text),
        (Kind::Timestamp(_), json) => Value::Timestamp(instant(&json).ok_or_else(|| wrong(&json))?),
        (Kind::List(shape), Json::Array(items)) => {
            Value::List(items.into_iter().map(|item| value(shape.member, item)).collect::<Result<_, _>>()?)
        }
        (Kind::Map(shape), Json::Object(object)) => {
            let entries = object.into_iter().map(|(key, item)| Ok((key, value(shape.value, item)?)));
            Value::Map(entries.collect::<Result<_, Error>>()?)
        }
        (Kind::Structure(_) | Kind::Union(_), Json::Object(object)) => {
            Value::Structure(record(schema, object)?)
        }
        (_, json) => return Err(wrong(&json)),
    };
    Ok(Some(value))
}

pub(crate) type Object = serde_json::Map<String, Json>;

/// JSON in which no object has a key twice.
struct Strict(Json);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Bool(flag))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(text.into())
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut object = Object::new();
        while let Some((key, Strict(item))) = map.next_entry::<String, Strict>()? {
            if object.insert(key, item).is_some() {
                return Err(de::Error::custom("a key occurs twice"));
            }
        }
        Ok(Json::Object(object))
    }
}

fn integer(number: &serde_json::Number, min: i64, max: i64) -> Result<i64, Error> {
    let number = number.as_i64().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| Error::serialization("A number is out of the range of an integer"))
}

fn instant(json: &Json) -> Option<rootward_names::Time> {
    match json {
        Json::Number(number) => timestamp::from_seconds(number.as_f64()?),
        Json::String(text) => timestamp::parse(text),
        _ => None,
    }
}

fn mismatch(expected: &Kind, found: &Json) -> String {
    let found = match found {
        Json::Array(_) => return "Start of list found where not expected".to_owned(),
        Json::Object(_) => return "Start of structure or map found where not expected.".to_owned(),
        Json::Bool(true) => "TRUE_VALUE",
        Json::Bool(false) => "FALSE_VALUE",
        Json::Null => "NULL_VALUE",
        Json::Number(_) => "NUMBER_VALUE",
        Json::String(_) => "STRING_VALUE",
    };
    let expected = match expected {
        Kind::Blob(_) => "a ByteBuffer",
        Kind::Boolean => "a Boolean",
        Kind::Double => "a Double",
        Kind::Enum(_) | Kind::String(..) => "a String",
        Kind::Integer(_) => "an Integer",
        Kind::Long(_) => "a Long",
        Kind::List(_) | Kind::Map(_) | Kind::Structure(_) | Kind::Union(_) => {
            return "Unexpected value where a list, a map or a structure was expected".to_owned();
        }
        Kind::Timestamp(_) => "a Date",
    };
    format!("{found} can not be converted to {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EMPTY, List, Map, Range};

    static TEXT: Schema = Schema::new("Text", Kind::String(Range::ANY, None));
    static SECRET: Schema = Schema::new("Secret", Kind::String(Range::ANY, None)).sensitive();
    static NUMBER: Schema = Schema::new("Number", Kind::Integer(Range::ANY));
    static WHEN: Schema = Schema::new("When", Kind::Timestamp(None));
    static TEXTS: Schema = Schema::new(
        "Texts",
        Kind::List(List { member: &TEXT, member_name: "member", flattened: false, length: Range::ANY }),
    );
    static NUMBERS: Schema = Schema::new(
        "Numbers",
        Kind::Map(Map {
            key: &TEXT,
            value: &NUMBER,
            key_name: "key",
            value_name: "value",
            flattened: false,
            length: Range::ANY,
        }),
    );
    // Refers to itself, as models may.
    static INPUT: Schema = Schema::new(
        "Input",
        Kind::Structure(&[
            Member::new("Texts", &TEXTS),
            Member::new("Numbers", &NUMBERS),
            Member::new("When", &WHEN),
            Member::new("Secret", &SECRET),
            Member::new("Inner", &INPUT).named("inner"),
        ]),
    );

    fn message(body: &str) -> String {
        let error = decode(&INPUT, body.as_bytes()).unwrap_err();
        assert_eq!(error.code, "SerializationException");
        error.message
    }

    #[test]
    fn body_reads_and_writes_back() {
        let body =
            r#"{"Texts":["a","é"],"Numbers":{"n":-1},"When":1704067200,"Secret":"s","inner":{"Texts":[]}}"#;
        let record = decode(&INPUT, body.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(to_json(&record).unwrap()).unwrap(), body);
        assert!(!format!("{record:?}").contains("\"s\""));
    }

    #[test]
    fn null_and_unknown_members_are_absent() {
        let record = decode(&INPUT, br#"{"Texts":null,"Other":1}"#).unwrap();
        assert_eq!(record, Record::empty(&INPUT));
        assert_eq!(decode(&EMPTY, b"").unwrap(), Record::empty(&EMPTY));
    }

    #[test]
    fn value_of_another_type_is_named() {
        assert_eq!(message(r#"{"Numbers":{"n":"1"}}"#), "STRING_VALUE can not be converted to an Integer");
        assert_eq!(message(r#"{"Texts":[1]}"#), "NUMBER_VALUE can not be converted to a String");
        assert_eq!(message(r#"{"Texts":[[]]}"#), "Start of list found where not expected");
        assert_eq!(message(r#"{"Numbers":{"n":3000000000}}"#), "A number is out of the range of an integer");
        assert_eq!(message("[]"), "The body is not a JSON object");
    }

    #[test]
    fn broken_or_too_deep_body_is_an_error() {
        assert!(message("{").starts_with("The body is not valid JSON"));
        assert!(message(&(r#"{"inner":"#.repeat(1000))).starts_with("The body is not valid JSON"));
    }

    #[test]
    fn key_that_occurs_twice_is_refused_wherever_it_is() {
        for body in [
            r#"{"Secret":"a","Secret":"b"}"#,
            r#"{"Secret":"a","\u0053ecret":"b"}"#,
            r#"{"Numbers":{"n":1,"n":1}}"#,
            r#"{"Unknown":[{"a":1,"a":2}]}"#,
        ] {
            assert!(message(body).contains("a key occurs twice"), "{body}");
        }
    }

    #[test]
    fn audit_hides_or_omits_what_is_sensitive() {
        let record = decode(&INPUT, br#"{"Secret":"s","When":0,"inner":{"Secret":"t"}}"#).unwrap();
        assert_eq!(
            audit_json(&record, Secrets::Hidden).unwrap(),
            format!(
                r#"{{"when":"Jan 1, 1970 12:00:00 AM","secret":"{HIDDEN}","inner":{{"secret":"{HIDDEN}"}}}}"#
            )
        );
        assert_eq!(
            audit_json(&record, Secrets::Omitted).unwrap(),
            r#"{"when":"Jan 1, 1970 12:00:00 AM","inner":{}}"#
        );
    }
}
