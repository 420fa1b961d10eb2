//! Handshakes: what one account asks of another, and what has come of it.
//!
//! - Whoever sent one (the management account) and whoever it is put to see it; to everybody else it is not there.
//! - It is answered once. Who answers writes its row, so that one of two answers at the same time loses.
//! - It is over when it is answered, or by the clock. It is shown for 30 days more, and swept away when others are made.
//!
//! What an invitation does when it is accepted is in [`invitations`](super::invitations), what agreement to all features does in
//! [`all_features`](super::all_features), what agreement to transfer a responsibility does in [`transfers`](super::transfers).
//!
//! Source: API Reference, `Handshake` and the operations on it.

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_api::organizations::{ActionType, HandshakePartyType, HandshakeResourceType};
use rootward_names::{AccountId, HandshakeId, Time};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Scope, Target, always,
};
use rootward_state::entities::{
    Handshake, HandshakeAction, HandshakeAnswer, HandshakeParty, HandshakeState, Organization,
    ResponsibilityTransfer, TransferState,
};
use rootward_state::{NameKey, OrganizationState, Recipient, RowKey, Txn, World};
use rootward_wire::Sensitive;

use super::page::Ask;
use super::{all_features, failures, invitations, quotas, service_role, shown, standing, transfers};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &ACCEPT_HANDSHAKE,
    &CANCEL_HANDSHAKE,
    &DECLINE_HANDSHAKE,
    &DESCRIBE_HANDSHAKE,
    &LIST_HANDSHAKES_FOR_ACCOUNT,
    &LIST_HANDSHAKES_FOR_ORGANIZATION,
];

pub(super) static ACCEPT_HANDSHAKE: Declaration<api::AcceptHandshake> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "organizations:AcceptHandshake",
            when: always,
            target: |scope, input| target(scope, &input.handshake_id),
            keys: &[],
        },
        // DIFFERENCE: a denial of this one is `AccessDeniedException` with the action in it, and not `AccessDeniedForDependencyException`.
        Rule {
            action: "iam:CreateServiceLinkedRole",
            when: |scope, input| makes_service_role(scope, &input.handshake_id),
            target: |scope, _| service_role::target(scope),
            keys: &[Key::Text("iam:AWSServiceName", |_, _| Some(service_role::SERVICE.to_owned()))],
        },
    ],
    run: accept_handshake,
};

fn accept_handshake(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::AcceptHandshakeRequest,
) -> Result<api::AcceptHandshakeResponse, Failure> {
    let found = received(ctx, txn, &input.handshake_id)?;
    let Found { state, row } = &found;
    check_open(row, ctx.now, HandshakeState::Accepted)?;
    match &row.action {
        HandshakeAction::Invite => invitations::accept(ctx, txn, state, row)?,
        HandshakeAction::ApproveAllFeatures => all_features::approve(ctx, txn, state)?,
        HandshakeAction::EnableAllFeatures => all_features::finish(ctx, txn, state, row)?,
        HandshakeAction::TransferResponsibility(id) => transfers::accept(ctx, txn, state, id)?,
    }
    let handshake = answer(ctx, txn, &found, HandshakeState::Accepted);
    Ok(api::AcceptHandshakeResponse { handshake: Some(handshake) })
}

pub(super) static DECLINE_HANDSHAKE: Declaration<api::DeclineHandshake> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DeclineHandshake",
        when: always,
        target: |scope, input| target(scope, &input.handshake_id),
        keys: &[],
    }],
    run: decline_handshake,
};

fn decline_handshake(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeclineHandshakeRequest,
) -> Result<api::DeclineHandshakeResponse, Failure> {
    let found = received(ctx, txn, &input.handshake_id)?;
    // Whoever has asked for all features withdraws that, and does not decline it.
    if found.row.action == HandshakeAction::EnableAllFeatures {
        return Err(failures::not_management());
    }
    check_open(&found.row, ctx.now, HandshakeState::Declined)?;
    transfers::close(ctx, txn, &found.row, TransferState::Declined);
    let handshake = answer(ctx, txn, &found, HandshakeState::Declined);
    Ok(api::DeclineHandshakeResponse { handshake: Some(handshake) })
}

