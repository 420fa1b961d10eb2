//! `EnableAllFeatures`: from consolidated billing to an organization that can bind its members.
//!
//! Members that were opened in the organization are not asked. Invited ones joined for the bills alone: each agrees by a handshake of its
//! own, part of the one that the management account accepts at the end. While that is under way nobody is invited, and invitations that
//! wait are withdrawn: they were to an organization of another kind.
//!
//! INVARIANT: an organization gets all features only when every invited member of it has agreed. Nobody new can be invited meanwhile, and
//! what was agreed is not taken back.
//!
//! Source: API Reference, `EnableAllFeatures`; User Guide, "Enabling all features for an organization".

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_names::{AccountId, HandshakeId, Time};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Target, always};
use rootward_state::entities::{
    Handshake, HandshakeAction, HandshakeParty, HandshakeState, Membership, Organization,
};
use rootward_state::{OrganizationState, RowKey, Txn, World};

use super::{failures, handshakes, quotas, service_role, standing};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&ENABLE_ALL_FEATURES];

pub(super) static ENABLE_ALL_FEATURES: Declaration<api::EnableAllFeatures> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:EnableAllFeatures",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: enable_all_features,
};

fn enable_all_features(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &api::EnableAllFeaturesRequest,
) -> Result<api::EnableAllFeaturesResponse, Failure> {
    let state = standing::managed(ctx, txn)?;
    let row = standing::row(txn, &state.organization().id)?;
    if row.all_features {
        return Err(failures::has_all_features());
    }
    if pending(&state, ctx.now).is_some() {
        return Err(failures::all_features_pending());
    }
    if state.members().len() > quotas::ALL_FEATURES_ACCOUNTS_MAX {
        return Err(failures::too_large_for_all_features());
    }
    // What was asked before is of no interest any more: at most one request with its parts is kept, however often it is repeated.
    let earlier = state.handshakes().iter().filter(|(_, row)| row.action.is_about_all_features());
    earlier.for_each(|(_, row)| handshakes::remove(txn, row));
    handshakes::sweep(ctx, txn, &state);
    handshakes::cancel_where(ctx, txn, &state, |row| row.action == HandshakeAction::Invite);
    let parent = handshake(ctx, &row, HandshakeAction::EnableAllFeatures, row.management, None);
    let world = Arc::clone(txn.world());
    for account in asked(&state, &world, ctx.now) {
        let id = Some(parent.id.clone());
        put(txn, handshake(ctx, &row, HandshakeAction::ApproveAllFeatures, account, id));
    }
    let shown = handshakes::show(ctx.now, txn.world(), &state, &parent);
    put(txn, parent);
    standing::touch(txn, &row);
    Ok(api::EnableAllFeaturesResponse { handshake: Some(shown) })
}

fn handshake(
    ctx: &OpContext<'_>,
    row: &Organization,
    action: HandshakeAction,
    to: AccountId,
    parent: Option<HandshakeId>,
) -> Handshake {
    Handshake {
        id: ctx.with_random(HandshakeId::random),
        organization: row.id.clone(),
        action,
        to: HandshakeParty::Account(to),
        notes: None,
        tags: Vec::new(),
        parent,
        requested: ctx.now,
        expires: ctx.now.plus_days(quotas::ALL_FEATURES_DAYS),
        state: HandshakeState::Open,
        answer: None,
    }
}

fn put(txn: &mut Txn, row: Handshake) {
    txn.put(RowKey::Handshake(row.organization.clone(), row.id.clone()), row);
}

/// The handshake of an organization that is on its way to all features.
pub(super) fn pending(state: &OrganizationState, now: Time) -> Option<&Handshake> {
    let mut rows = state.handshakes().iter().map(|(_, row)| &**row);
    rows.find(|row| row.action == HandshakeAction::EnableAllFeatures && row.is_open(now))
}

/// The caller's account agrees.
///
/// # Errors
/// `HandshakeNotFoundException` when it has left meanwhile.
pub(super) fn approve(ctx: &OpContext<'_>, txn: &mut Txn, state: &OrganizationState) -> Result<(), Failure> {
    let member = txn.get::<Membership>(RowKey::Membership(ctx.account()));
    if member.is_none_or(|member| member.organization != state.organization().id) {
        return Err(failures::no_handshake());
    }
    service_role::make(ctx, txn, ctx.account());
    Ok(())
}

