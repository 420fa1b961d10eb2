//! Invitations: an account that exists is asked to join.
//!
//! Nobody learns from an invitation whether an account or an address exists, or in which organization it is: one that leads nowhere waits
//! until its time is over, like any other that is not answered.
//!
//! - DIFFERENCE: AWS lets the member of one organization accept the invitation of another, and moves it. Here it leaves first.
//! - DIFFERENCE: nobody is sent mail about it; `ListHandshakesForAccount` shows it.
//!
//! Source: API Reference, `InviteAccountToOrganization`; User Guide, "Quotas and service limits".

use rootward_api::organizations as api;
use rootward_api::organizations::{HandshakePartyType, InvalidInputExceptionReason};
use rootward_names::{AccountId, HandshakeId};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Scope, Target, always,
};
use rootward_state::entities::{Handshake, HandshakeAction, HandshakeParty, HandshakeState, Membership};
use rootward_state::{NameKey, OrganizationState, RowKey, Txn};

use super::joining::{self, Newcomer};
use super::{all_features, failures, handshakes, quotas, standing, tags, targets};
use crate::{accounts, guard_policy};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&INVITE_ACCOUNT_TO_ORGANIZATION];

pub(super) static INVITE_ACCOUNT_TO_ORGANIZATION: Declaration<api::InviteAccountToOrganization> =
    Declaration {
        effect: Effect::Write,
        callers: Callers::Anyone,
        rules: &[
            Rule {
                action: "organizations:InviteAccountToOrganization",
                when: always,
                target: |scope, input| invited(scope, &input.target),
                keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
            },
            Rule {
                action: "organizations:TagResource",
                when: |_, input| tags::any(&input.tags),
                target: |scope, input| match input.target.r#type {
                    HandshakePartyType::Account => invited(scope, &input.target),
                    _ => targets::without_row(scope, "account", "*"),
                },
                keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
            },
        ],
        run: invite_account_to_organization,
    };

fn invite_account_to_organization(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::InviteAccountToOrganizationRequest,
) -> Result<api::InviteAccountToOrganizationResponse, Failure> {
    let state = standing::managed(ctx, txn)?;
    let row = standing::row(txn, &state.organization().id)?;
    let to = recipient(&input.target)?;
    let tags = tags::new(input.tags.as_deref())?;
    if let Some(member) = member(txn, &state, &to) {
        return Err(failures::already_in_an_organization(Some(member)));
    }
    if all_features::pending(&state, ctx.now).is_some() {
        return Err(failures::no_invitations_now());
    }
    let mut handshakes = state.handshakes().iter().map(|(_, row)| row);
    if handshakes.any(|row| is_invitation_of(row, &to) && row.is_open(ctx.now)) {
        return Err(failures::duplicate_handshake());
    }
    if joining::is_full(&state) {
        return Err(failures::organization_is_full());
    }
    if invitations_of_today(ctx, &state) >= quotas::INVITATIONS_PER_DAY {
        return Err(failures::too_many_invitations());
    }
    handshakes::sweep(ctx, txn, &state);
    let handshake = Handshake {
        id: ctx.with_random(HandshakeId::random),
        organization: row.id.clone(),
        action: HandshakeAction::Invite,
        to,
        notes: input.notes.as_ref().map(|notes| notes.expose().into()),
        tags,
        parent: None,
        requested: ctx.now,
        expires: ctx.now.plus_days(quotas::INVITATION_DAYS),
        state: HandshakeState::Open,
        answer: None,
    };
    standing::touch(txn, &row);
    let shown = handshakes::show(ctx.now, txn.world(), &state, &handshake);
    txn.put(RowKey::Handshake(row.id.clone(), handshake.id.clone()), handshake);
    Ok(api::InviteAccountToOrganizationResponse { handshake: Some(shown) })
}

