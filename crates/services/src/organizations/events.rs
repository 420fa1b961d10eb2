//! What Organizations puts on record by itself, beside the calls: how opening and closing accounts ended, and who joined and left.
//!
//! In the log of the management account alone, and in the commit of what they tell: never without it, nor it without them. Names are hidden
//! as in the User Guide's samples.
//!
//! Source: User Guide, "Logging API calls with AWS CloudTrail for AWS Organizations"; API Reference, `CreateAccount`, `AcceptHandshake`,
//! `LeaveOrganization`, `RemoveAccountFromOrganization`.

use rootward_audit::{Call, EventId, Record, UserIdentity};
use rootward_names::AccountId;
use rootward_pipeline::OpContext;
use rootward_state::Txn;
use rootward_state::entities::{AccountRequest, Organization};
use serde_json::{Value, json};

use crate::service_events;

/// Who acts, and where from.
const SERVICE: &str = "organizations.amazonaws.com";
/// What stands in place of a name.
const HIDDEN: &str = "****";
const SUCCEEDED: &str = "SUCCEEDED";
const FAILED: &str = "FAILED";

/// `CreateAccountResult`: what has become of a request to open an account.
pub(super) fn account_opened(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    row: &Organization,
    request: &AccountRequest,
) {
    let Some(outcome) = &request.outcome else { return };
    let (state, key, value) = match &outcome.result {
        Ok(account) => (SUCCEEDED, "accountId", account.to_string()),
        Err(reason) => (FAILED, "failureReason", reason.to_string()),
    };
    let status = json!({
        "id": request.id.to_string(),
        "state": state,
        "accountName": HIDDEN,
        (key): value,
        "requestedTimestamp": request.requested.spoken(),
        "completedTimestamp": outcome.at.spoken(),
    });
    put(ctx, txn, row, "CreateAccountResult", &json!({ "createAccountStatus": status }));
}

/// `CloseAccountResult`: the management account has closed a member.
pub(super) fn account_closed(ctx: &OpContext<'_>, txn: &mut Txn, row: &Organization, account: AccountId) {
    let status = json!({
        "accountId": account.to_string(),
        "state": SUCCEEDED,
        "requestedTimestamp": ctx.now.spoken(),
        "completedTimestamp": ctx.now.spoken(),
    });
    put(ctx, txn, row, "CloseAccountResult", &json!({ "closeAccountStatus": status }));
}

/// `AccountJoinedOrganization`.
pub(super) fn joined(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    row: &Organization,
    account: AccountId,
    invited: bool,
) {
    let details = json!({
        "accountId": account.to_string(),
        "organizationId": row.id.to_string(),
        "joinedMethod": if invited { "Invited" } else { "Created" },
        "joinedTime": ctx.now.spoken(),
    });
    put(ctx, txn, row, "AccountJoinedOrganization", &details);
}

/// How an account has left.
#[derive(Clone, Copy)]
pub(super) enum Departure {
    /// It can never be opened again, and was let go.
    Cleaned,
    /// By itself.
    Left,
    /// It was sent away.
    Removed,
}

/// `AccountDepartedOrganization`.
pub(super) fn departed(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    row: &Organization,
    account: AccountId,
    departure: Departure,
) {
    let method = match departure {
        Departure::Cleaned => "Cleaned",
        Departure::Left => "Left",
        Departure::Removed => "Removed",
    };
    let details = json!({
        "accountId": account.to_string(),
        "organizationId": row.id.to_string(),
        "departedMethod": method,
        "departedTime": ctx.now.spoken(),
    });
    put(ctx, txn, row, "AccountDepartedOrganization", &details);
}

