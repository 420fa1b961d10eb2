//! Responsibility transfers: the management account of one organization (the target) takes over the bills of another one (the source).
//!
//! - The target invites, with a handshake that [`handshakes`](super::handshakes) answers. Both sides see what comes of it and can end it;
//!   its name and its tags are the target's own.
//! - It begins with a month and ends with one. What it has come to is kept; that its time has passed is seen by the clock.
//! - An organization transfers its bills to one other at a time, and chains are short. Whoever accepts writes the rows of both organizations
//!   and of those that the bills go on to, so that two acceptances that make too long a chain together meet.
//! - It is about bills, and no decision depends on it.
//! - Nobody learns from an invitation whether there is such an account, as with those of [`invitations`](super::invitations).
//!
//! The model and its reference leave open what follows; it is settled so here:
//!
//! - One that was declined, canceled or not answered in time is shown for 30 days, as its handshake is; one that has ended likewise.
//! - Whoever ends one without saying when ends it with this month. The end is the last second of a month, as clients send whole seconds.
//! - `Id` of `ListInboundResponsibilityTransfers` is which one to show. Those that a source receives itself are not shown to its target.
//! - `organizations:TransferDirection` is `INBOUND` or `OUTBOUND`, as the caller sees it, and `organizations:TransferType` is `BILLING`.
//! - DIFFERENCE: tags are there from the invitation on; AWS puts them on the transfer when it is accepted.
//! - DIFFERENCE: the reasons that are about prices, prepayments and invoices have nothing here to be about.
//!
//! Source: API Reference, `ResponsibilityTransfer` and the operations on it; Billing User Guide, "Transferring billing management to external
//! accounts".

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_api::organizations::{
    InvalidInputExceptionReason, ResponsibilityTransferStatus, ResponsibilityTransferType,
};
use rootward_names::{AccountId, HandshakeId, ResponsibilityTransferId, Time};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Scope, Target, always,
};
use rootward_state::entities::{
    AccountStatus, Handshake, HandshakeAction, HandshakeParty, HandshakeState, Organization,
    ResponsibilityTransfer, TransferState,
};
use rootward_state::{NameKey, OrganizationState, Recipient, RowKey, Txn, World};
use rootward_wire::Sensitive;

use super::page::Ask;
use super::{failures, handshakes, invitations, quotas, shown, standing, tags};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &DESCRIBE_RESPONSIBILITY_TRANSFER,
    &INVITE_ORGANIZATION_TO_TRANSFER_RESPONSIBILITY,
    &LIST_INBOUND_RESPONSIBILITY_TRANSFERS,
    &LIST_OUTBOUND_RESPONSIBILITY_TRANSFERS,
    &TERMINATE_RESPONSIBILITY_TRANSFER,
    &UPDATE_RESPONSIBILITY_TRANSFER,
];

pub(super) const DIRECTION_KEY: &str = "organizations:TransferDirection";
pub(super) const TYPE_KEY: &str = "organizations:TransferType";

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
                Key::Text(DIRECTION_KEY, |_, _| Some(Side::Target.name().to_owned())),
                Key::Text(TYPE_KEY, |_, input| Some(input.r#type.as_str().to_owned())),
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
                Key::Text(DIRECTION_KEY, |_, _| Some(Side::Target.name().to_owned())),
                Key::Text(TYPE_KEY, |_, input| Some(input.r#type.as_str().to_owned())),
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
pub(super) fn accept(
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
fn lasting(
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
pub(super) fn close(ctx: &OpContext<'_>, txn: &mut Txn, handshake: &Handshake, state: TransferState) {
    let HandshakeAction::TransferResponsibility(id) = &handshake.action else { return };
    let key = RowKey::ResponsibilityTransfer(handshake.organization.clone(), id.clone());
    if let Some(row) = txn.get::<ResponsibilityTransfer>(key.clone()) {
        let closed = ResponsibilityTransfer { state, since: ctx.now, ..Arc::unwrap_or_clone(row) };
        txn.put(key, closed);
    }
}

pub(super) static DESCRIBE_RESPONSIBILITY_TRANSFER: Declaration<api::DescribeResponsibilityTransfer> =
    Declaration {
        effect: Effect::Read,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "organizations:DescribeResponsibilityTransfer",
            when: always,
            target: |scope, input| resource(scope, &input.id),
            keys: &[
                Key::Text(DIRECTION_KEY, |scope, input| direction(scope, &input.id)),
                Key::Text(TYPE_KEY, |scope, input| kind(scope, &input.id)),
            ],
        }],
        run: describe_responsibility_transfer,
    };

fn describe_responsibility_transfer(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DescribeResponsibilityTransferRequest,
) -> Result<api::DescribeResponsibilityTransferResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &DESCRIBE_RESPONSIBILITY_TRANSFER, input)?;
    let found = find(txn.world(), &state, ctx.now, &input.id).ok_or_else(failures::no_transfer)?;
    let shown = show(ctx.now, txn.world(), &state, &found, &found.row);
    Ok(api::DescribeResponsibilityTransferResponse { responsibility_transfer: Some(shown) })
}

pub(super) static LIST_INBOUND_RESPONSIBILITY_TRANSFERS: Declaration<
    api::ListInboundResponsibilityTransfers,
> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListInboundResponsibilityTransfers",
        when: always,
        target: |_, _| Target::any(),
        keys: &[
            Key::Text(DIRECTION_KEY, |_, _| Some(Side::Target.name().to_owned())),
            Key::Text(TYPE_KEY, |_, input| Some(input.r#type.as_str().to_owned())),
        ],
    }],
    run: list_inbound_responsibility_transfers,
};

/// There is one type of them, and the model lets no other in.
fn list_inbound_responsibility_transfers(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListInboundResponsibilityTransfersRequest,
) -> Result<api::ListInboundResponsibilityTransfersResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &LIST_INBOUND_RESPONSIBILITY_TRANSFERS, input)?;
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let world = txn.world();
    let wanted = input.id.as_deref();
    let is_wanted = |row: &ResponsibilityTransfer| wanted.is_none_or(|id| row.id.as_str() == id);
    let mut all = state.transfers().iter().filter(|(_, row)| is_shown(row, ctx.now));
    if wanted.is_some() && !all.any(|(_, row)| is_wanted(row)) {
        return Err(failures::no_transfer());
    }
    let after = ask.after.as_deref().and_then(|key| key.parse().ok());
    let rows = state.transfers().after(after.as_ref()).map(|(_, row)| row);
    let page = ask.take(
        rows.filter(|row| is_shown(row, ctx.now) && is_wanted(row)),
        |row| row.id.to_string(),
        |row| show(ctx.now, world, &state, &Found::inbound(&state, row), row),
    );
    Ok(api::ListInboundResponsibilityTransfersResponse {
        responsibility_transfers: page.items,
        next_token: page.next_token,
    })
}

