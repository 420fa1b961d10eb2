//! AWS query: any request decodes to a valid input or is refused, in whatever order its parameters come; what is
//! written about it is well formed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rootward_api::SERVICES;
use rootward_wire::{Error, Frame, HttpRequest, Protocol, Record, Secrets, audit_json, failure, to_json};

// A line of query string, then the body.
fuzz_target!(|text: &str| {
    let (query, body) = text.split_once('\n').unwrap_or((text, ""));
    let outcome = decoded(query, body);
    match &outcome {
        Ok((_, record)) => recorded(record),
        Err(error) => answered(error),
    }
    // The canonical request sorts the parameters, so whoever carries a signed request can reorder them.
    let turned = decoded(&reversed(query), &reversed(body));
    assert_eq!(turned.is_ok(), outcome.is_ok());
    if let (Ok((name, record)), Ok((turned_name, turned))) = (outcome, turned) {
        assert_eq!((name, wire(&record)), (turned_name, wire(&turned)));
    }
});

fn decoded(query: &str, body: &str) -> Result<(&'static str, Record), Error> {
    let request = HttpRequest {
        method: "POST",
        query,
        content_type: Some("application/x-www-form-urlencoded; charset=utf-8"),
        body: body.as_bytes(),
        ..HttpRequest::default()
    };
    let frame = Frame::read(request, SERVICES)?;
    Ok((frame.operation.name, frame.input()?))
}

fn reversed(parameters: &str) -> String {
    parameters.rsplit('&').collect::<Vec<_>>().join("&")
}

fn wire(record: &Record) -> Vec<u8> {
    to_json(record).expect("a decoded record fits its schema")
}

/// What the audit log would keep.
fn recorded(record: &Record) {
    for secrets in [Secrets::Hidden, Secrets::Omitted] {
        let text = audit_json(record, secrets).expect("a decoded record fits its schema");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
    }
}

/// What the client would get: XML 1.0 without a character that it does not allow.
fn answered(error: &Error) {
    for service in SERVICES {
        let answer = failure(service, Protocol::Query, error, "00000000-0000-0000-0000-000000000000");
        assert!((400..600).contains(&answer.status));
        let text = String::from_utf8(answer.body).expect("UTF-8");
        let allowed =
            |c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        assert!(text.chars().all(allowed), "{text:?}");
        assert!(
            text.starts_with("<ErrorResponse") && text.trim_end().ends_with("</ErrorResponse>"),
            "{text}"
        );
    }
}