pub(super) static CANCEL_HANDSHAKE: Declaration<api::CancelHandshake> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:CancelHandshake",
        when: always,
        target: |scope, input| target(scope, &input.handshake_id),
        keys: &[],
    }],
    run: cancel_handshake,
};

fn cancel_handshake(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CancelHandshakeRequest,
) -> Result<api::CancelHandshakeResponse, Failure> {
    let found = seen(ctx, txn, &input.handshake_id)?;
    if !found.state.is_management(ctx.account()) {
        return Err(failures::not_management());
    }
    guard(txn, &found)?;
    check_open(&found.row, ctx.now, HandshakeState::Canceled)?;
    transfers::close(ctx, txn, &found.row, TransferState::Canceled);
    if found.row.action == HandshakeAction::EnableAllFeatures {
        cancel_where(ctx, txn, &found.state, |child| child.parent.as_ref() == Some(&found.row.id));
    }
    let handshake = answer(ctx, txn, &found, HandshakeState::Canceled);
    Ok(api::CancelHandshakeResponse { handshake: Some(handshake) })
}

/// Withdraws those that wait for an answer and that `which` says: which ones.
pub(super) fn cancel_where(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    state: &OrganizationState,
    which: impl Fn(&Handshake) -> bool,
) {
    let open = state.handshakes().iter().filter(|(_, row)| row.is_open(ctx.now) && which(row));
    for (id, row) in open {
        let key = RowKey::Handshake(state.organization().id.clone(), id.clone());
        // Guarded: an answer that comes at the same time is not lost.
        txn.get::<Handshake>(key.clone());
        // There may be many, and a commit is bounded.
        txn.put(key, Handshake { notes: None, ..answered(ctx, row, HandshakeState::Canceled) });
    }
}

pub(super) static DESCRIBE_HANDSHAKE: Declaration<api::DescribeHandshake> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DescribeHandshake",
        when: always,
        target: |scope, input| target(scope, &input.handshake_id),
        keys: &[],
    }],
    run: describe_handshake,
};

fn describe_handshake(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DescribeHandshakeRequest,
) -> Result<api::DescribeHandshakeResponse, Failure> {
    let Found { state, row } = seen(ctx, txn, &input.handshake_id)?;
    Ok(api::DescribeHandshakeResponse { handshake: Some(show(ctx.now, txn.world(), &state, &row)) })
}

pub(super) static LIST_HANDSHAKES_FOR_ACCOUNT: Declaration<api::ListHandshakesForAccount> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListHandshakesForAccount",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: list_handshakes_for_account,
};

/// By id, those of all organizations: by the account's id, and by the address of its root user.
fn list_handshakes_for_account(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListHandshakesForAccountRequest,
) -> Result<api::ListHandshakesForAccountResponse, Failure> {
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let wanted = Wanted::new(input.filter.as_ref())?;
    let after = ask.after.as_deref().and_then(|key| key.parse::<HandshakeId>().ok());
    let world = Arc::clone(txn.world());
    let email = world.account(ctx.account()).map(|state| NameKey::new(&state.account().email));
    let recipients =
        [Some(Recipient::Account(ctx.account())), email.map(Recipient::Email)].into_iter().flatten();
    let mut rows: Vec<_> = recipients
        .flat_map(|recipient| world.handshakes_of(&recipient).collect::<Vec<_>>())
        .filter(|(_, row)| after.as_ref().is_none_or(|after| row.id > *after))
        .filter(|(_, row)| is_shown(row, ctx.now) && is_put_to(&world, row, ctx.account()) && wanted.has(row))
        .collect();
    rows.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
    // One that is put to the address is the account's as well when it has answered.
    rows.dedup_by(|(_, a), (_, b)| a.id == b.id);
    let page = ask.take(
        rows.into_iter(),
        |(_, row)| row.id.to_string(),
        |(state, row)| show(ctx.now, &world, state, row),
    );
    Ok(api::ListHandshakesForAccountResponse { handshakes: page.items, next_token: page.next_token })
}

