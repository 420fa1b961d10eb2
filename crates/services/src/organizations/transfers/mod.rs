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

mod agreeing;

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_api::organizations::{
    InvalidInputExceptionReason, ResponsibilityTransferStatus, ResponsibilityTransferType,
};
use rootward_names::{AccountId, ResponsibilityTransferId, Time};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Scope, Target, always,
};
use rootward_state::entities::{HandshakeParty, Organization, ResponsibilityTransfer, TransferState};
use rootward_state::{NameKey, OrganizationState, Recipient, RowKey, Txn, World};
use rootward_wire::Sensitive;

use super::page::Ask;
use super::{failures, keys, quotas, shown, standing};
use agreeing::{INVITE_ORGANIZATION_TO_TRANSFER_RESPONSIBILITY, lasting};

pub(super) use agreeing::{accept, close};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &DESCRIBE_RESPONSIBILITY_TRANSFER,
    &INVITE_ORGANIZATION_TO_TRANSFER_RESPONSIBILITY,
    &LIST_INBOUND_RESPONSIBILITY_TRANSFERS,
    &LIST_OUTBOUND_RESPONSIBILITY_TRANSFERS,
    &TERMINATE_RESPONSIBILITY_TRANSFER,
    &UPDATE_RESPONSIBILITY_TRANSFER,
];

pub(super) static DESCRIBE_RESPONSIBILITY_TRANSFER: Declaration<api::DescribeResponsibilityTransfer> =
    Declaration {
        effect: Effect::Read,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "organizations:DescribeResponsibilityTransfer",
            when: always,
            target: |scope, input| resource(scope, &input.id),
            keys: &[
                Key::Text(keys::TRANSFER_DIRECTION, |scope, input| direction(scope, &input.id)),
                Key::Text(keys::TRANSFER_TYPE, |scope, input| kind(scope, &input.id)),
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
            Key::Text(keys::TRANSFER_DIRECTION, |_, _| Some(Side::Target.name().to_owned())),
            Key::Text(keys::TRANSFER_TYPE, |_, input| Some(input.r#type.as_str().to_owned())),
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
            Key::Text(keys::TRANSFER_DIRECTION, |_, _| Some(Side::Source.name().to_owned())),
            Key::Text(keys::TRANSFER_TYPE, |_, input| Some(input.r#type.as_str().to_owned())),
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
                Key::Text(keys::TRANSFER_DIRECTION, |scope, input| direction(scope, &input.id)),
                Key::Text(keys::TRANSFER_TYPE, |scope, input| kind(scope, &input.id)),
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
                Key::Text(keys::TRANSFER_DIRECTION, |scope, input| direction(scope, &input.id)),
                Key::Text(keys::TRANSFER_TYPE, |scope, input| kind(scope, &input.id)),
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
mod tests;
