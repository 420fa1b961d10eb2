//! Operations that come without a signature.

use http::Request;
use rootward_api::signin as api;
use rootward_auth::authn::Authenticated;
use rootward_auth::{Credential, Identity, Principal, SignIn};
use rootward_names::Partition;
use rootward_pipeline::{
    Answered, Callers, Declaration, Effect, Failure, Knock, Rule, Target, TurnedAway, Unsigned, always,
};
use rootward_state::RowKey;
use rootward_state::entities::{Account, SessionKind};

use crate::bench::{ACCOUNT, Bench, FOREIGN, body};

/// The code says what becomes of it.
static TOKEN: Unsigned<api::CreateOAuth2Token> = Unsigned {
    declaration: Declaration {
        effect: Effect::Write,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "signin:CreateOAuth2Token",
            when: always,
            target: |_, _| Target::any(),
            keys: &[],
        }],
        run: |ctx, txn, _| {
            let mut row = Account::clone(&txn.account(ctx.account()).unwrap());
            row.name = "changed".into();
            txn.put(RowKey::Account(ctx.account()), row);
            Ok(api::CreateOAuth2TokenResponse::default())
        },
    },
    caller,
    complete: |mut error| {
        error.members.insert("error".into(), "completed".into());
        error
    },
};

fn caller(knock: &Knock<'_>, input: &api::CreateOAuth2TokenRequest) -> Result<Authenticated, TurnedAway> {
    assert_eq!((knock.target.method, knock.target.authority), ("POST", "example.com"));
    let account = ACCOUNT.parse().unwrap();
    let session = "0".repeat(32).parse().unwrap();
    let credential = Credential::Temporary {
        key: "ASIAY34FZKBOKMUTVV7A".parse().unwrap(),
        issued: knock.now,
        mfa: Some(knock.now),
        sign_in: Some(SignIn { session, kind: SessionKind::CommandLine }),
    };
    let principal = Principal { account, partition: Partition::Aws, identity: Identity::Root, credential };
    let caller = Authenticated { principal, region: "us-east-1".into() };
    match input.token_input.code.as_ref().unwrap().expose() {
        "good" => Ok(caller),
        "stolen" => Err(TurnedAway { failure: Failure::validation("stolen"), of: Some(Box::new(caller)) }),
        _ => Err(Failure::validation("nobody's").into()),
    }
}

fn send(bench: &Bench, code: &str, key: Option<&str>) -> Answered {
    let body = format!(
        r#"{{"clientId":"arn:aws:signin:::devtools/same-device","grantType":"authorization_code","code":"{code}"}}"#
    );
    bench.send_to("signin", key, Request::post("/v1/token").header("content-type", "application/json"), &body)
}

#[test]
fn caller_is_who_the_input_proves_and_on_record() {
    let bench = Bench::new(vec![&TOKEN]);
    let answered = send(&bench, "good", None);
    assert_eq!((answered.response.status().as_u16(), answered.error), (200, None));
    assert_eq!(&*bench.world().account(ACCOUNT.parse().unwrap()).unwrap().account().name, "changed");
    let record = bench.outbox().pop().unwrap();
    let arn = format!("arn:aws:signin:us-east-1:{ACCOUNT}:session/{}", "0".repeat(32));
    for part in [
        r#""type":"Root""#,
        r#""mfaAuthenticated":"true""#,
        &format!(r#""signInSessionArn":"{arn}""#),
        r#""eventName":"CreateOAuth2Token""#,
        r#""grantType":"authorization_code""#,
    ] {
        assert!(record.contains(part), "{part}: {record}");
    }
    assert!(!record.contains("good"));
}

#[test]
fn who_is_turned_away_is_on_record_where_it_is_known_whose_account_it_is() {
    let bench = Bench::new(vec![&TOKEN]);
    let answered = send(&bench, "stolen", None);
    assert_eq!(body(&answered), r#"{"error":"completed","message":"stolen"}"#);
    let [record] = bench.records().try_into().unwrap();
    assert!(record.contains(r#""errorCode":"ValidationException","errorMessage":"stolen""#), "{record}");
    assert_eq!(send(&bench, "forged", None).error.as_deref(), Some("ValidationException"));
    assert_eq!(bench.records().len(), 1);
}

#[test]
fn claim_of_a_key_changes_nothing() {
    let bench = Bench::new(vec![&TOKEN]);
    assert_eq!(send(&bench, "forged", Some(FOREIGN)).error.as_deref(), Some("ValidationException"));
    assert_eq!(send(&bench, "good", Some(FOREIGN)).error, None);
}

#[test]
fn input_is_checked_before_anybody_is_looked_for() {
    let bench = Bench::new(vec![&TOKEN]);
    let answered = bench.send_to("signin", None, Request::post("/v1/token"), "{}");
    assert!(body(&answered).contains(r#""error":"completed""#) && body(&answered).contains("clientId"));
    assert!(bench.records().is_empty() && bench.outbox().is_empty());
}
