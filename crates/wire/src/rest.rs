//! REST-JSON: members in path, query string, headers and body, by the locations of the schema.
//!
//! The way in: labels are escaped segments of the path; a list in the query string is its parameter again and again, a map
//! all parameters that no member names; a list in a header is separated by commas, a map all headers with its prefix; the
//! payload member is the body itself, else the body is a JSON object of the other members. The way out is the same.
//!
//! Strict: a scalar that is there twice, broken escapes, text that is not UTF-8 and JSON with a key twice are refused with
//! `SerializationException`. Limits: as many query parameters as the query protocol takes, JSON as deep as its parser goes.
//!
//! Source: Smithy, "AWS restJson1 protocol" and "HTTP bindings".

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value as Json;

use crate::error::Error;
use crate::params::{PARAMS_MAX, shortened};
use crate::percent::{self, Plus};
use crate::route::Labels;
use crate::{
    EMPTY, Kind, List, Location, Map, Member, OperationSchema, Record, Ref, Response, Schema, Structure,
    TimestampFormat, Value, json, scalar,
};

/// Everything that may hold a member.
pub(crate) struct Content<'a> {
    pub(crate) labels: Labels<'a>,
    pub(crate) query: &'a str,
    pub(crate) headers: Option<&'a HeaderMap>,
    pub(crate) body: &'a [u8],
}

/// Decodes the input `schema`.
pub(crate) fn decode(schema: &'static Schema, content: &Content<'_>) -> Result<Record, Error> {
    let members = schema.members();
    let has_payload = members.iter().any(|member| member.location == Location::Payload);
    let mut object =
        if has_payload { serde_json::Map::new() } else { json::object(content.body)?.unwrap_or_default() };
    let query = parameters(content.query)?;
    let fields = members.iter().map(|member| match member.location {
        Location::Body => {
            object.remove(member.wire_name()).map_or(Ok(None), |json| json::value(member.shape, json))
        }
        Location::Header => in_header(member, content.headers),
        Location::Headers => in_headers(member, content.headers),
        Location::Payload => payload(member.shape, content.body),
        Location::QueryString => in_query(member, members, &query),
        // Of responses only.
        Location::StatusCode => Ok(None),
        Location::Uri => in_path(member, &content.labels),
    });
    Ok(Record { schema, fields: fields.collect::<Result<_, _>>()? })
}

fn in_path(member: &Member, labels: &Labels<'_>) -> Result<Option<Value>, Error> {
    let label = labels.iter().find(|(name, _)| *name == member.wire_name());
    let text = label.map(|(_, raw)| percent::decode(raw.as_bytes(), Plus::Itself));
    let text =
        text.transpose().map_err(|broken| Error::serialization(format!("The path contains {broken}")))?;
    text.map(|text| one(member, &text)).transpose()
}

type Parameters<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

fn parameters(query: &str) -> Result<Parameters<'_>, Error> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    if pairs.clone().count() > PARAMS_MAX {
        return Err(Error::serialization(format!("The request has more than {PARAMS_MAX} parameters")));
    }
    let halves = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    halves.map(|(name, value)| Ok((parameter(name)?, parameter(value)?))).collect()
}

fn parameter(raw: &str) -> Result<Cow<'_, str>, Error> {
    percent::decode(raw.as_bytes(), Plus::Space)
        .map_err(|broken| Error::serialization(format!("The query string contains {broken}")))
}

fn in_query(member: &Member, members: &[Member], query: &Parameters<'_>) -> Result<Option<Value>, Error> {
    if let Kind::Map(shape) = &member.shape.kind {
        return rest_of_query(member, shape, members, query);
    }
    let name = member.wire_name();
    let mut values = query.iter().filter(|(given, _)| given == name).map(|(_, value)| &**value);
    if let Kind::List(shape) = &member.shape.kind {
        let items: Vec<_> = values.map(|text| item(member, shape, text)).collect::<Result<_, _>>()?;
        return Ok((!items.is_empty()).then_some(Value::List(items)));
    }
    let first = values.next();
    if values.next().is_some() {
        return Err(twice(name));
    }
    first.map(|text| one(member, text)).transpose()
}

