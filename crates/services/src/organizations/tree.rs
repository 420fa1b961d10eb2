//! The tree of an organization: its root, what is in what, and accounts that are moved in it.
//!
//! Listings are in the order of ids. Source: Organizations API Reference.

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_names::{AccountId, NodeId};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Target, always};
use rootward_state::Target as Child;
use rootward_state::entities::{Membership, OrganizationNode};
use rootward_state::{OrganizationState, RowKey, Txn};
use rootward_wire::Empty;

use super::page::Ask;
use super::{failures, shown, standing, targets};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&LIST_CHILDREN, &LIST_PARENTS, &LIST_ROOTS, &MOVE_ACCOUNT];

/// The root or unit with this id, unguarded.
///
/// # Errors
/// `ParentNotFoundException`.
pub(super) fn parent<'s>(
    state: &'s OrganizationState,
    id: &str,
) -> Result<&'s Arc<OrganizationNode>, Failure> {
    node(state, id).ok_or_else(failures::parent_not_found)
}

/// The accounts directly in a node, from the page on that is asked for.
///
/// # Errors
/// `InvalidInputException` for a token that is none of accounts.
pub(super) fn accounts_in<'s>(
    state: &'s OrganizationState,
    node: &NodeId,
    ask: &Ask,
) -> Result<impl Iterator<Item = &'s Arc<Membership>> + use<'s>, Failure> {
    let after = account_after(ask)?.map(Child::Account);
    Ok(state.children_after(node, after.as_ref()).map_while(|child| match child {
        Child::Account(account) => state.member(*account),
        Child::Node(_) => None,
    }))
}

/// The account that the page before ended with.
///
/// # Errors
/// `InvalidInputException` for a token that is none of accounts.
pub(super) fn account_after(ask: &Ask) -> Result<Option<AccountId>, Failure> {
    ask.after.as_deref().map(|id| id.parse().map_err(|_| failures::bad_next_token())).transpose()
}

/// The units directly in a node, from the page on that is asked for.
///
/// # Errors
/// `InvalidInputException` for a token that is none of units.
pub(super) fn units_in<'s>(
    state: &'s OrganizationState,
    node: &NodeId,
    ask: &Ask,
) -> Result<impl Iterator<Item = &'s Arc<OrganizationNode>> + use<'s>, Failure> {
    let after = match ask.after.as_deref() {
        None => None,
        Some(id) => Some(id.parse().map_err(|_| failures::bad_next_token())?),
    };
    Ok(units_after(state, node, after))
}

/// All units directly in a node.
pub(super) fn units_of<'s>(
    state: &'s OrganizationState,
    node: &NodeId,
) -> impl Iterator<Item = &'s Arc<OrganizationNode>> + use<'s> {
    units_after(state, node, None)
}

fn units_after<'s>(
    state: &'s OrganizationState,
    node: &NodeId,
    after: Option<NodeId>,
) -> impl Iterator<Item = &'s Arc<OrganizationNode>> + use<'s> {
    // Units come behind all accounts, of which there may be many.
    let after = after.map_or(Child::Account(AccountId::MAX), Child::Node);
    state.children_after(node, Some(&after)).filter_map(|child| match child {
        Child::Account(_) => None,
        Child::Node(unit) => state.node(unit),
    })
}

fn node<'s>(state: &'s OrganizationState, id: &str) -> Option<&'s Arc<OrganizationNode>> {
    state.node(&id.parse().ok()?)
}

pub(super) static LIST_ROOTS: Declaration<api::ListRoots> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListRoots",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: list_roots,
};

