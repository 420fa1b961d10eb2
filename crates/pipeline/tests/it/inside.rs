//! Calls from inside, and credentials that use something up.

use rootward_api::{iam, sts};
use rootward_auth::{Credential, Identity, Principal, SignIn};
use rootward_names::{Handle, Partition, Time};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Key, Rule, Target, always};
use rootward_state::RowKey;
use rootward_state::entities::{Document, SessionKind};
use rootward_wire::{Empty, Sensitive};

use crate::bench::{ACCOUNT, Bench};

static DELETE_GROUP: Declaration<iam::DeleteGroup> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule { action: "iam:DeleteGroup", when: always, target: |_, _| Target::any(), keys: &[] }],
    run: |ctx, txn, input| {
        txn.put_owner(RowKey::Alias(input.group_name.as_str().into()), ctx.account());
        Ok(Empty)
    },
};

/// Takes any code once.
static GET_SESSION_TOKEN: Declaration<sts::GetSessionToken> = Declaration {
    effect: Effect::Issue,
    callers: Callers::Anyone,
    rules: &[],
    run: |ctx, txn, input| {
        if let Some(code) = &input.token_code {
            txn.put_owner(RowKey::Alias(code.expose().into()), ctx.account());
        }
        Ok(sts::GetSessionTokenResponse::default())
    },
};

/// Of another account, for whoever shows the code 123456.
static ASSUME_ROLE: Declaration<sts::AssumeRole> = Declaration {
    effect: Effect::Issue,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "sts:AssumeRole",
        when: always,
        target: |_, input| Target {
            account: OTHER.parse().ok(),
            trust: Some(Document::new(TRUST)),
            ..Target::arn(&*input.role_arn)
        },
        keys: &[Key::SecondFactor(|scope, input| match &input.token_code {
            None => Ok(None),
            Some(code) if code.expose() == "123456" => Ok(Some(scope.ctx.now)),
            Some(_) => Err(Failure::access_denied("wrong code")),
        })],
    }],
    run: |ctx, txn, input| {
        if input.duration_seconds.is_some() {
            txn.put_owner(RowKey::Alias("used".into()), ctx.account());
        }
        Ok(sts::AssumeRoleResponse::default())
    },
};

const OTHER: &str = "444455556666";
const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {"AWS": "*"}, "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}}"#;

fn console() -> Principal {
    let sign_in = SignIn { session: "0".repeat(32).parse::<Handle>().unwrap(), kind: SessionKind::Console };
    Principal {
        account: ACCOUNT.parse().unwrap(),
        partition: Partition::Aws,
        identity: Identity::Root,
        credential: Credential::Temporary {
            key: "ASIAY34FZKBOKMUTVV7A".parse().unwrap(),
            issued: Time::from_seconds(1_700_000_000),
            mfa: None,
            sign_in: Some(sign_in),
        },
    }
}

#[test]
fn call_from_inside_is_checked_and_recorded_like_every_other() {
    let bench = Bench::new(vec![&DELETE_GROUP]);
    let call = |name: &str| {
        bench.inside::<iam::DeleteGroup>(&console(), &iam::DeleteGroupRequest { group_name: name.into() })
    };
    assert_eq!(call("team"), Ok(Empty));
    assert!(bench.world().account_by_alias("team").is_some());
    assert_eq!(call("no name").unwrap_err().code, "ValidationError");
    let refused = bench.records().pop().unwrap();
    for shown in [
        r#""eventName":"DeleteGroup""#,
        r#""errorCode":"ValidationError""#,
        r#""type":"Root""#,
        r#""sessionCredentialFromConsole":"true""#,
        r#""userAgent":"browser""#,
    ] {
        assert!(refused.contains(shown), "{shown} is missing in {refused}");
    }
}

#[test]
fn issued_credentials_are_committed_where_they_used_something_up_and_recorded_anyway() {
    let bench = Bench::new(vec![&GET_SESSION_TOKEN]);
    let before = bench.commits();
    let call = |code: Option<&str>| {
        let input = sts::GetSessionTokenRequest {
            duration_seconds: None,
            serial_number: None,
            token_code: code.map(Sensitive::new),
            minimum_session_token_size: None,
        };
        bench.inside::<sts::GetSessionToken>(&console(), &input).map(drop)
    };
    call(None).unwrap();
    assert_eq!((bench.commits() - before, bench.records().len()), (0, 1));
    bench.lose_races(2);
    call(Some("123456")).unwrap();
    assert_eq!(bench.commits() - before, 3);
    assert!(bench.world().account_by_alias("123456").is_some());
}

fn assume(bench: &Bench, code: Option<&str>, seconds: Option<i32>) -> Result<(), String> {
    let input = sts::AssumeRoleRequest {
        role_arn: format!("arn:aws:iam::{OTHER}:role/app"),
        role_session_name: "session".into(),
        policy_arns: None,
        policy: None,
        duration_seconds: seconds,
        tags: None,
        transitive_tag_keys: None,
        external_id: None,
        serial_number: None,
        token_code: code.map(Sensitive::new),
        source_identity: None,
        provided_contexts: None,
        minimum_session_token_size: None,
    };
    bench.inside::<sts::AssumeRole>(&console(), &input).map(drop).map_err(|error| error.message)
}

#[test]
fn second_factor_of_the_request_counts_when_it_is_authorized_and_a_wrong_one_is_refused_first() {
    let bench = Bench::new(vec![&ASSUME_ROLE]);
    assert_eq!(assume(&bench, Some("123456"), None), Ok(()));
    assert!(assume(&bench, None, None).unwrap_err().contains("is not authorized to perform"));
    assert_eq!(assume(&bench, Some("654321"), None), Err("wrong code".into()));
    assert!(!bench.records().concat().contains("654321"), "a code is on record");
}

#[test]
fn issue_in_another_account_is_recorded_in_both_whether_or_not_it_used_something_up() {
    let bench = Bench::new(vec![&ASSUME_ROLE]);
    assume(&bench, Some("123456"), None).unwrap();
    assume(&bench, Some("123456"), Some(900)).unwrap();
    for mut records in [bench.records(), bench.outbox()] {
        let of = |account| format!(r#""recipientAccountId":"{account}""#);
        let shared = |record: &str| {
            let rest = record.split(r#""sharedEventID":""#).nth(1).unwrap().to_owned();
            rest.split('"').next().unwrap().to_owned()
        };
        records.sort_by_key(|record| !record.contains(&of(ACCOUNT)));
        let [own, copy] = records.as_slice() else { panic!("two records: {records:?}") };
        assert!(own.contains(&of(ACCOUNT)) && copy.contains(&of(OTHER)), "{records:?}");
        assert_eq!(shared(own), shared(copy));
    }
}