/// Lets the caller's account join.
///
/// # Errors
/// `HandshakeConstraintViolationException`.
pub(super) fn accept(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    state: &OrganizationState,
    row: &Handshake,
) -> Result<(), Failure> {
    let account = ctx.account();
    let organization = standing::row(txn, &state.organization().id).map_err(|_| failures::no_handshake())?;
    // Its absence is guarded: two organizations do not both get it.
    if txn.get::<Membership>(RowKey::Membership(account)).is_some() {
        return Err(failures::already_in_an_organization(None));
    }
    // Where service control policies bind, it would have to end; and that is for its approvers to say.
    if guard_policy::read(txn, account).is_some() {
        return Err(failures::guard_policy_stands());
    }
    if ctx.partition() != organization.partition {
        return Err(failures::other_partition());
    }
    if joining::is_full(state) {
        return Err(failures::organization_is_full());
    }
    joining::join(ctx, txn, &organization, Newcomer { account, invited: true, tags: row.tags.clone() });
    Ok(())
}

/// Whom an invitation is put to.
///
/// # Errors
/// `InvalidInputException`.
pub(super) fn recipient(target: &api::HandshakeParty) -> Result<HandshakeParty, Failure> {
    let id = target.id.expose();
    match target.r#type {
        HandshakePartyType::Account => id
            .parse()
            .map(HandshakeParty::Account)
            .map_err(|_| failures::bad_party(InvalidInputExceptionReason::InvalidPatternTargetId)),
        HandshakePartyType::Email => accounts::check_email(id)
            .map(|()| HandshakeParty::Email(id.into()))
            .map_err(|_| failures::bad_party(InvalidInputExceptionReason::InvalidEmailAddressTarget)),
        HandshakePartyType::Organization => {
            Err(failures::bad_party(InvalidInputExceptionReason::InvalidPartyTypeTarget))
        }
    }
}

/// The member of the organization that is invited. Of others nothing is said: only what the caller can see anyway.
pub(super) fn member(txn: &mut Txn, state: &OrganizationState, to: &HandshakeParty) -> Option<AccountId> {
    let account = match to {
        HandshakeParty::Account(id) => Some(*id),
        HandshakeParty::Email(email) => txn.owner(RowKey::Email(NameKey::new(email))),
    };
    account.filter(|account| state.member(*account).is_some())
}

fn is_invitation_of(row: &Handshake, to: &HandshakeParty) -> bool {
    row.action == HandshakeAction::Invite && is_same(&row.to, to)
}

/// Whether two parties are written the same, ignoring the case of addresses.
pub(super) fn is_same(one: &HandshakeParty, other: &HandshakeParty) -> bool {
    match (one, other) {
        (HandshakeParty::Account(one), HandshakeParty::Account(other)) => one == other,
        (HandshakeParty::Email(one), HandshakeParty::Email(other)) => {
            NameKey::new(one) == NameKey::new(other)
        }
        _ => false,
    }
}

/// Invitations of the last day but those that have brought a member who is still there: what is kept is bounded by members and days.
fn invitations_of_today(ctx: &OpContext<'_>, state: &OrganizationState) -> usize {
    let since = ctx.now.plus_days(-1);
    let rows = state.handshakes().iter().map(|(_, row)| row);
    let of_today = rows.filter(|row| row.action == HandshakeAction::Invite && row.requested > since);
    of_today
        .filter(|row| {
            let joined = row.answer.filter(|_| row.state == HandshakeState::Accepted);
            joined.is_none_or(|answer| state.member(answer.by).is_none())
        })
        .count()
}

/// Who is invited, as a resource.
pub(super) fn invited(scope: &Scope<'_>, target: &api::HandshakeParty) -> Target {
    match target.r#type {
        HandshakePartyType::Account => targets::account(scope, target.id.expose()),
        HandshakePartyType::Email | HandshakePartyType::Organization => Target::any(),
    }
}

#[cfg(test)]
mod tests {
    use rootward_api::organizations::HandshakeResourceType;
    use rootward_state::entities::Role;
    use rootward_wire::{Empty, Sensitive};

