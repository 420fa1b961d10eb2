//! Calls from inside, and credentials that use something up.

use rootward_api::{iam, sts};
use rootward_auth::{Credential, Identity, Principal, SignIn};
use rootward_names::{Handle, Partition, Time};
use rootward_pipeline::{Callers, Declaration, Effect, Rule, Target, always};
use rootward_state::RowKey;
use rootward_state::entities::SessionKind;
use rootward_wire::Empty;

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
            token_code: code.map(|code| code.to_owned().into()),
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