/// The organization gets all features.
///
/// # Errors
/// `InvalidHandshakeTransitionException` as long as somebody has not agreed.
pub(super) fn finish(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    state: &OrganizationState,
    row: &Handshake,
) -> Result<(), Failure> {
    if !all_agree(state, &row.id, txn.world(), ctx.now) {
        return Err(failures::not_all_agree());
    }
    let organization = standing::row(txn, &state.organization().id)?;
    for (account, _) in state.members().iter() {
        service_role::make(ctx, txn, *account);
    }
    let organization = Organization { all_features: true, ..Organization::clone(&organization) };
    txn.put(RowKey::Organization(organization.id.clone()), organization);
    Ok(())
}

/// Whether every invited member has accepted its part of `parent`.
pub(super) fn all_agree(state: &OrganizationState, parent: &HandshakeId, world: &World, now: Time) -> bool {
    let parts =
        state.handshakes().iter().map(|(_, row)| row).filter(|row| row.parent.as_ref() == Some(parent));
    let agreed: Vec<_> = parts
        .filter(|row| row.state == HandshakeState::Accepted)
        .filter_map(|row| match row.to {
            HandshakeParty::Account(account) => Some(account),
            HandshakeParty::Email(_) => None,
        })
        .collect();
    asked(state, world, now).all(|account| agreed.contains(&account))
}

/// The members that must agree: those that were invited, but for the management account and for what is closed for good.
fn asked(state: &OrganizationState, world: &World, now: Time) -> impl Iterator<Item = AccountId> {
    let management = state.organization().management;
    let invited = state.members().iter().filter(|(_, member)| member.invited).map(|(id, _)| *id);
    invited.filter(move |id| {
        let is_gone = world.account(*id).is_some_and(|account| account.account().status.is_gone(now));
        *id != management && !is_gone
    })
}

#[cfg(test)]
mod tests {
    use rootward_api::organizations::{HandshakePartyType, OrganizationFeatureSet};
    use rootward_names::Partition;
    use rootward_state::entities::Role;
    use rootward_wire::Empty;

    use super::*;
    use crate::accounts::{self, AccountError, OpenAccount};
    use crate::organizations::handshakes::{
        ACCEPT_HANDSHAKE, CANCEL_HANDSHAKE, DECLINE_HANDSHAKE, DESCRIBE_HANDSHAKE,
        LIST_HANDSHAKES_FOR_ACCOUNT,
    };
    use crate::organizations::invitations::INVITE_ACCOUNT_TO_ORGANIZATION;
    use crate::organizations::leaving::LEAVE_ORGANIZATION;
    use crate::organizations::testing::{invite, invited, member, organized, organized_as, reason, to};
    use crate::testing::Bench;

    fn billing() -> Bench {
        organized_as(OrganizationFeatureSet::ConsolidatedBilling)
    }

    fn enable(bench: &Bench) -> Result<api::Handshake, Failure> {
        Ok(bench.run(&ENABLE_ALL_FEATURES, Default::default())?.handshake.unwrap())
    }

    fn accept(bench: &Bench, id: &str) -> Result<(), Failure> {
        bench.run(&ACCEPT_HANDSHAKE, api::AcceptHandshakeRequest { handshake_id: id.into() }).map(drop)
    }

    fn state(bench: &Bench, id: &str) -> api::HandshakeState {
        let input = api::DescribeHandshakeRequest { handshake_id: id.into() };
        bench.run(&DESCRIBE_HANDSHAKE, input).unwrap().handshake.unwrap().state.unwrap()
    }

    /// What this account is asked as part of `parent`; the account calls from then on.
    fn part(bench: &Bench, account: AccountId, parent: &str) -> String {
        bench.call_as_root_of(account);
        let filter = api::HandshakeFilter { parent_handshake_id: Some(parent.into()), action_type: None };
        let input = api::ListHandshakesForAccountRequest { filter: Some(filter), ..Default::default() };
        let found = bench.run(&LIST_HANDSHAKES_FOR_ACCOUNT, input).unwrap().handshakes.unwrap();
        found.into_iter().next().unwrap().id.unwrap()
    }

    fn has_all_features(bench: &Bench) -> bool {
        bench.begin().world().organization_of(bench.account()).unwrap().organization().all_features
    }

