//! Policies of an organization: its own, and those that AWS attaches to everything.
//!
//! AWS's are found, listed and attached like own ones, and changed by nobody. What makes or renames a policy rewrites the organization's
//! row, so that names stay unique and [`DisablePolicyType`](super::policy_types) sees every policy; what attaches one rewrites the
//! policy's, so that a policy deleted at the same time is attached to nothing.

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_names::OrganizationPolicyId;
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Scope, Target, always,
};
use rootward_state::entities::{Organization, OrganizationPolicy, OrganizationPolicyType, Tag};
use rootward_state::{OrganizationState, RowKey, Txn};
use rootward_wire::Empty;

use super::page::Ask;
use super::{failures, policy_documents, quotas, shown, standing};
use crate::tag_keys;

pub(super) static OPERATIONS: &[&dyn Handler] =
    &[&CREATE_POLICY, &DELETE_POLICY, &DESCRIBE_POLICY, &LIST_POLICIES, &UPDATE_POLICY];

/// The type of policies that an input names.
pub(super) fn kind_of(kind: api::PolicyType) -> OrganizationPolicyType {
    OrganizationPolicyType::of_name(kind.as_str())
}

/// A policy that an input names, its own or AWS's, unguarded.
///
/// # Errors
/// `PolicyNotFoundException`.
pub(super) fn find<'s>(state: &'s OrganizationState, id: &str) -> Result<&'s OrganizationPolicy, Failure> {
    let id = id.parse::<OrganizationPolicyId>().ok();
    id.and_then(|id| state.policy(&id)).ok_or_else(failures::policy_not_found)
}

/// A policy of its own that an input names, guarded: to be changed.
///
/// # Errors
/// `PolicyNotFoundException`; `InvalidInputException` for what is AWS's.
fn own(txn: &mut Txn, state: &OrganizationState, id: &str) -> Result<Arc<OrganizationPolicy>, Failure> {
    let policy = find(state, id)?;
    if policy.is_of_aws() {
        return Err(failures::immutable_policy());
    }
    txn.get(key(state, &policy.id)).ok_or_else(failures::policy_not_found)
}

pub(super) fn key(state: &OrganizationState, policy: &OrganizationPolicyId) -> RowKey {
    RowKey::OrganizationPolicy(state.organization().id.clone(), policy.clone())
}

/// What a rule about a policy is about. Of a policy that does not exist the type is not known, and reads `*`.
pub(super) fn target(scope: &Scope<'_>, id: &str) -> Target {
    let Some(state) = standing::in_scope(scope) else { return Target::any() };
    match find(state, id) {
        Ok(policy) => Target { tags: policy.tags.clone(), ..Target::arn(arn(state.organization(), policy)) },
        Err(_) => unborn(state, "*", id),
    }
}

/// The type of a policy that an input names, for `organizations:PolicyType`.
pub(super) fn type_of(scope: &Scope<'_>, id: &str) -> Option<String> {
    let policy = find(standing::in_scope(scope)?, id).ok()?;
    Some(policy.kind.name().to_owned())
}

fn new_target(scope: &Scope<'_>, kind: api::PolicyType) -> Target {
    standing::in_scope(scope).map_or_else(Target::any, |state| {
        unborn(state, &kind.as_str().to_ascii_lowercase(), "p-*")
    })
}

/// A policy that is not there; `kind` is its type in lower case.
fn unborn(state: &OrganizationState, kind: &str, id: &str) -> Target {
    Target::arn(shown::arn(state.organization(), "policy", &format!("{kind}/{id}")))
}

fn arn(organization: &Organization, policy: &OrganizationPolicy) -> String {
    policy.arn(organization.partition, &organization.id, organization.management)
}

/// A policy as lists show it.
pub(super) fn summary(organization: &Organization, policy: &OrganizationPolicy) -> api::PolicySummary {
    api::PolicySummary {
        id: Some(policy.id.to_string()),
        arn: Some(arn(organization, policy)),
        name: Some(policy.name.to_string()),
        description: Some(policy.description.to_string()),
        r#type: shown::policy_type(&policy.kind),
        aws_managed: Some(policy.is_of_aws()),
    }
}