pub(super) static LIST_OUTBOUND_RESPONSIBILITY_TRANSFERS: Declaration<
    api::ListOutboundResponsibilityTransfers,
> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListOutboundResponsibilityTransfers",
        when: always,
        target: |_, _| Target::any(),
        keys: &[
            Key::Text(DIRECTION_KEY, |_, _| Some(Side::Source.name().to_owned())),
            Key::Text(TYPE_KEY, |_, input| Some(input.r#type.as_str().to_owned())),
        ],
    }],
    run: list_outbound_responsibility_transfers,
};

fn list_outbound_responsibility_transfers(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListOutboundResponsibilityTransfersRequest,
) -> Result<api::ListOutboundResponsibilityTransfersResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &LIST_OUTBOUND_RESPONSIBILITY_TRANSFERS, input)?;
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let after = ask.after.as_deref().and_then(|key| key.parse::<ResponsibilityTransferId>().ok());
    let world = txn.world();
    let mut all = outbound(world, &state);
    all.retain(|found| {
        is_shown(&found.row, ctx.now) && after.as_ref().is_none_or(|after| *after < found.row.id)
    });
    all.sort_by(|a, b| a.row.id.cmp(&b.row.id));
    let page = ask.take(
        all.into_iter(),
        |found| found.row.id.to_string(),
        |found| show(ctx.now, world, &state, &found, &found.row),
    );
    Ok(api::ListOutboundResponsibilityTransfersResponse {
        responsibility_transfers: page.items,
        next_token: page.next_token,
    })
}

pub(super) static UPDATE_RESPONSIBILITY_TRANSFER: Declaration<api::UpdateResponsibilityTransfer> =
    Declaration {
        effect: Effect::Write,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "organizations:UpdateResponsibilityTransfer",
            when: always,
            target: |scope, input| resource(scope, &input.id),
            keys: &[
                Key::Text(DIRECTION_KEY, |scope, input| direction(scope, &input.id)),
                Key::Text(TYPE_KEY, |scope, input| kind(scope, &input.id)),
            ],
        }],
        run: update_responsibility_transfer,
    };

/// The name is the target's. Of one that is over nothing changes any more.
fn update_responsibility_transfer(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UpdateResponsibilityTransferRequest,
) -> Result<api::UpdateResponsibilityTransferResponse, Failure> {
    let state = standing::managed(ctx, txn)?;
    let found = find(txn.world(), &state, ctx.now, &input.id).ok_or_else(failures::no_transfer)?;
    let row = guarded(txn, &found.target, &found.row.id).ok_or_else(failures::no_transfer)?;
    if found.side == Side::Source || row.over_since(ctx.now).is_some() {
        return Err(failures::transfer_not_updated());
    }
    let name = input.name.expose().into();
    let row = ResponsibilityTransfer { name, ..Arc::unwrap_or_clone(row) };
    let shown = show(ctx.now, txn.world(), &state, &found, &row);
    txn.put(key(&row), row);
    Ok(api::UpdateResponsibilityTransferResponse { responsibility_transfer: Some(shown) })
}

pub(super) static TERMINATE_RESPONSIBILITY_TRANSFER: Declaration<api::TerminateResponsibilityTransfer> =
    Declaration {
        effect: Effect::Write,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "organizations:TerminateResponsibilityTransfer",
            when: always,
            target: |scope, input| resource(scope, &input.id),
            keys: &[
                Key::Text(DIRECTION_KEY, |scope, input| direction(scope, &input.id)),
                Key::Text(TYPE_KEY, |scope, input| kind(scope, &input.id)),
            ],
        }],
        run: terminate_responsibility_transfer,
    };

/// Either side ends it, once, and it goes on until its end.
fn terminate_responsibility_transfer(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::TerminateResponsibilityTransferRequest,
) -> Result<api::TerminateResponsibilityTransferResponse, Failure> {
    let state = standing::managed(ctx, txn)?;
    let found = find(txn.world(), &state, ctx.now, &input.id).ok_or_else(failures::no_transfer)?;
    let row = guarded(txn, &found.target, &found.row.id).ok_or_else(failures::no_transfer)?;
    let ends = end(ctx.now, input.end_timestamp)?;
    match row.state {
        TransferState::Accepted => {}
        TransferState::Withdrawn => {
            return Err(failures::transfer_in_status(status(&row, ctx.now).as_str()));
        }
        TransferState::Requested | TransferState::Declined | TransferState::Canceled => {
            return Err(failures::transfer_not_ended(status(&row, ctx.now).as_str()));
        }
    }
    let row = ResponsibilityTransfer {
        state: TransferState::Withdrawn,
        since: ctx.now,
        ends: Some(ends),
        ..Arc::unwrap_or_clone(row)
    };
    let shown = show(ctx.now, txn.world(), &state, &found, &row);
    txn.put(key(&row), row);
    Ok(api::TerminateResponsibilityTransferResponse { responsibility_transfer: Some(shown) })
}

/// The last millisecond of the month that is asked for, or of this one.
///
/// # Errors
/// `InvalidInputException`.
fn end(now: Time, asked: Option<Time>) -> Result<Time, Failure> {
    let asked = asked.unwrap_or_else(|| end_of_month(now));
    let ends = end_of_month(asked);
    if asked.seconds() != ends.seconds() {
        return Err(failures::bad_end(InvalidInputExceptionReason::EndDateNotEndOfMonth));
    }
    if ends < now {
        return Err(failures::bad_end(InvalidInputExceptionReason::EndDateTooEarly));
    }
    if ends > end_of_month(now.month_start(quotas::TRANSFER_MONTHS_AHEAD_MAX)) {
        return Err(failures::bad_end(InvalidInputExceptionReason::EndDateTooLate));
    }
    Ok(ends)
}

fn end_of_month(time: Time) -> Time {
    Time::from_millis(time.month_start(1).millis().saturating_sub(1))
}

/// Whether a transfer to or from the organization keeps it from being deleted. Invitations that it has received do not: anybody sends them.
pub(super) fn is_under_way(world: &World, state: &OrganizationState, now: Time) -> bool {
    let mut inbound = state.transfers().iter().map(|(_, row)| row);
    inbound.any(|row| row.is_open(now) || row.lasts(now))
        || lasting(world, state.organization().management, now).next().is_some()
}

