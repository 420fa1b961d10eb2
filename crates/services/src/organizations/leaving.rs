//! Accounts that leave the organization: sent away by the management account, or by themselves.
//!
//! - Whoever leaves must be able to stand alone. AWS asks for means of payment; here it is that somebody can use the account without the
//!   organization: the root user of a member that was opened in it must have a password. Invited accounts were alone before.
//! - A closed account stays until it can never be opened again, and then goes unconditionally: else the organization could never be deleted.
//! - Whoever administers a service for the organization stays until that is another's.
//! - Roles stay in the account as they are, also the one that trusts the management account: whoever is alone again deletes it.
//!
//! DIFFERENCE: members that were opened in the organization can leave at once; AWS makes them wait for four days, for reasons of billing.
//!
//! Source: API Reference, `RemoveAccountFromOrganization`, `LeaveOrganization`.

use rootward_api::organizations as api;
use rootward_names::AccountId;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Target, always};
use rootward_state::entities::{AccountStatus, Membership};
use rootward_state::{OrganizationState, RowKey, Txn};
use rootward_wire::Empty;

use super::events::{self, Departure};
use super::{failures, standing, targets};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&LEAVE_ORGANIZATION, &REMOVE_ACCOUNT_FROM_ORGANIZATION];

pub(super) static REMOVE_ACCOUNT_FROM_ORGANIZATION: Declaration<api::RemoveAccountFromOrganization> =
    Declaration {
        effect: Effect::Write,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "organizations:RemoveAccountFromOrganization",
            when: always,
            target: |scope, input| targets::account(scope, &input.account_id),
            keys: &[],
        }],
        run: remove_account_from_organization,
    };

fn remove_account_from_organization(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::RemoveAccountFromOrganizationRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed(ctx, txn)?;
    let account = in_organization(&state, &input.account_id)?;
    leave(ctx, txn, &state, account, Departure::Removed)
}

pub(super) static LEAVE_ORGANIZATION: Declaration<api::LeaveOrganization> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:LeaveOrganization",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: leave_organization,
};

fn leave_organization(ctx: &OpContext<'_>, txn: &mut Txn, _: &Empty) -> Result<Empty, Failure> {
    let state = standing::own(ctx, txn)?;
    leave(ctx, txn, &state, ctx.account(), Departure::Left)
}

/// The account's place is deleted: what is written at the same time on whether it may go, or on what it is there, is read guarded.
fn leave(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    state: &OrganizationState,
    account: AccountId,
    departure: Departure,
) -> Result<Empty, Failure> {
    if state.is_management(account) {
        return Err(failures::management_cannot_leave());
    }
    let key = RowKey::Membership(account);
    let member = txn.get::<Membership>(key.clone()).ok_or_else(failures::account_not_found)?;
    if !member.delegated.is_empty() {
        return Err(failures::delegated_administrator_cannot_leave());
    }
    let row = txn.account(account).ok_or_else(failures::account_not_found)?;
    let is_gone = row.status.is_gone(ctx.now);
    if !is_gone {
        if matches!(row.status, AccountStatus::Closed { .. }) {
            return Err(failures::closed_cannot_leave());
        }
        if !member.invited && row.root.password.is_none() {
            return Err(failures::cannot_stand_alone());
        }
    }
    txn.delete(key);
    let departure = if is_gone { Departure::Cleaned } else { departure };
    events::departed(ctx, txn, state.organization(), account, departure);
    Ok(Empty)
}

