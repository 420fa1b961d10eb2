//! Policies attached to the root, to units and to accounts.
//!
//! An attachment is kept in the row of what it is on. Making one rewrites the policy's row too, so that a policy deleted, or a type taken
//! out of force, at the same time leaves no attachment behind. Of a type that is not in force nothing shows, though AWS's policies stay.

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_names::{AccountId, OrganizationPolicyId};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Scope, always,
};
use rootward_state::entities::{
    Membership, OrganizationNode, OrganizationPolicy, OrganizationPolicyType,
};
use rootward_state::{OrganizationState, RowKey, Target, Txn, World};
use rootward_wire::Empty;

use super::page::Ask;
use super::{failures, policies, quotas, shown, standing};

pub(super) static OPERATIONS: &[&dyn Handler] =
    &[&ATTACH_POLICY, &DETACH_POLICY, &LIST_POLICIES_FOR_TARGET, &LIST_TARGETS_FOR_POLICY];

/// What a policy can be attached to, its row guarded: to be changed.
pub(super) enum Place {
    Account(Arc<Membership>),
    Node(Arc<OrganizationNode>),
}

impl Place {
    /// The place that `target` is in an organization.
    ///
    /// # Errors
    /// `TargetNotFoundException`.
    pub(super) fn find(txn: &mut Txn, state: &OrganizationState, target: &Target) -> Result<Self, Failure> {
        let organization = &state.organization().id;
        let place = match target {
            Target::Account(account) => {
                let row: Option<Arc<Membership>> = txn.get(RowKey::Membership(*account));
                row.filter(|row| row.organization == *organization).map(Self::Account)
            }
            Target::Node(node) => {
                txn.get(RowKey::OrganizationNode(organization.clone(), node.clone())).map(Self::Node)
            }
        };
        place.ok_or_else(failures::target_not_found)
    }

    /// What is attached, of all types.
    pub(super) fn policies(&self) -> &[OrganizationPolicyId] {
        match self {
            Self::Account(row) => &row.policies,
            Self::Node(row) => &row.policies,
        }
    }

    /// Attaches these, and nothing else.
    pub(super) fn put(self, txn: &mut Txn, state: &OrganizationState, policies: Vec<OrganizationPolicyId>) {
        match self {
            Self::Account(row) => {
                let key = RowKey::Membership(row.account);
                txn.put(key, Membership { policies, ..Membership::clone(&row) });
            }
            Self::Node(row) => {
                let key = RowKey::OrganizationNode(state.organization().id.clone(), row.id.clone());
                txn.put(key, OrganizationNode { policies, ..OrganizationNode::clone(&row) });
            }
        }
    }
}

/// What an input names as a target.
///
/// # Errors
/// `TargetNotFoundException` for what can be the id of none.
pub(super) fn target(id: &str) -> Result<Target, Failure> {
    read(id).ok_or_else(failures::target_not_found)
}

fn read(id: &str) -> Option<Target> {
    let account = id.parse::<AccountId>().ok().map(Target::Account);
    account.or_else(|| id.parse().ok().map(Target::Node))
}

/// Of `policies`, those of one type.
pub(super) fn of_kind<'s>(
    state: &'s OrganizationState,
    policies: &'s [OrganizationPolicyId],
    kind: &'s OrganizationPolicyType,
) -> impl Iterator<Item = &'s OrganizationPolicy> {
    policies.iter().filter_map(|id| state.policy(id)).filter(move |policy| policy.kind == *kind)
}

/// What a rule about a target is about.
fn rule_target(scope: &Scope<'_>, id: &str) -> rootward_pipeline::Target {
    let (Some(state), Some(target)) = (standing::in_scope(scope), read(id)) else {
        return rootward_pipeline::Target::any();
    };
    let tags = match &target {
        Target::Account(account) => state.member(*account).map(|row| row.tags.clone()),
        Target::Node(node) => state.node(node).map(|row| row.tags.clone()),
    };
    let arn = shown::target_arn(state.organization(), &target);
    rootward_pipeline::Target { tags: tags.unwrap_or_default(), ..rootward_pipeline::Target::arn(arn) }
}

pub(super) static ATTACH_POLICY: Declaration<api::AttachPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "organizations:AttachPolicy",
            when: always,
            target: |scope, input| policies::target(scope, &input.policy_id),
            keys: &[Key::Text("organizations:PolicyType", |scope, input| {
                policies::type_of(scope, &input.policy_id)
            })],
        },
        Rule {
            action: "organizations:AttachPolicy",
            when: always,
            target: |scope, input| rule_target(scope, &input.target_id),
            keys: &[Key::Text("organizations:PolicyType", |scope, input| {
                policies::type_of(scope, &input.policy_id)
            })],
        },
    ],
    run: attach_policy,
};

fn attach_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::AttachPolicyRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed(ctx, txn)?;
    let policy = policies::find(&state, &input.policy_id)?;
    let place = Place::find(txn, &state, &target(&input.target_id)?)?;
    if !state.organization().policy_types.contains(&policy.kind) {
        return Err(failures::policy_type_not_enabled());
    }
    if place.policies().contains(&policy.id) {
        return Err(failures::policy_already_attached());
    }
    let attached = of_kind(&state, place.policies(), &policy.kind).count();
    if attached >= quotas::of_policies(&policy.kind).attached_max {
        return Err(failures::too_many_attached());
    }
    if !policy.is_of_aws() {
        let key = policies::key(&state, &policy.id);
        let row: Arc<OrganizationPolicy> = txn.get(key.clone()).ok_or_else(failures::policy_not_found)?;
        txn.put::<OrganizationPolicy>(key, row);
    }
    let mut attached = place.policies().to_vec();
    attached.push(policy.id.clone());
    place.put(txn, &state, attached);
    Ok(Empty)
}