/// Where an organization is in a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Its bills are taken over.
    Source,
    /// It takes over.
    Target,
}

impl Side {
    /// How it sees the transfer, as condition keys have it.
    fn name(self) -> &'static str {
        match self {
            Self::Source => "OUTBOUND",
            Self::Target => "INBOUND",
        }
    }
}

const BILLING: &str = "BILLING";

/// A transfer that the caller's organization is a side of.
struct Found {
    side: Side,
    target: Arc<OrganizationState>,
    row: Arc<ResponsibilityTransfer>,
}

impl Found {
    fn inbound(target: &Arc<OrganizationState>, row: &Arc<ResponsibilityTransfer>) -> Self {
        Self { side: Side::Target, target: Arc::clone(target), row: Arc::clone(row) }
    }

    fn outbound(target: &Arc<OrganizationState>, row: &Arc<ResponsibilityTransfer>) -> Self {
        Self { side: Side::Source, target: Arc::clone(target), row: Arc::clone(row) }
    }
}

/// The transfer with this id, if the organization is a side of it.
fn find(world: &World, state: &OrganizationState, now: Time, id: &str) -> Option<Found> {
    let (target, row) = world.transfer(&id.parse().ok()?).filter(|(_, row)| is_shown(row, now))?;
    if target.organization().id == state.organization().id {
        return Some(Found::inbound(target, row));
    }
    let source = Recipient::from(&row.source);
    sources(world, state).any(|party| party == source).then(|| Found::outbound(target, row))
}

/// The transfers that are put to the management account, by id or by its address, and those that it has accepted.
fn outbound(world: &World, state: &OrganizationState) -> Vec<Found> {
    let mut all = Vec::new();
    for party in sources(world, state) {
        all.extend(world.transfers_of(&party).map(|(target, row)| Found::outbound(target, row)));
    }
    all
}

/// How transfers name the management account as their source: by its id or its address.
fn sources(world: &World, state: &OrganizationState) -> impl Iterator<Item = Recipient> {
    let management = state.organization().management;
    let email = world.account(management).map(|account| NameKey::new(&account.account().email));
    [Recipient::Account(management)].into_iter().chain(email.map(Recipient::Email))
}

/// The row under its key, guarded.
fn guarded(
    txn: &mut Txn,
    target: &OrganizationState,
    id: &ResponsibilityTransferId,
) -> Option<Arc<ResponsibilityTransfer>> {
    txn.get(RowKey::ResponsibilityTransfer(target.organization().id.clone(), id.clone()))
}

fn key(row: &ResponsibilityTransfer) -> RowKey {
    RowKey::ResponsibilityTransfer(row.organization.clone(), row.id.clone())
}

fn is_shown(row: &ResponsibilityTransfer, now: Time) -> bool {
    row.over_since(now).is_none_or(|since| now < since.plus_days(quotas::HANDSHAKE_SHOWN_DAYS))
}

/// Removes those that are shown no more.
fn sweep(ctx: &OpContext<'_>, txn: &mut Txn, state: &OrganizationState) {
    let old = state.transfers().iter().filter(|(_, row)| !is_shown(row, ctx.now));
    old.take(quotas::SWEPT_AT_ONCE).for_each(|(_, row)| txn.delete(key(row)));
}

/// A transfer as a resource. One that the caller does not see has an ARN of the caller's account, whatever is behind the id.
fn resource(scope: &Scope<'_>, id: &str) -> Target {
    let state = standing::in_scope(scope);
    let found = state.and_then(|state| Some((state, find(scope.world, state, scope.ctx.now, id)?)));
    let Some((state, found)) = found else {
        let (partition, account) = (scope.ctx.partition(), scope.ctx.account());
        return Target::arn(format!("arn:{partition}:organizations::{account}:transfer/*/billing/*/{id}"));
    };
    let tags = if found.side == Side::Target { found.row.tags.clone() } else { Vec::new() };
    Target { tags, ..Target::arn(arn(state.organization(), found.side, id)) }
}

/// How the caller's organization sees a transfer, for `organizations:TransferDirection`.
pub(super) fn direction(scope: &Scope<'_>, id: &str) -> Option<String> {
    let found = find(scope.world, standing::in_scope(scope)?, scope.ctx.now, id)?;
    Some(found.side.name().to_owned())
}

/// Its type, for `organizations:TransferType`.
pub(super) fn kind(scope: &Scope<'_>, id: &str) -> Option<String> {
    direction(scope, id).map(|_| BILLING.to_owned())
}

/// The ARN of a transfer as one of the organizations sees it.
pub(super) fn arn(own: &Organization, side: Side, id: &str) -> String {
    let direction = side.name().to_ascii_lowercase();
    shown::arn(own, "transfer", &format!("billing/{direction}/{id}"))
}

fn status(row: &ResponsibilityTransfer, now: Time) -> ResponsibilityTransferStatus {
    match row.state {
        TransferState::Requested if row.expires <= now => ResponsibilityTransferStatus::Expired,
        TransferState::Requested => ResponsibilityTransferStatus::Requested,
        TransferState::Accepted => ResponsibilityTransferStatus::Accepted,
        TransferState::Declined => ResponsibilityTransferStatus::Declined,
        TransferState::Canceled => ResponsibilityTransferStatus::Canceled,
        TransferState::Withdrawn => ResponsibilityTransferStatus::Withdrawn,
    }
}

/// `row`, which is that of `found` or becomes it, as the organization `own` sees it: the name is the target's alone.
fn show(
    now: Time,
    world: &World,
    own: &OrganizationState,
    found: &Found,
    row: &ResponsibilityTransfer,
) -> api::ResponsibilityTransfer {
    let is_target = found.side == Side::Target;
    let is_agreed = matches!(row.state, TransferState::Accepted | TransferState::Withdrawn);
    // Who was asked, and not who that is: only those who agree say so.
    let source = match &row.source {
        HandshakeParty::Account(account) if is_agreed => participant(world, *account),
        HandshakeParty::Account(account) => api::TransferParticipant {
            management_account_id: Some(account.to_string()),
            management_account_email: None,
        },
        HandshakeParty::Email(email) => api::TransferParticipant {
            management_account_id: None,
            management_account_email: Some(Sensitive::new(&**email)),
        },
    };
    api::ResponsibilityTransfer {
        arn: Some(arn(own.organization(), found.side, row.id.as_str())),
        name: is_target.then(|| Sensitive::new(&*row.name)),
        id: Some(row.id.to_string()),
        r#type: Some(ResponsibilityTransferType::Billing),
        status: Some(status(row, now)),
        source: Some(source),
        target: Some(participant(world, found.target.organization().management)),
        start_timestamp: Some(row.starts),
        end_timestamp: row.ends,
        active_handshake_id: row.is_open(now).then(|| row.handshake.to_string()),
    }
}