    use super::*;
    use crate::organizations::handshakes::ACCEPT_HANDSHAKE;
    use crate::organizations::leaving::LEAVE_ORGANIZATION;
    use crate::organizations::organization::{CREATE_ORGANIZATION, DELETE_ORGANIZATION};
    use crate::organizations::testing::{invite, invited, member as opened, organized, reason, to};
    use crate::testing::Bench;

    fn send(
        bench: &Bench,
        input: api::InviteAccountToOrganizationRequest,
    ) -> Result<api::Handshake, Failure> {
        Ok(bench.run(&INVITE_ACCOUNT_TO_ORGANIZATION, input)?.handshake.unwrap())
    }

    fn take(bench: &Bench, id: &str) -> Result<(), Failure> {
        bench.run(&ACCEPT_HANDSHAKE, api::AcceptHandshakeRequest { handshake_id: id.into() }).map(drop)
    }

    #[test]
    fn account_that_accepts_is_a_member_with_tags_and_service_role() {
        let bench = organized();
        let account = bench.open_account("Invited", "two@example.com");
        let tags = Some(vec![api::Tag { key: "stage".into(), value: "test".into() }]);
        let input = to(HandshakePartyType::Account, &account.to_string());
        let handshake = send(&bench, api::InviteAccountToOrganizationRequest { tags, ..input }).unwrap();
        bench.call_as_root_of(account);
        take(&bench, handshake.id.as_deref().unwrap()).unwrap();
        let world = bench.begin().world().clone();
        let state = world.organization_of(account).unwrap();
        let member = state.member(account).unwrap();
        assert_eq!((&member.parent, member.invited), (&state.organization().root, true));
        assert_eq!(&*member.tags[0].key, "stage");
        assert!(world.account(account).unwrap().named::<Role>("AWSServiceRoleForOrganizations").is_some());
    }

