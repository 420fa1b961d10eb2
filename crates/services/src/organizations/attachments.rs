//! Policies attached to the root, to units and to accounts.
//!
//! An attachment is kept in the row of what it is on. Making one rewrites the policy's row too, so that a policy deleted, or a type taken
//! out of force, at the same time leaves no attachment behind. Of a type that is not in force nothing shows, though AWS's policies stay.

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_names::OrganizationPolicyId;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_state::entities::{Membership, OrganizationNode, OrganizationPolicy, OrganizationPolicyType};
use rootward_state::{OrganizationState, RowKey, Target, Txn, World};
use rootward_wire::Empty;

use super::page::Ask;
use super::{failures, keys, policies, quotas, shown, standing, targets};

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
    targets::child(id).ok_or_else(failures::target_not_found)
}

/// Of `policies`, those of one type.
pub(super) fn of_kind<'s>(
    state: &'s OrganizationState,
    policies: &'s [OrganizationPolicyId],
    kind: &'s OrganizationPolicyType,
) -> impl Iterator<Item = &'s OrganizationPolicy> {
    policies.iter().filter_map(|id| state.policy(id)).filter(move |policy| policy.kind == *kind)
}

pub(super) static ATTACH_POLICY: Declaration<api::AttachPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "organizations:AttachPolicy",
            when: always,
            target: |scope, input| policies::target(scope, &input.policy_id),
            keys: &[Key::Text(keys::POLICY_TYPE, |scope, input| policies::type_of(scope, &input.policy_id))],
        },
        Rule {
            action: "organizations:AttachPolicy",
            when: always,
            target: |scope, input| targets::by_id(scope, &input.target_id),
            keys: &[Key::Text(keys::POLICY_TYPE, |scope, input| policies::type_of(scope, &input.policy_id))],
        },
    ],
    run: attach_policy,
};

fn attach_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::AttachPolicyRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed_or_delegated(ctx, txn, &ATTACH_POLICY, input)?;
    let policy = policies::find(&state, &input.policy_id)?;
    attach(txn, &state, policy, &target(&input.target_id)?)?;
    Ok(Empty)
}

/// Attaches a policy, which may have been made in the same transaction, as its type may have been put in force.
///
/// # Errors
/// As `AttachPolicy`.
pub(super) fn attach(
    txn: &mut Txn,
    state: &OrganizationState,
    policy: &OrganizationPolicy,
    target: &Target,
) -> Result<(), Failure> {
    let place = Place::find(txn, state, target)?;
    if !standing::row(txn, &state.organization().id)?.policy_types.contains(&policy.kind) {
        return Err(failures::policy_type_not_enabled());
    }
    if place.policies().contains(&policy.id) {
        return Err(failures::policy_already_attached());
    }
    let attached = of_kind(state, place.policies(), &policy.kind).count();
    if attached >= quotas::of_policies(&policy.kind).attached_max {
        return Err(failures::too_many_attached());
    }
    if !policy.is_of_aws() {
        let key = policies::key(state, &policy.id);
        let row: Arc<OrganizationPolicy> = txn.get(key.clone()).ok_or_else(failures::policy_not_found)?;
        txn.put::<OrganizationPolicy>(key, row);
    }
    let mut attached = place.policies().to_vec();
    attached.push(policy.id.clone());
    place.put(txn, state, attached);
    Ok(())
}

pub(super) static DETACH_POLICY: Declaration<api::DetachPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "organizations:DetachPolicy",
            when: always,
            target: |scope, input| policies::target(scope, &input.policy_id),
            keys: &[Key::Text(keys::POLICY_TYPE, |scope, input| policies::type_of(scope, &input.policy_id))],
        },
        Rule {
            action: "organizations:DetachPolicy",
            when: always,
            target: |scope, input| targets::by_id(scope, &input.target_id),
            keys: &[Key::Text(keys::POLICY_TYPE, |scope, input| policies::type_of(scope, &input.policy_id))],
        },
    ],
    run: detach_policy,
};