pub(super) static LIST_HANDSHAKES_FOR_ORGANIZATION: Declaration<api::ListHandshakesForOrganization> =
    Declaration {
        effect: Effect::Read,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "organizations:ListHandshakesForOrganization",
            when: always,
            target: |_, _| Target::any(),
            keys: &[],
        }],
        run: list_handshakes_for_organization,
    };

fn list_handshakes_for_organization(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListHandshakesForOrganizationRequest,
) -> Result<api::ListHandshakesForOrganizationResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &LIST_HANDSHAKES_FOR_ORGANIZATION, input)?;
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let wanted = Wanted::new(input.filter.as_ref())?;
    let after = ask.after.as_deref().and_then(|key| key.parse().ok());
    let rows = state.handshakes().after(after.as_ref());
    let page = ask.take(
        rows.filter(|(_, row)| is_shown(row, ctx.now) && wanted.has(row)),
        |(id, _)| id.to_string(),
        |(_, row)| show(ctx.now, txn.world(), &state, row),
    );
    Ok(api::ListHandshakesForOrganizationResponse { handshakes: page.items, next_token: page.next_token })
}

/// Which handshakes a listing shows.
enum Wanted {
    All,
    Of(ActionType),
    ChildrenOf(Option<HandshakeId>),
}

impl Wanted {
    fn new(filter: Option<&api::HandshakeFilter>) -> Result<Self, Failure> {
        let action = filter.and_then(|filter| filter.action_type);
        let parent = filter.and_then(|filter| filter.parent_handshake_id.as_deref());
        match (action, parent) {
            (None, None) => Ok(Self::All),
            (Some(action), None) => Ok(Self::Of(action)),
            (None, Some(parent)) => Ok(Self::ChildrenOf(parent.parse().ok())),
            (Some(_), Some(_)) => Err(failures::two_filters()),
        }
    }

    fn has(&self, row: &Handshake) -> bool {
        match self {
            Self::All => true,
            Self::Of(action) => *action == action_type(&row.action),
            Self::ChildrenOf(parent) => parent.is_some() && row.parent == *parent,
        }
    }
}

/// A handshake and whose it is.
struct Found {
    state: Arc<OrganizationState>,
    row: Arc<Handshake>,
}

/// The handshake with this id, if the caller may see it.
///
/// # Errors
/// `HandshakeNotFoundException`, also for those of others.
fn seen(ctx: &OpContext<'_>, txn: &Txn, id: &str) -> Result<Found, Failure> {
    find(txn.world(), ctx.account(), ctx.now, id).ok_or_else(failures::no_handshake)
}

/// The same, if it is put to the caller's account, guarded.
///
/// # Errors
/// `HandshakeNotFoundException`, `AccessDeniedException`.
fn received(ctx: &OpContext<'_>, txn: &mut Txn, id: &str) -> Result<Found, Failure> {
    let found = seen(ctx, txn, id)?;
    if !is_put_to(txn.world(), &found.row, ctx.account()) {
        return Err(failures::not_management());
    }
    // Its root user's address may be what it is put to.
    txn.account(ctx.account());
    guard(txn, &found)?;
    Ok(found)
}

/// Reads guarded what was found, and the organization that it belongs to.
fn guard(txn: &mut Txn, found: &Found) -> Result<(), Failure> {
    let organization = found.state.organization();
    let key = RowKey::Handshake(organization.id.clone(), found.row.id.clone());
    txn.get::<Handshake>(key).ok_or_else(failures::no_handshake)?;
    standing::row(txn, &organization.id).map_err(|_| failures::no_handshake())?;
    Ok(())
}