    /// As many members as can get all features, opened in it or invited.
    fn fill(bench: &Bench, invited: bool) {
        let world = bench.begin().world().clone();
        let organization = world.organization_of(bench.account()).unwrap();
        let own = Membership::clone(organization.member(bench.account()).unwrap());
        for part in 0..2 {
            let last = quotas::ALL_FEATURES_ACCOUNTS_MAX / 2 - part;
            let open = (0..last).map(|number| format!("m{number}-{part}@example.com"));
            let open: Vec<_> = open.collect();
            bench
                .write_with(|txn, now, random, vault| {
                    for email in &open {
                        let (name, partition) = ("Workload", Partition::Aws);
                        let request =
                            OpenAccount { name, email, password: None, admin: None, partition, id: None };
                        let account = accounts::open(txn, &request, now, random, vault)?.account;
                        let member = Membership { account, invited, ..own.clone() };
                        txn.put(RowKey::Membership(account), member);
                    }
                    Ok::<_, AccountError>(())
                })
                .unwrap();
        }
    }

    #[test]
    fn largest_organization_gets_all_features_in_one_commit_and_a_larger_one_is_refused() {
        let bench = billing();
        fill(&bench, false);
        let id = enable(&bench).unwrap().id.unwrap();
        accept(&bench, &id).unwrap();
        assert!(has_all_features(&bench));
        let bench = billing();
        fill(&bench, true);
        for _ in 0..3 {
            let id = enable(&bench).unwrap().id.unwrap();
            bench.run(&CANCEL_HANDSHAKE, api::CancelHandshakeRequest { handshake_id: id }).unwrap();
        }
        let kept = bench.in_scope(|scope| standing::in_scope(scope).unwrap().handshakes().len());
        assert_eq!(kept, quotas::ALL_FEATURES_ACCOUNTS_MAX);
        member(&bench, "more@example.com");
        let reason = reason(&enable(&bench).unwrap_err()).to_owned();
        assert_eq!(reason, "ALL_FEATURES_MIGRATION_ORGANIZATION_SIZE_LIMIT_EXCEEDED");
    }

    fn has_role(bench: &Bench, account: AccountId) -> bool {
        let world = bench.begin().world().clone();
        world.account(account).unwrap().named::<Role>("AWSServiceRoleForOrganizations").is_some()
    }

    #[test]
    fn nobody_is_asked_where_all_members_were_opened_in_it() {
        let bench = billing();
        let account = member(&bench, "two@example.com");
        let handshake = enable(&bench).unwrap();
        assert_eq!(handshake.state, Some(api::HandshakeState::Open));
        assert!(!has_all_features(&bench));
        accept(&bench, handshake.id.as_deref().unwrap()).unwrap();
        assert!(has_all_features(&bench) && has_role(&bench, account) && has_role(&bench, bench.account()));
        assert_eq!(reason(&enable(&bench).unwrap_err()), "ORGANIZATION_ALREADY_HAS_ALL_FEATURES");
    }

    #[test]
    fn invited_members_agree_each_before_the_management_account_can() {
        let bench = billing();
        let members = [invited(&bench, "one@example.com"), invited(&bench, "two@example.com")];
        let handshake = enable(&bench).unwrap();
        let id = handshake.id.unwrap();
        assert_eq!(handshake.state, Some(api::HandshakeState::Requested));
        for account in members {
            bench.call_as_root();
            assert_eq!(accept(&bench, &id).unwrap_err().code, "InvalidHandshakeTransitionException");
            assert_eq!(state(&bench, &id), api::HandshakeState::Requested);
            let part = part(&bench, account, &id);
            // The member sees its own, and not the one that it is part of.
            assert_eq!(accept(&bench, &id).unwrap_err().code, "HandshakeNotFoundException");
            accept(&bench, &part).unwrap();
            assert!(has_role(&bench, account));
        }
        bench.call_as_root();
        assert_eq!(state(&bench, &id), api::HandshakeState::Open);
        assert!(!has_all_features(&bench));
        accept(&bench, &id).unwrap();
        assert!(has_all_features(&bench));
    }

