//! From an HTTP request to the operation it calls, or to the error that says why there is none.

use rootward_api::{SERVICES, account, iam, organizations, rootward, signin, sts};
use rootward_wire::{BODY_BYTES_MAX, Error, Frame, HttpRequest, OperationSchema, Protocol};

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

fn rest<'a>(path: &'a str, query: &'a str, body: &'a str) -> HttpRequest<'a> {
    HttpRequest {
        method: "POST",
        path,
        query,
        content_type: Some("application/json"),
        body: body.as_bytes(),
        ..HttpRequest::default()
    }
}

#[test]
fn json_target_finds_the_operation() {
    let request = HttpRequest {
        content_type: Some("application/x-amz-json-1.1"),
        target: Some("Rootward.GetRootProtection"),
        ..rest("/", "", "{}")
    };
    let frame = Frame::read(request, SERVICES).unwrap();
    assert_eq!((frame.protocol, frame.operation.name), (Protocol::Json, "GetRootProtection"));
}

#[test]
fn path_finds_the_operation_of_a_rest_service_whatever_the_content_type_says() {
    for content_type in [None, Some("application/json"), Some("application/x-amz-json-1.1"), FORM] {
        let request = HttpRequest { content_type, ..rest("/getAccountInformation", "Action=GetUser", "{}") };
        let frame = Frame::read(request, SERVICES).unwrap();
        assert_eq!((frame.protocol, frame.operation.name), (Protocol::RestJson, "GetAccountInformation"));
        assert_eq!(request.protocol(SERVICES), Protocol::RestJson);
    }
}

#[test]
fn parameters_of_the_template_tell_operations_of_one_path_apart() {
    for (query, name) in [
        ("", "CreateOAuth2Token"),
        ("x=1&x-amz-token-request-type=other", "CreateOAuth2Token"),
        ("x-amz-token-request-type=bearer", "CreateBearerToken"),
        ("X-Amz-Signature=a&x-amz-client-auth-method=iam", "CreateOAuth2TokenWithIAM"),
        ("x-amz-oauth-token-method=token-exchange", "CreateOAuth2TokenWithTokenExchange"),
    ] {
        assert_eq!(read(rest("/v1/token", query, "{}")), Ok(name));
    }
}

#[test]
fn path_that_nobody_knows_is_an_unknown_operation() {
    for (method, path) in [
        ("POST", "/nothing"),
        ("POST", "/getAccountInformation/"),
        ("POST", "//getAccountInformation"),
        ("POST", "/x/../getAccountInformation"),
        ("GET", "/getAccountInformation"),
        ("DELETE", "/nothing"),
        ("GET", "/nothing"),
    ] {
        let request = HttpRequest { method, ..rest(path, "", "") };
        let (code, status, message) = refusal(request);
        assert_eq!(
            (&*code, status, &*message),
            ("UnknownOperationException", 404, "No operation has this method and path."),
            "{path}"
        );
        assert_eq!(request.protocol(SERVICES), Protocol::RestJson);
    }
}

#[test]
fn query_and_json_are_taken_on_any_path_that_is_nobodys() {
    assert_eq!(read(HttpRequest { path: "/x", ..post("Action=GetUser&Version=2010-05-08") }), Ok("GetUser"));
    let query = "Version=2011-06-15&Action=GetCallerIdentity";
    assert_eq!(read(HttpRequest { method: "GET", ..rest("/x", query, "") }), Ok("GetCallerIdentity"));
    let json = HttpRequest {
        content_type: Some("application/x-amz-json-1.1"),
        target: Some("Rootward.CloseAccount"),
        ..rest("/x", "", "")
    };
    assert_eq!(read(json), Ok("CloseAccount"));
}

#[test]
fn signing_scope_decides_between_services_that_share_a_path() {
    static OTHER_OPERATION: OperationSchema = OperationSchema {
        name: "Other",
        service: &OTHER,
        http: ("POST", "/getAccountInformation"),
        status: 200,
        input: &rootward_wire::EMPTY,
        output: &rootward_wire::EMPTY,
        result_wrapper: None,
        errors: &[],
        anonymous: false,
    };
    static OTHER: rootward_wire::ServiceSchema = rootward_wire::ServiceSchema {
        name: "other",
        operations: &[&OTHER_OPERATION],
        errors: &[],
        ..account::SERVICE
    };
    let name = |scope| {
        let request = HttpRequest { scope, ..rest("/getAccountInformation", "", "{}") };
        Frame::read(request, &[&account::SERVICE, &OTHER]).unwrap().operation.name
    };
    assert_eq!(name(Some("other")), "Other");
    assert_eq!(name(Some("account")), "GetAccountInformation");
    assert_eq!((name(None), name(Some("iam"))), ("GetAccountInformation", "GetAccountInformation"));
}

#[test]
fn payload_structure_is_the_body() {
    let body = r#"{"clientId":"arn:aws:signin:::devtools/same-device","grantType":"refresh_token","refreshToken":"r"}"#;
    let input = Frame::read(rest("/v1/token", "", body), SERVICES)
        .unwrap()
        .decode::<signin::CreateOAuth2Token>()
        .unwrap();
    assert_eq!(input.token_input.grant_type, "refresh_token");
    assert_eq!(input.token_input.refresh_token.unwrap().expose(), "r");
    let error = Frame::read(rest("/v1/token", "", "{}"), SERVICES).unwrap().input().unwrap_err();
    assert!(error.message.contains("Value at 'tokenInput.clientId' failed"), "{error}");
}

#[test]
fn broken_constraint_of_a_rest_service_is_a_validation_exception() {
    let error =
        Frame::read(rest("/getRegionOptStatus", "", r#"{"AccountId":"1"}"#), SERVICES).unwrap().input();
    let error = error.unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("ValidationException", 400));
    assert_eq!(
        error.message,
        r"2 validation errors detected: Value at 'accountId' failed to satisfy constraint: Member must satisfy regular expression pattern: \d{12}; Value at 'regionName' failed to satisfy constraint: Member must not be null"
    );
}

#[test]
fn body_of_a_rest_service_that_is_no_json_object_is_a_serialization_exception() {
    for body in ["{", "[]", "null", r#"{"AccountId":1}"#, r#"{"RegionName":"a","RegionName":"b"}"#, "a=b"] {
        let error =
            Frame::read(rest("/getRegionOptStatus", "", body), SERVICES).unwrap().input().unwrap_err();
        assert_eq!((error.code.as_ref(), error.status), ("SerializationException", 400), "{body}");
    }
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
    let signin = signin::OPERATIONS.iter().filter(|operation| operation.anonymous);
    let signin: Vec<_> = signin.map(|operation| operation.name).collect();
    assert_eq!(signin, ["CreateOAuth2Token", "CreateOAuth2TokenWithTokenExchange"]);
    for operations in [account::OPERATIONS, iam::OPERATIONS, rootward::OPERATIONS] {
        assert!(operations.iter().all(|operation| !operation.anonymous));
    }
}

#[test]
fn operations_are_sorted_and_found() {
    for service in SERVICES {
        assert!(service.operations.is_sorted_by_key(|operation| operation.name));
        for operation in service.operations {
            assert!(std::ptr::eq(service.operation(operation.name).unwrap(), *operation));
        }
    }
    assert_eq!(account::OPERATIONS.len(), 18);
    assert_eq!(iam::OPERATIONS.len(), 180);
    assert_eq!(organizations::OPERATIONS.len(), 63);
    assert_eq!(rootward::OPERATIONS.len(), 28);
    assert_eq!(signin::OPERATIONS.len(), 14);
    assert_eq!(sts::OPERATIONS.len(), 11);
}
