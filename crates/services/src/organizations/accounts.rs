//! The accounts of an organization, as it shows them.
//!
//! `State` is what an account's own status comes to; `Status`, which AWS has retired in its favour, is shown beside it for clients that
//! read it still, and has no closed accounts: it says they are suspended.
//!
//! DIFFERENCE: an account that was closed too long ago to be opened again stays in the list; AWS takes it out of the organization.
//! Source: Organizations API Reference, `Account`; User Guide, "Monitor the state of your AWS accounts".

use rootward_api::organizations as api;
use rootward_names::AccountId;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Target, always};
use rootward_state::entities::{AccountStatus, Membership};
use rootward_state::{OrganizationState, Txn, World};
use rootward_wire::Sensitive;

use super::page::Ask;
use super::{failures, shown, standing, targets, tree};

pub(super) static OPERATIONS: &[&dyn Handler] =
    &[&DESCRIBE_ACCOUNT, &LIST_ACCOUNTS, &LIST_ACCOUNTS_FOR_PARENT];

/// An account with its place, as answers show it.
pub(super) fn show(state: &OrganizationState, member: &Membership, world: &World) -> api::Account {
    let id = member.account;
    let account = world.account(id).map(|state| state.account());
    let (status, now) = account.map(|account| shown_status(account.status)).unzip();
    let path = state.path(id).map(|path| format!("{path}{id}/"));
    api::Account {
        id: Some(id.to_string()),
        arn: Some(shown::account_arn(state.organization(), id)),
        email: account.map(|account| Sensitive::new(&*account.email)),
        name: account.map(|account| Sensitive::new(&*account.name)),
        status,
        state: now,
        paths: Some(path.into_iter().collect()),
        joined_method: Some(joined_method(member)),
        joined_timestamp: Some(member.joined),
    }
}

/// How an account came into the organization.
pub(super) fn joined_method(member: &Membership) -> api::AccountJoinedMethod {
    if member.invited { api::AccountJoinedMethod::Invited } else { api::AccountJoinedMethod::Created }
}

/// What a status is shown as.
pub(super) fn shown_status(status: AccountStatus) -> (api::AccountStatus, api::AccountState) {
    match status {
        AccountStatus::Active => (api::AccountStatus::Active, api::AccountState::Active),
        AccountStatus::Suspended => (api::AccountStatus::Suspended, api::AccountState::Suspended),
        AccountStatus::Closed { .. } => (api::AccountStatus::Suspended, api::AccountState::Closed),
    }
}

pub(super) static DESCRIBE_ACCOUNT: Declaration<api::DescribeAccount> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DescribeAccount",
        when: always,
        target: |scope, input| targets::by_id(scope, &input.account_id),
        keys: &[],
    }],
    run: describe_account,
};

fn describe_account(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DescribeAccountRequest,
) -> Result<api::DescribeAccountResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &DESCRIBE_ACCOUNT, input)?;
    let id = input.account_id.parse::<AccountId>().ok();
    let member = id.and_then(|id| state.member(id)).ok_or_else(failures::account_not_found)?;
    Ok(api::DescribeAccountResponse { account: Some(show(&state, member, txn.world())) })
}

pub(super) static LIST_ACCOUNTS: Declaration<api::ListAccounts> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListAccounts",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: list_accounts,
};

fn list_accounts(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListAccountsRequest,
) -> Result<api::ListAccountsResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &LIST_ACCOUNTS, input)?;
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let members = state.members().after(tree::account_after(&ask)?.as_ref());
    let page = ask.take(members, |(id, _)| id.to_string(), |(_, member)| show(&state, member, txn.world()));
    Ok(api::ListAccountsResponse { accounts: page.items, next_token: page.next_token })
}

pub(super) static LIST_ACCOUNTS_FOR_PARENT: Declaration<api::ListAccountsForParent> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListAccountsForParent",
        when: always,
        target: |scope, input| targets::by_id(scope, &input.parent_id),
        keys: &[],
    }],
    run: list_accounts_for_parent,
};

/// Those directly in it.
fn list_accounts_for_parent(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListAccountsForParentRequest,
) -> Result<api::ListAccountsForParentResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &LIST_ACCOUNTS_FOR_PARENT, input)?;
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let parent = &tree::parent(&state, &input.parent_id)?.id;
    let members = tree::accounts_in(&state, parent, &ask)?;
    let page =
        ask.take(members, |member| member.account.to_string(), |member| show(&state, member, txn.world()));
    Ok(api::ListAccountsForParentResponse { accounts: page.items, next_token: page.next_token })
}

#[cfg(test)]
mod tests {
    use rootward_state::RowKey;
    use rootward_state::entities::Account;

    use super::*;
    use crate::organizations::testing::state;
    use crate::organizations::testing::tree::*;
    use crate::organizations::tree::MOVE_ACCOUNT;
    use crate::testing::Bench;

    fn describe(bench: &Bench, account: impl ToString) -> Result<api::Account, Failure> {
        let input = api::DescribeAccountRequest { account_id: account.to_string() };
        Ok(bench.run(&DESCRIBE_ACCOUNT, input)?.account.unwrap())
    }

    fn ids(accounts: Option<Vec<api::Account>>) -> Vec<String> {
        accounts.unwrap().into_iter().map(|account| account.id.unwrap()).collect()
    }

