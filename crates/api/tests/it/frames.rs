//! From an HTTP request to the operation it calls, or to the error that says why there is none.

use rootward_api::{SERVICES, iam, sts};
use rootward_wire::{BODY_BYTES_MAX, Error, Frame, HttpRequest, Protocol};

const FORM: Option<&str> = Some("application/x-www-form-urlencoded; charset=utf-8");

fn read(request: HttpRequest<'_>) -> Result<&'static str, Error> {
    Frame::read(request, SERVICES).map(|frame| frame.operation.name)
}

fn post(body: &str) -> HttpRequest<'_> {
    HttpRequest { method: "POST", content_type: FORM, body: body.as_bytes(), ..HttpRequest::default() }
}

fn refusal(request: HttpRequest<'_>) -> (String, u16, String) {
    let error = read(request).unwrap_err();
    (error.code.into_owned(), error.status, error.message)
}

#[test]
fn action_comes_from_body_or_query_string() {
    assert_eq!(read(post("Action=GetUser&Version=2010-05-08")), Ok("GetUser"));
    let get = HttpRequest {
        method: "GET",
        query: "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Signature=a",
        ..HttpRequest::default()
    };
    assert_eq!(read(get), Ok("GetCallerIdentity"));
    let both = HttpRequest { query: "Action=GetUser&Version=2010-05-08", ..post("UserName=a") };
    assert_eq!(read(both), Ok("GetUser"));
}

#[test]
fn unknown_action_names_action_and_version() {
    assert_eq!(
        refusal(post("Action=Frobnicate&Version=2010-05-08")),
        ("InvalidAction".into(), 400, "Could not find operation Frobnicate for version 2010-05-08".into())
    );
}

#[test]
fn operation_is_looked_for_in_its_version_only() {
    for (body, version) in [
        ("Action=GetUser&Version=2011-06-15", "2011-06-15"),
        ("Action=GetUser&Version=1999-01-01", "1999-01-01"),
        ("Action=GetUser", "NO_VERSION_SPECIFIED"),
        ("Action=GetUser&Version=", "NO_VERSION_SPECIFIED"),
    ] {
        let message = format!("Could not find operation GetUser for version {version}");
        assert_eq!(refusal(post(body)), ("InvalidAction".into(), 400, message));
    }
}

#[test]
fn service_of_the_signing_scope_alone_is_asked() {
    let request = post("Action=GetCallerIdentity&Version=2011-06-15");
    assert!(Frame::read(request, &[&iam::SERVICE]).is_err());
    assert!(Frame::read(request, &[&sts::SERVICE]).is_ok());
}

#[test]
fn missing_action_is_said() {
    for body in ["", "Version=2010-05-08", "Action=&Version=2010-05-08"] {
        assert_eq!(refusal(post(body)), ("MissingAction".into(), 400, "Missing Action".into()));
    }
}

#[test]
fn wrong_method_content_type_and_size_have_their_own_errors() {
    let body = "Action=GetUser&Version=2010-05-08";
    assert_eq!(refusal(HttpRequest { method: "PUT", ..post(body) }).0, "MethodNotAllowed");
    let text = HttpRequest { content_type: Some("text/plain"), ..post(body) };
    assert_eq!(refusal(text).0, "UnsupportedMediaType");
    let large = "a".repeat(BODY_BYTES_MAX + 1);
    assert_eq!((refusal(post(&large)).0.as_str(), refusal(post(&large)).1), ("RequestEntityTooLarge", 413));
    let query = HttpRequest { query: &large, ..post(body) };
    assert_eq!(refusal(query).0, "RequestEntityTooLarge");
    assert_eq!(read(HttpRequest { content_type: None, ..post(body) }), Ok("GetUser"));
}

#[test]
fn json_to_a_service_that_does_not_speak_it_is_an_unknown_operation() {
    let request = HttpRequest {
        content_type: Some("application/x-amz-json-1.1"),
        target: Some("AWSIdentityManagement.GetUser"),
        ..post("{}")
    };
    assert_eq!(refusal(request).0, "UnknownOperationException");
    assert_eq!(request.protocol(SERVICES), Protocol::Json);
}

#[test]
fn broken_encoding_is_said_and_never_echoed() {
    assert_eq!(
        refusal(post("Action=GetUser&Version=2010-05-08&UserName=%f")),
        (
            "MalformedQueryString".into(),
            404,
            "The query string contains an incomplete escape sequence.".into()
        )
    );
}

#[test]
fn long_action_is_cut_in_the_message() {
    let (_, _, message) = refusal(post(&format!("Action={}&Version=2010-05-08", "x".repeat(10_000))));
    assert!(message.len() < 200);
}

#[test]
fn anonymous_operations_are_those_that_carry_their_own_proof() {
    let anonymous: Vec<_> = sts::OPERATIONS
        .iter()
        .filter(|operation| operation.anonymous)
        .map(|operation| operation.name)
        .collect();
    assert_eq!(anonymous, ["AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"]);
    assert!(iam::OPERATIONS.iter().all(|operation| !operation.anonymous));
}

#[test]
fn operations_are_sorted_and_found() {
    for service in SERVICES {
        assert!(service.operations.is_sorted_by_key(|operation| operation.name));
        for operation in service.operations {
            assert!(std::ptr::eq(service.operation(operation.name).unwrap(), *operation));
        }
    }
    assert_eq!(iam::OPERATIONS.len(), 180);
    assert_eq!(sts::OPERATIONS.len(), 11);
}
