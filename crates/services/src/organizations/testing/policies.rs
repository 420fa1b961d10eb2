//! Policies of organizations under test.

use rootward_api::organizations as api;
use rootward_pipeline::Failure;
use rootward_state::RowKey;
use rootward_state::entities::Organization;

use super::{enter, root, state, unit};
use crate::organizations::organization::CREATE_ORGANIZATION;
use crate::organizations::{attachments, policies, policy_types};
use crate::testing::Bench;

pub(in crate::organizations) const SCP: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;
pub(in crate::organizations) const RCP: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}]}"#;

/// An account that manages an organization with this many types of policies in force.
pub(in crate::organizations) fn organization(types: &[api::PolicyType]) -> Bench {
    let bench = Bench::new();
    bench.run(&CREATE_ORGANIZATION, Default::default()).unwrap();
    types.iter().for_each(|kind| enable(&bench, *kind).unwrap());
    bench
}

pub(in crate::organizations) fn enable(bench: &Bench, kind: api::PolicyType) -> Result<(), Failure> {
    let input = api::EnablePolicyTypeRequest { root_id: root(bench), policy_type: kind };
    bench.run(&policy_types::ENABLE_POLICY_TYPE, input).map(drop)
}

pub(in crate::organizations) fn policy(
    kind: api::PolicyType,
    name: &str,
    content: &str,
) -> api::CreatePolicyRequest {
    api::CreatePolicyRequest {
        content: content.into(),
        description: "about it".into(),
        name: name.into(),
        r#type: kind,
        tags: None,
    }
}

/// Makes a policy and returns its id.
pub(in crate::organizations) fn create(
    bench: &Bench,
    kind: api::PolicyType,
    name: &str,
    content: &str,
) -> String {
    let made = bench.run(&policies::CREATE_POLICY, policy(kind, name, content)).unwrap();
    made.policy.unwrap().policy_summary.unwrap().id.unwrap()
}

pub(in crate::organizations) fn pair(policy: &str, target: &str) -> api::AttachPolicyRequest {
    api::AttachPolicyRequest { policy_id: policy.into(), target_id: target.into() }
}

pub(in crate::organizations) fn attach(bench: &Bench, policy: &str, target: &str) -> Result<(), Failure> {
    bench.run(&attachments::ATTACH_POLICY, pair(policy, target)).map(drop)
}

pub(in crate::organizations) fn detach(bench: &Bench, policy: &str, target: &str) -> Result<(), Failure> {
    let input = api::DetachPolicyRequest { policy_id: policy.into(), target_id: target.into() };
    bench.run(&attachments::DETACH_POLICY, input).map(drop)
}

/// What `ListPoliciesForTarget` says is attached, by id.
pub(in crate::organizations) fn attached(bench: &Bench, target: &str, kind: api::PolicyType) -> Vec<String> {
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
pub(in crate::organizations) fn add_unit(bench: &Bench, name: &str) -> String {
    unit(bench, &state(bench).organization().id, None, name)
}

/// Opens an account in a node.
pub(in crate::organizations) fn add_member(bench: &Bench, account: &str, parent: &str) -> String {
    enter(bench, account.parse().unwrap(), &parent.parse().unwrap());
    account.to_owned()
}

/// From now on the caller's account is a member, and another one manages the organization.
pub(in crate::organizations) fn hand_over(bench: &Bench, account: &str) {
    let organization = state(bench).organization().clone();
    let management = account.parse().unwrap();
    bench.write(|txn| {
        let row = Organization { management, ..Organization::clone(&organization) };
        txn.put(RowKey::Organization(row.id.clone()), row);
    });
}