    #[test]
    fn account_is_shown_with_its_place_and_how_it_came() {
        let bench = Bench::new();
        let root = organize(&bench);
        let (member, unit) = (add_member(&bench, 444_455_556_666), add_unit(&bench, &root, "unit"));
        bench.run(&MOVE_ACCOUNT, from_to(member, &root, &unit)).unwrap();
        let organization = state(&bench).organization().id.clone();
        let shown = describe(&bench, member).unwrap();
        assert_eq!(
            shown,
            api::Account {
                id: Some("444455556666".into()),
                arn: Some(format!("arn:aws:organizations::111122223333:account/{organization}/444455556666")),
                email: Some(Sensitive::new("444455556666@example.com")),
                name: Some(Sensitive::new("Member")),
                status: Some(api::AccountStatus::Active),
                state: Some(api::AccountState::Active),
                paths: Some(vec![format!("{organization}/{root}/{unit}/444455556666/")]),
                joined_method: Some(api::AccountJoinedMethod::Created),
                joined_timestamp: Some(bench.now()),
            }
        );
        let management = describe(&bench, bench.account()).unwrap();
        assert_eq!(management.joined_method, Some(api::AccountJoinedMethod::Invited));
        assert_eq!(management.paths, Some(vec![format!("{organization}/{root}/111122223333/")]));
    }

    #[test]
    fn state_is_what_the_status_of_the_account_comes_to() {
        let bench = Bench::new();
        organize(&bench);
        let member = add_member(&bench, 444_455_556_666);
        let statuses = [
            (AccountStatus::Suspended, api::AccountStatus::Suspended, api::AccountState::Suspended),
            (
                AccountStatus::Closed { at: bench.now() },
                api::AccountStatus::Suspended,
                api::AccountState::Closed,
            ),
            (AccountStatus::Active, api::AccountStatus::Active, api::AccountState::Active),
        ];
        for (status, shown, now) in statuses {
            bench.write(|txn| {
                let row = Account { status, ..Account::clone(&txn.account(member).unwrap()) };
                txn.put(RowKey::Account(member), row);
            });
            let account = describe(&bench, member).unwrap();
            assert_eq!((account.status, account.state), (Some(shown), Some(now)));
        }
    }

    #[test]
    fn account_outside_is_not_found() {
        let bench = Bench::new();
        organize(&bench);
        let other = add_member(&bench, 444_455_556_666);
        bench.write(|txn| txn.delete(RowKey::Membership(other)));
        assert_eq!(describe(&bench, other).unwrap_err(), failures::account_not_found());
        bench.call_as_root_of(other);
        assert_eq!(describe(&bench, other).unwrap_err(), failures::not_in_use());
    }

    #[test]
    fn all_accounts_are_listed_by_id_in_pages() {
        let bench = Bench::new();
        let root = organize(&bench);
        let unit = add_unit(&bench, &root, "unit");
        let mut expected: Vec<_> =
            (0..24).map(|number| add_member(&bench, 444_455_556_666 - number).to_string()).collect();
        bench.run(&MOVE_ACCOUNT, from_to(expected[3].parse().unwrap(), &root, &unit)).unwrap();
        expected.push(bench.account().to_string());
        expected.sort();
        let list = |next_token, max_results| {
            bench.run(&LIST_ACCOUNTS, api::ListAccountsRequest { next_token, max_results }).unwrap()
        };
        let first = list(None, None);
        let second = list(first.next_token, Some(4));
        let third = list(second.next_token, None);
        assert_eq!(third.next_token, None);
        let (first, second) = (ids(first.accounts), ids(second.accounts));
        assert_eq!((first.len(), second.len()), (20, 4));
        assert_eq!([first, second, ids(third.accounts)].concat(), expected);
        let token = api::ListAccountsRequest { next_token: Some("none".into()), max_results: None };
        assert_eq!(bench.run(&LIST_ACCOUNTS, token).unwrap_err(), failures::bad_next_token());
    }

    #[test]
    fn accounts_of_a_parent_are_those_directly_in_it() {
        let bench = Bench::new();
        let root = organize(&bench);
        let (member, unit) = (add_member(&bench, 444_455_556_666), add_unit(&bench, &root, "unit"));
        add_member(&bench, 444_455_557_777);
        bench.run(&MOVE_ACCOUNT, from_to(member, &root, &unit)).unwrap();
        let list = |parent: &str, next_token| {
            let input = api::ListAccountsForParentRequest {
                parent_id: parent.into(),
                next_token,
                max_results: Some(1),
            };
            bench.run(&LIST_ACCOUNTS_FOR_PARENT, input)
        };
        let first = list(&root, None).unwrap();
        let second = list(&root, first.next_token).unwrap();
        assert_eq!(second.next_token, None);
        assert_eq!([ids(first.accounts), ids(second.accounts)].concat(), ["111122223333", "444455557777"]);
        assert_eq!(ids(list(&unit, None).unwrap().accounts), ["444455556666"]);
        assert_eq!(list("ou-abcd-12345678", None).unwrap_err(), failures::parent_not_found());
    }

    #[test]
    fn member_does_not_look_around() {
        let bench = Bench::new();
        let root = organize(&bench);
        let member = add_member(&bench, 444_455_556_666);
        bench.call_as_root_of(member);
        assert_eq!(describe(&bench, member).unwrap_err(), failures::not_management());
        let all = bench.run(&LIST_ACCOUNTS, Default::default()).unwrap_err();
        let input = api::ListAccountsForParentRequest { parent_id: root, ..Default::default() };
        let some = bench.run(&LIST_ACCOUNTS_FOR_PARENT, input).unwrap_err();
        assert_eq!([all, some], [failures::not_management(), failures::not_management()]);
    }
}
