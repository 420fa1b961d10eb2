//! Organizations under test.

pub(super) mod policies;
pub(super) mod tree;

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_api::organizations::{HandshakePartyType, OrganizationFeatureSet};
use rootward_auth::password::Password;
use rootward_names::{AccountId, NodeId, OrganizationId, OrganizationPolicyId, Partition};
use rootward_pipeline::Failure;
use rootward_state::entities::{
    Account, Document, Grants, InlinePolicy, Membership, Organization, OrganizationNode, OrganizationPolicy,
    OrganizationPolicyType, TrustedService, User,
};
use rootward_state::{OrganizationState, RowKey};
use rootward_wire::Sensitive;

use super::account_requests::{CREATE_ACCOUNT, DESCRIBE_CREATE_ACCOUNT_STATUS};
use super::handshakes::ACCEPT_HANDSHAKE;
use super::invitations::INVITE_ACCOUNT_TO_ORGANIZATION;
use super::organization::{CREATE_ORGANIZATION, attached_at_first};
use super::standing;
use crate::accounts::{self, OpenAccount};
use crate::root_guard;
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
pub(crate) fn give_password(bench: &Bench, account: AccountId) {
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

/// Makes an organization of the bench's account and these members, which are opened, and lets it trust these services.
pub(crate) fn organization(bench: &Bench, members: &[&str], trusted: &[&str]) -> OrganizationId {
    bench.call_as_root();
    let made = bench.run(&CREATE_ORGANIZATION, Default::default()).unwrap().organization.unwrap();
    let id: OrganizationId = made.id.unwrap().parse().unwrap();
    for member in members {
        join(bench, &id, member);
    }
    change(bench, &id, |row| row.trusted = trusted.iter().map(|name| service(bench, name)).collect());
    id
}

/// Opens an account in the root of the organization.
pub(crate) fn join(bench: &Bench, id: &OrganizationId, member: &str) {
    let root = bench.begin().world().organization(id).unwrap().organization().root.clone();
    enter(bench, member.parse().unwrap(), &root);
}

/// Opens an account in a root or unit of the caller's organization.
fn enter(bench: &Bench, account: AccountId, parent: &NodeId) {
    let id = state(bench).organization().id.clone();
    let opened = bench.write_with(|txn, now, random, vault| {
        let request = OpenAccount {
            name: "Member",
            email: &format!("{account}@example.com"),
            password: None,
            admin: None,
            partition: Partition::Aws,
            id: Some(account),
        };
        let opened = accounts::open(txn, &request, now, random, vault)?;
        root_guard::never_seal(txn, account);
        let membership = Membership {
            account,
            organization: id,
            parent: parent.clone(),
            joined: now,
            invited: false,
            policies: attached_at_first(),
            tags: Vec::new(),
            delegated: Vec::new(),
        };
        txn.put(RowKey::Membership(account), membership);
        Ok::<_, accounts::AccountError>(opened)
    });
    assert_eq!(opened.unwrap().account, account);
}

/// The caller's organization as it stands.
pub(super) fn state(bench: &Bench) -> Arc<OrganizationState> {
    bench.in_scope(|scope| Arc::clone(standing::in_scope(scope).unwrap()))
}

/// The id of its root.
pub(super) fn root(bench: &Bench) -> String {
    state(bench).organization().root.to_string()
}

/// Changes the organization's own row.
pub(crate) fn change(bench: &Bench, id: &OrganizationId, change: impl FnOnce(&mut Organization)) {
    bench.write(|txn| {
        let key = RowKey::Organization(id.clone());
        let mut row = Organization::clone(&*txn.get::<Organization>(key.clone()).unwrap());
        change(&mut row);
        txn.put(key, row);
    });
}

/// Puts both types of policies that decide in force.
pub(crate) fn enable_types(bench: &Bench, id: &OrganizationId) {
    let types = vec![OrganizationPolicyType::ServiceControl, OrganizationPolicyType::ResourceControl];
    change(bench, id, |row| row.policy_types = types);
}

/// The id of the unit of this name in the root or in another unit; it is made if it is not there.
pub(crate) fn unit(bench: &Bench, id: &OrganizationId, parent: Option<&str>, name: &str) -> String {
    let state = bench.begin().world().organization(id).unwrap().clone();
    let parent = parent.map_or_else(|| state.organization().root.clone(), |parent| parent.parse().unwrap());
    let known =
        state.nodes().iter().find(|(_, node)| node.parent.as_ref() == Some(&parent) && *node.name == *name);
    if let Some((known, _)) = known {
        return known.to_string();
    }
    let root = state.organization().root.as_str().trim_start_matches("r-").to_owned();
    let unit: NodeId = format!("ou-{root}-{:08}", state.nodes().len()).parse().unwrap();
    let node = OrganizationNode {
        id: unit.clone(),
        parent: Some(parent),
        name: name.into(),
        policies: attached_at_first(),
        tags: Vec::new(),
    };
    bench.write(|txn| txn.put(RowKey::OrganizationNode(id.clone(), unit.clone()), node));
    unit.to_string()
}

/// Puts an account into the unit of this name in the root.
pub(crate) fn place(bench: &Bench, id: &OrganizationId, account: &str, name: &str) {
    place_in(bench, account, &unit(bench, id, None, name));
}

/// Puts an account into the unit of this id.
pub(crate) fn place_in(bench: &Bench, account: &str, unit: &str) {
    change_member(bench, account, |row| row.parent = unit.parse().unwrap());
}

/// Attaches a new service control policy to an account, unit or root.
pub(crate) fn add_policy(bench: &Bench, id: &OrganizationId, target: &str, name: &str, document: &str) {
    add_policy_of(bench, id, OrganizationPolicyType::ServiceControl, target, name, document);
}

/// Attaches a new policy of this type to an account, unit or root.
pub(crate) fn add_policy_of(
    bench: &Bench,
    id: &OrganizationId,
    kind: OrganizationPolicyType,
    target: &str,
    name: &str,
    document: &str,
) {
    let state = bench.begin().world().organization(id).unwrap().clone();
    let policy: OrganizationPolicyId = format!("p-{:08}", state.policies().len()).parse().unwrap();
    let row = OrganizationPolicy {
        id: policy.clone(),
        kind,
        name: name.into(),
        description: "".into(),
        document: Document::new(document),
        updated: bench.now(),
        tags: Vec::new(),
    };
    let mut attached = match target.parse::<NodeId>() {
        Ok(node) => state.node(&node).unwrap().policies.clone(),
        Err(_) => state.member(target.parse().unwrap()).unwrap().policies.clone(),
    };
    attached.push(policy.clone());
    bench.write(|txn| txn.put(RowKey::OrganizationPolicy(id.clone(), policy), row));
    set_policies(bench, id, target, &attached);
}

/// Leaves nothing but these attached to an account, unit or root.
pub(crate) fn set_policies(
    bench: &Bench,
    id: &OrganizationId,
    target: &str,
    policies: &[OrganizationPolicyId],
) {
    let Ok(node) = target.parse::<NodeId>() else {
        return change_member(bench, target, |row| row.policies = policies.to_vec());
    };
    bench.write(|txn| {
        let key = RowKey::OrganizationNode(id.clone(), node);
        let row = OrganizationNode::clone(&*txn.get::<OrganizationNode>(key.clone()).unwrap());
        txn.put(key, OrganizationNode { policies: policies.to_vec(), ..row });
    });
}

fn change_member(bench: &Bench, account: &str, change: impl FnOnce(&mut Membership)) {
    let key = RowKey::Membership(account.parse().unwrap());
    bench.write(|txn| {
        let mut row = Membership::clone(&*txn.get::<Membership>(key.clone()).unwrap());
        change(&mut row);
        txn.put(key, row);
    });
}

/// Lets a member administer a service.
pub(crate) fn delegate(bench: &Bench, member: &str, name: &str) {
    change_member(bench, member, |row| row.delegated.push(service(bench, name)));
}

/// From now on the root user of this account calls.
pub(crate) fn call_as(bench: &Bench, account: &str) {
    bench.call_as_root_of(account.parse().unwrap());
}

/// From now on a user of the management account calls, who may do everything but this on these.
pub(crate) fn call_denied(bench: &Bench, action: &str, resources: &[String]) {
    let document = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": format!("organizations:{action}"), "Resource": resources},
    ]});
    if bench.row::<User>("denied").is_none() {
        bench.add_user("denied");
    }
    bench.write(|txn| {
        let policy = InlinePolicy { name: "p".into(), document: Document::new(document.to_string()) };
        let user = txn.named::<User>(bench.account(), "denied").unwrap();
        let grants = Grants { inline: vec![policy], ..Grants::default() };
        txn.put_entity(bench.account(), User { grants, ..User::clone(&user) });
    });
    bench.call_as_user("denied");
}

fn service(bench: &Bench, name: &str) -> TrustedService {
    TrustedService { principal: name.into(), since: bench.now() }
}