/// There is one. It shows the types of policies that are in force.
fn list_roots(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListRootsRequest,
) -> Result<api::ListRootsResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &LIST_ROOTS, input)?;
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let organization = state.organization();
    let root = state.node(&organization.root).filter(|root| is_after(&ask, &root.id));
    let types = organization.policy_types.iter().map(|kind| api::PolicyTypeSummary {
        r#type: shown::policy_type(kind),
        status: Some(api::PolicyTypeStatus::Enabled),
    });
    let page = ask.take(
        root.into_iter(),
        |root| root.id.to_string(),
        |root| api::Root {
            id: Some(root.id.to_string()),
            arn: Some(shown::node_arn(organization, &root.id)),
            name: Some(root.name.to_string()),
            policy_types: Some(types.clone().collect()),
        },
    );
    Ok(api::ListRootsResponse { roots: page.items, next_token: page.next_token })
}

fn is_after(ask: &Ask, id: &NodeId) -> bool {
    ask.after.as_deref().is_none_or(|after| after < id.as_str())
}

pub(super) static LIST_CHILDREN: Declaration<api::ListChildren> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListChildren",
        when: always,
        target: |scope, input| targets::by_id(scope, &input.parent_id),
        keys: &[],
    }],
    run: list_children,
};

fn list_children(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListChildrenRequest,
) -> Result<api::ListChildrenResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &LIST_CHILDREN, input)?;
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let parent = &parent(&state, &input.parent_id)?.id;
    let show = |id: String| api::Child { id: Some(id), r#type: Some(input.child_type) };
    let page = match input.child_type {
        api::ChildType::Account => {
            let ids = accounts_in(&state, parent, &ask)?.map(|member| member.account.to_string());
            ask.take(ids, String::clone, show)
        }
        api::ChildType::OrganizationalUnit => {
            let ids = units_in(&state, parent, &ask)?.map(|unit| unit.id.to_string());
            ask.take(ids, String::clone, show)
        }
    };
    Ok(api::ListChildrenResponse { children: page.items, next_token: page.next_token })
}

pub(super) static LIST_PARENTS: Declaration<api::ListParents> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListParents",
        when: always,
        target: |scope, input| targets::by_id(scope, &input.child_id),
        keys: &[],
    }],
    run: list_parents,
};

/// There is one, and it is the direct one.
fn list_parents(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListParentsRequest,
) -> Result<api::ListParentsResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &LIST_PARENTS, input)?;
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let parent = targets::child(&input.child_id).and_then(|child| match child {
        Child::Account(account) => state.member(account).map(|row| row.parent.clone()),
        Child::Node(unit) => state.node(&unit).and_then(|row| row.parent.clone()),
    });
    let parent = parent.ok_or_else(failures::child_not_found)?;
    let parents = std::iter::once(parent).filter(|parent| is_after(&ask, parent));
    let page = ask.take(parents, NodeId::to_string, |parent| api::Parent {
        id: Some(parent.to_string()),
        r#type: Some(if parent.is_root() {
            api::ParentType::Root
        } else {
            api::ParentType::OrganizationalUnit
        }),
    });
    Ok(api::ListParentsResponse { parents: page.items, next_token: page.next_token })
}

pub(super) static MOVE_ACCOUNT: Declaration<api::MoveAccount> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "organizations:MoveAccount",
            when: always,
            target: |scope, input| targets::by_id(scope, &input.account_id),
            keys: &[],
        },
        Rule {
            action: "organizations:MoveAccount",
            when: always,
            target: |scope, input| targets::by_id(scope, &input.source_parent_id),
            keys: &[],
        },
        Rule {
            action: "organizations:MoveAccount",
            when: always,
            target: |scope, input| targets::by_id(scope, &input.destination_parent_id),
            keys: &[],
        },
    ],
    run: move_account,
};

