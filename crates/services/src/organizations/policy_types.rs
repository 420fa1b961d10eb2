//! Types of policies, in force or not.
//!
//! AWS's two policies are attached to everything from the start, and bind while their type is in force. So a type is put in force by noting
//! that it is. When it is taken out of force, every other policy of the type is detached, and AWS's policy is attached again where it was
//! detached: in one commit, or not at all.
//!
//! DIFFERENCE: a commit of the store is bounded, so a type is not taken out of force while its policies are attached to more than some
//! thousands of accounts. Units are too few to reach the bound. Whoever asks is told to detach some first.

use std::collections::BTreeSet;
use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_state::entities::{Organization, OrganizationPolicy, OrganizationPolicyType};
use rootward_state::{OrganizationState, RowKey, Txn};
use rootward_wire::Operation;

use super::attachments::{self, Place};
use super::{failures, keys, policies, shown, standing, targets};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&DISABLE_POLICY_TYPE, &ENABLE_POLICY_TYPE];

pub(super) static ENABLE_POLICY_TYPE: Declaration<api::EnablePolicyType> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:EnablePolicyType",
        when: always,
        target: |scope, input| targets::by_id(scope, &input.root_id),
        keys: &[Key::Text(keys::POLICY_TYPE, |_, input| Some(input.policy_type.as_str().to_owned()))],
    }],
    run: enable_policy_type,
};

fn enable_policy_type(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::EnablePolicyTypeRequest,
) -> Result<api::EnablePolicyTypeResponse, Failure> {
    let (state, mut organization) = changed(ctx, txn, &ENABLE_POLICY_TYPE, input, &input.root_id)?;
    put_in_force(txn, &mut organization, policies::kind_of(input.policy_type))?;
    Ok(api::EnablePolicyTypeResponse { root: Some(root(&state, &organization)) })
}

/// Puts a type of policies in force.
///
/// # Errors
/// As `EnablePolicyType`.
pub(super) fn put_in_force(
    txn: &mut Txn,
    organization: &mut Organization,
    kind: OrganizationPolicyType,
) -> Result<(), Failure> {
    if !organization.all_features {
        return Err(failures::policy_type_not_available());
    }
    if organization.policy_types.contains(&kind) {
        return Err(failures::policy_type_enabled_already());
    }
    organization.policy_types.push(kind);
    // As lists show them.
    organization.policy_types.sort_by(|a, b| a.name().cmp(b.name()));
    txn.put(RowKey::Organization(organization.id.clone()), organization.clone());
    Ok(())
}

/// The organization with a copy of its row, for a call that names its root.
fn changed<O: Operation>(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    operation: &Declaration<O>,
    input: &O::Input,
    root: &str,
) -> Result<(Arc<OrganizationState>, Organization), Failure> {
    let state = standing::managed_or_delegated(ctx, txn, operation, input)?;
    let organization = Organization::clone(&*standing::row(txn, &state.organization().id)?);
    if organization.root.as_str() != root {
        return Err(failures::root_not_found());
    }
    Ok((state, organization))
}

fn root(state: &OrganizationState, organization: &Organization) -> api::Root {
    let types = organization.policy_types.iter().map(|kind| api::PolicyTypeSummary {
        r#type: shown::policy_type(kind),
        status: Some(api::PolicyTypeStatus::Enabled),
    });
    let name = state.node(&organization.root).map(|node| node.name.to_string());
    api::Root {
        id: Some(organization.root.to_string()),
        arn: Some(shown::node_arn(organization, &organization.root)),
        name,
        policy_types: Some(types.collect()),
    }
}

pub(super) static DISABLE_POLICY_TYPE: Declaration<api::DisablePolicyType> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DisablePolicyType",
        when: always,
        target: |scope, input| targets::by_id(scope, &input.root_id),
        keys: &[Key::Text(keys::POLICY_TYPE, |_, input| Some(input.policy_type.as_str().to_owned()))],
    }],
    run: disable_policy_type,
};

fn disable_policy_type(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DisablePolicyTypeRequest,
) -> Result<api::DisablePolicyTypeResponse, Failure> {
    let (state, mut organization) = changed(ctx, txn, &DISABLE_POLICY_TYPE, input, &input.root_id)?;
    let kind = policies::kind_of(input.policy_type);
    if !organization.policy_types.contains(&kind) {
        return Err(failures::policy_type_not_enabled());
    }
    let changed = detach_all(txn, &state, &kind)?;
    organization.policy_types.retain(|known| *known != kind);
    let root = root(&state, &organization);
    txn.put(RowKey::Organization(organization.id.clone()), organization);
    if !txn.fits() {
        return Err(failures::too_many_attachments(changed));
    }
    Ok(api::DisablePolicyTypeResponse { root: Some(root) })
}