pub(super) static DETACH_POLICY: Declaration<api::DetachPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "organizations:DetachPolicy",
            when: always,
            target: |scope, input| policies::target(scope, &input.policy_id),
            keys: &[Key::Text("organizations:PolicyType", |scope, input| {
                policies::type_of(scope, &input.policy_id)
            })],
        },
        Rule {
            action: "organizations:DetachPolicy",
            when: always,
            target: |scope, input| rule_target(scope, &input.target_id),
            keys: &[Key::Text("organizations:PolicyType", |scope, input| {
                policies::type_of(scope, &input.policy_id)
            })],
        },
    ],
    run: detach_policy,
};

fn detach_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DetachPolicyRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed(ctx, txn)?;
    let policy = policies::find(&state, &input.policy_id)?;
    let place = Place::find(txn, &state, &target(&input.target_id)?)?;
    let is_in_force = state.organization().policy_types.contains(&policy.kind);
    if !is_in_force || !place.policies().contains(&policy.id) {
        return Err(failures::policy_not_attached());
    }
    if policy.is_of_aws() && policy.kind == OrganizationPolicyType::ResourceControl {
        return Err(failures::non_detachable_policy());
    }
    // Of the row that is guarded, so that two that detach at once do not both leave the other's.
    let attached = of_kind(&state, place.policies(), &policy.kind).count();
    if policy.kind == OrganizationPolicyType::ServiceControl && attached == 1 {
        return Err(failures::last_attached());
    }
    let rest = place.policies().iter().filter(|id| **id != policy.id).cloned().collect();
    place.put(txn, &state, rest);
    Ok(Empty)
}

pub(super) static LIST_POLICIES_FOR_TARGET: Declaration<api::ListPoliciesForTarget> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListPoliciesForTarget",
        when: always,
        target: |scope, input| rule_target(scope, &input.target_id),
        keys: &[Key::Text("organizations:PolicyType", |_, input| Some(input.filter.as_str().to_owned()))],
    }],
    run: list_policies_for_target,
};

/// By id. What is inherited from above is not among them.
fn list_policies_for_target(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListPoliciesForTargetRequest,
) -> Result<api::ListPoliciesForTargetResponse, Failure> {
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let after = policies::after(&ask)?;
    let state = standing::looked_at(ctx, txn)?;
    let attached = match target(&input.target_id)? {
        Target::Account(account) => state.member(account).map(|row| &*row.policies),
        Target::Node(node) => state.node(&node).map(|row| &*row.policies),
    };
    let attached = attached.ok_or_else(failures::target_not_found)?;
    let kind = policies::kind_of(input.filter);
    let is_in_force = state.organization().policy_types.contains(&kind);
    let mut listed: Vec<_> = of_kind(&state, attached, &kind).filter(|_| is_in_force).collect();
    listed.sort_by(|a, b| a.id.cmp(&b.id));
    let page = ask.take(
        listed.into_iter().filter(|policy| after.as_ref().is_none_or(|after| policy.id > *after)),
        |policy| policy.id.to_string(),
        |policy| policies::summary(state.organization(), policy),
    );
    Ok(api::ListPoliciesForTargetResponse { policies: page.items, next_token: page.next_token })
}

pub(super) static LIST_TARGETS_FOR_POLICY: Declaration<api::ListTargetsForPolicy> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListTargetsForPolicy",
        when: always,
        target: |scope, input| policies::target(scope, &input.policy_id),
        keys: &[Key::Text("organizations:PolicyType", |scope, input| {
            policies::type_of(scope, &input.policy_id)
        })],
    }],
    run: list_targets_for_policy,
};

/// Accounts by id, then units and the root by id.
fn list_targets_for_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListTargetsForPolicyRequest,
) -> Result<api::ListTargetsForPolicyResponse, Failure> {
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let after = ask.after.as_deref().map(|id| read(id).ok_or_else(failures::bad_next_token)).transpose()?;
    let state = standing::looked_at(ctx, txn)?;
    let policy = policies::find(&state, &input.policy_id)?;
    let is_in_force = state.organization().policy_types.contains(&policy.kind);
    let targets = state.targets_after(&policy.id, after.as_ref()).filter(|_| is_in_force);
    let world = txn.world();
    let page = ask.take(targets, |target| id_of(target), |target| summary(&state, target, world));
    Ok(api::ListTargetsForPolicyResponse { targets: page.items, next_token: page.next_token })
}

fn id_of(target: &Target) -> String {
    match target {
        Target::Account(account) => account.to_string(),
        Target::Node(node) => node.to_string(),
    }
}

fn summary(state: &OrganizationState, target: &Target, world: &World) -> api::PolicyTargetSummary {
    let (name, kind) = match target {
        Target::Account(account) => {
            let name = world.account(*account).map(|state| state.account().name.to_string());
            (name, api::TargetType::Account)
        }
        Target::Node(node) => {
            let name = state.node(node).map(|row| row.name.to_string());
            let is_root = node.is_root();
            (name, if is_root { api::TargetType::Root } else { api::TargetType::OrganizationalUnit })
        }
    };
    api::PolicyTargetSummary {
        target_id: Some(id_of(target)),
        arn: Some(shown::target_arn(state.organization(), target)),
        name,
        r#type: Some(kind),
    }
}