/// The parameters that no other member takes, nor the signature.
fn rest_of_query(
    member: &Member,
    shape: &Map,
    members: &[Member],
    query: &Parameters<'_>,
) -> Result<Option<Value>, Error> {
    let is_taken = |name: &str| {
        let mut others = members.iter().filter(|other| other.location == Location::QueryString);
        let is_signature = name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"));
        is_signature || others.any(|other| other.name != member.name && other.wire_name() == name)
    };
    // Sorted: a signature does not cover their order.
    let mut entries = BTreeMap::new();
    for (name, text) in query.iter().filter(|(name, _)| !is_taken(name)) {
        match (&shape.value.kind, entries.get_mut(&**name)) {
            (Kind::List(list), Some(Value::List(items))) => items.push(item(member, list, text)?),
            (Kind::List(list), None) => {
                entries.insert(name.to_string(), Value::List(vec![item(member, list, text)?]));
            }
            (_, None) => {
                entries.insert(name.to_string(), text_of(member, shape.value, text)?);
            }
            (_, Some(_)) => return Err(twice(name)),
        }
    }
    let entries: Vec<_> = entries.into_iter().map(|(name, value)| (name, Some(value))).collect();
    Ok((!entries.is_empty()).then_some(Value::Map(entries)))
}

fn in_header(member: &Member, headers: Option<&HeaderMap>) -> Result<Option<Value>, Error> {
    let name = member.wire_name();
    let lines = headers.into_iter().flat_map(|headers| headers.get_all(name));
    let lines: Vec<&str> = lines.map(|line| header_text(name, line)).collect::<Result<_, _>>()?;
    match (&member.shape.kind, lines.as_slice()) {
        (_, []) => Ok(None),
        (Kind::List(shape), lines) => {
            let is_date = matches!(shape.member.kind, Kind::Timestamp(_));
            let items = lines.iter().flat_map(|line| if is_date { dates(line) } else { elements(line) });
            let items: Vec<_> = items.map(|text| item(member, shape, &text)).collect::<Result<_, _>>()?;
            Ok((!items.is_empty()).then_some(Value::List(items)))
        }
        (_, [line]) => one(member, line.trim()).map(Some),
        (_, [..]) => Err(twice(name)),
    }
}

/// The headers that begin with the name of the member, under the rest of their names.
fn in_headers(member: &Member, headers: Option<&HeaderMap>) -> Result<Option<Value>, Error> {
    let Kind::Map(shape) = &member.shape.kind else { return Ok(None) };
    let prefix = member.wire_name().to_ascii_lowercase();
    let mut entries = Vec::new();
    for name in headers.into_iter().flat_map(HeaderMap::keys) {
        let Some(key) = name.as_str().strip_prefix(&prefix).filter(|key| !key.is_empty()) else { continue };
        let mut lines = headers.into_iter().flat_map(|headers| headers.get_all(name));
        let line = lines.next().map(|line| header_text(name.as_str(), line)).transpose()?;
        if lines.next().is_some() {
            return Err(twice(name.as_str()));
        }
        let value = line.map(|line| text_of(member, shape.value, line)).transpose()?;
        entries.push((key.to_owned(), value));
    }
    // A map of headers has no order of its own.
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok((!entries.is_empty()).then_some(Value::Map(entries)))
}

fn header_text<'h>(name: &str, line: &'h HeaderValue) -> Result<&'h str, Error> {
    std::str::from_utf8(line.as_bytes())
        .map_err(|_| Error::serialization(format!("The header {} is not UTF-8", shortened(name))))
}

/// The elements of a header: separated by commas, in quotation marks where they hold one.
fn elements(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (element, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let (element, after) = rest.split_once(',').unwrap_or((rest, ""));
                (element.trim().to_owned(), after)
            }
        };
        found.push(element);
        rest = after.trim_start();
    }
    found
}

/// A quoted element up to its closing mark, and what follows the next comma.
fn unquoted(text: &str) -> (String, &str) {
    let mut element = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => element.extend(chars.next()),
            _ => element.push(c),
        }
    }
    (element, chars.as_str().split_once(',').map_or("", |(_, after)| after))
}

