//! JSON 1.x and REST-JSON: any request decodes to a valid input or is refused; a path that is acted upon is the one that
//! signers sign; what was decoded is decoded again from its own JSON; what is written about it is well formed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rootward_api::SERVICES;
use rootward_wire::{
    Error, Frame, HttpRequest, Location, Protocol, Record, Secrets, audit_json, failure, to_json,
};
use serde_json::Value;

// `METHOD PATH?QUERY TARGET`, then the body. With a target it is JSON 1.x.
fuzz_target!(|text: &str| {
    let (line, body) = text.split_once('\n').unwrap_or((text, ""));
    let mut words = line.splitn(3, ' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let target = words.next();
    let json = if target.is_some() { "application/x-amz-json-1.1" } else { "application/json" };
    let request = HttpRequest {
        method,
        path,
        query,
        content_type: Some(json),
        target,
        body: body.as_bytes(),
        ..HttpRequest::default()
    };
    match decoded(request) {
        Ok((protocol, record)) => {
            if protocol == Protocol::RestJson {
                assert!(path.split('/').skip(1).all(|segment| !matches!(segment, "" | "." | "..")), "{path}");
            }
            recorded(&record);
            repeated(request, &record);
        }
        Err(error) => answered(request.protocol(SERVICES), error),
    }
});

fn decoded(request: HttpRequest<'_>) -> Result<(Protocol, Record), Error> {
    let frame = Frame::read(request, SERVICES)?;
    Ok((frame.protocol, frame.input()?))
}

/// The same input from what we would have written. A payload is the whole body, so it is left out here.
fn repeated(request: HttpRequest<'_>, record: &Record) {
    if record.schema.members().iter().any(|member| member.location == Location::Payload) {
        return;
    }
    let body = to_json(record).expect("a decoded record fits its schema");
    let (_, again) = decoded(HttpRequest { body: &body, ..request }).expect("what is valid stays valid");
    assert_eq!(to_json(&again).expect("it fits"), body);
}

/// What the audit log would keep.
fn recorded(record: &Record) {
    for secrets in [Secrets::Hidden, Secrets::Omitted] {
        let text = audit_json(record, secrets).expect("a decoded record fits its schema");
        serde_json::from_str::<Value>(&text).expect("JSON");
    }
}

/// What the client would get.
fn answered(protocol: Protocol, error: Error) {
    let error = error.in_protocol(protocol);
    for service in SERVICES {
        let answer = failure(service, protocol, &error, "00000000-0000-0000-0000-000000000000");
        assert!((400..600).contains(&answer.status));
        if protocol == Protocol::RestJson {
            assert_eq!(answer.headers["x-amzn-errortype"], *error.code);
        }
        if protocol != Protocol::Query {
            let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!(body["message"], *error.message);
        }
    }
}