fn participant(world: &World, account: AccountId) -> api::TransferParticipant {
    let email = world.account(account).map(|state| Sensitive::new(&*state.account().email));
    api::TransferParticipant {
        management_account_id: Some(account.to_string()),
        management_account_email: email,
    }
}

#[cfg(test)]
mod tests {
    use rootward_api::organizations::{HandshakePartyType, HandshakeResourceType};
    use rootward_wire::Empty;

    use super::*;
    use crate::organizations::all_features::ENABLE_ALL_FEATURES;
    use crate::organizations::handshakes::{
        ACCEPT_HANDSHAKE, CANCEL_HANDSHAKE, DECLINE_HANDSHAKE, DESCRIBE_HANDSHAKE,
    };
    use crate::organizations::organization::{CREATE_ORGANIZATION, DELETE_ORGANIZATION};
    use crate::organizations::tags::{LIST_TAGS_FOR_RESOURCE, TAG_RESOURCE};
    use crate::organizations::testing::{member, organized, organized_as, reason};
    use crate::testing::Bench;

    /// The first of the month after the next one.
    fn start(bench: &Bench) -> Time {
        bench.now().month_start(2)
    }

    /// Another organization's management account.
    fn other(bench: &Bench, email: &str) -> AccountId {
        let account = bench.open_account("Other", email);
        bench.call_as_root_of(account);
        bench.run(&CREATE_ORGANIZATION, Default::default()).unwrap();
        bench.call_as_root();
        account
    }

    fn request(
        bench: &Bench,
        r#type: HandshakePartyType,
        id: &str,
    ) -> api::InviteOrganizationToTransferResponsibilityRequest {
        api::InviteOrganizationToTransferResponsibilityRequest {
            r#type: ResponsibilityTransferType::Billing,
            target: api::HandshakeParty { id: Sensitive::new(id), r#type },
            notes: None,
            start_timestamp: start(bench),
            source_name: Sensitive::new("Subsidiary"),
            tags: None,
        }
    }

    fn send(
        bench: &Bench,
        input: api::InviteOrganizationToTransferResponsibilityRequest,
    ) -> Result<api::Handshake, Failure> {
        Ok(bench.run(&INVITE_ORGANIZATION_TO_TRANSFER_RESPONSIBILITY, input)?.handshake.unwrap())
    }

    fn to_account(bench: &Bench, account: AccountId) -> Result<api::Handshake, Failure> {
        send(bench, request(bench, HandshakePartyType::Account, &account.to_string()))
    }

    /// The ids of the handshake and of the transfer.
    fn ids(handshake: &api::Handshake) -> (String, String) {
        let resources = handshake.resources.as_ref().unwrap();
        let transfer = |item: &&api::HandshakeResource| {
            item.r#type == Some(HandshakeResourceType::ResponsibilityTransfer)
        };
        let transfer = resources.iter().find(transfer).unwrap().value.as_ref().unwrap();
        (handshake.id.clone().unwrap(), transfer.expose().to_owned())
    }

    fn take(bench: &Bench, account: AccountId, handshake: &str) -> Result<(), Failure> {
        bench.call_as_root_of(account);
        let input = api::AcceptHandshakeRequest { handshake_id: handshake.into() };
        bench.run(&ACCEPT_HANDSHAKE, input).map(drop)
    }

    /// A transfer that `source` has accepted, by `target`.
    fn agreed(bench: &Bench, target: AccountId, source: AccountId) -> String {
        bench.call_as_root_of(target);
        let (handshake, transfer) = ids(&to_account(bench, source).unwrap());
        take(bench, source, &handshake).unwrap();
        bench.call_as_root_of(target);
        transfer
    }

    fn describe(bench: &Bench, id: &str) -> Result<api::ResponsibilityTransfer, Failure> {
        let input = api::DescribeResponsibilityTransferRequest { id: id.into() };
        Ok(bench.run(&DESCRIBE_RESPONSIBILITY_TRANSFER, input)?.responsibility_transfer.unwrap())
    }

    fn status_of(bench: &Bench, id: &str) -> &'static str {
        describe(bench, id).unwrap().status.unwrap().as_str()
    }

    fn inbound(bench: &Bench, id: Option<&str>) -> Result<Vec<String>, Failure> {
        let input = api::ListInboundResponsibilityTransfersRequest {
            r#type: ResponsibilityTransferType::Billing,
            id: id.map(str::to_owned),
            next_token: None,
            max_results: None,
        };
        let page = bench.run(&LIST_INBOUND_RESPONSIBILITY_TRANSFERS, input)?;
        Ok(page.responsibility_transfers.unwrap().into_iter().map(|row| row.id.unwrap()).collect())
    }

    fn outbound(bench: &Bench) -> Vec<String> {
        let (mut all, mut next_token) = (Vec::new(), None);
        loop {
            let input = api::ListOutboundResponsibilityTransfersRequest {
                r#type: ResponsibilityTransferType::Billing,
                next_token,
                max_results: Some(1),
            };
            let page = bench.run(&LIST_OUTBOUND_RESPONSIBILITY_TRANSFERS, input).unwrap();
            all.extend(page.responsibility_transfers.unwrap().into_iter().map(|row| row.id.unwrap()));
            next_token = page.next_token;
            if next_token.is_none() {
                return all;
            }
        }
    }

    fn terminate(
        bench: &Bench,
        id: &str,
        end_timestamp: Option<Time>,
    ) -> Result<api::ResponsibilityTransfer, Failure> {
        let input = api::TerminateResponsibilityTransferRequest { id: id.into(), end_timestamp };
        Ok(bench.run(&TERMINATE_RESPONSIBILITY_TRANSFER, input)?.responsibility_transfer.unwrap())
    }

    fn rename(bench: &Bench, id: &str, name: &str) -> Result<api::ResponsibilityTransfer, Failure> {
        let input = api::UpdateResponsibilityTransferRequest { id: id.into(), name: Sensitive::new(name) };
        Ok(bench.run(&UPDATE_RESPONSIBILITY_TRANSFER, input)?.responsibility_transfer.unwrap())
    }