fn whole(organization: &Organization, policy: &OrganizationPolicy) -> api::Policy {
    api::Policy {
        policy_summary: Some(summary(organization, policy)),
        content: Some(policy.document.text().to_owned()),
    }
}

pub(super) static CREATE_POLICY: Declaration<api::CreatePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "organizations:CreatePolicy",
            when: always,
            target: |scope, input| new_target(scope, input.r#type),
            keys: &[
                Key::Text("organizations:PolicyType", |_, input| Some(input.r#type.as_str().to_owned())),
                Key::RequestTags(|input| requested(&input.tags)),
            ],
        },
        Rule {
            action: "organizations:TagResource",
            when: |_, input| input.tags.as_ref().is_some_and(|tags| !tags.is_empty()),
            target: |scope, input| new_target(scope, input.r#type),
            keys: &[
                Key::Text("organizations:PolicyType", |_, input| Some(input.r#type.as_str().to_owned())),
                Key::RequestTags(|input| requested(&input.tags)),
            ],
        },
    ],
    run: create_policy,
};

fn create_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreatePolicyRequest,
) -> Result<api::CreatePolicyResponse, Failure> {
    let state = standing::managed(ctx, txn)?;
    let kind = kind_of(input.r#type);
    if !state.organization().all_features {
        return Err(failures::policy_type_not_available());
    }
    check_name(&state, &kind, &input.name, None)?;
    let count = state.policies().iter().filter(|(_, policy)| policy.kind == kind).count();
    if count >= quotas::of_policies(&kind).count_max {
        return Err(failures::too_many_policies());
    }
    let document = policy_documents::checked(&kind, &input.content)?;
    let tags = new_tags(input.tags.as_deref().unwrap_or_default())?;
    let policy = OrganizationPolicy {
        id: ctx.with_random(|random| OrganizationPolicyId::random(random)),
        kind,
        name: input.name.as_str().into(),
        description: input.description.as_str().into(),
        document,
        updated: ctx.now,
        tags,
    };
    let organization = hold(txn, &state)?;
    let shown = whole(&organization, &policy);
    txn.put(key(&state, &policy.id), policy);
    Ok(api::CreatePolicyResponse { policy: Some(shown) })
}

/// Rewrites the organization's row: whoever makes or renames a policy meanwhile, or deletes the organization, loses or wins.
fn hold(txn: &mut Txn, state: &OrganizationState) -> Result<Arc<Organization>, Failure> {
    let row = standing::row(txn, &state.organization().id)?;
    txn.put::<Organization>(RowKey::Organization(row.id.clone()), Arc::clone(&row));
    Ok(row)
}

/// Whether a name is free among the policies of a type, but for the one that has it now.
fn check_name(
    state: &OrganizationState,
    kind: &OrganizationPolicyType,
    name: &str,
    own: Option<&OrganizationPolicyId>,
) -> Result<(), Failure> {
    let own_policies = state.policies().iter().map(|(_, policy)| &**policy);
    let mut others = own_policies.chain(OrganizationPolicy::of_aws()).filter(|other| Some(&other.id) != own);
    let taken = others.any(|other| other.kind == *kind && &*other.name == name);
    if taken { Err(failures::duplicate_policy()) } else { Ok(()) }
}

fn new_tags(tags: &[api::Tag]) -> Result<Vec<Tag>, Failure> {
    tag_keys::check(tags.iter().map(|tag| tag.key.as_str())).map_err(failures::policy_tag)?;
    if tags.len() > quotas::POLICY_TAGS_MAX {
        return Err(failures::too_many_policy_tags());
    }
    let kept = |tag: &api::Tag| Tag { key: tag.key.as_str().into(), value: tag.value.as_str().into() };
    Ok(tags.iter().map(kept).collect())
}

fn requested(tags: &Option<Vec<api::Tag>>) -> Vec<(&str, &str)> {
    tags.iter().flatten().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect()
}

pub(super) static DESCRIBE_POLICY: Declaration<api::DescribePolicy> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DescribePolicy",
        when: always,
        target: |scope, input| target(scope, &input.policy_id),
        keys: &[Key::Text("organizations:PolicyType", |scope, input| type_of(scope, &input.policy_id))],
    }],
    run: describe_policy,
};

