//! Organizations under test: units, members, and policies on them.

use rootward_api::organizations as api;
use rootward_names::{AccountId, NodeId, Partition};
use rootward_pipeline::Failure;
use rootward_state::entities::{Membership, Organization, OrganizationNode};
use rootward_state::{OrganizationState, RowKey};

use super::organization::{self, CREATE_ORGANIZATION};
use super::{attachments, policies, policy_types, standing};
use crate::accounts::{self, OpenAccount};
use crate::testing::Bench;

pub(super) const SCP: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;
pub(super) const RCP: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}]}"#;

/// An account that manages an organization with this many types of policies in force.
pub(super) fn organization(types: &[api::PolicyType]) -> Bench {
    let bench = Bench::new();
    bench.run(&CREATE_ORGANIZATION, Default::default()).unwrap();
    types.iter().for_each(|kind| enable(&bench, *kind).unwrap());
    bench
}

/// The organization as it stands.
pub(super) fn state(bench: &Bench) -> OrganizationState {
    bench.in_scope(|scope| OrganizationState::clone(standing::in_scope(scope).unwrap()))
}

pub(super) fn root(bench: &Bench) -> String {
    state(bench).organization().root.to_string()
}

pub(super) fn enable(bench: &Bench, kind: api::PolicyType) -> Result<(), Failure> {
    let input = api::EnablePolicyTypeRequest { root_id: root(bench), policy_type: kind };
    bench.run(&policy_types::ENABLE_POLICY_TYPE, input).map(drop)
}

pub(super) fn policy(kind: api::PolicyType, name: &str, content: &str) -> api::CreatePolicyRequest {
    api::CreatePolicyRequest {
        content: content.into(),
        description: "about it".into(),
        name: name.into(),
        r#type: kind,
        tags: None,
    }
}

/// Makes a policy and returns its id.
pub(super) fn create(bench: &Bench, kind: api::PolicyType, name: &str, content: &str) -> String {
    let made = bench.run(&policies::CREATE_POLICY, policy(kind, name, content)).unwrap();
    made.policy.unwrap().policy_summary.unwrap().id.unwrap()
}

pub(super) fn pair(policy: &str, target: &str) -> api::AttachPolicyRequest {
    api::AttachPolicyRequest { policy_id: policy.into(), target_id: target.into() }
}

pub(super) fn attach(bench: &Bench, policy: &str, target: &str) -> Result<(), Failure> {
    bench.run(&attachments::ATTACH_POLICY, pair(policy, target)).map(drop)
}

pub(super) fn detach(bench: &Bench, policy: &str, target: &str) -> Result<(), Failure> {
    let input = api::DetachPolicyRequest { policy_id: policy.into(), target_id: target.into() };
    bench.run(&attachments::DETACH_POLICY, input).map(drop)
}

/// What `ListPoliciesForTarget` says is attached, by id.
pub(super) fn attached(bench: &Bench, target: &str, kind: api::PolicyType) -> Vec<String> {
    let input = api::ListPoliciesForTargetRequest {
        target_id: target.into(),
        filter: kind,
        next_token: None,
        max_results: None,
    };
    let listed = bench.run(&attachments::LIST_POLICIES_FOR_TARGET, input).unwrap();
    listed.policies.unwrap().into_iter().map(|policy| policy.id.unwrap()).collect()
}

/// Adds a unit under the root.
pub(super) fn add_unit(bench: &Bench, id: &str) -> String {
    let organization = state(bench).organization().clone();
    let tail = organization.root.as_str().trim_start_matches("r-").to_owned();
    let id: NodeId = format!("ou-{tail}-{id}").parse().unwrap();
    let node = OrganizationNode {
        id: id.clone(),
        parent: Some(organization.root.clone()),
        name: "unit".into(),
        policies: organization::attached_at_first(),
        tags: Vec::new(),
    };
    bench.write(|txn| txn.put(RowKey::OrganizationNode(organization.id.clone(), id.clone()), node));
    id.to_string()
}

/// Opens an account in a node.
pub(super) fn add_member(bench: &Bench, account: &str, parent: &str) -> String {
    let id: AccountId = account.parse().unwrap();
    let request = OpenAccount {
        name: "Member",
        email: &format!("root@{account}.example.com"),
        password: None,
        admin: None,
        partition: Partition::Aws,
        id: Some(id),
    };
    bench.write_with(|txn, now, random, vault| accounts::open(txn, &request, now, random, vault)).unwrap();
    let membership = Membership {
        account: id,
        organization: state(bench).organization().id.clone(),
        parent: parent.parse().unwrap(),
        joined: bench.now(),
        invited: false,
        policies: organization::attached_at_first(),
        tags: Vec::new(),
        delegated: Vec::new(),
    };
    bench.write(|txn| txn.put(RowKey::Membership(id), membership));
    account.to_owned()
}

/// From now on the caller's account is a member, and another one manages the organization.
pub(super) fn hand_over(bench: &Bench, account: &str) {
    let organization = state(bench).organization().clone();
    let management = account.parse().unwrap();
    bench.write(|txn| {
        let row = Organization { management, ..Organization::clone(&organization) };
        txn.put(RowKey::Organization(row.id.clone()), row);
    });
}

pub(super) fn reason(failure: &Failure) -> &str {
    failure.members.get("Reason").and_then(|reason| reason.as_str()).unwrap_or_default()
}