    #[test]
    fn member_that_declines_stops_it_until_it_leaves() {
        let bench = billing();
        let account = invited(&bench, "two@example.com");
        let id = enable(&bench).unwrap().id.unwrap();
        let part = part(&bench, account, &id);
        bench.run(&DECLINE_HANDSHAKE, api::DeclineHandshakeRequest { handshake_id: part.clone() }).unwrap();
        assert_eq!(accept(&bench, &part).unwrap_err().code, "InvalidHandshakeTransitionException");
        bench.call_as_root();
        assert_eq!(accept(&bench, &id).unwrap_err().code, "InvalidHandshakeTransitionException");
        bench.call_as_root_of(account);
        bench.run(&LEAVE_ORGANIZATION, Empty).unwrap();
        bench.call_as_root();
        accept(&bench, &id).unwrap();
        assert!(has_all_features(&bench));
    }

    #[test]
    fn who_has_left_does_not_agree() {
        let bench = billing();
        let account = invited(&bench, "two@example.com");
        let id = enable(&bench).unwrap().id.unwrap();
        let part = part(&bench, account, &id);
        let input = api::AcceptHandshakeRequest { handshake_id: part.clone() };
        let (_, agree) = bench.run_uncommitted(&ACCEPT_HANDSHAKE, &input).unwrap();
        let (_, leave) = bench.run_uncommitted(&LEAVE_ORGANIZATION, &Empty).unwrap();
        assert!(bench.second_loses(leave, agree));
        assert_eq!(accept(&bench, &part).unwrap_err().code, "HandshakeNotFoundException");
    }

    #[test]
    fn nobody_is_invited_meanwhile_and_open_invitations_are_withdrawn() {
        let bench = billing();
        let account = bench.open_account("Invited", "two@example.com");
        let invitation = invite(&bench, account);
        let id = enable(&bench).unwrap().id.unwrap();
        assert_eq!(state(&bench, &invitation), api::HandshakeState::Canceled);
        let again =
            || bench.run(&INVITE_ACCOUNT_TO_ORGANIZATION, to(HandshakePartyType::Email, "two@example.com"));
        assert_eq!(reason(&again().unwrap_err()), "INVITE_DISABLED_DURING_ENABLE_ALL_FEATURES");
        assert_eq!(
            reason(&enable(&bench).unwrap_err()),
            "ORGANIZATION_IS_ALREADY_PENDING_ALL_FEATURES_MIGRATION"
        );
        bench.run(&CANCEL_HANDSHAKE, api::CancelHandshakeRequest { handshake_id: id }).unwrap();
        again().unwrap();
    }

    #[test]
    fn invitation_that_is_accepted_meanwhile_meets_the_request() {
        let bench = billing();
        let account = bench.open_account("Invited", "two@example.com");
        let handshake_id = invite(&bench, account);
        let (_, enable) = bench.run_uncommitted(&ENABLE_ALL_FEATURES, &Default::default()).unwrap();
        bench.call_as_root_of(account);
        let (_, join) =
            bench.run_uncommitted(&ACCEPT_HANDSHAKE, &api::AcceptHandshakeRequest { handshake_id }).unwrap();
        assert!(bench.second_loses(join, enable));
    }

    #[test]
    fn parts_are_withdrawn_with_the_whole_and_all_are_over_after_ninety_days() {
        let bench = billing();
        let account = invited(&bench, "two@example.com");
        let id = enable(&bench).unwrap().id.unwrap();
        let first = part(&bench, account, &id);
        bench.call_as_root();
        bench.run(&CANCEL_HANDSHAKE, api::CancelHandshakeRequest { handshake_id: id }).unwrap();
        assert_eq!(state(&bench, &first), api::HandshakeState::Canceled);
        let id = enable(&bench).unwrap().id.unwrap();
        bench.pass_days(90);
        assert_eq!(state(&bench, &id), api::HandshakeState::Expired);
        assert_eq!(accept(&bench, &id).unwrap_err().code, "InvalidHandshakeTransitionException");
        enable(&bench).unwrap();
    }

    #[test]
    fn members_do_not_begin_it_nor_organizations_that_have_everything() {
        let bench = organized();
        assert_eq!(reason(&enable(&bench).unwrap_err()), "ORGANIZATION_ALREADY_HAS_ALL_FEATURES");
        bench.call_as_root_of(member(&bench, "two@example.com"));
        assert_eq!(enable(&bench).unwrap_err().code, "AccessDeniedException");
    }
}
