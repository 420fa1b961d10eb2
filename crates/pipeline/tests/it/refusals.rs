//! When two errors apply, the order of the steps decides which one the client sees.

use rootward_api::iam;
use rootward_names::{AccessKeyId, AccessKeyKind, Random};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Rule, Target, always};
use rootward_wire::Empty;

use crate::bench::{ACCOUNT, Bench, FOREIGN, body, iam as query};

/// Root users may not call it, and nobody is allowed to, and it fails.
static CREATE_ACCOUNT_ALIAS: Declaration<iam::CreateAccountAlias> = Declaration {
    effect: Effect::Write,
    callers: Callers::NotRoot,
    rules: &[Rule { action: "iam:CreateAccountAlias", when: always, target: elsewhere, keys: &[] }],
    run: |_, _, _| Err(Failure::validation("ran")),
};

/// Nobody is allowed to call it, and it fails.
static DELETE_ACCOUNT_ALIAS: Declaration<iam::DeleteAccountAlias> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule { action: "iam:DeleteAccountAlias", when: always, target: elsewhere, keys: &[] }],
    run: |_, _, _| Err(Failure::validation("ran")),
};

/// It fails.
static DELETE_GROUP: Declaration<iam::DeleteGroup> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[],
    run: |_, _, input| match input.group_name.as_str() {
        "good" => Ok(Empty),
        _ => Err(Failure::unmodelled("OwnFailure", 409, "ran")),
    },
};

/// A resource of an account that lets nobody in.
fn elsewhere<I>(_: &rootward_pipeline::Scope<'_>, _: &I) -> Target {
    Target { account: "444455556666".parse().ok(), ..Target::any() }
}

fn bench() -> Bench {
    let handlers: Vec<&'static dyn Handler> =
        vec![&CREATE_ACCOUNT_ALIAS, &DELETE_ACCOUNT_ALIAS, &DELETE_GROUP];
    Bench::new(handlers)
}

#[test]
fn unknown_action_comes_before_a_missing_signature() {
    let bench = bench();
    assert_eq!(bench.send(None, &query("Nonsense", "")).error.as_deref(), Some("InvalidAction"));
    assert_eq!(bench.records().len(), 0);
}

#[test]
fn missing_signature_comes_before_bad_input() {
    let code = bench().send(None, &query("DeleteGroup", "")).error;
    assert_eq!(code.as_deref(), Some("MissingAuthenticationToken"));
}

#[test]
fn bad_input_comes_before_what_is_not_implemented() {
    let bench = bench();
    assert_eq!(bench.call("DeleteUser", "").as_deref(), Some("ValidationError"));
    assert_eq!(bench.call("DeleteUser", "UserName=ann").as_deref(), Some("NotImplemented"));
}

#[test]
fn bad_input_comes_before_the_kind_of_credentials_and_that_before_the_denial() {
    let bench = bench();
    assert_eq!(bench.call("CreateAccountAlias", "").as_deref(), Some("ValidationError"));
    let answered = bench.send(Some(FOREIGN), &query("CreateAccountAlias", "AccountAlias=alias"));
    assert!(body(&answered).contains("Roles may not be assumed by root accounts."), "{}", body(&answered));
}

#[test]
fn denial_comes_before_the_operations_own_failure() {
    let bench = bench();
    let answered = bench.send(Some(FOREIGN), &query("DeleteAccountAlias", "AccountAlias=alias"));
    assert!(body(&answered).contains("is not authorized to perform: iam:DeleteAccountAlias"));
    assert_eq!(bench.call("DeleteGroup", "GroupName=bad").as_deref(), Some("OwnFailure"));
    assert_eq!(bench.call("DeleteGroup", "GroupName=good"), None);
}

#[test]
fn every_refusal_of_a_known_caller_is_on_record_with_its_code_and_parameters() {
    let bench = bench();
    for (action, parameters, code) in [
        ("DeleteGroup", "GroupName=bad", "OwnFailure"),
        ("DeleteUser", "UserName=ann", "NotImplemented"),
        ("DeleteAccountAlias", "AccountAlias=alias", "AccessDenied"),
        ("DeleteGroup", "GroupName=%21", "ValidationError"),
    ] {
        assert_eq!(bench.call(action, parameters).as_deref(), Some(code));
        let record = bench.records().pop().unwrap();
        assert!(record.contains(&format!(r#""errorCode":"{code}""#)), "{record}");
        assert!(record.contains(r#""requestParameters":{""#), "{record}");
    }
}

#[test]
fn refused_claims_of_one_second_are_recorded_up_to_a_bound() {
    struct Low;
    impl Random for Low {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }
    let bench = bench();
    // Of an account that exists, but never issued.
    let key = AccessKeyId::random(AccessKeyKind::LongTerm, ACCOUNT.parse().unwrap(), &mut Low).to_string();
    let refuse = |count: usize| {
        for _ in 0..count {
            let code = bench.send(Some(&key), &query("DeleteGroup", "GroupName=g")).error;
            assert_eq!(code.as_deref(), Some("InvalidClientTokenId"));
        }
        bench.records().len()
    };
    assert_eq!(refuse(60), 50);
    bench.pass_seconds(1);
    assert_eq!(refuse(3), 53);
}
