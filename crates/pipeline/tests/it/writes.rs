//! Writes: lost races, and what cannot be recorded.

use std::time::{Duration, Instant};

use rootward_api::iam;
use rootward_audit::Limits;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Mail, NoMailer};
use rootward_state::RowKey;
use rootward_wire::Empty;

use crate::bench::Bench;

static CREATE_ACCOUNT_ALIAS: Declaration<iam::CreateAccountAlias> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[],
    run: |ctx, txn, input| {
        txn.put_owner(RowKey::Alias(input.account_alias.as_str().into()), ctx.account());
        Ok(Empty)
    },
};

static LIST_GROUPS: Declaration<iam::ListGroups> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[],
    run: |_, _, _| Ok(iam::ListGroupsResponse::default()),
};

/// Takes the alias and leaves a mail, but for `refused` and `counted`, which fail after both.
static DELETE_ACCOUNT_ALIAS: Declaration<iam::DeleteAccountAlias> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[],
    run: |ctx, txn, input| {
        txn.put_owner(RowKey::Alias("example".into()), ctx.account());
        let mail = Mail {
            share_of: ctx.account(),
            to: "ann@example.com".into(),
            subject: "Hello".into(),
            text: "Hello.".into(),
            seconds: 60,
        };
        ctx.mail(mail).map_err(|NoMailer| Failure::internal("the bench has a mailer"))?;
        match &*input.account_alias {
            "refused" => Err(Failure::validation("no")),
            "counted" => Err(Failure::validation("no").keeping_writes()),
            _ => Ok(Empty),
        }
    },
};

fn bench() -> Bench {
    Bench::new(vec![&CREATE_ACCOUNT_ALIAS, &DELETE_ACCOUNT_ALIAS, &LIST_GROUPS])
}

fn has_alias(bench: &Bench) -> bool {
    bench.world().account_by_alias("example").is_some()
}

fn create(bench: &Bench) -> Option<String> {
    bench.call("CreateAccountAlias", "AccountAlias=example")
}

#[test]
fn write_that_loses_races_runs_again_until_it_wins() {
    let bench = bench();
    let before = bench.commits();
    bench.lose_races(5);
    assert_eq!(create(&bench), None);
    assert_eq!(bench.commits() - before, 6);
    assert!(has_alias(&bench));
}

#[test]
fn write_that_only_loses_is_given_up_and_changes_nothing() {
    let bench = bench();
    let before = bench.commits();
    bench.lose_races(u64::MAX);
    assert_eq!(create(&bench).as_deref(), Some("ConcurrentModification"));
    assert_eq!(bench.commits() - before, 64);
    assert!(!has_alias(&bench));
    assert!(bench.records().pop().unwrap().contains(r#""errorCode":"ConcurrentModification""#));
}

#[test]
fn mail_is_posted_once_and_only_when_the_write_has_won() {
    let bench = bench();
    bench.lose_races(5);
    assert_eq!(bench.call("DeleteAccountAlias", "AccountAlias=example"), None);
    assert_eq!(bench.posted(), ["ann@example.com"]);
    bench.lose_races(u64::MAX);
    assert!(bench.call("DeleteAccountAlias", "AccountAlias=example").is_some());
    assert_eq!(bench.posted().len(), 1);
}

#[test]
fn failure_keeps_what_was_written_before_it_only_when_it_says_so_and_posts_nothing() {
    let bench = bench();
    let attempt = |alias: &str| bench.call("DeleteAccountAlias", &format!("AccountAlias={alias}"));
    assert_eq!(attempt("refused").as_deref(), Some("ValidationError"));
    assert!(!has_alias(&bench));
    bench.lose_races(2);
    let before = bench.commits();
    assert_eq!(attempt("counted").as_deref(), Some("ValidationError"));
    assert_eq!(bench.commits() - before, 3);
    assert!(has_alias(&bench) && bench.posted().is_empty());
    assert!(bench.records().pop().unwrap().contains(r#""errorCode":"ValidationError""#));
}

#[test]
fn write_that_cannot_be_recorded_is_not_done() {
    let limits = Limits {
        linger: Duration::ZERO,
        retry_min: Duration::from_millis(1),
        retry_max: Duration::from_millis(5),
        ..Limits::default()
    };
    let bench = Bench::with(vec![&CREATE_ACCOUNT_ALIAS, &LIST_GROUPS], limits);
    bench.fill_log();
    // The log is found to be full when the next record comes to it; some may still fit.
    let start = Instant::now();
    while bench.is_recording() {
        assert!(start.elapsed() < Duration::from_secs(20), "the log takes everything");
        assert_eq!(bench.call("ListGroups", ""), None);
    }
    let before = bench.commits();
    assert_eq!(create(&bench).as_deref(), Some("ServiceUnavailable"));
    assert_eq!(bench.commits(), before);
    assert!(!has_alias(&bench));
}

#[test]
fn read_that_cannot_be_recorded_is_not_answered() {
    let bench = Bench::with(vec![&LIST_GROUPS], Limits { lane_records_max: 0, ..Limits::default() });
    assert_eq!(bench.call("ListGroups", "").as_deref(), Some("ServiceUnavailable"));
}

/// Is refused, and has taken the alias.
static REFUSED_ALIAS: Declaration<iam::CreateAccountAlias> = Declaration {
    run: |ctx, txn, input| {
        txn.put_owner(RowKey::Alias(input.account_alias.as_str().into()), ctx.account());
        let failure = Failure::access_denied("Others must agree.");
        Err(if &*input.account_alias == "example" { failure.keeping_writes() } else { failure })
    },
    ..CREATE_ACCOUNT_ALIAS
};

#[test]
fn failure_that_keeps_its_writes_has_written_when_it_is_answered_and_others_have_not() {
    let bench = Bench::new(vec![&REFUSED_ALIAS]);
    bench.lose_races(2);
    assert_eq!(bench.call("CreateAccountAlias", "AccountAlias=another").as_deref(), Some("AccessDenied"));
    assert!(bench.world().account_by_alias("another").is_none());
    assert_eq!(create(&bench).as_deref(), Some("AccessDenied"));
    assert!(has_alias(&bench));
    let refused = bench.records();
    assert_eq!(refused.iter().filter(|record| record.contains("Others must agree.")).count(), 2);
}