/// The elements of a header of dates: an HTTP date has a comma of its own.
fn dates(line: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in line.split(',').map(str::trim) {
        match found.last_mut() {
            Some(day) if day.len() == 3 => day.extend([", ", part]),
            _ => found.push(part.to_owned()),
        }
    }
    found
}

fn payload(schema: &'static Schema, body: &[u8]) -> Result<Option<Value>, Error> {
    if body.is_empty() {
        return Ok(None);
    }
    match schema.kind {
        Kind::Blob(_) => Ok(Some(Value::blob(schema, body.to_vec()))),
        Kind::Enum(_) | Kind::String(..) => {
            let text = std::str::from_utf8(body);
            let text = text.map_err(|_| Error::serialization("The body is not UTF-8"))?;
            Ok(Some(Value::text(schema, text.to_owned())))
        }
        _ => json::value(schema, json::tree(body)?),
    }
}

fn one(member: &Member, text: &str) -> Result<Value, Error> {
    text_of(member, member.shape, text)
}

fn item(member: &Member, shape: &List, text: &str) -> Result<Option<Value>, Error> {
    text_of(member, shape.member, text).map(Some)
}

fn text_of(member: &Member, schema: &Schema, text: &str) -> Result<Value, Error> {
    scalar::read(schema, text)
        .map_err(|expected| Error::serialization(format!("The value of {} is not {expected}", member.name)))
}

fn twice(name: &str) -> Error {
    Error::serialization(format!("{} is there more than once", shortened(name)))
}

/// The answer of `operation` with `output`.
///
/// # Errors
/// `InternalFailure` when the output does not fit its schema or a header cannot carry it, which is our bug.
pub(crate) fn success(operation: &OperationSchema, output: &dyn Structure) -> Result<Response, Error> {
    let mut answer = Response {
        status: operation.status,
        content_type: JSON,
        headers: HeaderMap::new(),
        body: if std::ptr::eq(operation.output, &EMPTY) { Vec::new() } else { json::document(output)? },
    };
    for (index, member) in output.schema().members().iter().enumerate() {
        if member.location == Location::Payload {
            answer.body.clear();
        }
        let Some(value) = output.field(index) else { continue };
        match member.location {
            // In the document; the latter two are for requests.
            Location::Body | Location::QueryString | Location::Uri => {}
            Location::Header => header(member, value, &mut answer.headers)?,
            Location::Headers => headers(member, value, &mut answer.headers)?,
            Location::Payload => (answer.content_type, answer.body) = body(member, value)?,
            Location::StatusCode => answer.status = status(value)?,
        }
    }
    Ok(answer)
}

fn body(member: &Member, value: Ref<'_>) -> Result<(&'static str, Vec<u8>), Error> {
    Ok(match value {
        Ref::Blob(bytes) => ("application/octet-stream", bytes.to_vec()),
        Ref::String(text) => ("text/plain", text.as_bytes().to_vec()),
        value => (JSON, json::payload(member, value)?),
    })
}

fn status(value: Ref<'_>) -> Result<u16, Error> {
    match value {
        Ref::Integer(number) => u16::try_from(number).ok().filter(|status| (100..1000).contains(status)),
        _ => None,
    }
    .ok_or_else(|| Error::internal("the status of an answer is none of HTTP"))
}

fn header(member: &Member, value: Ref<'_>, out: &mut HeaderMap) -> Result<(), Error> {
    let text = match (&member.shape.kind, value) {
        (Kind::List(shape), Ref::List(items)) => {
            let items = (0..items.count()).filter_map(|index| items.item(index));
            let texts: Option<Vec<_>> = items
                .map(|item| scalar::write(item, format(None, shape.member)).map(|text| (item, text)))
                .collect();
            let quoted = texts.map(|texts| texts.into_iter().map(|(item, text)| quoted(item, text)));
            quoted.map(|texts| texts.collect::<Vec<_>>().join(", "))
        }
        (_, value) => scalar::write(value, format(member.timestamp, member.shape)),
    };
    insert(member.wire_name(), text, out)
}

