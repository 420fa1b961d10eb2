//! Our own failures: the client learns nothing, the log everything.

use rootward_api::iam;
use rootward_pipeline::{Callers, Declaration, Effect, Failure};
use rootward_state::RowKey;
use rootward_wire::{Error, Kind, Member, Range, Ref, Schema, Secrets, Shape, Structure, audit_json};

use crate::bench::{ACCOUNT, Bench, FOREIGN, body, iam as query, logged};

const SENTENCE: &str = "The request processing has failed because of an unknown error, exception or failure.";

static LIST_USERS: Declaration<iam::ListUsers> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[],
    run: |_, _, _| Err(Failure::internal("the flux is gone")),
};

/// Misdeclared: it writes.
static LIST_GROUPS: Declaration<iam::ListGroups> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[],
    run: |ctx, txn, _| {
        txn.put_owner(RowKey::Alias("example".into()), ctx.account());
        Ok(iam::ListGroupsResponse::default())
    },
};

fn bench() -> Bench {
    Bench::new(vec![&LIST_GROUPS, &LIST_USERS])
}

#[test]
fn cause_of_an_internal_failure_is_logged_once_with_the_request_id_and_not_told() {
    let bench = bench();
    let mut told = String::new();
    let lines = logged(|| {
        let answered = bench.send(Some(FOREIGN), &query("ListUsers", ""));
        assert_eq!(answered.response.status(), 500);
        told = body(&answered);
    });
    assert!(told.contains("<Code>InternalFailure</Code>") && told.contains(SENTENCE), "{told}");
    assert!(!told.contains("flux"));
    let id = told.split("<RequestId>").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    let causes: Vec<_> = lines.lines().filter(|line| line.contains("the flux is gone")).collect();
    assert_eq!(causes.len(), 1, "{lines}");
    assert!(causes[0].contains(id) && causes[0].contains("ListUsers") && causes[0].contains("ERROR"));
    let record = bench.records().pop().unwrap();
    assert!(record.contains(r#""errorCode":"InternalFailure""#) && !record.contains("flux"), "{record}");
}

#[test]
fn operation_declared_as_reading_that_writes_fails_and_writes_nothing() {
    let bench = bench();
    let lines = logged(|| {
        assert_eq!(bench.call("ListGroups", "").as_deref(), Some("InternalFailure"));
    });
    assert!(lines.contains("declared as reading"), "{lines}");
    assert_eq!(bench.world().account_by_alias("example"), None);
    assert!(bench.records().pop().unwrap().contains(ACCOUNT));
}

/// A structure whose one member is a text by its schema and a list in truth.
struct Crooked(Vec<String>);

static CROOKED: Schema = Schema::new("Crooked", Kind::Structure(&[Member::new("Text", &TEXT)]));
static TEXT: Schema = Schema::new("Text", Kind::String(Range::ANY, None));

impl Structure for Crooked {
    fn schema(&self) -> &'static Schema {
        &CROOKED
    }

    fn field(&self, _: usize) -> Option<Ref<'_>> {
        self.0.to_ref()
    }
}

#[test]
fn value_that_does_not_fit_its_schema_says_so_to_the_log() {
    let error = Error::from(audit_json(&Crooked(Vec::new()), Secrets::Omitted).unwrap_err());
    assert_eq!((error.message.as_str(), error.status), (SENTENCE, 500));
    assert!(error.cause.unwrap().contains("has not the type of its shape"));
}
