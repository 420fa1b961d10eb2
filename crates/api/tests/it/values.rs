//! Random values of a schema, and the request that a client makes of a value.

use http::{HeaderMap, HeaderName, HeaderValue};
use rootward_names::Time;
use rootward_wire::{
    HttpRequest, Kind, Location, OperationSchema, Protocol, Record, Ref, Schema, Sensitive, SensitiveBlob,
    Structure, Value, to_json,
};

/// A stream of numbers that ends in zeros.
pub(crate) struct Source<'a>(pub(crate) std::slice::Iter<'a, u8>);

impl Source<'_> {
    pub(crate) fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    fn text(&mut self) -> String {
        const CHARS: [char; 16] =
            ['a', 'Z', '0', '.', '&', '=', '+', '%', ' ', '<', '"', '\r', '\n', 'é', '😀', '/'];
        let length = self.next() % 6;
        (0..length).map(|_| CHARS[usize::from(self.next() % 16)]).collect()
    }

    /// What a header can hold.
    fn header_text(&mut self) -> String {
        self.text().chars().filter(char::is_ascii_graphic).collect()
    }
}

/// A value of `schema`; `None` where it has no form on the wire (a structure without members).
///
/// Constraints are not kept, save that enums have their values; required members are present.
pub(crate) fn value(schema: &'static Schema, source: &mut Source<'_>) -> Option<Value> {
    Some(match &schema.kind {
        Kind::Blob(_) if schema.sensitive => Value::SecretBlob(SensitiveBlob::new(source.text())),
        Kind::Blob(_) => Value::Blob(source.text().into_bytes()),
        Kind::Boolean => Value::Boolean(source.next() % 2 == 1),
        Kind::Double => Value::Double(f64::from(source.next()) / 4.0),
        Kind::Enum(values) => Value::String(values[usize::from(source.next()) % values.len()].to_owned()),
        Kind::Integer(_) | Kind::Long(_) => Value::Integer(i64::from(source.next()) - 128),
        Kind::List(list) => {
            let length = source.next() % 3;
            Value::List((0..length).filter_map(|_| value(list.member, source)).map(Some).collect())
        }
        Kind::Map(map) => {
            let key = match value(map.key, source)? {
                Value::String(text) => text,
                _ => return None,
            };
            let entry = value(map.value, source)?;
            Value::Map(vec![(key, Some(entry))])
        }
        Kind::String(..) if schema.sensitive => Value::Secret(Sensitive::new(source.text())),
        Kind::String(..) => Value::String(source.text()),
        Kind::Structure(_) | Kind::Union(_) => {
            let record = record(schema, source);
            record.fields.iter().any(Option::is_some).then_some(Value::Structure(record))?
        }
        Kind::Timestamp(_) => Value::Timestamp(Time::from_seconds(i64::from(source.next()) * 10_000_000)),
    })
}

/// A structure with random members.
pub(crate) fn record(schema: &'static Schema, source: &mut Source<'_>) -> Record {
    let fields = schema.members().iter().map(|member| {
        let wanted = member.required || source.next() % 2 == 1;
        match (member.location, member.shape.sensitive) {
            _ if !wanted => None,
            (Location::Header, true) => Some(Value::Secret(Sensitive::new(source.header_text()))),
            (Location::Header, false) => Some(Value::String(source.header_text())),
            _ => value(member.shape, source),
        }
    });
    Record { schema, fields: fields.collect() }
}

/// What a client sends.
pub(crate) struct Sent {
    method: &'static str,
    path: &'static str,
    query: String,
    content_type: &'static str,
    target: Option<String>,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Sent {
    /// A call of `operation` with `input`, in the protocol that its service prefers.
    pub(crate) fn new(operation: &OperationSchema, input: &Record) -> Self {
        let service = operation.service;
        let (path, query) = operation.http.1.split_once('?').unwrap_or((operation.http.1, ""));
        let (mut query, mut headers) = (query.to_owned(), HeaderMap::new());
        let (content_type, target, body) = match service.protocols[0] {
            Protocol::Json => {
                let target = format!("{}.{}", service.target_prefix.unwrap(), operation.name);
                ("application/x-amz-json-1.1", Some(target), to_json(input).unwrap())
            }
            Protocol::Query => {
                let body = form(operation.name, service.version, input);
                ("application/x-www-form-urlencoded", None, body.into_bytes())
            }
            Protocol::RestJson => ("application/json", None, rest(input, &mut query, &mut headers)),
            Protocol::RestXml => panic!("no service speaks it"),
        };
        Self { method: operation.http.0, path, query, content_type, target, headers, body }
    }

    pub(crate) fn request(&self) -> HttpRequest<'_> {
        HttpRequest {
            method: self.method,
            path: self.path,
            query: &self.query,
            content_type: Some(self.content_type),
            target: self.target.as_deref(),
            headers: Some(&self.headers),
            body: &self.body,
            ..HttpRequest::default()
        }
    }
}