fn find(world: &World, account: AccountId, now: Time, id: &str) -> Option<Found> {
    let (state, row) = world.handshake(&id.parse().ok()?).filter(|(_, row)| is_shown(row, now))?;
    let is_party = state.is_management(account)
        || state.is_delegated_administrator(account)
        || is_put_to(world, row, account);
    is_party.then(|| Found { state: Arc::clone(state), row: Arc::clone(row) })
}

/// Whether an account is the recipient: by id, by the address that its root user has now, or because it has answered.
fn is_put_to(world: &World, row: &Handshake, account: AccountId) -> bool {
    let is_named = match &row.to {
        HandshakeParty::Account(id) => *id == account,
        // Whoever opens a member may give it any address; its root user has a password when somebody has had mail at it.
        HandshakeParty::Email(email) => world.account(account).is_some_and(|state| {
            let member = world.organization_of(account).and_then(|state| state.member(account));
            let is_proved =
                member.is_none_or(|member| member.invited) || state.account().root.password.is_some();
            is_proved && NameKey::new(&state.account().email) == NameKey::new(email)
        }),
    };
    let has_answered = || {
        let by = row.answer.filter(|_| row.state != HandshakeState::Canceled).map(|answer| answer.by);
        by == Some(account)
    };
    is_named || has_answered()
}

fn is_shown(row: &Handshake, now: Time) -> bool {
    row.over_since(now).is_none_or(|since| now < since.plus_days(quotas::HANDSHAKE_SHOWN_DAYS))
}

/// Removes those that are shown no more.
pub(super) fn sweep(ctx: &OpContext<'_>, txn: &mut Txn, state: &OrganizationState) {
    let old = state.handshakes().iter().filter(|(_, row)| !is_shown(row, ctx.now));
    old.take(quotas::SWEPT_AT_ONCE).for_each(|(_, row)| remove(txn, row));
}

/// Removes a handshake.
pub(super) fn remove(txn: &mut Txn, row: &Handshake) {
    txn.delete(RowKey::Handshake(row.organization.clone(), row.id.clone()));
}

/// Whether it waits for the answer that the caller gives.
///
/// # Errors
/// `HandshakeAlreadyInStateException`, `InvalidHandshakeTransitionException`.
fn check_open(row: &Handshake, now: Time, wanted: HandshakeState) -> Result<(), Failure> {
    if row.state == wanted {
        return Err(failures::handshake_in_state(state_name(row, now).as_str()));
    }
    if !row.is_open(now) {
        return Err(failures::handshake_is_over(state_name(row, now).as_str()));
    }
    Ok(())
}

/// Writes what the caller answers, and shows it.
fn answer(ctx: &OpContext<'_>, txn: &mut Txn, found: &Found, state: HandshakeState) -> api::Handshake {
    let row = answered(ctx, &found.row, state);
    let shown = show(ctx.now, txn.world(), &found.state, &row);
    txn.put(RowKey::Handshake(row.organization.clone(), row.id.clone()), row);
    shown
}

fn answered(ctx: &OpContext<'_>, row: &Handshake, state: HandshakeState) -> Handshake {
    let answer = Some(HandshakeAnswer { at: ctx.now, by: ctx.account() });
    // The member has the tags, or nobody will.
    Handshake { state, answer, tags: Vec::new(), ..row.clone() }
}

/// Whether accepting it makes the service-linked role in the caller's account.
fn makes_service_role(scope: &Scope<'_>, id: &str) -> bool {
    let found = find(scope.world, scope.ctx.account(), scope.ctx.now, id);
    let needs = found.is_some_and(|Found { state, row }| match row.action {
        HandshakeAction::Invite => state.organization().all_features,
        HandshakeAction::ApproveAllFeatures | HandshakeAction::EnableAllFeatures => true,
        HandshakeAction::TransferResponsibility(_) => false,
    });
    needs && service_role::is_missing(scope)
}

