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
    let transfer =
        |item: &&api::HandshakeResource| item.r#type == Some(HandshakeResourceType::ResponsibilityTransfer);
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
    assert_eq!(describe(&bench, &of_expired).unwrap_err().code, "ResponsibilityTransferNotFoundException");
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
        let [two, three, four] =
            ["two@example.com", "three@example.com", "four@example.com"].map(|email| other(&bench, email));
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
    let (_, invite) = bench.run_uncommitted(&INVITE_ORGANIZATION_TO_TRANSFER_RESPONSIBILITY, &input).unwrap();
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
        send(&bench, request(&bench, HandshakePartyType::Email, &format!("m{number}@example.com"))).unwrap();
    }
    let next = || send(&bench, request(&bench, HandshakePartyType::Email, "next@example.com"));
    assert_eq!(why(&next().unwrap_err()), (HANDSHAKE_CONSTRAINT, "HANDSHAKE_RATE_LIMIT_EXCEEDED"));
    bench.pass_days(1);
    next().unwrap();
}