/// Puts an event into the outbox, with what the call writes.
fn put(ctx: &OpContext<'_>, txn: &mut Txn, row: &Organization, name: &str, details: &Value) {
    let account = row.management;
    let region = row.partition.global_region();
    let call = Call { source: SERVICE, name, region, source_ip: SERVICE };
    let identity = UserIdentity::ServiceFor { account, name: SERVICE };
    let details = service_events::told(details);
    let id = ctx.with_random(|random| EventId::new(ctx.now, random));
    let record = Record {
        user_agent: Some(SERVICE),
        details: details.as_deref(),
        ..Record::new(id, ctx.now, call, identity)
    };
    service_events::put(txn, record);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;

    use rootward_api::organizations as api;

    use super::*;
    use crate::organizations::account_requests::CREATE_ACCOUNT;
    use crate::organizations::closing::CLOSE_ACCOUNT;
    use crate::organizations::leaving::{LEAVE_ORGANIZATION, REMOVE_ACCOUNT_FROM_ORGANIZATION};
    use crate::organizations::organization::CREATE_ORGANIZATION;
    use crate::organizations::testing::{invited, member, organized};
    use crate::testing::Bench;

    const JOINED: &str = "AccountJoinedOrganization";
    const DEPARTED: &str = "AccountDepartedOrganization";

    /// The details of what was put on record of this name since the last time.
    fn told(events: &Receiver<Value>, name: &str) -> Vec<Value> {
        let records: Vec<_> = events.try_iter().filter(|record| record["eventName"] == name).collect();
        for record in &records {
            assert_eq!(record["userIdentity"], json!({ "accountId": "111122223333", "invokedBy": SERVICE }));
            let of_call = ["eventType", "eventSource", "sourceIPAddress", "userAgent", "recipientAccountId"];
            assert_eq!(
                of_call.map(|name| record[name].as_str().unwrap()),
                ["AwsServiceEvent", SERVICE, SERVICE, SERVICE, "111122223333"]
            );
            assert_eq!(
                (&record["requestParameters"], &record["responseElements"]),
                (&Value::Null, &Value::Null)
            );
        }
        records.into_iter().map(|record| record["serviceEventDetails"].clone()).collect()
    }

    fn remove(bench: &Bench, account: AccountId) {
        let input = api::RemoveAccountFromOrganizationRequest { account_id: account.to_string() };
        bench.run(&REMOVE_ACCOUNT_FROM_ORGANIZATION, input).unwrap();
    }

    #[test]
    fn request_to_open_an_account_ends_on_record_without_its_name() {
        let bench = organized();
        let events = bench.events();
        let account = member(&bench, "two@example.com");
        let [details] = told(&events, "CreateAccountResult").try_into().unwrap();
        let status = &details["createAccountStatus"];
        assert!(status["id"].as_str().unwrap().starts_with("car-"));
        assert_eq!(
            [&status["state"], &status["accountId"], &status["accountName"], &status["completedTimestamp"]],
            ["SUCCEEDED", &*account.to_string(), "****", "Nov 14, 2023 10:13:20 PM"]
        );
        let input = api::CreateAccountRequest {
            email: rootward_wire::Sensitive::new("two@example.com"),
            account_name: rootward_wire::Sensitive::new("Second"),
            ..Default::default()
        };
        bench.run(&CREATE_ACCOUNT, input).unwrap();
        let [details] = told(&events, "CreateAccountResult").try_into().unwrap();
        let status = &details["createAccountStatus"];
        assert_eq!(
            (&status["state"], &status["failureReason"]),
            (&json!("FAILED"), &json!("EMAIL_ALREADY_EXISTS"))
        );
        assert_eq!(status.get("accountId"), None);
        assert!(!details.to_string().contains("Second"));
    }

    #[test]
    fn who_joins_is_on_record_with_how() {
        let bench = Bench::new();
        let events = bench.events();
        bench.run(&CREATE_ORGANIZATION, Default::default()).unwrap();
        let [details] = told(&events, JOINED).try_into().unwrap();
        assert_eq!(
            (&details["accountId"], &details["joinedMethod"]),
            (&json!("111122223333"), &json!("Invited"))
        );
        let opened = member(&bench, "two@example.com");
        let [details] = told(&events, JOINED).try_into().unwrap();
        assert_eq!(
            (&details["accountId"], &details["joinedMethod"]),
            (&json!(opened.to_string()), &json!("Created"))
        );
        let guest = invited(&bench, "guest@example.com");
        let [details] = told(&events, JOINED).try_into().unwrap();
        assert_eq!(
            (&details["accountId"], &details["joinedMethod"]),
            (&json!(guest.to_string()), &json!("Invited"))
        );
        assert_eq!(details["joinedTime"], "Nov 14, 2023 10:13:20 PM");
    }

    #[test]
    fn who_leaves_is_on_record_with_how() {
        let bench = organized();
        let [sent, leaving, closed] =
            ["a", "b", "c"].map(|name| invited(&bench, &format!("{name}@example.com")));
        let events = bench.events();
        let departed = |account: AccountId, method: &str| {
            let [details] = told(&events, DEPARTED).try_into().unwrap();
            let found = (&details["accountId"], &details["departedMethod"]);
            assert_eq!(found, (&json!(account.to_string()), &json!(method)));
        };
        remove(&bench, sent);
        departed(sent, "Removed");
        bench.call_as_root_of(leaving);
        bench.run(&LEAVE_ORGANIZATION, rootward_wire::Empty).unwrap();
        departed(leaving, "Left");
        bench.call_as_root();
        bench.run(&CLOSE_ACCOUNT, api::CloseAccountRequest { account_id: closed.to_string() }).unwrap();
        let [details] = told(&events, "CloseAccountResult").try_into().unwrap();
        let status = &details["closeAccountStatus"];
        assert_eq!(
            (&status["accountId"], &status["state"]),
            (&json!(closed.to_string()), &json!("SUCCEEDED"))
        );
        bench.pass_days(91);
        remove(&bench, closed);
        departed(closed, "Cleaned");
    }

    #[test]
    fn what_is_refused_leaves_no_event() {
        let bench = organized();
        let account = member(&bench, "two@example.com");
        let events = bench.events();
        let input = api::RemoveAccountFromOrganizationRequest { account_id: account.to_string() };
        bench.run(&REMOVE_ACCOUNT_FROM_ORGANIZATION, input).unwrap_err();
        assert_eq!(events.try_iter().count(), 0);
    }
}