fn detach_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DetachPolicyRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed_or_delegated(ctx, txn, &DETACH_POLICY, input)?;
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
        target: |scope, input| targets::by_id(scope, &input.target_id),
        keys: &[Key::Text(keys::POLICY_TYPE, |_, input| Some(input.filter.as_str().to_owned()))],
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
    let state = standing::looked_at(ctx, txn, &LIST_POLICIES_FOR_TARGET, input)?;
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
        keys: &[Key::Text(keys::POLICY_TYPE, |scope, input| policies::type_of(scope, &input.policy_id))],
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
    let after =
        ask.after.as_deref().map(|id| targets::child(id).ok_or_else(failures::bad_next_token)).transpose()?;
    let state = standing::looked_at(ctx, txn, &LIST_TARGETS_FOR_POLICY, input)?;
    let policy = policies::find(&state, &input.policy_id)?;
    let is_in_force = state.organization().policy_types.contains(&policy.kind);
    let targets = state.targets_after(&policy.id, after.as_ref()).filter(|_| is_in_force);
    let world = txn.world();
    let page = ask.take(targets, |target| target.to_string(), |target| summary(&state, target, world));
    Ok(api::ListTargetsForPolicyResponse { targets: page.items, next_token: page.next_token })
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
        target_id: Some(target.to_string()),
        arn: Some(shown::target_arn(state.organization(), target)),
        name,
        r#type: Some(kind),
    }
}

#[cfg(test)]
mod tests {
    use rootward_api::organizations::PolicyType::{
        ResourceControlPolicy as ResourceControl, ServiceControlPolicy as ServiceControl, TagPolicy,
    };

    use super::super::testing::policies::{
        RCP, SCP, add_member, add_unit, attach, attached, create, detach, organization, pair,
    };
    use super::super::testing::{reason, root};
    use super::*;
    use crate::testing::Bench;

    fn targets(bench: &Bench, policy: &str, max: i32) -> Vec<api::PolicyTargetSummary> {
        let (mut seen, mut token) = (Vec::new(), None);
        loop {
            let input = api::ListTargetsForPolicyRequest {
                policy_id: policy.into(),
                next_token: token,
                max_results: Some(max),
            };
            let page = bench.run(&LIST_TARGETS_FOR_POLICY, input).unwrap();
            seen.extend(page.targets.unwrap());
            token = page.next_token;
            if token.is_none() {
                return seen;
            }
        }
    }

    #[test]
    fn policy_is_attached_beside_the_one_of_aws() {
        let bench = organization(&[ServiceControl, ResourceControl]);
        let (scp, rcp) =
            (create(&bench, ServiceControl, "a", SCP), create(&bench, ResourceControl, "a", RCP));
        let unit = add_unit(&bench, "unit");
        let account = add_member(&bench, "444455556666", &unit);
        for target in [&root(&bench), &unit, &account] {
            attach(&bench, &scp, target).unwrap();
            attach(&bench, &rcp, target).unwrap();
            let mut expected = vec!["p-FullAWSAccess".to_owned(), scp.clone()];
            expected.sort();
            assert_eq!(attached(&bench, target, ServiceControl), expected);
            assert!(attached(&bench, target, ResourceControl).contains(&rcp));
            let failure = attach(&bench, &scp, target).unwrap_err();
            assert_eq!(failure.code, "DuplicatePolicyAttachmentException");
        }
    }

