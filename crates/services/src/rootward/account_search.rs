//! `SearchAccounts`: accounts of the organization by a part of their name or the beginning of their id.
//!
//! For whoever may list accounts and units, as it tells where each account is; an organization has too many to list them all for
//! that. In the order of ids. Units are named as far down as the caller may list them; accounts are found wherever they are, as whoever may
//! list accounts may list all.

use rootward_api::rootward as api;
use rootward_names::AccountId;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Target, always};
use rootward_state::Txn;
use rootward_wire::Sensitive;

use super::{asked, failures, named};
use crate::organizations::overview;

pub(super) static OPERATIONS: &[&dyn Handler] = &[&SEARCH_ACCOUNTS];

/// A page, unless fewer are asked for.
const PAGE: usize = 50;

static SEARCH_ACCOUNTS: Declaration<api::SearchAccounts> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[
        Rule { action: "organizations:ListAccounts", when: always, target: |_, _| Target::any(), keys: &[] },
        Rule {
            action: "organizations:ListOrganizationalUnitsForParent",
            when: always,
            target: |scope, _| overview::root(scope),
            keys: &[],
        },
    ],
    run: search_accounts,
};

fn search_accounts(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::SearchAccountsRequest,
) -> Result<api::SearchAccountsResponse, Failure> {
    let state = overview::seen(ctx, txn).map_err(failures::organization_unseen)?;
    let after = input.next_token.as_deref().map(str::parse::<AccountId>).transpose();
    let after = after.map_err(|_| failures::invalid_token())?;
    let text = input.text.expose().trim().to_lowercase();
    let world = txn.world();
    let found = state.members().after(after.as_ref()).filter_map(|(id, _)| {
        let (name, shown) = named(world, *id);
        let is_meant = id.to_string().starts_with(&text) || name.to_lowercase().contains(&text);
        is_meant.then_some((*id, name, shown?))
    });
    let mut found = found.peekable();
    let (mut accounts, mut last) = (Vec::new(), None);
    while accounts.len() < asked(input.max_results, PAGE)
        && let Some((id, name, shown)) = found.next()
    {
        let mut above: Vec<_> = state.above(id).collect();
        above.reverse();
        // As far down as the caller may list.
        let open =
            above.iter().take_while(|node| overview::refuse_inside(ctx, txn, &node.id).is_ok()).count();
        let units = above.iter().take(open + 1).map(|node| Sensitive::new(&*node.name)).collect();
        accounts.push(api::FoundAccount {
            account_id: id.to_string(),
            account_name: name.into(),
            state: shown,
            management: state.is_management(id),
            unit_names: units,
        });
        last = Some(id);
    }
    let next_token = last.filter(|_| found.peek().is_some()).map(|id| id.to_string());
    Ok(api::SearchAccountsResponse { accounts, next_token })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organizations::testing::{
        call_as, call_denied, delegate, join, organization, place, place_in, unit,
    };
    use crate::testing::Bench;

    fn search(bench: &Bench, text: &str, next_token: Option<String>) -> (Vec<String>, Option<String>) {
        let input =
            api::SearchAccountsRequest { text: Sensitive::new(text), max_results: Some(2), next_token };
        let answer = bench.run(&SEARCH_ACCOUNTS, input).unwrap();
        (answer.accounts.into_iter().map(|account| account.account_id).collect(), answer.next_token)
    }

    #[test]
    fn accounts_are_found_by_name_and_by_the_beginning_of_their_id() {
        let bench = Bench::new();
        let id = organization(&bench, &["222233334444", "222244445555", "333344445555"], &[]);
        assert_eq!(search(&bench, "222233", None).0, ["222233334444"]);
        assert_eq!(search(&bench, "EXAMPLE corp", None).0, ["111122223333"]);
        assert_eq!(search(&bench, "44445555", None).0, Vec::<String>::new());
        let (first, token) = search(&bench, " member ", None);
        assert_eq!(first, ["222233334444", "222244445555"]);
        assert_eq!(search(&bench, "member", token), (vec!["333344445555".to_owned()], None));
        join(&bench, &id, "444455556666");
        place(&bench, &id, "444455556666", "Workloads");
        let input =
            api::SearchAccountsRequest { text: Sensitive::new("4444"), max_results: None, next_token: None };
        let found = bench.run(&SEARCH_ACCOUNTS, input).unwrap().accounts.remove(0);
        let units: Vec<_> = found.unit_names.iter().map(Sensitive::expose).collect();
        assert_eq!(
            (units, found.state, found.management),
            (vec!["Root", "Workloads"], api::AccountState::Active, false)
        );
    }

    #[test]
    fn search_is_for_who_manages_the_organization_or_administers_something_for_it() {
        let bench = Bench::new();
        let ask = || {
            let input =
                api::SearchAccountsRequest { text: Sensitive::new("m"), max_results: None, next_token: None };
            bench
                .run(&SEARCH_ACCOUNTS, input)
                .map(|found| found.accounts.len())
                .map_err(|failure| failure.code)
        };
        assert_eq!(ask(), Err("ResourceNotFoundException"));
        organization(&bench, &["222233334444"], &[]);
        assert_eq!(ask(), Ok(2));
        call_as(&bench, "222233334444");
        assert_eq!(ask(), Err("AccessDenied"));
        delegate(&bench, "222233334444", "ram.amazonaws.com");
        assert_eq!(ask(), Ok(2));
    }

    #[test]
    fn units_are_named_down_to_the_one_whose_contents_a_policy_hides() {
        let bench = Bench::new();
        let id = organization(&bench, &["222233334444"], &[]);
        let outer = unit(&bench, &id, None, "Outer");
        let middle = unit(&bench, &id, Some(&outer), "Middle");
        let inner = unit(&bench, &id, Some(&middle), "Inner");
        place_in(&bench, "222233334444", &inner);
        let root = bench.begin().world().organization(&id).unwrap().organization().root.to_string();
        let units = |action: &str, kind: &str, target: &str| {
            call_denied(&bench, action, &[format!("arn:aws:organizations::*:{kind}/*/{target}")]);
            let input = api::SearchAccountsRequest {
                text: Sensitive::new("222233"),
                max_results: None,
                next_token: None,
            };
            let found = bench.run(&SEARCH_ACCOUNTS, input).unwrap().accounts.remove(0);
            found.unit_names.iter().map(|name| name.expose().to_owned()).collect::<Vec<_>>()
        };
        let all = ["Root", "Outer", "Middle", "Inner"];
        for action in ["ListAccountsForParent", "ListOrganizationalUnitsForParent"] {
            assert_eq!(units(action, "root", &root), all[..1], "{action}");
            assert_eq!(units(action, "ou", &outer), all[..2], "{action}");
            assert_eq!(units(action, "ou", &middle), all[..3], "{action}");
            // The account itself is found wherever it is.
            assert_eq!(units(action, "ou", &inner), all, "{action}");
        }
        for action in ["ListPoliciesForTarget", "DescribeAccount"] {
            assert_eq!(units(action, "account", "222233334444"), all, "{action}");
            assert_eq!(units(action, "ou", &inner), all, "{action}");
        }
    }

    #[test]
    fn token_that_none_was_is_refused() {
        let bench = Bench::new();
        organization(&bench, &[], &[]);
        let input = api::SearchAccountsRequest {
            text: Sensitive::new("m"),
            max_results: None,
            next_token: Some("x".into()),
        };
        assert_eq!(bench.run(&SEARCH_ACCOUNTS, input).unwrap_err().code, "ValidationException");
    }

    #[test]
    fn it_is_authorized_as_the_accounts_and_units_it_shows() {
        let bench = Bench::new();
        organization(&bench, &[], &[]);
        let input =
            api::SearchAccountsRequest { text: Sensitive::new("m"), max_results: None, next_token: None };
        let targets = bench.targets(&SEARCH_ACCOUNTS, &input);
        let arns: Vec<_> = targets.iter().map(|(action, target)| (*action, &*target.arn)).collect();
        let [("organizations:ListAccounts", "*"), ("organizations:ListOrganizationalUnitsForParent", root)] =
            *arns
        else {
            panic!("{arns:?}")
        };
        assert!(root.starts_with("arn:aws:organizations::111122223333:root/o-"), "{root}");
    }
}
