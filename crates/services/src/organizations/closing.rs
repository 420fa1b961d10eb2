//! `CloseAccount`: the management account closes a member.
//!
//! What closing means is [`accounts::close`]'s to say. The account stays in the organization.
//!
//! Source: API Reference, `CloseAccount`; User Guide, "Closing a member account in an organization".

use rootward_api::organizations as api;
use rootward_names::{AccountId, Time};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, always};
use rootward_state::entities::{AccountStatus, Membership};
use rootward_state::{OrganizationState, RowKey, Txn, World};
use rootward_wire::Empty;

use super::{events, failures, leaving, quotas, standing, targets};
use crate::accounts::{self, AccountError};
use crate::session_end::{End, Why};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&CLOSE_ACCOUNT];

pub(super) static CLOSE_ACCOUNT: Declaration<api::CloseAccount> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:CloseAccount",
        when: always,
        target: |scope, input| targets::account(scope, &input.account_id),
        keys: &[],
    }],
    run: close_account,
};

/// Two that close accounts at once both write the organization's row: the quota is counted in one order.
fn close_account(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CloseAccountRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed(ctx, txn)?;
    let row = standing::row(txn, &state.organization().id)?;
    let account = leaving::in_organization(&state, &input.account_id)?;
    if account == row.management {
        return Err(failures::cannot_close_management());
    }
    if !row.all_features {
        return Err(failures::closing_needs_all_features());
    }
    // Whoever lets it go at the same time deletes this.
    txn.get::<Membership>(RowKey::Membership(account)).ok_or_else(failures::account_not_found)?;
    let status = txn.account(account).ok_or_else(failures::account_not_found)?.status;
    if matches!(status, AccountStatus::Closed { .. }) {
        return Err(failures::account_already_closed());
    }
    let since = ctx.now.plus_days(-quotas::CLOSED_ACCOUNTS_DAYS);
    if closed_since(&state, txn.world(), since) >= quotas::closed_accounts_max(state.members().len()) {
        return Err(failures::close_quota_exceeded());
    }
    close(ctx, txn, account)?;
    events::account_closed(ctx, txn, &row, account);
    standing::touch(txn, &row);
    Ok(Empty)
}

fn close(ctx: &OpContext<'_>, txn: &mut Txn, account: AccountId) -> Result<(), Failure> {
    let end = End { why: Why::AccountClosed, source_ip: Some(ctx.source_ip), now: ctx.now };
    let closed = ctx.with_random(|random| accounts::close(txn, account, &end, random));
    closed.map_err(|error| match error {
        AccountError::Closed(_) => failures::account_already_closed(),
        AccountError::NoSuchAccount(_) => failures::account_not_found(),
        error => Failure::internal(error.to_string()),
    })
}

/// How many members were closed after `since`, whoever closed them.
fn closed_since(state: &OrganizationState, world: &World, since: Time) -> usize {
    let statuses = state.members().iter().filter_map(|(id, _)| Some(world.account(*id)?.account().status));
    statuses.filter(|status| matches!(status, AccountStatus::Closed { at } if *at > since)).count()
}

#[cfg(test)]
mod tests {
    use rootward_api::organizations::OrganizationFeatureSet;

    use super::*;
    use crate::organizations::leaving::REMOVE_ACCOUNT_FROM_ORGANIZATION;
    use crate::organizations::organization::CREATE_ORGANIZATION;
    use crate::organizations::testing::{member, organized, organized_as, reason};
    use crate::testing::Bench;

    fn request(account: AccountId) -> api::CloseAccountRequest {
        api::CloseAccountRequest { account_id: account.to_string() }
    }

    fn close(bench: &Bench, account: AccountId) -> Result<Empty, Failure> {
        bench.run(&CLOSE_ACCOUNT, request(account))
    }

    fn status(bench: &Bench, account: AccountId) -> AccountStatus {
        bench.begin().world().account(account).unwrap().account().status
    }