fn headers(member: &Member, value: Ref<'_>, out: &mut HeaderMap) -> Result<(), Error> {
    let Ref::Map(entries) = value else { return insert(member.wire_name(), None, out) };
    let mut outcome = Ok(());
    entries.each(&mut |key, value| {
        if outcome.is_ok() {
            let name = format!("{}{key}", member.wire_name());
            outcome = insert(&name, scalar::write(value, TimestampFormat::HttpDate), out);
        }
    });
    outcome
}

fn insert(name: &str, text: Option<String>, out: &mut HeaderMap) -> Result<(), Error> {
    let unfit = || Error::internal("a header cannot carry a member of the output");
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
    let value = text.ok_or_else(unfit)?;
    out.insert(name, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| unfit())?);
    Ok(())
}

fn format(used: Option<TimestampFormat>, schema: &Schema) -> TimestampFormat {
    let own = if let Kind::Timestamp(format) = schema.kind { format } else { None };
    used.or(own).unwrap_or(TimestampFormat::HttpDate)
}

/// An element of a list in a header. Dates are known by their form, with their commas.
fn quoted(item: Ref<'_>, text: String) -> String {
    if matches!(item, Ref::String(_))
        && (text.contains([',', '"', '\\']) || text.trim() != text || text.is_empty())
    {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        text
    }
}

/// The answer that carries `error`.
pub(crate) fn failure(error: &Error) -> Response {
    let mut object = error.members.clone();
    object.insert("message".to_owned(), Json::String(error.message.clone()));
    let mut headers = HeaderMap::new();
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        headers.insert(HeaderName::from_static("x-amzn-errortype"), code);
    }
    let body = Json::Object(object).to_string().into_bytes();
    Response { status: error.status, content_type: JSON, headers, body }
}