    #[test]
    fn targets_show_name_type_and_arn() {
        let bench = organization(&[ServiceControl]);
        let policy = create(&bench, ServiceControl, "a", SCP);
        let (root, unit) = (root(&bench), add_unit(&bench, "unit"));
        let account = add_member(&bench, "444455556666", &unit);
        for target in [&root, &unit, &account] {
            attach(&bench, &policy, target).unwrap();
        }
        for max in [1, 2, 20] {
            let shown = targets(&bench, &policy, max);
            let shown: Vec<_> =
                shown.iter().map(|target| (target.target_id.clone().unwrap(), target.r#type)).collect();
            assert_eq!(
                shown,
                [
                    (account.clone(), Some(api::TargetType::Account)),
                    (unit.clone(), Some(api::TargetType::OrganizationalUnit)),
                    (root.clone(), Some(api::TargetType::Root)),
                ]
            );
        }
        let shown = targets(&bench, &policy, 20);
        assert_eq!(
            shown.iter().map(|target| target.name.as_deref().unwrap()).collect::<Vec<_>>(),
            ["Member", "unit", "Root"]
        );
        assert!(shown[1].arn.as_deref().unwrap().starts_with("arn:aws:organizations::111122223333:ou/o-"));
        // The management account has it too.
        assert_eq!(targets(&bench, "p-FullAWSAccess", 20).len(), 4);
    }

    #[test]
    fn what_is_not_there_or_not_in_force_is_not_attached() {
        let bench = organization(&[ServiceControl]);
        let (policy, tags) =
            (create(&bench, ServiceControl, "a", SCP), create(&bench, TagPolicy, "t", r#"{"tags":{}}"#));
        let root = root(&bench);
        for (policy, target, code) in [
            ("p-abcdefgh", &*root, "PolicyNotFoundException"),
            (&*policy, "999988887777", "TargetNotFoundException"),
            (&*policy, "r-zzzz", "TargetNotFoundException"),
            (&*policy, "ou-zzzz-abcdefgh", "TargetNotFoundException"),
        ] {
            assert_eq!(attach(&bench, policy, target).unwrap_err().code, code);
            assert_eq!(detach(&bench, policy, target).unwrap_err().code, code);
        }
        assert_eq!(attach(&bench, &tags, &root).unwrap_err().code, "PolicyTypeNotEnabledException");
        for policy in [&*tags, &*policy, "p-RCPFullAWSAccess"] {
            assert_eq!(detach(&bench, policy, &root).unwrap_err().code, "PolicyNotAttachedException");
        }
        assert!(attached(&bench, &root, ResourceControl).is_empty());
        assert!(targets(&bench, "p-RCPFullAWSAccess", 20).is_empty());
    }

    #[test]
    fn account_of_another_organization_is_no_target() {
        let bench = organization(&[ServiceControl]);
        let (policy, root) = (create(&bench, ServiceControl, "a", SCP), root(&bench));
        let account = add_member(&bench, "444455556666", &root);
        bench.write(|txn| {
            let key = RowKey::Membership(account.parse().unwrap());
            let row: Arc<Membership> = txn.get(key.clone()).unwrap();
            let organization: rootward_names::OrganizationId = "o-anotherone".parse().unwrap();
            let other = Membership { organization: organization.clone(), ..Membership::clone(&row) };
            let owner = rootward_state::entities::Organization {
                id: organization.clone(),
                management: row.account,
                ..rootward_state::entities::Organization::clone(
                    &txn.get(RowKey::Organization(row.organization.clone())).unwrap(),
                )
            };
            txn.put(RowKey::Organization(organization), owner);
            txn.put(key, other);
        });
        assert_eq!(attach(&bench, &policy, &account).unwrap_err().code, "TargetNotFoundException");
    }

    #[test]
    fn target_takes_so_many_policies_of_a_type() {
        let bench = organization(&[ServiceControl, ResourceControl]);
        let root = root(&bench);
        for (kind, content, max) in [(ServiceControl, SCP, 10), (ResourceControl, RCP, 5)] {
            for n in 1..max {
                attach(&bench, &create(&bench, kind, &format!("p{n}"), content), &root).unwrap();
            }
            let failure = attach(&bench, &create(&bench, kind, "more", content), &root).unwrap_err();
            assert_eq!(reason(&failure), "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED");
        }
    }

    #[test]
    fn last_service_control_policy_stays() {
        let bench = organization(&[ServiceControl]);
        let (policy, root) = (create(&bench, ServiceControl, "a", SCP), root(&bench));
        let failure = detach(&bench, "p-FullAWSAccess", &root).unwrap_err();
        assert_eq!(reason(&failure), "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED");
        attach(&bench, &policy, &root).unwrap();
        detach(&bench, "p-FullAWSAccess", &root).unwrap();
        assert_eq!(attached(&bench, &root, ServiceControl), [&*policy]);
        assert!(detach(&bench, &policy, &root).is_err());
        attach(&bench, "p-FullAWSAccess", &root).unwrap();
        detach(&bench, &policy, &root).unwrap();
    }

    #[test]
    fn resource_control_policy_of_aws_stays() {
        let bench = organization(&[ResourceControl]);
        let (policy, root) = (create(&bench, ResourceControl, "a", RCP), root(&bench));
        attach(&bench, &policy, &root).unwrap();
        let failure = detach(&bench, "p-RCPFullAWSAccess", &root).unwrap_err();
        assert_eq!((failure.code, reason(&failure)), ("InvalidInputException", "NON_DETACHABLE_POLICY"));
        detach(&bench, &policy, &root).unwrap();
    }

    #[test]
    fn last_policy_of_a_type_that_configures_goes() {
        let bench = organization(&[TagPolicy]);
        let (policy, root) = (create(&bench, TagPolicy, "t", r#"{"tags":{}}"#), root(&bench));
        attach(&bench, &policy, &root).unwrap();
        detach(&bench, &policy, &root).unwrap();
        assert!(attached(&bench, &root, TagPolicy).is_empty());
    }

    #[test]
    fn two_policies_detached_at_once_leave_one() {
        let bench = organization(&[ServiceControl]);
        let (policy, root) = (create(&bench, ServiceControl, "a", SCP), root(&bench));
        attach(&bench, &policy, &root).unwrap();
        let race = |policy: &str| {
            let input = api::DetachPolicyRequest { policy_id: policy.into(), target_id: root.clone() };
            bench.run_uncommitted(&DETACH_POLICY, &input).unwrap().1
        };
        let (first, second) = (race(&policy), race("p-FullAWSAccess"));
        assert!(bench.second_loses(first, second));
        let failure = detach(&bench, "p-FullAWSAccess", &root).unwrap_err();
        assert_eq!(reason(&failure), "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED");
    }

    #[test]
    fn two_policies_attached_at_once_are_both_there_in_the_end() {
        let bench = organization(&[ServiceControl]);
        let root = root(&bench);
        let [a, b] = ["a", "b"].map(|name| create(&bench, ServiceControl, name, SCP));
        let race = |policy: &str| bench.run_uncommitted(&ATTACH_POLICY, &pair(policy, &root)).unwrap().1;
        let (first, second) = (race(&a), race(&b));
        assert!(bench.second_loses(first, second));
        attach(&bench, &b, &root).unwrap();
        assert_eq!(attached(&bench, &root, ServiceControl).len(), 3);
    }

    #[test]
    fn policies_for_a_target_come_in_pages() {
        let bench = organization(&[ServiceControl]);
        let root = root(&bench);
        for name in ["a", "b"] {
            attach(&bench, &create(&bench, ServiceControl, name, SCP), &root).unwrap();
        }
        let (mut seen, mut token) = (Vec::new(), None);
        loop {
            let input = api::ListPoliciesForTargetRequest {
                target_id: root.clone(),
                filter: ServiceControl,
                next_token: token,
                max_results: Some(2),
            };
            let page = bench.run(&LIST_POLICIES_FOR_TARGET, input).unwrap();
            seen.extend(page.policies.unwrap().into_iter().map(|policy| policy.id.unwrap()));
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, attached(&bench, &root, ServiceControl));
    }

    #[test]
    fn attaching_needs_to_be_allowed_on_policy_and_target() {
        let bench = organization(&[ServiceControl]);
        let (policy, root) = (create(&bench, ServiceControl, "a", SCP), root(&bench));
        let targets = bench.targets(&ATTACH_POLICY, &pair(&policy, &root));
        let arns: Vec<_> = targets.iter().map(|(_, target)| target.arn.as_str()).collect();
        assert!(arns[0].ends_with(&policy) && arns[1].ends_with(&root), "{arns:?}");
        let targets = bench.targets(&ATTACH_POLICY, &pair(&policy, "111122223333"));
        assert!(targets[1].1.arn.contains(":account/o-"));
    }
}