/// The handshake as a resource. One that the caller does not see has an ARN of the caller's account, whatever is behind the id.
fn target(scope: &Scope<'_>, id: &str) -> Target {
    let account = scope.ctx.account();
    Target::arn(match find(scope.world, account, scope.ctx.now, id) {
        Some(Found { state, row }) => arn(state.organization(), &row),
        None => format!("arn:{}:organizations::{account}:handshake/*/*/{id}", scope.ctx.partition()),
    })
}

fn arn(organization: &Organization, row: &Handshake) -> String {
    let kind = action_type(&row.action).as_str().to_ascii_lowercase();
    shown::arn(organization, "handshake", &format!("{kind}/{}", row.id))
}

fn action_type(action: &HandshakeAction) -> ActionType {
    match action {
        HandshakeAction::Invite => ActionType::Invite,
        HandshakeAction::EnableAllFeatures => ActionType::EnableAllFeatures,
        HandshakeAction::ApproveAllFeatures => ActionType::ApproveAllFeatures,
        HandshakeAction::TransferResponsibility(_) => ActionType::TransferResponsibility,
    }
}

fn state_name(row: &Handshake, now: Time) -> api::HandshakeState {
    match row.state {
        HandshakeState::Open if row.expires <= now => api::HandshakeState::Expired,
        HandshakeState::Open => api::HandshakeState::Open,
        HandshakeState::Accepted => api::HandshakeState::Accepted,
        HandshakeState::Canceled => api::HandshakeState::Canceled,
        HandshakeState::Declined => api::HandshakeState::Declined,
    }
}

/// A handshake as answers show it. That for all features is `REQUESTED` as long as members have not agreed.
pub(super) fn show(now: Time, world: &World, state: &OrganizationState, row: &Handshake) -> api::Handshake {
    let transfer = match &row.action {
        HandshakeAction::TransferResponsibility(id) => state.transfers().get(id),
        _ => None,
    };
    show_with(now, world, state, row, transfer.map(|transfer| &**transfer))
}

/// The same, with the transfer that it is about.
pub(super) fn show_with(
    now: Time,
    world: &World,
    state: &OrganizationState,
    row: &Handshake,
    transfer: Option<&ResponsibilityTransfer>,
) -> api::Handshake {
    let organization = state.organization();
    let waits = row.action == HandshakeAction::EnableAllFeatures && row.is_open(now);
    let is_requested = waits && !all_features::all_agree(state, &row.id, world, now);
    let to_organization = api::HandshakeParty {
        id: Sensitive::new(organization.id.as_str()),
        r#type: HandshakePartyType::Organization,
    };
    let to_account = (row.action != HandshakeAction::EnableAllFeatures).then(|| party(&row.to));
    api::Handshake {
        id: Some(row.id.to_string()),
        arn: Some(arn(organization, row)),
        parties: Some([to_organization].into_iter().chain(to_account).collect()),
        state: Some(if is_requested { api::HandshakeState::Requested } else { state_name(row, now) }),
        requested_timestamp: Some(row.requested),
        expiration_timestamp: Some(row.expires),
        action: Some(action_type(&row.action)),
        resources: Some(resources(world, organization, row, transfer)),
    }
}