    fn why(failure: &Failure) -> (&str, &str) {
        (failure.code, reason(failure))
    }

    const HANDSHAKE_CONSTRAINT: &str = "HandshakeConstraintViolationException";
    const CONSTRAINT: &str = "ConstraintViolationException";

    #[test]
    fn both_sides_see_a_transfer_each_as_its_own_and_the_name_is_the_targets() {
        let bench = organized();
        let (target, source) = (bench.account(), other(&bench, "two@example.com"));
        let handshake = to_account(&bench, source).unwrap();
        let (id, transfer) = ids(&handshake);
        assert_eq!(handshake.action, Some(api::ActionType::TransferResponsibility));
        assert_eq!(handshake.expiration_timestamp, Some(bench.now().plus_days(15)));
        let asked = describe(&bench, &transfer).unwrap();
        assert_eq!(asked.status, Some(ResponsibilityTransferStatus::Requested));
        assert_eq!(asked.active_handshake_id.as_deref(), Some(&*id));
        // Until it agrees nothing is said of the account that was not in the invitation.
        let asked_source = asked.source.unwrap();
        assert_eq!(asked_source.management_account_id, Some(source.to_string()));
        assert!(asked_source.management_account_email.is_none());
        bench.call_as_root_of(source);
        assert_eq!(outbound(&bench), [&*transfer]);
        take(&bench, source, &id).unwrap();
        let seen = describe(&bench, &transfer).unwrap();
        let own = bench.in_scope(|scope| standing::in_scope(scope).unwrap().organization().id.clone());
        assert_eq!(
            seen.arn,
            Some(format!("arn:aws:organizations::{source}:transfer/{own}/billing/outbound/{transfer}"))
        );
        assert!(seen.name.is_none() && seen.active_handshake_id.is_none() && seen.end_timestamp.is_none());
        assert_eq!(seen.start_timestamp, Some(start(&bench)));
        let manager = seen.target.unwrap();
        assert_eq!(manager.management_account_id, Some(target.to_string()));
        assert_eq!(manager.management_account_email.unwrap().expose(), "root@example.com");
        assert_eq!((outbound(&bench), inbound(&bench, None).unwrap()), (vec![transfer.clone()], vec![]));
        bench.call_as_root();
        let seen = describe(&bench, &transfer).unwrap();
        assert!(seen.arn.unwrap().ends_with(&format!("/billing/inbound/{transfer}")));
        assert_eq!(seen.name.unwrap().expose(), "Subsidiary");
        assert_eq!(seen.status, Some(ResponsibilityTransferStatus::Accepted));
        assert_eq!(seen.source.unwrap().management_account_email.unwrap().expose(), "two@example.com");
        assert_eq!((outbound(&bench), inbound(&bench, None).unwrap()), (vec![], vec![transfer]));
    }

    #[test]
    fn invitation_is_answered_after_its_organization_has_asked_for_all_features() {
        let bench = organized_as(api::OrganizationFeatureSet::ConsolidatedBilling);
        let [first, second] = ["two@example.com", "three@example.com"].map(|email| other(&bench, email));
        let (accepted, transfer) = ids(&to_account(&bench, first).unwrap());
        let (canceled, withdrawn) = ids(&to_account(&bench, second).unwrap());
        bench.run(&ENABLE_ALL_FEATURES, Default::default()).unwrap();
        bench.run(&CANCEL_HANDSHAKE, api::CancelHandshakeRequest { handshake_id: canceled }).unwrap();
        assert_eq!(status_of(&bench, &withdrawn), "CANCELED");
        take(&bench, first, &accepted).unwrap();
        assert_eq!(status_of(&bench, &transfer), "ACCEPTED");
    }