    #[test]
    fn member_is_closed_once_and_stays_in_the_organization() {
        let bench = organized();
        let account = member(&bench, "two@example.com");
        close(&bench, account).unwrap();
        assert_eq!(status(&bench, account), AccountStatus::Closed { at: bench.now() });
        assert!(bench.begin().world().organization_of(account).is_some());
        assert_eq!(close(&bench, account).unwrap_err().code, "AccountAlreadyClosedException");
    }

    #[test]
    fn management_account_and_strangers_are_not_closed() {
        let bench = organized();
        let error = close(&bench, bench.account()).unwrap_err();
        assert_eq!(reason(&error), "CANNOT_CLOSE_MANAGEMENT_ACCOUNT");
        let stranger = bench.open_account("Stranger", "stranger@example.com");
        assert_eq!(close(&bench, stranger).unwrap_err().code, "AccountNotFoundException");
        assert_eq!(status(&bench, stranger), AccountStatus::Active);
    }

    #[test]
    fn members_close_nobody_nor_themselves() {
        let bench = organized();
        let account = member(&bench, "two@example.com");
        bench.call_as_root_of(account);
        assert_eq!(close(&bench, account).unwrap_err().code, "AccessDeniedException");
        assert_eq!(status(&bench, account), AccountStatus::Active);
        bench.call_as_root_of(bench.open_account("Stranger", "stranger@example.com"));
        assert_eq!(close(&bench, account).unwrap_err().code, "AWSOrganizationsNotInUseException");
    }

    #[test]
    fn closing_needs_all_features() {
        let bench = organized_as(OrganizationFeatureSet::ConsolidatedBilling);
        let error = close(&bench, member(&bench, "two@example.com")).unwrap_err();
        assert_eq!(reason(&error), "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE");
    }

    #[test]
    fn eleventh_account_of_a_small_organization_waits_thirty_days() {
        let bench = organized();
        let members: Vec<_> =
            (0..11).map(|number| member(&bench, &format!("m{number}@example.com"))).collect();
        for account in &members[..10] {
            close(&bench, *account).unwrap();
        }
        assert_eq!(reason(&close(&bench, members[10]).unwrap_err()), "CLOSE_ACCOUNT_QUOTA_EXCEEDED");
        bench.pass_days(30);
        close(&bench, members[10]).unwrap();
    }

    #[test]
    fn tenth_of_the_members_can_be_closed_but_never_more_than_a_thousand() {
        let quotas = [1, 100, 250, 10_000, 50_000].map(quotas::closed_accounts_max);
        assert_eq!(quotas, [10, 10, 25, 1_000, 1_000]);
    }

    #[test]
    fn two_that_close_accounts_at_once_are_counted_one_after_the_other() {
        let bench = organized();
        let (one, two) = (member(&bench, "one@example.com"), member(&bench, "two@example.com"));
        let close = |account| bench.run_uncommitted(&CLOSE_ACCOUNT, &request(account)).unwrap().1;
        let (first, second) = (close(one), close(two));
        assert!(bench.second_loses(first, second));
    }

    #[test]
    fn account_that_leaves_meanwhile_is_not_closed() {
        let bench = organized();
        let account = member(&bench, "two@example.com");
        crate::organizations::testing::give_password(&bench, account);
        let remove = api::RemoveAccountFromOrganizationRequest { account_id: account.to_string() };
        let (_, remove) = bench.run_uncommitted(&REMOVE_ACCOUNT_FROM_ORGANIZATION, &remove).unwrap();
        let (_, close) = bench.run_uncommitted(&CLOSE_ACCOUNT, &request(account)).unwrap();
        assert!(bench.second_loses(remove, close));
        assert_eq!(status(&bench, account), AccountStatus::Active);
    }

    #[test]
    fn account_is_the_resource_with_its_tags() {
        let bench = Bench::new();
        bench.run(&CREATE_ORGANIZATION, Default::default()).unwrap();
        let account = member(&bench, "two@example.com");
        let needed = bench.targets(&CLOSE_ACCOUNT, &request(account));
        let (action, target) = &needed[0];
        assert_eq!(*action, "organizations:CloseAccount");
        assert!(target.arn.starts_with("arn:aws:organizations::111122223333:account/o-"));
        assert!(target.arn.ends_with(&format!("/{account}")));
    }
}