/// The destination's row is rewritten: whoever deletes it meanwhile has found it empty, and looks again.
fn move_account(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::MoveAccountRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed(ctx, txn)?;
    let organization = &state.organization().id;
    let member = member(txn, &state, &input.account_id)?;
    let source = node(&state, &input.source_parent_id).ok_or_else(failures::source_parent_not_found)?;
    let destination = node(&state, &input.destination_parent_id)
        .map(|node| RowKey::OrganizationNode(organization.clone(), node.id.clone()));
    let destination = destination.ok_or_else(failures::destination_parent_not_found)?;
    let into = txn.get::<OrganizationNode>(destination.clone());
    let into = into.ok_or_else(failures::destination_parent_not_found)?;
    // AWS says the same of an account that is not there and of one that is elsewhere.
    if member.parent != source.id {
        return Err(failures::account_not_found());
    }
    if into.id == source.id {
        return Err(failures::duplicate_account());
    }
    let moved = Membership { parent: into.id.clone(), ..Membership::clone(&member) };
    txn.put(RowKey::Membership(member.account), moved);
    txn.put::<OrganizationNode>(destination, into);
    Ok(Empty)
}

/// An account of the organization, guarded.
///
/// # Errors
/// `AccountNotFoundException`.
fn member(txn: &mut Txn, state: &OrganizationState, id: &str) -> Result<Arc<Membership>, Failure> {
    let account = id.parse().map_err(|_| failures::account_not_found())?;
    let member = txn.get::<Membership>(RowKey::Membership(account));
    let member = member.filter(|member| member.organization == state.organization().id);
    member.ok_or_else(failures::account_not_found)
}

/// Organizations to test with.
#[cfg(test)]
mod tests {
    use rootward_state::entities::{OrganizationPolicyType, Tag, TrustedService};

    use super::*;
    use crate::organizations::testing::state;
    use crate::organizations::testing::tree::*;
    use crate::testing::Bench;

    const GHOST: &str = "ou-abcd-12345678";

    fn shift(bench: &Bench, account: AccountId, source: &str, destination: &str) -> Result<Empty, Failure> {
        bench.run(&MOVE_ACCOUNT, from_to(account, source, destination))
    }

    fn parent_of(bench: &Bench, child: impl ToString) -> Result<api::Parent, Failure> {
        let input = api::ListParentsRequest { child_id: child.to_string(), ..Default::default() };
        let mut parents = bench.run(&LIST_PARENTS, input)?.parents.unwrap();
        assert_eq!(parents.len(), 1);
        Ok(parents.remove(0))
    }

