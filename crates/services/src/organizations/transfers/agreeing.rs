//! How a transfer comes about: an invitation, and what is answered to it.

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_api::organizations::InvalidInputExceptionReason;
use rootward_names::{AccountId, HandshakeId, ResponsibilityTransferId, Time};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Key, OpContext, Rule, Target, always};
use rootward_state::entities::{
    AccountStatus, Handshake, HandshakeAction, HandshakeParty, HandshakeState, ResponsibilityTransfer,
    TransferState,
};
use rootward_state::{NameKey, OrganizationState, Recipient, RowKey, Txn, World};

use super::{Side, arn, guarded, key, sweep};
use crate::organizations::{failures, handshakes, invitations, keys, quotas, standing, tags};

pub(super) static INVITE_ORGANIZATION_TO_TRANSFER_RESPONSIBILITY: Declaration<
    api::InviteOrganizationToTransferResponsibility,
> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "organizations:InviteOrganizationToTransferResponsibility",
            when: always,
            target: |scope, input| invitations::invited(scope, &input.target),
            keys: &[
                Key::Text(keys::TRANSFER_DIRECTION, |_, _| Some(Side::Target.name().to_owned())),
                Key::Text(keys::TRANSFER_TYPE, |_, input| Some(input.r#type.as_str().to_owned())),
            ],
        },
        Rule {
            action: "organizations:TagResource",
            when: |_, input| tags::any(&input.tags),
            target: |scope, _| match standing::in_scope(scope) {
                Some(state) => Target::arn(arn(state.organization(), Side::Target, "*")),
                None => Target::any(),
            },
            keys: &[
                Key::RequestTags(|input| tags::requested(input.tags.iter().flatten())),
                Key::Text(keys::TRANSFER_DIRECTION, |_, _| Some(Side::Target.name().to_owned())),
                Key::Text(keys::TRANSFER_TYPE, |_, input| Some(input.r#type.as_str().to_owned())),
            ],
        },
    ],
    run: invite_organization_to_transfer_responsibility,
};

fn invite_organization_to_transfer_responsibility(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::InviteOrganizationToTransferResponsibilityRequest,
) -> Result<api::InviteOrganizationToTransferResponsibilityResponse, Failure> {
    let state = standing::managed(ctx, txn)?;
    let organization = standing::row(txn, &state.organization().id)?;
    let source = invitations::recipient(&input.target)?;
    let starts = input.start_timestamp;
    check_start(ctx.now, starts)?;
    let tags = tags::new(input.tags.as_deref())?;
    check_source(ctx, txn, &state, &source, starts)?;
    handshakes::sweep(ctx, txn, &state);
    sweep(ctx, txn, &state);
    let (id, handshake) =
        ctx.with_random(|random| (ResponsibilityTransferId::random(random), HandshakeId::random(random)));
    let transfer = ResponsibilityTransfer {
        id: id.clone(),
        organization: organization.id.clone(),
        name: input.source_name.expose().into(),
        source: source.clone(),
        handshake: handshake.clone(),
        requested: ctx.now,
        expires: ctx.now.plus_days(quotas::INVITATION_DAYS).min(starts.plus_days(-1)),
        starts,
        ends: None,
        state: TransferState::Requested,
        since: ctx.now,
        tags,
    };
    let handshake = Handshake {
        id: handshake,
        organization: organization.id.clone(),
        action: HandshakeAction::TransferResponsibility(id),
        to: source,
        notes: input.notes.as_ref().map(|notes| notes.expose().into()),
        tags: Vec::new(),
        parent: None,
        requested: ctx.now,
        expires: transfer.expires,
        state: HandshakeState::Open,
        answer: None,
    };
    standing::touch(txn, &organization);
    let shown = handshakes::show_with(ctx.now, txn.world(), &state, &handshake, Some(&transfer));
    txn.put(RowKey::Handshake(organization.id.clone(), handshake.id.clone()), handshake);
    txn.put(key(&transfer), transfer);
    Ok(api::InviteOrganizationToTransferResponsibilityResponse { handshake: Some(shown) })
}

/// The first of a month, late enough for an answer a day before it.
///
/// # Errors
/// `InvalidInputException`.
fn check_start(now: Time, starts: Time) -> Result<(), Failure> {
    if starts != starts.day_start() {
        return Err(failures::bad_start(InvalidInputExceptionReason::StartDateNotBeginningOfDay));
    }
    if starts != starts.month_start(0) {
        return Err(failures::bad_start(InvalidInputExceptionReason::StartDateNotBeginningOfMonth));
    }
    if starts.plus_days(-1) <= now {
        return Err(failures::bad_start(InvalidInputExceptionReason::StartDateTooEarly));
    }
    if starts > now.month_start(quotas::TRANSFER_MONTHS_AHEAD_MAX) {
        return Err(failures::bad_start(InvalidInputExceptionReason::StartDateTooLate));
    }
    Ok(())
}

/// Whether it may be put to `source`. Only what the caller can see anyway is held against it.
///
/// # Errors
/// `HandshakeConstraintViolationException`, `DuplicateHandshakeException`, `ConstraintViolationException`.
fn check_source(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    state: &OrganizationState,
    source: &HandshakeParty,
    starts: Time,
) -> Result<(), Failure> {
    match invitations::member(txn, state, source) {
        Some(account) if account == ctx.account() => return Err(failures::transfer_to_itself()),
        Some(_) => return Err(failures::transfer_of_member()),
        None => {}
    }
    let rows = || state.transfers().iter().map(|(_, row)| row);
    if rows().any(|row| row.lasts(starts) && is_of(txn.world(), row, source)) {
        return Err(failures::transfer_exists());
    }
    if rows().any(|row| row.is_open(ctx.now) && invitations::is_same(&row.source, source)) {
        return Err(failures::duplicate_handshake());
    }
    if rows().filter(|row| row.is_open(ctx.now) || row.lasts(ctx.now)).count() >= quotas::TRANSFERS_MAX {
        return Err(failures::too_many_inbound());
    }
    // Those that have brought nothing, or nothing that is left: what is kept is bounded by what lasts, and days.
    let since = ctx.now.plus_days(-1);
    let of_today = rows().filter(|row| row.requested > since && !row.lasts(ctx.now));
    if of_today.count() >= quotas::INVITATIONS_PER_DAY {
        return Err(failures::too_many_invitations());
    }
    Ok(())
}

/// Whether this is the account that has accepted it.
fn is_of(world: &World, row: &ResponsibilityTransfer, party: &HandshakeParty) -> bool {
    let email = match &row.source {
        HandshakeParty::Account(account) => world.account(*account).map(|state| &state.account().email),
        HandshakeParty::Email(_) => None,
    };
    let has_address = |wanted: &str| email.is_some_and(|email| NameKey::new(email) == NameKey::new(wanted));
    invitations::is_same(&row.source, party)
        || matches!(party, HandshakeParty::Email(wanted) if has_address(wanted))
}

/// Lets the organization of the caller's account, which manages it, transfer its bills.
///
/// # Errors
/// `AWSOrganizationsNotInUseException`, `AccessDeniedException`, `ConstraintViolationException`, `HandshakeConstraintViolationException`.
pub(in super::super) fn accept(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    target: &OrganizationState,
    id: &ResponsibilityTransferId,
) -> Result<(), Failure> {
    let source = standing::managed(ctx, txn)?;
    let own = standing::row(txn, &source.organization().id)?;
    let target_row = standing::row(txn, &target.organization().id).map_err(|_| failures::no_handshake())?;
    let row = guarded(txn, target, id).ok_or_else(failures::no_handshake)?;
    if own.id == target_row.id {
        return Err(failures::transfer_to_itself());
    }
    if own.partition != target_row.partition {
        return Err(failures::other_partition());
    }
    let manager = txn.account(target_row.management);
    if manager.is_none_or(|manager| manager.status != AccountStatus::Active) {
        return Err(failures::transfer_to_inactive());
    }
    let world = Arc::clone(txn.world());
    let mut others = lasting(&world, ctx.account(), row.starts);
    if let Some(other) = others.next() {
        let is_same = other.organization().id == target_row.id;
        return Err(if is_same { failures::transfer_exists() } else { failures::too_many_outbound() });
    }
    check_chain(txn, &source, target, row.starts)?;
    let since = ctx.now;
    let source = HandshakeParty::Account(ctx.account());
    let accepted =
        ResponsibilityTransfer { state: TransferState::Accepted, since, source, ..Arc::unwrap_or_clone(row) };
    standing::touch(txn, &own);
    txn.put(key(&accepted), accepted);
    Ok(())
}

/// The organizations that this one's bills go to at `time` or after it.
pub(super) fn lasting(
    world: &World,
    management: AccountId,
    time: Time,
) -> impl Iterator<Item = &Arc<OrganizationState>> {
    // The world's iterator borrows the party that it is asked for only while it is made.
    let all: Vec<_> = world.transfers_of(&Recipient::Account(management)).collect();
    all.into_iter().filter(move |(_, row)| row.lasts(time)).map(|(state, _)| state)
}

/// Whether a transfer from `source` to `target` makes too long a chain, or a circle: that is counted on both sides, and so too long.
///
/// Those above are written, and each acceptance reads the rows of both its sides guarded: of two that meet somewhere in a chain one is the
/// lower, and has written the source of the upper.
///
/// # Errors
/// `ConstraintViolationException`.
fn check_chain(
    txn: &mut Txn,
    source: &OrganizationState,
    target: &OrganizationState,
    starts: Time,
) -> Result<(), Failure> {
    let world = Arc::clone(txn.world());
    let mut left = quotas::TRANSFER_LEVELS_MAX;
    let mut last = Some(target);
    while let Some(state) = last {
        let row = standing::row(txn, &state.organization().id).map_err(|_| failures::no_handshake())?;
        standing::touch(txn, &row);
        left = left.checked_sub(1).ok_or_else(failures::chain_too_long)?;
        last = lasting(&world, state.organization().management, starts).next().map(|state| &**state);
    }
    if is_longer(&world, source, starts, left) { Err(failures::chain_too_long()) } else { Ok(()) }
}

/// Whether more than `levels` transfers in a row lead to an organization.
fn is_longer(world: &World, state: &OrganizationState, starts: Time, levels: usize) -> bool {
    let rows = state.transfers().iter().map(|(_, row)| row);
    rows.filter(|row| row.lasts(starts)).any(|row| {
        let source = || match &row.source {
            HandshakeParty::Account(account) => world.organization_of(*account),
            HandshakeParty::Email(_) => None,
        };
        let further = |levels| source().is_some_and(|source| is_longer(world, source, starts, levels));
        levels.checked_sub(1).is_none_or(further)
    })
}

/// Notes what an invitation has come to that was not accepted, if the handshake is one.
pub(in super::super) fn close(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    handshake: &Handshake,
    state: TransferState,
) {
    let HandshakeAction::TransferResponsibility(id) = &handshake.action else { return };
    let key = RowKey::ResponsibilityTransfer(handshake.organization.clone(), id.clone());
    if let Some(row) = txn.get::<ResponsibilityTransfer>(key.clone()) {
        let closed = ResponsibilityTransfer { state, since: ctx.now, ..Arc::unwrap_or_clone(row) };
        txn.put(key, closed);
    }
}