fn party(to: &HandshakeParty) -> api::HandshakeParty {
    match to {
        HandshakeParty::Account(id) => {
            api::HandshakeParty { id: Sensitive::new(id.to_string()), r#type: HandshakePartyType::Account }
        }
        HandshakeParty::Email(email) => {
            api::HandshakeParty { id: Sensitive::new(&**email), r#type: HandshakePartyType::Email }
        }
    }
}

/// What is said of who asks, and whom it is put to.
fn resources(
    world: &World,
    organization: &Organization,
    row: &Handshake,
    transfer: Option<&ResponsibilityTransfer>,
) -> Vec<api::HandshakeResource> {
    let mut sender = Vec::new();
    if row.action != HandshakeAction::EnableAllFeatures
        && let Some(management) = world.account(organization.management)
    {
        let account = management.account();
        if transfer.is_some() {
            sender.push(resource(
                HandshakeResourceType::ManagementAccount,
                organization.management.to_string(),
            ));
            sender.push(resource(HandshakeResourceType::ManagementEmail, &*account.email));
            sender.push(resource(HandshakeResourceType::ManagementName, &*account.name));
        } else {
            let features = if organization.all_features { "ALL" } else { "CONSOLIDATED_BILLING" };
            sender.push(resource(HandshakeResourceType::MasterEmail, &*account.email));
            sender.push(resource(HandshakeResourceType::MasterName, &*account.name));
            sender.push(resource(HandshakeResourceType::OrganizationFeatureSet, features));
        }
    }
    let mut resources = vec![api::HandshakeResource {
        resources: (!sender.is_empty()).then_some(sender),
        ..resource(HandshakeResourceType::Organization, organization.id.as_str())
    }];
    if row.action != HandshakeAction::EnableAllFeatures {
        resources.push(match &row.to {
            HandshakeParty::Account(id) => resource(HandshakeResourceType::Account, id.to_string()),
            HandshakeParty::Email(email) => resource(HandshakeResourceType::Email, &**email),
        });
    }
    resources.extend(transfer.map(|transfer| api::HandshakeResource {
        resources: Some(vec![
            resource(HandshakeResourceType::TransferType, api::ResponsibilityTransferType::Billing.as_str()),
            resource(HandshakeResourceType::TransferStartTimestamp, transfer.starts.to_string()),
        ]),
        ..resource(HandshakeResourceType::ResponsibilityTransfer, transfer.id.as_str())
    }));
    resources.extend(row.notes.as_deref().map(|notes| resource(HandshakeResourceType::Notes, notes)));
    let parent = row.parent.as_ref();
    resources.extend(parent.map(|parent| resource(HandshakeResourceType::ParentHandshake, parent.as_str())));
    resources
}

fn resource(kind: HandshakeResourceType, value: impl Into<String>) -> api::HandshakeResource {
    api::HandshakeResource { value: Some(Sensitive::new(value)), r#type: Some(kind), resources: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organizations::testing::{invite, organized, reason};
    use crate::testing::Bench;

    fn accept(bench: &Bench, id: &str) -> Result<api::Handshake, Failure> {
        let input = api::AcceptHandshakeRequest { handshake_id: id.into() };
        Ok(bench.run(&ACCEPT_HANDSHAKE, input)?.handshake.unwrap())
    }

    fn decline(bench: &Bench, id: &str) -> Result<api::Handshake, Failure> {
        let input = api::DeclineHandshakeRequest { handshake_id: id.into() };
        Ok(bench.run(&DECLINE_HANDSHAKE, input)?.handshake.unwrap())
    }

    fn cancel(bench: &Bench, id: &str) -> Result<api::Handshake, Failure> {
        let input = api::CancelHandshakeRequest { handshake_id: id.into() };
        Ok(bench.run(&CANCEL_HANDSHAKE, input)?.handshake.unwrap())
    }

    fn describe(bench: &Bench, id: &str) -> Result<api::Handshake, Failure> {
        let input = api::DescribeHandshakeRequest { handshake_id: id.into() };
        Ok(bench.run(&DESCRIBE_HANDSHAKE, input)?.handshake.unwrap())
    }

    fn code(result: Result<api::Handshake, Failure>) -> &'static str {
        result.unwrap_err().code
    }

    fn of_account(
        bench: &Bench,
        input: api::ListHandshakesForAccountRequest,
    ) -> api::ListHandshakesForAccountResponse {
        bench.run(&LIST_HANDSHAKES_FOR_ACCOUNT, input).unwrap()
    }

    fn of_organization(bench: &Bench) -> Vec<String> {
        let page = bench.run(&LIST_HANDSHAKES_FOR_ORGANIZATION, Default::default()).unwrap();
        page.handshakes.unwrap().into_iter().map(|handshake| handshake.id.unwrap()).collect()
    }

    #[test]
    fn handshake_is_answered_once_and_by_whom_it_concerns() {
        let bench = organized();
        let account = bench.open_account("Invited", "two@example.com");
        let id = invite(&bench, account);
        // Who has asked does not answer.
        assert_eq!(code(accept(&bench, &id)), "AccessDeniedException");
        assert_eq!(code(decline(&bench, &id)), "AccessDeniedException");
        bench.call_as_root_of(account);
        assert_eq!(code(cancel(&bench, &id)), "AccessDeniedException");
        assert_eq!(accept(&bench, &id).unwrap().state, Some(api::HandshakeState::Accepted));
        assert_eq!(code(accept(&bench, &id)), "HandshakeAlreadyInStateException");
        assert_eq!(code(decline(&bench, &id)), "InvalidHandshakeTransitionException");
        bench.call_as_root();
        assert_eq!(code(cancel(&bench, &id)), "InvalidHandshakeTransitionException");
        assert_eq!(describe(&bench, &id).unwrap().state, Some(api::HandshakeState::Accepted));
    }

    #[test]
    fn declined_and_canceled_invitations_let_nobody_in() {
        let bench = organized();
        let account = bench.open_account("Invited", "two@example.com");
        let declined = invite(&bench, account);
        bench.call_as_root_of(account);
        assert_eq!(decline(&bench, &declined).unwrap().state, Some(api::HandshakeState::Declined));
        let canceled = invite(&bench, account);
        assert_eq!(cancel(&bench, &canceled).unwrap().state, Some(api::HandshakeState::Canceled));
        assert_eq!(code(cancel(&bench, &canceled)), "HandshakeAlreadyInStateException");
        bench.call_as_root_of(account);
        for id in [declined, canceled] {
            assert_eq!(code(accept(&bench, &id)), "InvalidHandshakeTransitionException");
        }
        assert!(bench.begin().world().organization_of(account).is_none());
    }

    #[test]
    fn handshake_of_others_is_not_there_and_has_the_resource_of_one_that_never_was() {
        let bench = organized();
        let account = bench.open_account("Invited", "two@example.com");
        let id = invite(&bench, account);
        let stranger = bench.open_account("Stranger", "stranger@example.com");
        bench.call_as_root_of(stranger);
        for result in [accept(&bench, &id), decline(&bench, &id), cancel(&bench, &id), describe(&bench, &id)]
        {
            assert_eq!(code(result), "HandshakeNotFoundException");
        }
        assert!(of_account(&bench, Default::default()).handshakes.unwrap().is_empty());
        let arn = |id: &str| {
            let needed = bench
                .targets(&DESCRIBE_HANDSHAKE, &api::DescribeHandshakeRequest { handshake_id: id.into() });
            needed[0].1.arn.clone()
        };
        let expected = |id: &str| format!("arn:aws:organizations::{stranger}:handshake/*/*/{id}");
        assert_eq!((arn(&id), arn("h-12345678")), (expected(&id), expected("h-12345678")));
    }

    #[test]
    fn nobody_accepts_after_its_time_and_it_disappears_a_month_later() {
        let bench = organized();
        let account = bench.open_account("Invited", "two@example.com");
        let id = invite(&bench, account);
        bench.pass_days(15);
        assert_eq!(describe(&bench, &id).unwrap().state, Some(api::HandshakeState::Expired));
        assert_eq!(code(cancel(&bench, &id)), "InvalidHandshakeTransitionException");
        bench.call_as_root_of(account);
        assert_eq!(code(accept(&bench, &id)), "InvalidHandshakeTransitionException");
        bench.pass_days(30);
        assert_eq!(code(describe(&bench, &id)), "HandshakeNotFoundException");
        bench.call_as_root();
        assert!(of_organization(&bench).is_empty());
        let next = invite(&bench, account);
        let kept = bench.in_scope(|scope| standing::in_scope(scope).unwrap().handshakes().len());
        assert_eq!((kept, of_organization(&bench)), (1, vec![next]));
    }

    #[test]
    fn two_answers_at_once_meet() {
        let bench = organized();
        let account = bench.open_account("Invited", "two@example.com");
        let id = invite(&bench, account);
        let input = api::AcceptHandshakeRequest { handshake_id: id.clone() };
        let cancel = bench
            .run_uncommitted(&CANCEL_HANDSHAKE, &api::CancelHandshakeRequest { handshake_id: id })
            .unwrap()
            .1;
        bench.call_as_root_of(account);
        let accept = || bench.run_uncommitted(&ACCEPT_HANDSHAKE, &input).unwrap().1;
        let (first, second) = (accept(), accept());
        assert!(bench.second_loses(first, second));
        assert!(bench.second_loses(bench.begin(), cancel));
    }

    #[test]
    fn listings_are_in_pages_and_filtered_by_one_thing() {
        let bench = organized();
        let account = bench.open_account("Invited", "two@example.com");
        let mut ids = vec![invite(&bench, account)];
        cancel(&bench, &ids[0]).unwrap();
        ids.push(invite(&bench, account));
        ids.sort();
        assert_eq!(of_organization(&bench), ids);
        bench.call_as_root_of(account);
        let page = |next_token| {
            let input =
                api::ListHandshakesForAccountRequest { max_results: Some(1), next_token, filter: None };
            let page = of_account(&bench, input);
            (page.handshakes.unwrap()[0].id.clone().unwrap(), page.next_token)
        };
        let (first, token) = page(None);
        let (second, end) = page(token);
        assert_eq!((vec![first, second], end), (ids, None));
        let filtered = |action_type, parent_handshake_id| {
            let filter = Some(api::HandshakeFilter { action_type, parent_handshake_id });
            bench.run(
                &LIST_HANDSHAKES_FOR_ACCOUNT,
                api::ListHandshakesForAccountRequest { filter, ..Default::default() },
            )
        };
        let count = |action| filtered(Some(action), None).unwrap().handshakes.unwrap().len();
        assert_eq!((count(ActionType::Invite), count(ActionType::EnableAllFeatures)), (2, 0));
        assert!(filtered(None, Some("h-12345678".into())).unwrap().handshakes.unwrap().is_empty());
        let error = filtered(Some(ActionType::Invite), Some("h-12345678".into())).unwrap_err();
        assert_eq!(reason(&error), "MAX_LIMIT_EXCEEDED_FILTER");
    }

    #[test]
    fn who_accepts_needs_to_make_the_service_linked_role_unless_it_is_there() {
        let bench = organized();
        let account = bench.open_account("Invited", "two@example.com");
        let id = invite(&bench, account);
        bench.call_as_root_of(account);
        let input = api::AcceptHandshakeRequest { handshake_id: id.clone() };
        let needed = bench.targets(&ACCEPT_HANDSHAKE, &input);
        let organization = bench.begin().world().organizations().next().unwrap().organization().id.clone();
        assert_eq!(
            needed.iter().map(|(action, target)| (*action, target.arn.clone())).collect::<Vec<_>>(),
            [
                (
                    "organizations:AcceptHandshake",
                    format!("arn:aws:organizations::111122223333:handshake/{organization}/invite/{id}"),
                ),
                (
                    "iam:CreateServiceLinkedRole",
                    format!(
                        "arn:aws:iam::{account}:role/aws-service-role/organizations.amazonaws.com/AWSServiceRoleForOrganizations"
                    ),
                ),
            ]
        );
        accept(&bench, &id).unwrap();
        assert_eq!(bench.targets(&ACCEPT_HANDSHAKE, &input).len(), 1);
    }
}