    fn children(bench: &Bench, parent: &str, child_type: api::ChildType) -> Result<Vec<String>, Failure> {
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let input = api::ListChildrenRequest {
                parent_id: parent.into(),
                child_type,
                next_token: token,
                max_results: Some(2),
            };
            let page = bench.run(&LIST_CHILDREN, input)?;
            let items = page.children.unwrap();
            assert!(items.iter().all(|child| child.r#type == Some(child_type)));
            found.extend(items.into_iter().map(|child| child.id.unwrap()));
            token = page.next_token;
            if token.is_none() {
                return Ok(found);
            }
        }
    }

    #[test]
    fn root_shows_the_types_of_policies_in_force() {
        let bench = Bench::new();
        let root = organize(&bench);
        let list = || bench.run(&LIST_ROOTS, Default::default()).unwrap().roots.unwrap();
        let shown = list().remove(0);
        assert_eq!((shown.id.as_deref(), shown.name.as_deref()), (Some(&*root), Some("Root")));
        assert_eq!(shown.policy_types, Some(vec![]));
        let organization = Arc::clone(state(&bench).organization());
        assert_eq!(
            shown.arn.unwrap(),
            format!("arn:aws:organizations::111122223333:root/{}/{root}", organization.id)
        );
        let mut enabled = rootward_state::entities::Organization::clone(&organization);
        enabled.policy_types.push(OrganizationPolicyType::ServiceControl);
        bench.write(|txn| txn.put(RowKey::Organization(organization.id.clone()), enabled));
        let types = list().remove(0).policy_types.unwrap();
        assert_eq!(types.len(), 1);
        assert_eq!(types[0].r#type, Some(api::PolicyType::ServiceControlPolicy));
        assert_eq!(types[0].status, Some(api::PolicyTypeStatus::Enabled));
    }

    #[test]
    fn accounts_and_units_of_a_node_are_listed_apart_and_in_pages() {
        let bench = Bench::new();
        let root = organize(&bench);
        // The last account there can be comes right before the units.
        for number in [999_999_999_999, 555_566_667_777, 444_455_556_666, 7] {
            add_member(&bench, number);
        }
        let mut units: Vec<_> = ["a", "b", "c"].iter().map(|name| add_unit(&bench, &root, name)).collect();
        units.sort();
        let nested = add_unit(&bench, &units[0], "a");
        assert_eq!(
            children(&bench, &root, api::ChildType::Account).unwrap(),
            ["000000000007", "111122223333", "444455556666", "555566667777", "999999999999"]
        );
        assert_eq!(children(&bench, &root, api::ChildType::OrganizationalUnit).unwrap(), units);
        assert_eq!(children(&bench, &units[0], api::ChildType::OrganizationalUnit).unwrap(), [nested]);
        assert!(children(&bench, &units[1], api::ChildType::Account).unwrap().is_empty());
        let error = children(&bench, GHOST, api::ChildType::Account).unwrap_err();
        assert_eq!(error.code, "ParentNotFoundException");
    }

    #[test]
    fn token_of_one_kind_of_children_is_none_of_the_other() {
        let bench = Bench::new();
        let root = organize(&bench);
        add_member(&bench, 444_455_556_666);
        let input = |child_type, next_token| api::ListChildrenRequest {
            parent_id: root.clone(),
            child_type,
            next_token,
            max_results: Some(1),
        };
        let page = bench.run(&LIST_CHILDREN, input(api::ChildType::Account, None)).unwrap();
        assert!(page.next_token.is_some());
        let other = input(api::ChildType::OrganizationalUnit, page.next_token);
        assert_eq!(bench.run(&LIST_CHILDREN, other).unwrap_err().code, "InvalidInputException");
    }

    #[test]
    fn parent_of_an_account_or_unit_is_the_direct_one() {
        let bench = Bench::new();
        let root = organize(&bench);
        let outer = add_unit(&bench, &root, "outer");
        let inner = add_unit(&bench, &outer, "inner");
        let expect = |child: &str, parent: &str, kind| {
            let found = parent_of(&bench, child).unwrap();
            assert_eq!((found.id.as_deref(), found.r#type), (Some(parent), Some(kind)));
        };
        expect(&inner, &outer, api::ParentType::OrganizationalUnit);
        expect(&outer, &root, api::ParentType::Root);
        expect("111122223333", &root, api::ParentType::Root);
        for ghost in [GHOST, "444455556666", &root] {
            assert_eq!(parent_of(&bench, ghost).unwrap_err().code, "ChildNotFoundException");
        }
    }

    #[test]
    fn account_is_moved_and_the_management_account_too() {
        let bench = Bench::new();
        let root = organize(&bench);
        let (member, unit) = (add_member(&bench, 444_455_556_666), add_unit(&bench, &root, "unit"));
        for account in [member, bench.account()] {
            shift(&bench, account, &root, &unit).unwrap();
            assert_eq!(parent_of(&bench, account).unwrap().id.as_deref(), Some(&*unit));
        }
        shift(&bench, member, &unit, &root).unwrap();
        assert_eq!(parent_of(&bench, member).unwrap().id.as_deref(), Some(&*root));
        assert_eq!(children(&bench, &unit, api::ChildType::Account).unwrap(), ["111122223333"]);
    }

    #[test]
    fn account_is_moved_from_where_it_is_to_where_it_is_not() {
        let bench = Bench::new();
        let root = organize(&bench);
        let (member, unit) = (add_member(&bench, 444_455_556_666), add_unit(&bench, &root, "unit"));
        let ghost = AccountId::from_number(777_788_889_999).unwrap();
        let codes = [
            (shift(&bench, ghost, &root, &unit), "AccountNotFoundException"),
            (shift(&bench, member, GHOST, &unit), "SourceParentNotFoundException"),
            (shift(&bench, member, &root, GHOST), "DestinationParentNotFoundException"),
            (shift(&bench, member, &unit, &root), "AccountNotFoundException"),
            (shift(&bench, member, &root, &root), "DuplicateAccountException"),
        ];
        for (result, code) in codes {
            assert_eq!(result.unwrap_err().code, code);
        }
    }

    #[test]
    fn account_of_another_organization_is_not_moved() {
        let bench = Bench::new();
        let root = organize(&bench);
        let (other, unit) = (add_member(&bench, 444_455_556_666), add_unit(&bench, &root, "unit"));
        bench.write(|txn| txn.delete(RowKey::Membership(other)));
        bench.call_as_root_of(other);
        organize(&bench);
        bench.call_as_root();
        assert_eq!(shift(&bench, other, &root, &unit).unwrap_err().code, "AccountNotFoundException");
    }

    #[test]
    fn account_that_two_move_at_once_is_moved_by_one() {
        let bench = Bench::new();
        let root = organize(&bench);
        let member = add_member(&bench, 444_455_556_666);
        let (a, b) = (add_unit(&bench, &root, "a"), add_unit(&bench, &root, "b"));
        let (_, first) = bench.run_uncommitted(&MOVE_ACCOUNT, &from_to(member, &root, &a)).unwrap();
        let (_, second) = bench.run_uncommitted(&MOVE_ACCOUNT, &from_to(member, &root, &b)).unwrap();
        assert!(bench.second_loses(first, second));
        assert_eq!(shift(&bench, member, &root, &b).unwrap_err().code, "AccountNotFoundException");
    }

    #[test]
    fn members_look_when_they_administer_a_service_and_move_nothing() {
        let bench = Bench::new();
        let root = organize(&bench);
        let (member, unit) = (add_member(&bench, 444_455_556_666), add_unit(&bench, &root, "unit"));
        bench.call_as_root_of(member);
        assert_eq!(bench.run(&LIST_ROOTS, Default::default()).unwrap_err().code, "AccessDeniedException");
        assert_eq!(parent_of(&bench, member).unwrap_err().code, "AccessDeniedException");
        bench.write(|txn| {
            let key = RowKey::Membership(member);
            let mut row = Membership::clone(&txn.get::<Membership>(key.clone()).unwrap());
            row.delegated.push(TrustedService { principal: "iam.amazonaws.com".into(), since: row.joined });
            txn.put(key, row);
        });
        assert_eq!(parent_of(&bench, member).unwrap().id.as_deref(), Some(&*root));
        assert_eq!(shift(&bench, member, &root, &unit).unwrap_err().code, "AccessDeniedException");
    }

    #[test]
    fn move_is_authorized_on_the_account_and_both_its_parents() {
        let bench = Bench::new();
        let root = organize(&bench);
        let (member, unit) = (add_member(&bench, 444_455_556_666), add_unit(&bench, &root, "unit"));
        let organization = state(&bench).organization().id.clone();
        bench.write(|txn| {
            let key = RowKey::Membership(member);
            let mut row = Membership::clone(&txn.get::<Membership>(key.clone()).unwrap());
            row.tags.push(Tag { key: "team".into(), value: "red".into() });
            txn.put(key, row);
        });
        let targets = bench.targets(&MOVE_ACCOUNT, &from_to(member, &root, &unit));
        assert!(targets.iter().all(|(action, _)| *action == "organizations:MoveAccount"));
        let arn = |kind, id: &str| format!("arn:aws:organizations::111122223333:{kind}/{organization}/{id}");
        let arns: Vec<_> = targets.iter().map(|(_, target)| target.arn.clone()).collect();
        assert_eq!(arns, [arn("account", "444455556666"), arn("root", &root), arn("ou", &unit)]);
        assert_eq!(&*targets[0].1.tags[0].value, "red");
    }
}
