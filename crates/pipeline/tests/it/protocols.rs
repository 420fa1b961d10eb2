//! JSON and REST-JSON through the path: answers, refusals and records in their own form.

use http::Request;
use http::request::Builder;
use rootward_api::{account, rootward, signin};
use rootward_names::{AccessKeyId, AccessKeyKind, Random};
use rootward_pipeline::{Answered, Callers, Declaration, Effect, Failure, Handler, Rule, Target, always};

use crate::bench::{ACCOUNT, Bench, FOREIGN, body};

/// Nobody is allowed to call it.
static GET_ALTERNATE_CONTACT: Declaration<account::GetAlternateContact> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule { action: "account:GetAlternateContact", when: always, target: elsewhere, keys: &[] }],
    run: |_, _, _| Err(Failure::validation("ran")),
};

/// It answers with its region, or fails with members.
static GET_REGION_OPT_STATUS: Declaration<account::GetRegionOptStatus> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[],
    run: |_, _, input| {
        if input.region_name == "bad" {
            let members = account::ValidationException {
                reason: Some(account::ValidationExceptionReason::InvalidRegionOptTarget),
                field_list: None,
            };
            return Err(
                Failure::new(account::ErrorCode::Validation.schema(), "bad region").with_members(&members)
            );
        }
        Ok(account::GetRegionOptStatusResponse {
            region_name: Some(input.region_name.clone()),
            region_opt_status: Some(account::RegionOptStatus::Enabled),
        })
    },
};

static GET_IAM_BILLING_ACCESS: Declaration<rootward::GetIamBillingAccess> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[],
    run: |_, _, _| Ok(rootward::GetIamBillingAccessResponse { enabled: true }),
};

fn elsewhere<I>(_: &rootward_pipeline::Scope<'_>, _: &I) -> Target {
    Target { account: "444455556666".parse().ok(), ..Target::any() }
}

fn bench() -> Bench {
    let handlers: Vec<&'static dyn Handler> =
        vec![&GET_ALTERNATE_CONTACT, &GET_REGION_OPT_STATUS, &GET_IAM_BILLING_ACCESS];
    Bench::new(handlers)
}

fn to(path: &str) -> Builder {
    Request::post(path).header("content-type", "application/json")
}

fn target(operation: &str) -> Builder {
    Request::post("/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("Rootward.{operation}"))
}

fn account(bench: &Bench, path: &str, input: &str) -> Answered {
    bench.send_to("account", Some(FOREIGN), to(path), input)
}

/// Status, code in the header, body.
fn told(answered: &Answered) -> (u16, String, String) {
    let response = &answered.response;
    let code = response.headers().get("x-amzn-errortype").map(|code| code.to_str().unwrap().to_owned());
    assert!(response.headers().contains_key("x-amzn-requestid"));
    (response.status().as_u16(), code.unwrap_or_default(), body(answered))
}

#[test]
fn rest_call_is_answered_in_json() {
    let answered = account(&bench(), "/getRegionOptStatus", r#"{"RegionName":"eu-west-1"}"#);
    assert_eq!(answered.response.headers()["content-type"], "application/json");
    let json = r#"{"RegionName":"eu-west-1","RegionOptStatus":"ENABLED"}"#;
    assert_eq!(told(&answered), (200, String::new(), json.into()));
}

#[test]
fn json_call_is_answered_in_json() {
    let answered = bench().send_to("rootward", Some(FOREIGN), target("GetIamBillingAccess"), "{}");
    assert_eq!(answered.response.headers()["content-type"], "application/x-amz-json-1.1");
    assert_eq!(told(&answered), (200, String::new(), r#"{"Enabled":true}"#.into()));
}

#[test]
fn rest_failure_has_its_code_in_a_header_and_its_members_in_the_body() {
    let answered = account(&bench(), "/getRegionOptStatus", r#"{"RegionName":"bad"}"#);
    let json = r#"{"message":"bad region","reason":"invalidRegionOptTarget"}"#;
    assert_eq!(told(&answered), (400, "ValidationException".into(), json.into()));
}

#[test]
fn codes_that_every_service_answers_have_the_form_of_the_protocol_and_are_so_on_record() {
    let bench = bench();
    for (path, input, status, code) in [
        ("/getRegionOptStatus", "{}", 400, "ValidationException"),
        ("/getRegionOptStatus", "[]", 400, "SerializationException"),
        ("/getAlternateContact", r#"{"AlternateContactType":"BILLING"}"#, 403, "AccessDeniedException"),
        ("/listRegions", "{}", 501, "NotImplemented"),
    ] {
        let answered = account(&bench, path, input);
        assert_eq!(answered.error.as_deref(), Some(code));
        let (given, header, json) = told(&answered);
        assert_eq!((given, header.as_str()), (status, code));
        assert!(json.starts_with(r#"{"message":""#), "{json}");
        let record = bench.records().pop().unwrap();
        assert!(record.contains(&format!(r#""errorCode":"{code}""#)), "{record}");
        assert!(record.contains(r#""eventSource":"account.amazonaws.com""#), "{record}");
    }
    let answered = bench.send_to("rootward", Some(FOREIGN), target("UnsealRoot"), "{}");
    assert!(body(&answered).starts_with(r#"{"__type":"ValidationException","message":"2 validation errors"#));
    let record = bench.records().pop().unwrap();
    assert!(record.contains(r#""eventSource":"rootward""#), "{record}");
}

struct Low;

impl Random for Low {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

#[test]
fn refused_claims_have_the_codes_of_the_protocol() {
    let bench = bench();
    let unsigned = bench.send_to("account", None, to("/listRegions"), "{}");
    assert_eq!(told(&unsigned).1, "MissingAuthenticationTokenException");
    // Of an account that exists, but never issued.
    let key = AccessKeyId::random(AccessKeyKind::LongTerm, ACCOUNT.parse().unwrap(), &mut Low).to_string();
    let answered = bench.send_to("account", Some(&key), to("/listRegions"), "{}");
    assert_eq!((told(&answered).0, told(&answered).1.as_str()), (403, "UnrecognizedClientException"));
    assert!(bench.records().pop().unwrap().contains(r#""errorCode":"UnrecognizedClientException""#));
    let unsigned = bench.send_to("rootward", None, target("CloseAccount"), "{}");
    assert!(body(&unsigned).contains(r#""__type":"MissingAuthenticationTokenException""#));
}

#[test]
fn path_that_nobody_knows_is_an_unknown_operation() {
    let answered = account(&bench(), "/nothing", "{}");
    let json = r#"{"message":"No operation has this method and path."}"#;
    assert_eq!(told(&answered), (404, "UnknownOperationException".into(), json.into()));
}

#[test]
fn unknown_action_keeps_the_namespace_of_a_service_that_speaks_query() {
    let answered = bench().send(None, "Action=Nonsense&Version=2010-05-08");
    assert!(body(&answered).contains("xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\""));
}

#[test]
fn unsigned_operation_without_a_handler_is_not_implemented() {
    assert!(signin::description::CREATE_O_AUTH2_TOKEN.anonymous);
    let answered = bench().send_to("signin", None, to("/v1/token"), "{}");
    assert_eq!((told(&answered).0, told(&answered).1.as_str()), (501, "NotImplemented"));
    let bearer = to("/v1/token?x-amz-token-request-type=bearer");
    let answered = bench().send_to("signin", None, bearer, "{}");
    assert_eq!(told(&answered).1, "MissingAuthenticationTokenException");
}