/// Detaches the organization's own policies of a type, and attaches AWS's where it is missing. Answers how many nodes and accounts that
/// changes. Those with AWS's policy alone are not written. No others lack it: the last policy of a type cannot be detached, so whatever
/// lacks AWS's has another one.
fn detach_all(
    txn: &mut Txn,
    state: &OrganizationState,
    kind: &OrganizationPolicyType,
) -> Result<usize, Failure> {
    let mut targets = BTreeSet::new();
    for (id, _) in state.policies().iter().filter(|(_, policy)| policy.kind == *kind) {
        // Guarded: whoever attaches it meanwhile rewrites its row. One that is made meanwhile changes the organization's.
        let _held: Option<Arc<OrganizationPolicy>> = txn.get(policies::key(state, id));
        targets.extend(state.targets_after(id, None).cloned());
    }
    let of_aws = OrganizationPolicy::of_aws().iter().filter(|policy| policy.kind == *kind);
    let of_aws: Vec<_> = of_aws.map(|policy| policy.id.clone()).collect();
    let count = targets.len();
    for target in targets {
        let place = Place::find(txn, state, &target)?;
        let gone: BTreeSet<_> =
            attachments::of_kind(state, place.policies(), kind).map(|policy| &policy.id).collect();
        let kept = place.policies().iter().filter(|id| !gone.contains(id)).chain(&of_aws).cloned();
        let kept = kept.collect();
        place.put(txn, state, kept);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use rootward_api::organizations::PolicyType::{
        self, BackupPolicy, ResourceControlPolicy as ResourceControl, ServiceControlPolicy as ServiceControl,
        TagPolicy,
    };

    use rootward_names::AccountId;
    use rootward_state::BindingPolicy;
    use rootward_state::entities::Membership;

    use super::super::attachments::ATTACH_POLICY;
    use super::super::policies::CREATE_POLICY;
    use super::super::testing::policies::{
        RCP, SCP, add_member, add_unit, attach, attached, create, detach, enable, organization, pair, policy,
    };
    use super::super::testing::{root, state};
    use super::*;
    use crate::testing::Bench;

    fn disabling(bench: &Bench, kind: PolicyType) -> api::DisablePolicyTypeRequest {
        api::DisablePolicyTypeRequest { root_id: root(bench), policy_type: kind }
    }

    #[test]
    fn more_attachments_than_one_commit_takes_are_refused_and_nothing_changes() {
        let bench = organization(&[ServiceControl]);
        let policy = create(&bench, ServiceControl, "NoS3", SCP);
        attach(&bench, &policy, &root(&bench)).unwrap();
        let id = policy.parse().unwrap();
        let row: Arc<Membership> = bench.begin().get(RowKey::Membership(bench.account())).unwrap();
        let attached: Vec<_> = row.policies.iter().cloned().chain([id]).collect();
        for thousand in 0..12 {
            bench.write(|txn| {
                for number in 1..=1_000 {
                    let account = AccountId::from_number(thousand * 1_000 + number).unwrap();
                    let member =
                        Membership { account, policies: attached.clone(), ..Membership::clone(&row) };
                    txn.put(RowKey::Membership(account), member);
                }
            });
        }
        let refused = bench.run(&DISABLE_POLICY_TYPE, disabling(&bench, ServiceControl)).unwrap_err();
        assert_eq!(refused, failures::too_many_attachments(12_001));
        let state = state(&bench);
        assert!(state.is_in_force(&OrganizationPolicyType::ServiceControl));
        assert_eq!(state.targets_after(&policy.parse().unwrap(), None).count(), 12_001);
    }

    #[test]
    fn types_in_force_are_shown_in_the_order_of_their_names() {
        let bench = organization(&[TagPolicy, BackupPolicy]);
        let input = api::EnablePolicyTypeRequest { root_id: root(&bench), policy_type: ServiceControl };
        let root = bench.run(&ENABLE_POLICY_TYPE, input).unwrap().root.unwrap();
        let types: Vec<_> = root.policy_types.unwrap().iter().filter_map(|kind| kind.r#type).collect();
        assert_eq!(types, [BackupPolicy, ServiceControl, TagPolicy]);
        assert_eq!(root.name.as_deref(), Some("Root"));
        assert_eq!(enable(&bench, TagPolicy).unwrap_err().code, "PolicyTypeAlreadyEnabledException");
    }

    #[test]
    fn type_in_force_binds_with_the_policy_of_aws_at_once() {
        let bench = organization(&[]);
        let account = add_member(&bench, "444455556666", &root(&bench));
        let kind = OrganizationPolicyType::ServiceControl;
        assert!(!state(&bench).is_in_force(&kind));
        enable(&bench, ServiceControl).unwrap();
        let state = state(&bench);
        let levels: Vec<_> = state.place(account.parse().unwrap()).unwrap().levels().unwrap().collect();
        let bind = |policies: &[BindingPolicy]| {
            policies.iter().map(|policy| policy.arn.to_string()).collect::<Vec<_>>()
        };
        let full = "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess";
        assert_eq!(levels.iter().map(|level| bind(&level.scps)).collect::<Vec<_>>(), [[full], [full]]);
        assert_eq!(attached(&bench, &account, ServiceControl), ["p-FullAWSAccess"]);
    }

    #[test]
    fn other_roots_and_types_are_refused() {
        let bench = organization(&[]);
        let unit = add_unit(&bench, "unit");
        for root in ["r-zzzz", &*unit, "x"] {
            let input = api::EnablePolicyTypeRequest { root_id: root.into(), policy_type: ServiceControl };
            assert_eq!(bench.run(&ENABLE_POLICY_TYPE, input).unwrap_err().code, "RootNotFoundException");
        }
        let failure = bench.run(&DISABLE_POLICY_TYPE, disabling(&bench, ServiceControl)).unwrap_err();
        assert_eq!(failure.code, "PolicyTypeNotEnabledException");
    }

    #[test]
    fn type_out_of_force_leaves_only_the_policy_of_aws() {
        let bench = organization(&[ServiceControl, ResourceControl, TagPolicy]);
        let (root, unit) = (root(&bench), add_unit(&bench, "unit"));
        let account = add_member(&bench, "444455556666", &unit);
        let scp = create(&bench, ServiceControl, "a", SCP);
        let rcp = create(&bench, ResourceControl, "a", RCP);
        let tags = create(&bench, TagPolicy, "a", r#"{"tags":{}}"#);
        for target in [&root, &account] {
            for policy in [&scp, &rcp, &tags] {
                attach(&bench, policy, target).unwrap();
            }
        }
        detach(&bench, "p-FullAWSAccess", &account).unwrap();
        let untouched = state(&bench).nodes().entry(&unit.parse().unwrap()).unwrap().revision;
        bench.run(&DISABLE_POLICY_TYPE, disabling(&bench, ServiceControl)).unwrap();
        assert!(attached(&bench, &account, ServiceControl).is_empty());
        assert_eq!(attach(&bench, &scp, &account).unwrap_err().code, "PolicyTypeNotEnabledException");
        assert!(attached(&bench, &account, ResourceControl).contains(&rcp));
        assert_eq!(attached(&bench, &root, TagPolicy), [&*tags]);
        enable(&bench, ServiceControl).unwrap();
        for target in [&root, &unit, &account] {
            assert_eq!(attached(&bench, target, ServiceControl), ["p-FullAWSAccess"]);
        }
        assert_eq!(state(&bench).nodes().entry(&unit.parse().unwrap()).unwrap().revision, untouched);
        bench.run(&DISABLE_POLICY_TYPE, disabling(&bench, TagPolicy)).unwrap();
        enable(&bench, TagPolicy).unwrap();
        assert!(attached(&bench, &root, TagPolicy).is_empty());
    }

    #[test]
    fn type_is_not_taken_out_of_force_while_a_policy_of_it_is_made_or_attached() {
        let bench = organization(&[ServiceControl]);
        let (id, root) = (create(&bench, ServiceControl, "a", SCP), root(&bench));
        let disabling =
            || bench.run_uncommitted(&DISABLE_POLICY_TYPE, &disabling(&bench, ServiceControl)).unwrap().1;
        let (attaching, late) =
            (bench.run_uncommitted(&ATTACH_POLICY, &pair(&id, &root)).unwrap().1, disabling());
        assert!(bench.second_loses(attaching, late));
        let other = policy(ServiceControl, "b", SCP);
        let (making, late) = (bench.run_uncommitted(&CREATE_POLICY, &other).unwrap().1, disabling());
        assert!(bench.second_loses(making, late));
        let other = create(&bench, ServiceControl, "c", SCP);
        let (first, late) =
            (disabling(), bench.run_uncommitted(&ATTACH_POLICY, &pair(&other, &root)).unwrap().1);
        assert!(bench.second_loses(first, late));
    }
}