    #[test]
    fn account_with_a_guard_policy_does_not_join_and_is_given_none_while_it_does() {
        let bench = organized();
        let account = bench.open_account("Guarded", "two@example.com");
        let id = invite(&bench, account);
        bench.call_as_root_of(account);
        let input = api::AcceptHandshakeRequest { handshake_id: id.clone() };
        let (_, accept) = bench.run_uncommitted(&ACCEPT_HANDSHAKE, &input).unwrap();
        let deny = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}"#;
        let document = guard_policy::checked(deny).unwrap();
        let mut set = bench.begin();
        drop(guard_policy::put(&mut set, account, document.clone(), bench.now()).unwrap());
        assert!(bench.second_loses(set, accept));
        let refused = take(&bench, &id).unwrap_err();
        assert_eq!(refused.code, "AccessDeniedException");
        assert!(refused.message.contains("guard policy"), "{}", refused.message);
        bench.write(|txn| guard_policy::remove(txn, account).unwrap());
        let mut set = bench.begin();
        drop(guard_policy::put(&mut set, account, document, bench.now()).unwrap());
        let (_, accept) = bench.run_uncommitted(&ACCEPT_HANDSHAKE, &input).unwrap();
        assert!(bench.second_loses(accept, set));
    }

    #[test]
    fn address_invites_whose_root_user_has_it_whatever_its_case() {
        let bench = organized();
        let account = bench.open_account("Invited", "two@example.com");
        let id = send(&bench, to(HandshakePartyType::Email, "TWO@example.com")).unwrap().id.unwrap();
        bench.call_as_root_of(bench.open_account("Stranger", "stranger@example.com"));
        assert_eq!(take(&bench, &id).unwrap_err().code, "HandshakeNotFoundException");
        bench.call_as_root_of(account);
        take(&bench, &id).unwrap();
        assert!(bench.begin().world().organization_of(account).is_some());
    }

    #[test]
    fn address_that_goes_to_another_meanwhile_lets_nobody_in() {
        let bench = organized();
        let account = bench.open_account("Invited", "two@example.com");
        let id = send(&bench, to(HandshakePartyType::Email, "two@example.com")).unwrap().id.unwrap();
        bench.call_as_root_of(account);
        let input = api::AcceptHandshakeRequest { handshake_id: id };
        let (_, accept) = bench.run_uncommitted(&ACCEPT_HANDSHAKE, &input).unwrap();
        let mut change = bench.begin();
        accounts::change_email(&mut change, account, "new@example.com").unwrap();
        assert!(bench.second_loses(change, accept));
        assert_eq!(take(&bench, &input.handshake_id).unwrap_err().code, "HandshakeNotFoundException");
    }

    #[test]
    fn invitation_is_shown_with_who_asks_and_what_was_written() {
        let bench = organized();
        let notes = Some(Sensitive::new("Join us"));
        let input = to(HandshakePartyType::Email, "two@example.com");
        let shown = send(&bench, api::InviteAccountToOrganizationRequest { notes, ..input }).unwrap();
        assert_eq!(shown.state, Some(api::HandshakeState::Open));
        assert_eq!(shown.expiration_timestamp, Some(bench.now().plus_days(15)));
        let parties: Vec<_> = shown.parties.as_ref().unwrap().iter().map(|party| party.r#type).collect();
        assert_eq!(parties, [HandshakePartyType::Organization, HandshakePartyType::Email]);
        let resources = shown.resources.unwrap();
        let kinds: Vec<_> = resources.iter().filter_map(|resource| resource.r#type).collect();
        assert_eq!(
            kinds,
            [HandshakeResourceType::Organization, HandshakeResourceType::Email, HandshakeResourceType::Notes]
        );
        let sender: Vec<_> = resources[0]
            .resources
            .as_ref()
            .unwrap()
            .iter()
            .map(|item| item.value.as_ref().unwrap().expose())
            .collect();
        assert_eq!(sender, ["root@example.com", "Example Corp", "ALL"]);
    }

    #[test]
    fn whoever_is_in_it_already_is_not_invited() {
        let bench = organized();
        let account = opened(&bench, "two@example.com");
        for input in [
            to(HandshakePartyType::Account, &account.to_string()),
            to(HandshakePartyType::Email, "Two@example.com"),
            to(HandshakePartyType::Account, &bench.account().to_string()),
        ] {
            let error = send(&bench, input).unwrap_err();
            assert_eq!(
                (error.code, reason(&error)),
                ("HandshakeConstraintViolationException", "ALREADY_IN_AN_ORGANIZATION")
            );
        }
    }

    #[test]
    fn nothing_is_said_of_accounts_elsewhere_until_they_accept() {
        let bench = organized();
        let elsewhere = bench.open_account("Elsewhere", "elsewhere@example.com");
        bench.call_as_root_of(elsewhere);
        bench.run(&CREATE_ORGANIZATION, Default::default()).unwrap();
        bench.call_as_root();
        // Nobody has this id, nor this address.
        send(&bench, to(HandshakePartyType::Account, "999999999999")).unwrap();
        send(&bench, to(HandshakePartyType::Email, "nobody@example.com")).unwrap();
        let id = invite(&bench, elsewhere);
        bench.call_as_root_of(elsewhere);
        assert_eq!(reason(&take(&bench, &id).unwrap_err()), "ALREADY_IN_AN_ORGANIZATION");
    }

    #[test]
    fn account_is_invited_once_at_a_time() {
        let bench = organized();
        let input = || to(HandshakePartyType::Email, "two@example.com");
        let invite = || bench.run_uncommitted(&INVITE_ACCOUNT_TO_ORGANIZATION, &input()).unwrap().1;
        let (first, second) = (invite(), invite());
        assert!(bench.second_loses(first, second));
        let again = send(&bench, to(HandshakePartyType::Email, "TWO@example.com")).unwrap_err();
        assert_eq!(again.code, "DuplicateHandshakeException");
        bench.pass_days(15);
        send(&bench, input()).unwrap();
    }

    #[test]
    fn twenty_invitations_a_day_and_those_that_brought_a_member_do_not_count() {
        let bench = organized();
        let there = invited(&bench, "there@example.com");
        for number in 0..20 {
            send(&bench, to(HandshakePartyType::Email, &format!("m{number}@example.com"))).unwrap();
        }
        let next = || send(&bench, to(HandshakePartyType::Email, "next@example.com"));
        assert_eq!(reason(&next().unwrap_err()), "HANDSHAKE_RATE_LIMIT_EXCEEDED");
        bench.call_as_root_of(there);
        bench.run(&LEAVE_ORGANIZATION, Empty).unwrap();
        bench.call_as_root();
        bench.pass_days(1);
        next().unwrap();
    }

    #[test]
    fn accounts_that_come_and_go_do_not_make_more_invitations() {
        let bench = organized();
        let account = bench.open_account("Invited", "two@example.com");
        for _ in 0..20 {
            let id = invite(&bench, account);
            bench.call_as_root_of(account);
            take(&bench, &id).unwrap();
            bench.run(&LEAVE_ORGANIZATION, Empty).unwrap();
        }
        bench.call_as_root();
        let error = send(&bench, to(HandshakePartyType::Account, &account.to_string())).unwrap_err();
        assert_eq!(reason(&error), "HANDSHAKE_RATE_LIMIT_EXCEEDED");
    }

    #[test]
    fn target_is_an_account_or_an_address() {
        let bench = organized();
        for (kind, id, expected) in [
            (HandshakePartyType::Organization, "o-exampleorgid", "INVALID_PARTY_TYPE_TARGET"),
            (HandshakePartyType::Account, "12345", "INVALID_PATTERN_TARGET_ID"),
            (HandshakePartyType::Email, "nobody", "INVALID_EMAIL_ADDRESS_TARGET"),
        ] {
            assert_eq!(reason(&send(&bench, to(kind, id)).unwrap_err()), expected);
        }
    }

    #[test]
    fn invited_account_joins_one_organization_of_two_at_the_same_time() {
        let bench = organized();
        let account = bench.open_account("Invited", "two@example.com");
        let other = bench.open_account("Other", "other@example.com");
        let one = invite(&bench, account);
        bench.call_as_root_of(other);
        bench.run(&CREATE_ORGANIZATION, Default::default()).unwrap();
        let two = send(&bench, to(HandshakePartyType::Account, &account.to_string())).unwrap().id.unwrap();
        bench.call_as_root_of(account);
        let accept = |id: &str| {
            let input = api::AcceptHandshakeRequest { handshake_id: id.into() };
            bench.run_uncommitted(&ACCEPT_HANDSHAKE, &input).unwrap().1
        };
        let (first, second) = (accept(&one), accept(&two));
        assert!(bench.second_loses(first, second));
    }

    #[test]
    fn organization_is_deleted_or_joined_and_not_both() {
        for deleted_first in [true, false] {
            let bench = organized();
            let account = bench.open_account("Invited", "two@example.com");
            let id = invite(&bench, account);
            let (_, delete) = bench.run_uncommitted(&DELETE_ORGANIZATION, &Empty).unwrap();
            bench.call_as_root_of(account);
            let input = api::AcceptHandshakeRequest { handshake_id: id };
            let (_, accept) = bench.run_uncommitted(&ACCEPT_HANDSHAKE, &input).unwrap();
            let (first, second) = if deleted_first { (delete, accept) } else { (accept, delete) };
            assert!(bench.second_loses(first, second));
            if deleted_first {
                assert_eq!(take(&bench, &input.handshake_id).unwrap_err().code, "HandshakeNotFoundException");
            }
        }
    }

    #[test]
    fn members_invite_nobody() {
        let bench = organized();
        bench.call_as_root_of(opened(&bench, "two@example.com"));
        let error = send(&bench, to(HandshakePartyType::Email, "three@example.com")).unwrap_err();
        assert_eq!(error.code, "AccessDeniedException");
    }
}