const JSON: &str = "application/json";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rootward_names::Time;

    use super::*;
    use crate::route::Route;
    use crate::{HttpRequest, Protocol, Range, ServiceSchema};

    const fn list(member: &'static Schema) -> Kind {
        Kind::List(List { member, member_name: "member", flattened: false, length: Range::ANY })
    }

    const fn map(value: &'static Schema) -> Kind {
        Kind::Map(Map {
            key: &TEXT,
            value,
            key_name: "key",
            value_name: "value",
            flattened: false,
            length: Range::ANY,
        })
    }

    static BLOB: Schema = Schema::new("Blob", Kind::Blob(Range::ANY));
    static FLAG: Schema = Schema::new("Flag", Kind::Boolean);
    static NUMBER: Schema = Schema::new("Number", Kind::Integer(Range::ANY));
    static SECRET: Schema = Schema::new("Secret", Kind::String(Range::ANY, None)).sensitive();
    static TEXT: Schema = Schema::new("Text", Kind::String(Range::ANY, None));
    static WHEN: Schema = Schema::new("When", Kind::Timestamp(None));
    static NUMBERS: Schema = Schema::new("Numbers", list(&NUMBER));
    static TEXTS: Schema = Schema::new("Texts", list(&TEXT));
    static WHENS: Schema = Schema::new("Whens", list(&WHEN));
    static BY_NAME: Schema = Schema::new("ByName", map(&TEXT));
    static LISTS_BY_NAME: Schema = Schema::new("ListsByName", map(&TEXTS));

    static EVERYWHERE: Schema = Schema::new(
        "Everywhere",
        Kind::Structure(&[
            Member::new("Pipeline", &TEXT).named("PipelineId").at(Location::Uri),
            Member::new("Key", &SECRET).at(Location::Uri),
            Member::new("Ascending", &FLAG).at(Location::QueryString),
            Member::new("Items", &NUMBERS).named("item").at(Location::QueryString),
            Member::new("From", &WHEN).named("from").at(Location::QueryString),
            Member::new("Others", &BY_NAME).at(Location::QueryString),
            Member::new("Checksum", &BLOB).named("X-Amz-Checksum").at(Location::Header),
            Member::new("Names", &TEXTS).named("X-Names").at(Location::Header),
            Member::new("Days", &WHENS).named("X-Days").at(Location::Header),
            Member::new("Since", &WHEN).named("X-Since").at(Location::Header),
            Member::new("Meta", &BY_NAME).named("X-Meta-").at(Location::Headers),
            Member::new("Secret", &SECRET),
            Member::new("Config", &CONFIG).named("config"),
        ]),
    );
    // Locations mean nothing below the top.
    static CONFIG: Schema = Schema::new(
        "Config",
        Kind::Structure(&[
            Member::new("A", &TEXT).at(Location::QueryString),
            Member::new("Config", &CONFIG).named("config"),
        ]),
    );
    static LISTED: Schema = Schema::new(
        "Listed",
        Kind::Structure(&[Member::new("Filters", &LISTS_BY_NAME).at(Location::QueryString)]),
    );
    static BLOB_BODY: Schema = Schema::new(
        "BlobBody",
        Kind::Structure(&[
            Member::new("Body", &BLOB).at(Location::Payload),
            Member::new("Code", &NUMBER).at(Location::StatusCode),
        ]),
    );
    static TEXT_BODY: Schema =
        Schema::new("TextBody", Kind::Structure(&[Member::new("Body", &TEXT).at(Location::Payload)]));
    static CONFIG_BODY: Schema = Schema::new(
        "ConfigBody",
        Kind::Structure(&[
            Member::new("Config", &CONFIG).at(Location::Payload),
            Member::new("Name", &TEXT).named("x-name").at(Location::Header),
        ]),
    );

    static SERVICE: ServiceSchema = ServiceSchema {
        name: "all",
        id: "All",
        version: "2014-01-01",
        protocols: &[Protocol::RestJson],
        xml_namespace: "",
        target_prefix: None,
        json_version: "1.1",
        event_source: "all",
        is_global: false,
        operations: &[&CALL],
        errors: &[],
        constraint_error: None,
    };
    static CALL: OperationSchema = operation(&EVERYWHERE);

    const fn operation(output: &'static Schema) -> OperationSchema {
        OperationSchema {
            name: "Call",
            service: &SERVICE,
            http: ("GET", "/2014-01-01/jobs/{PipelineId}/{Key+}"),
            status: 202,
            input: &EVERYWHERE,
            output,
            result_wrapper: None,
            errors: &[],
            anonymous: false,
        }
    }

    fn header_map(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .collect()
    }

    /// What a GET of `path` with this query string, these headers and this body is decoded to, as JSON.
    fn call(path: &str, query: &str, lines: &[(&str, &str)], body: &str) -> Result<String, Error> {
        let headers = header_map(lines);
        let request = HttpRequest {
            method: "GET",
            path,
            query,
            headers: Some(&headers),
            body: body.as_bytes(),
            ..HttpRequest::default()
        };
        let frame = crate::Frame::read(request, &[&SERVICE])?;
        Ok(String::from_utf8(json::to_json(&frame.record()?).unwrap()).unwrap())
    }

    fn called(query: &str, lines: &[(&str, &str)], body: &str) -> String {
        call("/2014-01-01/jobs/p/k", query, lines, body).unwrap()
    }

    fn refused(query: &str, lines: &[(&str, &str)], body: &str) -> String {
        let error = call("/2014-01-01/jobs/p/k", query, lines, body).unwrap_err();
        assert_eq!((error.code.as_ref(), error.status), ("SerializationException", 400));
        error.message
    }

    fn with(members: &str) -> String {
        format!(r#"{{"PipelineId":"p","Key":"k"{members}}}"#)
    }

    fn content(body: &[u8]) -> Content<'_> {
        Content { labels: Vec::new(), query: "", headers: None, body }
    }

    #[test]
    fn labels_are_unescaped_and_a_greedy_one_keeps_its_slashes() {
        let json = call("/2014-01-01/jobs/a%2Fb+c%C3%A9/x/%20y", "", &[], "").unwrap();
        assert_eq!(json, r#"{"PipelineId":"a/b+cé","Key":"x/ y"}"#);
        for path in ["/2014-01-01/jobs/%/k", "/2014-01-01/jobs/p/%ff"] {
            assert_eq!(call(path, "", &[], "").unwrap_err().code, "SerializationException");
        }
    }

    #[test]
    fn scalars_and_lists_of_the_query_string() {
        assert_eq!(
            called("Ascending=true&item=1&item=-2&from=2014-04-29T18%3A30%3A38Z", &[], ""),
            with(r#","Ascending":true,"item":[1,-2],"from":1398796238"#)
        );
        assert_eq!(refused("Ascending=1", &[], ""), "The value of Ascending is not a boolean");
        assert_eq!(refused("item=1&item=x", &[], ""), "The value of Items is not an integer");
        assert_eq!(refused("Ascending=true&Ascending=true", &[], ""), "Ascending is there more than once");
        assert_eq!(refused("a=%", &[], ""), "The query string contains an incomplete escape sequence");
    }

    #[test]
    fn map_of_the_query_string_takes_what_neither_a_member_nor_the_signature_does() {
        assert_eq!(
            called("b=1+2&Ascending=false&X-Amz-Signature=abc&%61=", &[], ""),
            with(r#","Ascending":false,"Others":{"a":"","b":"1 2"}"#)
        );
        assert_eq!(refused("a=1&a=1", &[], ""), "a is there more than once");
    }

    #[test]
    fn map_of_lists_of_the_query_string() {
        let content = Content { query: "foo=bar&fizz=buzz&foo=baz", ..content(b"") };
        let record = decode(&LISTED, &content).unwrap();
        assert_eq!(
            String::from_utf8(json::to_json(&record).unwrap()).unwrap(),
            r#"{"Filters":{"fizz":["buzz"],"foo":["bar","baz"]}}"#
        );
    }

    #[test]
    fn too_many_parameters_are_refused() {
        let many: String = (0..=PARAMS_MAX).map(|at| format!("k{at}=&")).collect();
        assert!(refused(&many, &[], "").contains("more than 10000 parameters"));
    }

    #[test]
    fn headers_are_scalars_lists_dates_and_prefixed_maps() {
        let lines = [
            ("x-amz-checksum", "Zm9v"),
            ("x-names", r#"a, "b,c" ,"d\"e""#),
            ("x-names", "f"),
            ("x-days", "Mon, 16 Dec 2019 23:48:18 GMT, Mon, 16 Dec 2019 23:48:18 GMT"),
            ("x-since", "Tue, 29 Apr 2014 18:30:38 GMT"),
            ("x-meta-b", "2"),
            ("x-meta-a", "1"),
            ("x-meta-", "none"),
        ];
        assert_eq!(
            called("", &lines, ""),
            with(
                r#","X-Amz-Checksum":"Zm9v","X-Names":["a","b,c","d\"e","f"],"X-Days":[1576540098,1576540098],"X-Since":1398796238,"X-Meta-":{"a":"1","b":"2"}"#
            )
        );
    }

    #[test]
    fn header_that_is_broken_or_there_twice_is_refused() {
        assert_eq!(refused("", &[("x-amz-checksum", "?")], ""), "The value of Checksum is not base64");
        let twice = [("x-since", "1"), ("x-since", "1")];
        assert_eq!(refused("", &twice, ""), "X-Since is there more than once");
        let twice = [("x-meta-a", "1"), ("x-meta-a", "1")];
        assert_eq!(refused("", &twice, ""), "x-meta-a is there more than once");
        let mut headers = HeaderMap::new();
        headers.insert("x-names", HeaderValue::from_bytes(b"\xff").unwrap());
        let content = Content { headers: Some(&headers), ..content(b"") };
        assert_eq!(decode(&EVERYWHERE, &content).unwrap_err().message, "The header X-Names is not UTF-8");
    }

    #[test]
    fn body_has_the_members_that_are_nowhere_else() {
        let body =
            r#"{"Secret":"s","config":{"A":"a","config":{"A":"b"}},"PipelineId":"no","X-Since":0,"Other":1}"#;
        assert_eq!(called("", &[], body), with(r#","Secret":"s","config":{"A":"a","config":{"A":"b"}}"#));
        assert_eq!(called("", &[], ""), with(""));
        assert!(refused("", &[], "{}x").starts_with("The body is not valid JSON"));
        assert_eq!(refused("", &[], "[]"), "The body is not a JSON object");
    }

    #[test]
    fn payload_is_the_body_whatever_it_holds() {
        let field =
            |schema, body| decode(schema, &content(body)).map(|mut record| record.fields.swap_remove(0));
        assert_eq!(field(&BLOB_BODY, b"\x00{"), Ok(Some(Value::Blob(b"\x00{".to_vec()))));
        assert_eq!(field(&TEXT_BODY, b"{"), Ok(Some(Value::String("{".to_owned()))));
        assert!(field(&TEXT_BODY, b"\xff").is_err());
        for schema in [&BLOB_BODY, &TEXT_BODY, &CONFIG_BODY] {
            assert_eq!(field(schema, b""), Ok(None));
        }
        let Some(Value::Structure(config)) = field(&CONFIG_BODY, br#"{"A":"a"}"#).unwrap() else { panic!() };
        assert_eq!(config.fields, [Some(Value::String("a".to_owned())), None]);
        assert!(field(&CONFIG_BODY, b"[]").is_err() && field(&CONFIG_BODY, br#"{"A":"a","A":"a"}"#).is_err());
    }

    #[test]
    fn output_goes_to_headers_status_and_body() {
        let some = |text: &str| Some(Value::String(text.to_owned()));
        let entries = vec![("a".to_owned(), some("1"))];
        let output = Record {
            schema: &EVERYWHERE,
            fields: vec![
                None,
                None,
                Some(Value::Boolean(true)),
                None,
                None,
                None,
                Some(Value::Blob(b"foo".to_vec())),
                Some(Value::List(vec![some("a"), some("b,c"), some("")])),
                Some(Value::List(vec![Some(Value::Timestamp(Time::from_seconds(0)))])),
                Some(Value::Timestamp(Time::from_seconds(1_398_796_238))),
                Some(Value::Map(entries)),
                Some(Value::Secret(crate::Sensitive::new("s"))),
                None,
            ],
        };
        let answer = success(&CALL, &output).unwrap();
        assert_eq!((answer.status, answer.content_type), (202, "application/json"));
        assert_eq!(String::from_utf8(answer.body).unwrap(), r#"{"Ascending":true,"Secret":"s"}"#);
        let lines = [
            ("x-amz-checksum", "Zm9v"),
            ("x-names", r#"a, "b,c", """#),
            ("x-days", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("x-since", "Tue, 29 Apr 2014 18:30:38 GMT"),
            ("x-meta-a", "1"),
        ];
        assert_eq!(answer.headers, header_map(&lines));
    }

    #[test]
    fn payload_of_an_output_is_the_body() {
        static BLOB_CALL: OperationSchema = operation(&BLOB_BODY);
        static CONFIG_CALL: OperationSchema = operation(&CONFIG_BODY);
        let code = Some(Value::Integer(206));
        let output = Record { schema: &BLOB_BODY, fields: vec![Some(Value::Blob(b"\x00".to_vec())), code] };
        let answer = success(&BLOB_CALL, &output).unwrap();
        assert_eq!((answer.status, answer.content_type), (206, "application/octet-stream"));
        assert_eq!(answer.body, b"\x00");
        let output = Record { schema: &CONFIG_BODY, fields: vec![None, Some(Value::String("n".to_owned()))] };
        let answer = success(&CONFIG_CALL, &output).unwrap();
        assert_eq!((answer.body.as_slice(), &answer.headers["x-name"]), (&b""[..], &"n".parse().unwrap()));
    }

    #[test]
    fn what_a_header_or_a_status_cannot_carry_is_our_fault() {
        static BLOB_CALL: OperationSchema = operation(&BLOB_BODY);
        static CONFIG_CALL: OperationSchema = operation(&CONFIG_BODY);
        let text = Some(Value::String("a\r\nset-cookie: b".to_owned()));
        let output = Record { schema: &CONFIG_BODY, fields: vec![None, text] };
        assert_eq!(success(&CONFIG_CALL, &output).unwrap_err().code, "InternalFailure");
        let output = Record { schema: &BLOB_BODY, fields: vec![None, Some(Value::Integer(99))] };
        assert_eq!(success(&BLOB_CALL, &output).unwrap_err().code, "InternalFailure");
    }

    /// Escaped as clients do it.
    fn escape(text: &str) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        text.bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    }

    fn quote(texts: &[String]) -> String {
        let quoted =
            texts.iter().map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")));
        quoted.collect::<Vec<_>>().join(",")
    }

    proptest! {
        #[test]
        fn every_place_gives_back_what_was_put_there(
            label in "[ -~é😀]{1,6}",
            key in "[!-~é/]{1,6}",
            numbers in prop::collection::vec(any::<i32>(), 0..3),
            other in "[ -~é]{0,5}",
            names in prop::collection::vec("[ -~]{0,5}", 0..3),
            bytes in prop::collection::vec(any::<u8>(), 0..5),
            text in "[ -~é\\n]{0,8}",
        ) {
            let key = key.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect::<Vec<_>>().join("/");
            prop_assume!(!key.is_empty() && label != "." && label != "..");
            let parts = key.split('/').map(escape).collect::<Vec<_>>().join("/");
            let path = format!("/2014-01-01/jobs/{}/{parts}", escape(&label));
            let items: String = numbers.iter().map(|number| format!("item={number}&")).collect();
            let query = format!("{items}o%74her={}", escape(&other));
            let checksum = scalar::write(Ref::Blob(&bytes), TimestampFormat::HttpDate).unwrap();
            let headers = header_map(&[("X-Amz-Checksum", &checksum), ("X-Names", &quote(&names))]);
            let body = serde_json::json!({ "Secret": text }).to_string();
            let request = HttpRequest {
                method: "GET",
                path: &path,
                query: &query,
                headers: Some(&headers),
                body: body.as_bytes(),
                ..HttpRequest::default()
            };
            let record = crate::Frame::read(request, &[&SERVICE]).unwrap().record().unwrap();
            let strings = |texts: &[String]| {
                let items = texts.iter().map(|text| Some(Value::String(text.clone()))).collect::<Vec<_>>();
                (!items.is_empty()).then_some(Value::List(items))
            };
            let integers: Vec<_> = numbers.iter().map(|number| Some(Value::Integer((*number).into()))).collect();
            let expected = [
                (0, Some(Value::String(label))),
                (1, Some(Value::Secret(crate::Sensitive::new(key)))),
                (3, (!integers.is_empty()).then_some(Value::List(integers))),
                (5, Some(Value::Map(vec![("other".to_owned(), Some(Value::String(other)))]))),
                (6, Some(Value::Blob(bytes))),
                (7, strings(&names)),
                (11, Some(Value::Secret(crate::Sensitive::new(text)))),
            ];
            for (at, value) in expected {
                prop_assert_eq!(&record.fields[at], &value, "{}", EVERYWHERE.members()[at].name);
            }
        }

        #[test]
        fn header_lists_come_back(names in prop::collection::vec("[ -~]{0,5}", 0..4)) {
            let items = names.iter().map(|text| Some(Value::String(text.clone()))).collect();
            let mut record = Record::empty(&EVERYWHERE);
            record.fields[7] = Some(Value::List(items));
            let answer = success(&CALL, &record).unwrap();
            let line = answer.headers.get("x-names").unwrap().to_str().unwrap();
            prop_assert_eq!(elements(line), names);
        }

        #[test]
        fn arbitrary_request_never_panics(
            path in "/2014-01-01/jobs(/[ -~é]{0,4}){0,3}",
            query in "[ -~é]{0,30}",
            line in prop::collection::vec(32u8.., 0..20),
            body in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                for name in ["x-amz-checksum", "x-names", "x-days", "x-since", "x-meta-a"] {
                    headers.insert(name, value.clone());
                }
            }
            let request = HttpRequest { method: "GET", path: &path, query: &query, ..HttpRequest::default() };
            let labels = Route::find(&request, &[&SERVICE]).map(|route| route.labels).unwrap_or_default();
            for schema in [&EVERYWHERE, &LISTED, &BLOB_BODY, &TEXT_BODY, &CONFIG_BODY] {
                let labels = labels.clone();
                let content = Content { labels, query: &query, headers: Some(&headers), body: &body };
                let _ = decode(schema, &content);
            }
        }
    }
}
