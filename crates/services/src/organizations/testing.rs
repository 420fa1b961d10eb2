//! Organizations under test.

use rootward_api::organizations as api;
use rootward_api::organizations::{HandshakePartyType, OrganizationFeatureSet};
use rootward_auth::password::Password;
use rootward_names::AccountId;
use rootward_pipeline::Failure;
use rootward_state::RowKey;
use rootward_state::entities::Account;
use rootward_wire::Sensitive;

use super::account_requests::{CREATE_ACCOUNT, DESCRIBE_CREATE_ACCOUNT_STATUS};
use super::handshakes::ACCEPT_HANDSHAKE;
use super::invitations::INVITE_ACCOUNT_TO_ORGANIZATION;
use super::organization::CREATE_ORGANIZATION;
use crate::accounts;
use crate::testing::Bench;

/// An organization with all features, whose management account calls.
pub(super) fn organized() -> Bench {
    organized_as(OrganizationFeatureSet::All)
}

/// An organization whose management account calls.
pub(super) fn organized_as(feature_set: OrganizationFeatureSet) -> Bench {
    let bench = Bench::new();
    let input = api::CreateOrganizationRequest { feature_set: Some(feature_set) };
    bench.run(&CREATE_ORGANIZATION, input).unwrap();
    bench
}

/// A member that is opened in it.
pub(super) fn member(bench: &Bench, email: &str) -> AccountId {
    bench.call_as_root();
    let input = api::CreateAccountRequest {
        email: Sensitive::new(email),
        account_name: Sensitive::new("Workload"),
        ..Default::default()
    };
    let asked = bench.run(&CREATE_ACCOUNT, input).unwrap().create_account_status.unwrap();
    let input = api::DescribeCreateAccountStatusRequest { create_account_request_id: asked.id.unwrap() };
    let done = bench.run(&DESCRIBE_CREATE_ACCOUNT_STATUS, input).unwrap().create_account_status.unwrap();
    done.account_id.unwrap().parse().unwrap()
}

/// A member that was there before and is invited.
pub(super) fn invited(bench: &Bench, email: &str) -> AccountId {
    let account = bench.open_account("Invited", email);
    let handshake = invite(bench, account);
    bench.call_as_root_of(account);
    bench.run(&ACCEPT_HANDSHAKE, api::AcceptHandshakeRequest { handshake_id: handshake }).unwrap();
    bench.call_as_root();
    account
}

/// The id of an invitation to an account.
pub(super) fn invite(bench: &Bench, account: AccountId) -> String {
    bench.call_as_root();
    let input = to(HandshakePartyType::Account, &account.to_string());
    bench.run(&INVITE_ACCOUNT_TO_ORGANIZATION, input).unwrap().handshake.unwrap().id.unwrap()
}

/// A request to invite somebody.
pub(super) fn to(r#type: HandshakePartyType, id: &str) -> api::InviteAccountToOrganizationRequest {
    let target = api::HandshakeParty { id: Sensitive::new(id), r#type };
    api::InviteAccountToOrganizationRequest { target, notes: None, tags: None }
}

/// Lets the root user of an account sign in.
pub(super) fn give_password(bench: &Bench, account: AccountId) {
    let password = Password::new("correct horse battery staple 9!A");
    let hash = bench.write_with(|_, _, random, _| {
        accounts::root_password(&password, "Workload", "w@example.com", random)
    });
    bench.write(|txn| {
        let mut row = Account::clone(&txn.account(account).unwrap());
        row.root.password = Some(hash.unwrap());
        txn.put(RowKey::Account(account), row);
    });
}

/// Why, as the exception has it.
pub(super) fn reason(failure: &Failure) -> &str {
    failure.members.get("Reason").and_then(|reason| reason.as_str()).unwrap_or(failure.code)
}