    #[test]
    fn handshake_shows_who_takes_over_what_and_from_when() {
        let bench = organized();
        let input = request(&bench, HandshakePartyType::Email, "two@example.com");
        let notes = Some(Sensitive::new("As agreed"));
        let shown =
            send(&bench, api::InviteOrganizationToTransferResponsibilityRequest { notes, ..input }).unwrap();
        assert!(shown.arn.as_ref().unwrap().contains("/transfer_responsibility/h-"));
        let kinds = |resources: &[api::HandshakeResource]| -> Vec<_> {
            resources.iter().filter_map(|resource| resource.r#type).collect()
        };
        let resources = shown.resources.as_deref().unwrap();
        assert_eq!(
            kinds(resources),
            [
                HandshakeResourceType::Organization,
                HandshakeResourceType::Email,
                HandshakeResourceType::ResponsibilityTransfer,
                HandshakeResourceType::Notes
            ]
        );
        assert_eq!(
            kinds(resources[0].resources.as_deref().unwrap()),
            [
                HandshakeResourceType::ManagementAccount,
                HandshakeResourceType::ManagementEmail,
                HandshakeResourceType::ManagementName
            ]
        );
        let of_transfer = resources[2].resources.as_deref().unwrap();
        let values: Vec<_> = of_transfer.iter().map(|item| item.value.as_ref().unwrap().expose()).collect();
        assert_eq!(values, ["BILLING", &start(&bench).to_string()]);
        let input = api::DescribeHandshakeRequest { handshake_id: shown.id.clone().unwrap() };
        assert_eq!(bench.run(&DESCRIBE_HANDSHAKE, input).unwrap().handshake, Some(shown));
    }

    #[test]
    fn transfer_begins_on_the_first_of_a_month_that_is_neither_too_near_nor_too_far() {
        let bench = organized();
        let first = start(&bench);
        let at = |start_timestamp| {
            let input = request(&bench, HandshakePartyType::Email, "two@example.com");
            send(&bench, api::InviteOrganizationToTransferResponsibilityRequest { start_timestamp, ..input })
        };
        for (start, expected) in [
            (first.plus_seconds(1), "START_DATE_NOT_BEGINNING_OF_DAY"),
            (first.plus_days(1), "START_DATE_NOT_BEGINNING_OF_MONTH"),
            (bench.now().month_start(0), "START_DATE_TOO_EARLY"),
            (bench.now().month_start(37), "START_DATE_TOO_LATE"),
        ] {
            assert_eq!(why(&at(start).unwrap_err()), ("InvalidInputException", expected));
        }
        // Nobody can answer on the last day before it begins.
        let last_day = first.plus_days(-1);
        bench.pass_seconds(last_day.seconds() - bench.now().seconds());
        assert_eq!(reason(&at(first).unwrap_err()), "START_DATE_TOO_EARLY");
        bench.pass_seconds(-60);
        assert_eq!(at(first).unwrap().expiration_timestamp, Some(last_day));
    }

    #[test]
    fn invitation_to_an_address_is_the_management_accounts_that_has_it() {
        let bench = organized();
        let source = other(&bench, "two@example.com");
        let (id, transfer) =
            ids(&send(&bench, request(&bench, HandshakePartyType::Email, "TWO@example.com")).unwrap());
        let asked = describe(&bench, &transfer).unwrap().source.unwrap();
        assert!(asked.management_account_id.is_none());
        let stranger = other(&bench, "three@example.com");
        assert_eq!(take(&bench, stranger, &id).unwrap_err().code, "HandshakeNotFoundException");
        assert_eq!(describe(&bench, &transfer).unwrap_err().code, "ResponsibilityTransferNotFoundException");
        assert!(outbound(&bench).is_empty());
        bench.call_as_root_of(source);
        assert_eq!(outbound(&bench), [&*transfer]);
        take(&bench, source, &id).unwrap();
        assert_eq!(outbound(&bench), [&*transfer]);
        bench.call_as_root();
        let agreed = describe(&bench, &transfer).unwrap().source.unwrap();
        assert_eq!(agreed.management_account_id, Some(source.to_string()));
        // By id or by address, it is the same organization.
        let again = send(&bench, request(&bench, HandshakePartyType::Email, "two@example.com")).unwrap_err();
        assert_eq!(why(&again), (HANDSHAKE_CONSTRAINT, "RESPONSIBILITY_TRANSFER_ALREADY_EXISTS"));
    }

    #[test]
    fn only_management_accounts_accept() {
        let bench = organized();
        let alone = bench.open_account("Alone", "alone@example.com");
        let (id, _) = ids(&to_account(&bench, alone).unwrap());
        assert_eq!(take(&bench, alone, &id).unwrap_err().code, "AWSOrganizationsNotInUseException");
        let target = other(&bench, "two@example.com");
        let inside = member(&bench, "inside@example.com");
        bench.call_as_root_of(target);
        let (id, _) = ids(&to_account(&bench, inside).unwrap());
        assert_eq!(take(&bench, inside, &id).unwrap_err().code, "AccessDeniedException");
        assert_eq!(to_account(&bench, alone).unwrap_err().code, "AccessDeniedException");
    }

    #[test]
    fn organization_takes_over_neither_its_own_bills_nor_those_of_a_member() {
        let bench = organized();
        let inside = member(&bench, "inside@example.com");
        let own = to_account(&bench, bench.account()).unwrap_err();
        assert_eq!(why(&own), (HANDSHAKE_CONSTRAINT, "SOURCE_AND_TARGET_CANNOT_MATCH"));
        let own = send(&bench, request(&bench, HandshakePartyType::Email, "Root@example.com")).unwrap_err();
        assert_eq!(reason(&own), "SOURCE_AND_TARGET_CANNOT_MATCH");
        let of_member = to_account(&bench, inside).unwrap_err();
        assert_eq!(why(&of_member), (HANDSHAKE_CONSTRAINT, "TARGET_ACCOUNT_VALIDATION_FAILURE"));
    }

    #[test]
    fn statuses_follow_the_answer_and_the_clock() {
        let bench = organized();
        let source = other(&bench, "two@example.com");
        let (declined, of_declined) = ids(&to_account(&bench, source).unwrap());
        let twice = to_account(&bench, source).unwrap_err();
        assert_eq!(twice.code, "DuplicateHandshakeException");
        bench.call_as_root_of(source);
        bench.run(&DECLINE_HANDSHAKE, api::DeclineHandshakeRequest { handshake_id: declined }).unwrap();
        assert_eq!(status_of(&bench, &of_declined), "DECLINED");
        bench.call_as_root();
        let (canceled, of_canceled) = ids(&to_account(&bench, source).unwrap());
        bench.run(&CANCEL_HANDSHAKE, api::CancelHandshakeRequest { handshake_id: canceled }).unwrap();
        assert_eq!(status_of(&bench, &of_canceled), "CANCELED");
        let (expired, of_expired) = ids(&to_account(&bench, source).unwrap());
        bench.pass_days(15);
        assert_eq!(status_of(&bench, &of_expired), "EXPIRED");
        assert_eq!(take(&bench, source, &expired).unwrap_err().code, "InvalidHandshakeTransitionException");
        assert_eq!(outbound(&bench).len(), 3);
        bench.call_as_root();
        for id in [&of_declined, &of_canceled, &of_expired] {
            let error = terminate(&bench, id, None).unwrap_err();
            assert_eq!(error.code, "InvalidResponsibilityTransferTransitionException");
            assert_eq!(
                why(&rename(&bench, id, "x").unwrap_err()),
                (CONSTRAINT, "TRANSFER_RESPONSIBILITY_UPDATE_NOT_ALLOWED")
            );
        }
        bench.pass_days(30);
        assert!(inbound(&bench, None).unwrap().is_empty());
        assert_eq!(
            describe(&bench, &of_expired).unwrap_err().code,
            "ResponsibilityTransferNotFoundException"
        );
        to_account(&bench, source).unwrap();
        let kept = bench.in_scope(|scope| standing::in_scope(scope).unwrap().transfers().len());
        assert_eq!(kept, 1, "what is shown no more is swept away");
    }

    #[test]
    fn either_side_ends_it_once_with_the_end_of_a_month() {
        for by_source in [true, false] {
            let bench = organized();
            let (target, source) = (bench.account(), other(&bench, "two@example.com"));
            let id = agreed(&bench, target, source);
            bench.call_as_root_of(if by_source { source } else { target });
            let last = end_of_month(start(&bench));
            for (end, expected) in [
                (start(&bench), "END_DATE_NOT_END_OF_MONTH"),
                (last.plus_seconds(-1), "END_DATE_NOT_END_OF_MONTH"),
                (end_of_month(bench.now().month_start(-1)), "END_DATE_TOO_EARLY"),
                (end_of_month(bench.now().month_start(37)), "END_DATE_TOO_LATE"),
            ] {
                let error = terminate(&bench, &id, Some(end)).unwrap_err();
                assert_eq!(why(&error), ("InvalidInputException", expected));
            }
            // Clients send whole seconds.
            let ended = terminate(&bench, &id, Some(Time::from_seconds(last.seconds()))).unwrap();
            assert_eq!(ended.status, Some(ResponsibilityTransferStatus::Withdrawn));
            assert_eq!(ended.end_timestamp, Some(last));
            bench.call_as_root_of(if by_source { target } else { source });
            let again = terminate(&bench, &id, None).unwrap_err();
            assert_eq!(again.code, "ResponsibilityTransferAlreadyInStatusException");
        }
    }

    #[test]
    fn invitation_is_not_ended_but_canceled() {
        let bench = organized();
        let (_, transfer) = ids(&to_account(&bench, other(&bench, "two@example.com")).unwrap());
        let error = terminate(&bench, &transfer, None).unwrap_err();
        assert_eq!(error.code, "InvalidResponsibilityTransferTransitionException");
    }

    #[test]
    fn one_that_ends_without_a_date_ends_with_this_month_and_another_can_follow() {
        let bench = organized();
        let (target, source) = (bench.account(), other(&bench, "two@example.com"));
        let rival = other(&bench, "three@example.com");
        let id = agreed(&bench, target, source);
        bench.call_as_root_of(rival);
        let (next, _) = ids(&to_account(&bench, source).unwrap());
        let error = take(&bench, source, &next).unwrap_err();
        assert_eq!(why(&error), (CONSTRAINT, "RESPONSIBILITY_TRANSFER_MAX_OUTBOUND_QUOTA_VIOLATION"));
        let ended = terminate(&bench, &id, None).unwrap();
        assert_eq!(ended.end_timestamp, Some(end_of_month(bench.now())));
        take(&bench, source, &next).unwrap();
        assert_eq!(outbound(&bench).len(), 2);
    }

    #[test]
    fn bills_go_on_once_and_never_in_a_circle() {
        let bench = organized();
        let one = bench.account();
        let [two, three, four] =
            ["two@example.com", "three@example.com", "four@example.com"].map(|email| other(&bench, email));
        let offer = |target, source| {
            bench.call_as_root_of(target);
            let (handshake, _) = ids(&to_account(&bench, source).unwrap());
            take(&bench, source, &handshake)
        };
        let is_too_long = |result: Result<(), Failure>| {
            let error = result.unwrap_err();
            assert_eq!(why(&error), (CONSTRAINT, "RESPONSIBILITY_TRANSFER_MAX_LEVEL_VIOLATION"));
        };
        offer(two, one).unwrap();
        is_too_long(offer(one, two));
        offer(three, two).unwrap();
        is_too_long(offer(four, three));
        is_too_long(offer(one, four));
        offer(two, four).unwrap();
    }

    #[test]
    fn two_acceptances_that_make_too_long_a_chain_together_meet() {
        for lower_first in [true, false] {
            let bench = organized();
            let one = bench.account();
            let [two, three, four] = ["two@example.com", "three@example.com", "four@example.com"]
                .map(|email| other(&bench, email));
            agreed(&bench, three, two);
            let asked = |target, source| {
                bench.call_as_root_of(target);
                let (handshake, _) = ids(&to_account(&bench, source).unwrap());
                api::AcceptHandshakeRequest { handshake_id: handshake }
            };
            let (lower, upper) = (asked(two, one), asked(four, three));
            let accept = |account, input| {
                bench.call_as_root_of(account);
                bench.run_uncommitted(&ACCEPT_HANDSHAKE, input).unwrap().1
            };
            let (lower, upper) = (accept(one, &lower), accept(three, &upper));
            let (first, second) = if lower_first { (lower, upper) } else { (upper, lower) };
            assert!(bench.second_loses(first, second));
        }
    }

    #[test]
    fn handshake_is_accepted_once_and_a_transfer_ended_once() {
        let bench = organized();
        let source = other(&bench, "two@example.com");
        let (handshake, transfer) = ids(&to_account(&bench, source).unwrap());
        bench.call_as_root_of(source);
        let input = api::AcceptHandshakeRequest { handshake_id: handshake };
        let accept = || bench.run_uncommitted(&ACCEPT_HANDSHAKE, &input).unwrap().1;
        let (first, second) = (accept(), accept());
        assert!(bench.second_loses(first, second));
        let input = api::TerminateResponsibilityTransferRequest { id: transfer, end_timestamp: None };
        let end = || bench.run_uncommitted(&TERMINATE_RESPONSIBILITY_TRANSFER, &input).unwrap().1;
        bench.call_as_root();
        let first = end();
        bench.call_as_root_of(source);
        assert!(bench.second_loses(first, end()));
    }

    #[test]
    fn organization_accepts_one_of_two_at_the_same_time() {
        let bench = organized();
        let source = other(&bench, "two@example.com");
        let rival = other(&bench, "three@example.com");
        let (one, _) = ids(&to_account(&bench, source).unwrap());
        bench.call_as_root_of(rival);
        let (two, _) = ids(&to_account(&bench, source).unwrap());
        bench.call_as_root_of(source);
        let accept = |handshake_id| {
            bench.run_uncommitted(&ACCEPT_HANDSHAKE, &api::AcceptHandshakeRequest { handshake_id }).unwrap().1
        };
        let (first, second) = (accept(one), accept(two));
        assert!(bench.second_loses(first, second));
    }

    #[test]
    fn organization_with_a_transfer_under_way_is_not_deleted() {
        let bench = organized();
        let (target, source) = (bench.account(), other(&bench, "two@example.com"));
        let delete = |account| {
            bench.call_as_root_of(account);
            bench.run(&DELETE_ORGANIZATION, Empty)
        };
        let is_busy = |result: Result<Empty, Failure>| {
            assert_eq!(why(&result.unwrap_err()), (CONSTRAINT, "ACTIVE_RESPONSIBILITY_TRANSFER_PROCESS"));
        };
        let id = agreed(&bench, target, source);
        is_busy(delete(target));
        is_busy(delete(source));
        let ends = end_of_month(start(&bench));
        terminate(&bench, &id, Some(ends)).unwrap();
        is_busy(delete(target));
        bench.pass_seconds(ends.seconds() + 1 - bench.now().seconds());
        bench.call_as_root();
        to_account(&bench, source).unwrap();
        is_busy(delete(target));
        // Whoever is asked is not bound by that.
        delete(source).unwrap();
        bench.pass_days(15);
        delete(target).unwrap();
        let world = bench.begin().world().clone();
        assert_eq!(world.transfers_of(&Recipient::Account(source)).count(), 0);
    }

    #[test]
    fn accepting_meets_the_deletion_of_the_organization_that_accepts() {
        for deleted_first in [true, false] {
            let bench = organized();
            let source = other(&bench, "two@example.com");
            let (handshake, _) = ids(&to_account(&bench, source).unwrap());
            bench.call_as_root_of(source);
            let input = api::AcceptHandshakeRequest { handshake_id: handshake };
            let (_, accept) = bench.run_uncommitted(&ACCEPT_HANDSHAKE, &input).unwrap();
            let (_, delete) = bench.run_uncommitted(&DELETE_ORGANIZATION, &Empty).unwrap();
            let (first, second) = if deleted_first { (delete, accept) } else { (accept, delete) };
            assert!(bench.second_loses(first, second));
        }
    }

    #[test]
    fn inviting_meets_the_deletion_of_the_organization() {
        let bench = organized();
        let source = other(&bench, "two@example.com");
        let (_, delete) = bench.run_uncommitted(&DELETE_ORGANIZATION, &Empty).unwrap();
        let input = request(&bench, HandshakePartyType::Account, &source.to_string());
        let (_, invite) =
            bench.run_uncommitted(&INVITE_ORGANIZATION_TO_TRANSFER_RESPONSIBILITY, &input).unwrap();
        assert!(bench.second_loses(invite, delete));
    }

    #[test]
    fn name_is_changed_by_the_target_and_nobody_else() {
        let bench = organized();
        let (target, source) = (bench.account(), other(&bench, "two@example.com"));
        let id = agreed(&bench, target, source);
        assert_eq!(rename(&bench, &id, "Sister").unwrap().name.unwrap().expose(), "Sister");
        assert_eq!(describe(&bench, &id).unwrap().name.unwrap().expose(), "Sister");
        bench.call_as_root_of(source);
        let error = rename(&bench, &id, "Mother").unwrap_err();
        assert_eq!(why(&error), (CONSTRAINT, "TRANSFER_RESPONSIBILITY_UPDATE_NOT_ALLOWED"));
        let missing = rename(&bench, "rt-12345678", "x").unwrap_err();
        assert_eq!(missing.code, "ResponsibilityTransferNotFoundException");
    }

    #[test]
    fn strangers_and_members_neither_see_nor_end_it() {
        let bench = organized();
        let (target, source) = (bench.account(), other(&bench, "two@example.com"));
        let id = agreed(&bench, target, source);
        let stranger = other(&bench, "three@example.com");
        bench.call_as_root_of(stranger);
        for error in [
            describe(&bench, &id).unwrap_err(),
            terminate(&bench, &id, None).unwrap_err(),
            rename(&bench, &id, "x").unwrap_err(),
            inbound(&bench, Some(&id)).unwrap_err(),
        ] {
            assert_eq!(error.code, "ResponsibilityTransferNotFoundException");
        }
        let input = api::DescribeResponsibilityTransferRequest { id: id.clone() };
        let hidden = bench.targets(&DESCRIBE_RESPONSIBILITY_TRANSFER, &input);
        assert_eq!(hidden[0].1.arn, format!("arn:aws:organizations::{stranger}:transfer/*/billing/*/{id}"));
        let inside = member(&bench, "inside@example.com");
        bench.call_as_root_of(inside);
        assert_eq!(describe(&bench, &id).unwrap_err().code, "AccessDeniedException");
        assert_eq!(terminate(&bench, &id, None).unwrap_err().code, "AccessDeniedException");
    }

    #[test]
    fn tags_are_the_targets_and_show_as_those_of_the_resource() {
        let bench = organized();
        let source = other(&bench, "two@example.com");
        let tag = |key: &str| api::Tag { key: key.into(), value: "1".into() };
        let input = request(&bench, HandshakePartyType::Account, &source.to_string());
        let input =
            api::InviteOrganizationToTransferResponsibilityRequest { tags: Some(vec![tag("team")]), ..input };
        let needed = bench.targets(&INVITE_ORGANIZATION_TO_TRANSFER_RESPONSIBILITY, &input);
        assert!(needed[1].0.ends_with("TagResource") && needed[1].1.arn.ends_with("/billing/inbound/*"));
        let (_, id) = ids(&send(&bench, input).unwrap());
        let more = api::TagResourceRequest { resource_id: id.clone(), tags: vec![tag("stage")] };
        bench.run(&TAG_RESOURCE, more).unwrap();
        let listed = || {
            let input = api::ListTagsForResourceRequest { resource_id: id.clone(), next_token: None };
            bench.run(&LIST_TAGS_FOR_RESOURCE, input)
        };
        let keys: Vec<_> = listed().unwrap().tags.unwrap().into_iter().map(|tag| tag.key).collect();
        assert_eq!(keys, ["stage", "team"]);
        let asked = api::DescribeResponsibilityTransferRequest { id: id.clone() };
        let tags = || bench.targets(&DESCRIBE_RESPONSIBILITY_TRANSFER, &asked)[0].1.tags.len();
        assert_eq!(tags(), 2);
        bench.call_as_root_of(source);
        assert_eq!(tags(), 0);
        assert_eq!(listed().unwrap_err().code, "TargetNotFoundException");
    }

    #[test]
    fn inbound_ones_are_listed_in_pages_and_one_by_its_id() {
        let bench = organized();
        let mut all: Vec<_> = ["two@example.com", "three@example.com", "four@example.com"]
            .iter()
            .map(|email| ids(&send(&bench, request(&bench, HandshakePartyType::Email, email)).unwrap()).1)
            .collect();
        all.sort();
        assert_eq!(inbound(&bench, None).unwrap(), all);
        assert_eq!(inbound(&bench, Some(&all[2])).unwrap(), [&*all[2]]);
        let page = |next_token| {
            let input = api::ListInboundResponsibilityTransfersRequest {
                r#type: ResponsibilityTransferType::Billing,
                id: None,
                next_token,
                max_results: Some(2),
            };
            let page = bench.run(&LIST_INBOUND_RESPONSIBILITY_TRANSFERS, input).unwrap();
            (page.responsibility_transfers.unwrap().len(), page.next_token)
        };
        let (first, token) = page(None);
        assert_eq!((first, page(token)), (2, (1, None)));
    }

    #[test]
    fn invitations_of_a_day_that_bring_nothing_are_bounded() {
        let bench = organized();
        for number in 0..20 {
            send(&bench, request(&bench, HandshakePartyType::Email, &format!("m{number}@example.com")))
                .unwrap();
        }
        let next = || send(&bench, request(&bench, HandshakePartyType::Email, "next@example.com"));
        assert_eq!(why(&next().unwrap_err()), (HANDSHAKE_CONSTRAINT, "HANDSHAKE_RATE_LIMIT_EXCEEDED"));
        bench.pass_days(1);
        next().unwrap();
    }
}