/// The account with this id, which is in the organization.
///
/// # Errors
/// `AccountNotFoundException`.
pub(super) fn in_organization(state: &OrganizationState, id: &str) -> Result<AccountId, Failure> {
    let account = id.parse().ok().filter(|account| state.member(*account).is_some());
    account.ok_or_else(failures::account_not_found)
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::{Account, TrustedService};

    use super::*;
    use crate::organizations::closing::CLOSE_ACCOUNT;
    use crate::organizations::testing::{give_password, invited, member, organized, reason};
    use crate::testing::Bench;

    fn request(account: AccountId) -> api::RemoveAccountFromOrganizationRequest {
        api::RemoveAccountFromOrganizationRequest { account_id: account.to_string() }
    }

    fn remove(bench: &Bench, account: AccountId) -> Result<Empty, Failure> {
        bench.run(&REMOVE_ACCOUNT_FROM_ORGANIZATION, request(account))
    }

    fn is_member(bench: &Bench, account: AccountId) -> bool {
        bench.begin().world().organization_of(account).is_some()
    }

    #[test]
    fn invited_account_leaves_and_is_sent_away() {
        let bench = organized();
        let account = invited(&bench, "two@example.com");
        bench.call_as_root_of(account);
        bench.run(&LEAVE_ORGANIZATION, Empty).unwrap();
        assert!(!is_member(&bench, account));
        assert_eq!(
            bench.run(&LEAVE_ORGANIZATION, Empty).unwrap_err().code,
            "AWSOrganizationsNotInUseException"
        );
        let account = invited(&bench, "three@example.com");
        remove(&bench, account).unwrap();
        assert!(!is_member(&bench, account));
        assert_eq!(remove(&bench, account).unwrap_err().code, "AccountNotFoundException");
    }

    #[test]
    fn account_that_was_opened_in_it_leaves_when_its_root_user_has_a_password() {
        let bench = organized();
        let account = member(&bench, "two@example.com");
        assert_eq!(reason(&remove(&bench, account).unwrap_err()), "ACCOUNT_CANNOT_LEAVE_ORGANIZATION");
        assert!(is_member(&bench, account));
        give_password(&bench, account);
        remove(&bench, account).unwrap();
        assert!(!is_member(&bench, account));
    }

    #[test]
    fn password_that_goes_meanwhile_keeps_the_account() {
        let bench = organized();
        let account = member(&bench, "two@example.com");
        give_password(&bench, account);
        let (_, leave) = bench.run_uncommitted(&REMOVE_ACCOUNT_FROM_ORGANIZATION, &request(account)).unwrap();
        let mut change = bench.begin();
        let mut row = Account::clone(&change.account(account).unwrap());
        row.root.password = None;
        change.put(RowKey::Account(account), row);
        assert!(bench.second_loses(change, leave));
    }

    #[test]
    fn management_account_does_not_leave() {
        let bench = organized();
        let code = "MasterCannotLeaveOrganizationException";
        assert_eq!(bench.run(&LEAVE_ORGANIZATION, Empty).unwrap_err().code, code);
        assert_eq!(remove(&bench, bench.account()).unwrap_err().code, code);
    }

    #[test]
    fn members_send_nobody_away() {
        let bench = organized();
        let (one, two) = (invited(&bench, "one@example.com"), invited(&bench, "two@example.com"));
        bench.call_as_root_of(one);
        assert_eq!(remove(&bench, two).unwrap_err().code, "AccessDeniedException");
        assert_eq!(remove(&bench, one).unwrap_err().code, "AccessDeniedException");
    }

    #[test]
    fn delegated_administrator_stays_also_when_it_becomes_one_meanwhile() {
        let bench = organized();
        let account = invited(&bench, "two@example.com");
        let (_, leave) = bench.run_uncommitted(&REMOVE_ACCOUNT_FROM_ORGANIZATION, &request(account)).unwrap();
        let mut delegate = bench.begin();
        let key = RowKey::Membership(account);
        let mut row = Membership::clone(&delegate.get::<Membership>(key.clone()).unwrap());
        row.delegated.push(TrustedService { principal: "iam.amazonaws.com".into(), since: bench.now() });
        delegate.put(key, row);
        assert!(bench.second_loses(delegate, leave));
        let error = remove(&bench, account).unwrap_err();
        assert_eq!(reason(&error), "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG");
    }

    #[test]
    fn closed_account_stays_until_it_is_gone_for_good() {
        let bench = organized();
        let account = member(&bench, "two@example.com");
        give_password(&bench, account);
        let input = api::CloseAccountRequest { account_id: account.to_string() };
        bench.run(&CLOSE_ACCOUNT, input).unwrap();
        assert_eq!(reason(&remove(&bench, account).unwrap_err()), "ACCOUNT_CANNOT_LEAVE_ORGANIZATION");
        bench.pass_days(90);
        remove(&bench, account).unwrap();
    }
}