/// Puts the members of a REST request where they belong; the body.
fn rest(input: &Record, query: &mut String, headers: &mut HeaderMap) -> Vec<u8> {
    let (mut payload, mut has_payload) = (Vec::new(), false);
    for (member, field) in input.schema.members().iter().zip(&input.fields) {
        match (member.location, field) {
            (Location::Body, _) => {}
            (Location::Payload, field) => {
                has_payload = true;
                if let Some(Value::Structure(record)) = field {
                    payload = to_json(record).unwrap();
                }
            }
            (_, None) => {}
            (Location::Header, Some(value)) => {
                let name: HeaderName = member.wire_name().parse().unwrap();
                headers.insert(name, HeaderValue::from_str(text_of(value)).unwrap());
            }
            (Location::QueryString, Some(value)) => {
                query.push_str(&format!("&{}={}", member.wire_name(), escape(text_of(value))));
            }
            (Location::Headers | Location::StatusCode | Location::Uri, Some(_)) => {
                panic!("no request of ours has {}", member.name)
            }
        }
    }
    if has_payload { payload } else { to_json(&Record { fields: in_body(input), ..input.clone() }).unwrap() }
}

/// The members that are in the body.
fn in_body(input: &Record) -> Vec<Option<Value>> {
    let members = input.schema.members().iter().zip(&input.fields);
    members.map(|(member, field)| field.clone().filter(|_| member.location == Location::Body)).collect()
}

fn text_of(value: &Value) -> &str {
    match value {
        Value::Secret(text) => text.expose(),
        Value::String(text) => text,
        _ => panic!("no member of ours outside the body is anything but a text"),
    }
}

/// The form body that a client sends for `record`.
pub(crate) fn form(action: &str, version: &str, record: &dyn Structure) -> String {
    let mut out = format!("Action={action}&Version={version}");
    structure(record, "", &mut out);
    out
}

fn structure(structure: &dyn Structure, prefix: &str, out: &mut String) {
    for (index, member) in structure.schema().members().iter().enumerate() {
        if let Some(value) = structure.field(index) {
            parameters(member.shape, value, &format!("{prefix}{}", member.wire_name()), out);
        }
    }
}

fn parameters(schema: &Schema, value: Ref<'_>, key: &str, out: &mut String) {
    match (&schema.kind, value) {
        (Kind::List(list), Ref::List(items)) => {
            for index in 0..items.count() {
                let key = format!("{key}.{}.{}", list.member_name, index + 1);
                parameters(list.member, items.item(index).unwrap(), &key, out);
            }
            if items.count() == 0 {
                out.push_str(&format!("&{key}="));
            }
        }
        (Kind::Map(map), Ref::Map(entries)) => {
            let mut number = 0;
            entries.each(&mut |name, value| {
                number += 1;
                out.push_str(&format!("&{key}.entry.{number}.{}={}", map.key_name, escape(name)));
                parameters(map.value, value, &format!("{key}.entry.{number}.{}", map.value_name), out);
            });
        }
        (_, Ref::Structure(inner)) => structure(inner, &format!("{key}."), out),
        (_, Ref::Blob(bytes)) => out.push_str(&format!("&{key}={}", escape(&base64(bytes)))),
        (_, Ref::Boolean(flag)) => out.push_str(&format!("&{key}={flag}")),
        (_, Ref::Double(number)) => out.push_str(&format!("&{key}={number}")),
        (_, Ref::Integer(number)) => out.push_str(&format!("&{key}={number}")),
        (_, Ref::String(text)) => out.push_str(&format!("&{key}={}", escape(text))),
        (_, Ref::Timestamp(time)) => out.push_str(&format!("&{key}={}", escape(&time.to_string()))),
        _ => panic!("a value has not the type of its shape"),
    }
}

pub(crate) fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Written here and not taken from the library that the decoder uses.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let chunk =
        |chunk: &[u8]| -> String {
            let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            (0..4)
                .map(|at| {
                    if at > chunk.len() {
                        '='
                    } else {
                        ALPHABET[(bits >> (18 - 6 * at) & 63) as usize].into()
                    }
                })
                .collect()
        };
    bytes.chunks(3).map(chunk).collect()
}