fn describe_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DescribePolicyRequest,
) -> Result<api::DescribePolicyResponse, Failure> {
    let state = standing::looked_at(ctx, txn)?;
    let shown = whole(state.organization(), find(&state, &input.policy_id)?);
    Ok(api::DescribePolicyResponse { policy: Some(shown) })
}

pub(super) static UPDATE_POLICY: Declaration<api::UpdatePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:UpdatePolicy",
        when: always,
        target: |scope, input| target(scope, &input.policy_id),
        keys: &[Key::Text("organizations:PolicyType", |scope, input| type_of(scope, &input.policy_id))],
    }],
    run: update_policy,
};

fn update_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UpdatePolicyRequest,
) -> Result<api::UpdatePolicyResponse, Failure> {
    let state = standing::managed(ctx, txn)?;
    let mut policy = OrganizationPolicy::clone(&*own(txn, &state, &input.policy_id)?);
    if let Some(name) = input.name.as_deref().filter(|name| *name != &*policy.name) {
        check_name(&state, &policy.kind, name, Some(&policy.id))?;
        hold(txn, &state)?;
        policy.name = name.into();
    }
    // As the service was seen to: a description can be replaced, and not be taken away.
    if let Some(description) = input.description.as_deref().filter(|text| !text.is_empty()) {
        policy.description = description.into();
    }
    if let Some(content) = &input.content {
        policy.document = policy_documents::checked(&policy.kind, content)?;
    }
    policy.updated = ctx.now;
    let shown = whole(state.organization(), &policy);
    txn.put(key(&state, &policy.id), policy);
    Ok(api::UpdatePolicyResponse { policy: Some(shown) })
}

pub(super) static DELETE_POLICY: Declaration<api::DeletePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DeletePolicy",
        when: always,
        target: |scope, input| target(scope, &input.policy_id),
        keys: &[Key::Text("organizations:PolicyType", |scope, input| type_of(scope, &input.policy_id))],
    }],
    run: delete_policy,
};

fn delete_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeletePolicyRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed(ctx, txn)?;
    let policy = own(txn, &state, &input.policy_id)?;
    // Unguarded, yet safe: whoever attaches the policy rewrites its row, which is guarded.
    if state.targets_after(&policy.id, None).next().is_some() {
        return Err(failures::policy_in_use());
    }
    txn.delete(key(&state, &policy.id));
    Ok(Empty)
}

pub(super) static LIST_POLICIES: Declaration<api::ListPolicies> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListPolicies",
        when: always,
        target: |_, _| Target::any(),
        keys: &[Key::Text("organizations:PolicyType", |_, input| Some(input.filter.as_str().to_owned()))],
    }],
    run: list_policies,
};

/// AWS's first, then the organization's own by id.
fn list_policies(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListPoliciesRequest,
) -> Result<api::ListPoliciesResponse, Failure> {
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let after = after(&ask)?;
    let state = standing::looked_at(ctx, txn)?;
    let kind = kind_of(input.filter);
    let of_aws = OrganizationPolicy::of_aws();
    let own_after = after.as_ref().filter(|after| of_aws.iter().all(|policy| policy.id != **after));
    let own = state.policies().after(own_after).map(|(_, policy)| &**policy);
    let listed = of_aws.iter().filter(|_| after.is_none()).chain(own).filter(|policy| policy.kind == kind);
    let page = ask.take(
        listed,
        |policy| policy.id.to_string(),
        |policy| summary(state.organization(), policy),
    );
    Ok(api::ListPoliciesResponse { policies: page.items, next_token: page.next_token })
}

/// The policy that the page before ended with.
///
/// # Errors
/// `InvalidInputException` when it ended with none.
pub(super) fn after(ask: &Ask) -> Result<Option<OrganizationPolicyId>, Failure> {
    ask.after.as_deref().map(str::parse).transpose().map_err(|_| failures::bad_next_token())
}
