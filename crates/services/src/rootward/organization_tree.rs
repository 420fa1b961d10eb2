//! `GetOrganizationTree`: the units and accounts of an organization as a picture, with the policies that are attached to each.
//!
//! What is asked about is opened, and what is above it; what is below it is opened too where that is small enough, so that a small
//! organization is shown whole when its root is asked about. Of the rest it is told how much there is. An answer holds a bounded number of items, however
//! large the organization; it takes time that grows with the number of accounts, as counting them does.
//!
//! In a node units come first, then accounts, each by name. Policies show when their type is in force. What the caller's policies deny of a
//! single unit or account is counted and not shown; the way down to what is asked about is.

use std::collections::{HashMap, VecDeque};

use rootward_api::rootward as api;
use rootward_api::rootward::OrganizationItemType as Type;
use rootward_names::{AccountId, NodeId, OrganizationPolicyId};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Target, always,
};
use rootward_state::entities::OrganizationPolicyType;
use rootward_state::{OrganizationState, Target as Child, Txn, World};
use rootward_wire::Sensitive;

use super::{asked, count, failures, named, policy_type};
use crate::organizations::{keys, overview};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&GET_ORGANIZATION_TREE];

/// Items of what is asked about, unless fewer are asked for.
const PAGE: usize = 50;
/// Items of each node above it.
const BESIDE_MAX: usize = 20;
/// With as many items nothing more is opened that was not asked for.
const ITEMS_MAX: usize = 100;

static GET_ORGANIZATION_TREE: Declaration<api::GetOrganizationTree> = Declaration {
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
        // Policies of both types are shown, and who may see but one of them may not see the tree.
        Rule {
            action: "organizations:ListPoliciesForTarget",
            when: always,
            target: |scope, _| overview::root(scope),
            keys: &[Key::Text(keys::POLICY_TYPE, |_, _| Some("SERVICE_CONTROL_POLICY".into()))],
        },
        Rule {
            action: "organizations:ListPoliciesForTarget",
            when: always,
            target: |scope, _| overview::root(scope),
            keys: &[Key::Text(keys::POLICY_TYPE, |_, _| Some("RESOURCE_CONTROL_POLICY".into()))],
        },
    ],
    run: get_organization_tree,
};

fn get_organization_tree(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetOrganizationTreeRequest,
) -> Result<api::GetOrganizationTreeResponse, Failure> {
    let state = overview::seen(ctx, txn).map_err(failures::organization_unseen)?;
    let organization = state.organization();
    let at = match &input.at {
        Some(id) => overview::find(&state, id).ok_or_else(|| failures::nothing_in_organization(id))?,
        None => Child::Node(organization.root.clone()),
    };
    overview::refuse_policies(ctx, txn, &at)?;
    if let Child::Node(node) = &at {
        overview::refuse_inside(ctx, txn, node)?;
    }
    let mut tree = Tree::new(ctx, txn, &state);
    let next_token = tree.open_at(&at, input.next_token.as_deref(), asked(input.max_results, PAGE))?;
    if let Child::Node(node) = &at {
        tree.open_below(node);
    }
    let mut items = Vec::new();
    tree.show_node(&organization.root, None, &mut items);
    let types = [OrganizationPolicyType::ServiceControl, OrganizationPolicyType::ResourceControl];
    Ok(api::GetOrganizationTreeResponse {
        organization_id: organization.id.to_string(),
        management_account_id: organization.management.to_string(),
        enabled_policy_types: types
            .iter()
            .filter(|kind| state.is_in_force(kind))
            .filter_map(policy_type)
            .collect(),
        items,
        next_token,
    })
}

struct Tree<'a, 'c> {
    ctx: &'a OpContext<'c>,
    txn: &'a Txn,
    state: &'a OrganizationState,
    world: &'a World,
    /// How many units and accounts are directly in each node, and how many accounts at any depth.
    counts: HashMap<&'a NodeId, Counts>,
    /// What is shown of the nodes that are open.
    open: HashMap<NodeId, Vec<Child>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    units: usize,
    accounts: usize,
    accounts_below: usize,
}

impl<'a, 'c> Tree<'a, 'c> {
    fn new(ctx: &'a OpContext<'c>, txn: &'a Txn, state: &'a OrganizationState) -> Self {
        let mut counts: HashMap<&NodeId, Counts> = HashMap::new();
        for (_, member) in state.members().iter() {
            counts.entry(&member.parent).or_default().accounts += 1;
        }
        for (id, node) in state.nodes().iter() {
            if let Some(parent) = &node.parent {
                counts.entry(parent).or_default().units += 1;
            }
            let here = counts.get(id).map_or(0, |counts| counts.accounts);
            for above in state.up(id) {
                counts.entry(&above.id).or_default().accounts_below += here;
            }
        }
        Self { ctx, txn, state, world: txn.world(), counts, open: HashMap::new() }
    }

    /// Opens what is asked about, from behind `token` on, and what is above it. The token of its next page, if it has one.
    ///
    /// A token is the id of the last item of its page: tokens are on record, and names are not. What is not shown is passed over and on no
    /// page, so that a token names none of it, and one that does is refused as one of something that is not there.
    fn open_at(&mut self, at: &Child, token: Option<&str>, page: usize) -> Result<Option<String>, Failure> {
        let (node, mut inside) = match at {
            Child::Account(account) if token.is_none() => {
                let Some(member) = self.state.member(*account) else { return Ok(None) };
                (member.parent.clone(), Some(at.clone()))
            }
            // There are no pages of an account.
            Child::Account(_) => return Err(failures::invalid_token()),
            Child::Node(node) => (node.clone(), None),
        };
        let mut next = None;
        let path: Vec<_> = self.state.up(&node).map(|node| node.id.clone()).collect();
        for node in path {
            let is_asked = matches!(at, Child::Node(asked) if *asked == node);
            let (token, shown_max) = if is_asked { (token, page) } else { (None, BESIDE_MAX) };
            let mut children = self.children(&node);
            if let Some(token) = token {
                let is_last = |child: &Child| child.to_string() == token && self.is_shown(child);
                let last = children.iter().position(is_last);
                children.drain(..=last.ok_or_else(failures::invalid_token)?);
            }
            let is_closed = overview::refuse_inside(self.ctx, self.txn, &node).is_err();
            // Of what is above it the way to it is shown in any case.
            let is_way = |child: &Child| Some(child) == inside.as_ref();
            let is_seen = |child: &Child| is_way(child) || !is_closed && self.is_shown(child);
            let mut rest = children.into_iter();
            let mut shown: Vec<_> = rest.by_ref().filter(is_seen).take(shown_max).collect();
            if is_asked && rest.any(|child| is_seen(&child)) {
                next = shown.last().map(Child::to_string);
            }
            shown.extend(rest.find(is_way));
            self.open.insert(node.clone(), shown);
            inside = Some(Child::Node(node));
        }
        Ok(next)
    }

    /// Opens units below what is asked about, the higher ones first, as long as that stays small.
    fn open_below(&mut self, node: &NodeId) {
        let mut items: usize = self.open.values().map(Vec::len).sum();
        let mut waiting = VecDeque::from([node.clone()]);
        while let Some(node) = waiting.pop_front() {
            if !self.open.contains_key(&node) {
                let Counts { units, accounts, .. } = self.counts_of(&node);
                let inside = units + accounts;
                if inside == 0 || inside > BESIDE_MAX || items + inside > ITEMS_MAX {
                    continue;
                }
                if overview::refuse_inside(self.ctx, self.txn, &node).is_err() {
                    continue;
                }
                items += inside;
                let mut children = self.children(&node);
                children.retain(|child| self.is_shown(child));
                self.open.insert(node.clone(), children);
            }
            let units = self.open.get(&node).into_iter().flatten().filter_map(|child| match child {
                Child::Account(_) => None,
                Child::Node(unit) => Some(unit.clone()),
            });
            waiting.extend(units);
        }
    }

    /// What is shown is shown with its policies: of whatever these are denied nothing is, but that there is something.
    fn is_shown(&self, child: &Child) -> bool {
        overview::refuse_policies(self.ctx, self.txn, child).is_ok()
    }

    fn counts_of(&self, node: &NodeId) -> Counts {
        self.counts.get(node).copied().unwrap_or_default()
    }

    /// What is directly in a node, in the order in which it is shown.
    fn children(&self, node: &NodeId) -> Vec<Child> {
        let mut children: Vec<_> = self.state.children_after(node, None).cloned().collect();
        children.sort_by_cached_key(|child| match child {
            Child::Account(account) => {
                (true, named(self.world, *account).0.to_lowercase(), account.to_string())
            }
            Child::Node(unit) => {
                let name = self.state.node(unit).map_or_else(String::new, |unit| unit.name.to_lowercase());
                (false, name, unit.to_string())
            }
        });
        children
    }

    fn show_node(&self, id: &NodeId, parent: Option<&NodeId>, items: &mut Vec<api::OrganizationItem>) {
        let Some(node) = self.state.node(id) else { return };
        let (shown, counts) = (self.open.get(id), self.counts_of(id));
        let inside = counts.units + counts.accounts;
        items.push(api::OrganizationItem {
            id: id.to_string(),
            r#type: if id.is_root() { Type::Root } else { Type::OrganizationalUnit },
            parent_id: parent.map(ToString::to_string),
            name: Sensitive::new(&*node.name),
            state: None,
            management: false,
            policies: self.policies(&node.policies),
            units: count(counts.units),
            accounts: count(counts.accounts_below),
            hidden: count(inside.saturating_sub(shown.map_or(0, Vec::len))),
            open: shown.is_some(),
        });
        for child in shown.into_iter().flatten() {
            match child {
                Child::Account(account) => items.extend(self.account(*account, id)),
                // Nodes are moved nowhere, so there is no circle.
                Child::Node(unit) => self.show_node(unit, Some(id), items),
            }
        }
    }

    fn account(&self, account: AccountId, parent: &NodeId) -> Option<api::OrganizationItem> {
        let member = self.state.member(account)?;
        let (name, state) = named(self.world, account);
        Some(api::OrganizationItem {
            id: account.to_string(),
            r#type: Type::Account,
            parent_id: Some(parent.to_string()),
            name: name.into(),
            state,
            management: self.state.is_management(account),
            policies: self.policies(&member.policies),
            units: 0,
            accounts: 0,
            hidden: 0,
            open: false,
        })
    }

    fn policies(&self, attached: &[OrganizationPolicyId]) -> Vec<api::OrganizationPolicy> {
        let policies = attached.iter().filter_map(|id| self.state.policy(id));
        let in_force = policies.filter(|policy| self.state.is_in_force(&policy.kind));
        let shown = in_force.filter_map(|policy| {
            Some(api::OrganizationPolicy {
                policy_id: policy.id.to_string(),
                policy_name: policy.name.to_string(),
                policy_type: policy_type(&policy.kind)?,
                aws_managed: policy.is_of_aws(),
            })
        });
        shown.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organizations::testing::{
        add_policy, call_as, call_denied, delegate, enable_types, join, organization, place, unit,
    };
    use crate::testing::Bench;

    fn tree(
        bench: &Bench,
        at: Option<&str>,
        token: Option<String>,
    ) -> Result<api::GetOrganizationTreeResponse, Failure> {
        let at = at.map(str::to_owned);
        let input = api::GetOrganizationTreeRequest { at, max_results: Some(3), next_token: token };
        bench.run(&GET_ORGANIZATION_TREE, input)
    }

    /// Names of what is shown, with blanks before those that are below others.
    fn drawn(answer: &api::GetOrganizationTreeResponse) -> Vec<String> {
        let depth = |item: &api::OrganizationItem| {
            let parent = |item: &api::OrganizationItem| {
                answer.items.iter().find(|other| Some(&other.id) == item.parent_id.as_ref()).cloned()
            };
            std::iter::successors(parent(item), |item| parent(item)).count()
        };
        let line = |item: &api::OrganizationItem| {
            let hidden = if item.hidden > 0 { format!(" +{}", item.hidden) } else { String::new() };
            format!("{}{}{hidden}", " ".repeat(depth(item)), item.name.expose())
        };
        answer.items.iter().map(line).collect()
    }

    #[test]
    fn small_organization_is_shown_whole_units_before_accounts_by_name() {
        let bench = Bench::new();
        let id = organization(&bench, &["222233334444", "333344445555"], &[]);
        place(&bench, &id, "333344445555", "Workloads");
        let answer = tree(&bench, None, None).unwrap();
        assert_eq!(drawn(&answer), ["Root", " Workloads", "  Member", " Example Corp", " Member"]);
        assert_eq!((answer.items[0].accounts, answer.items[0].units), (3, 1));
        let management: Vec<_> = answer.items.iter().filter(|item| item.management).collect();
        assert_eq!(management.len(), 1);
        assert_eq!(management[0].id, "111122223333");
        assert_eq!(answer.next_token, None);
    }

    #[test]
    fn large_unit_stays_closed_until_it_is_asked_for_and_comes_in_pages() {
        let bench = Bench::new();
        let id = organization(&bench, &[], &[]);
        let many = unit(&bench, &id, None, "Many");
        for number in 0..25 {
            let account = format!("2222333344{number:02}");
            join(&bench, &id, &account);
            place(&bench, &id, &account, "Many");
        }
        assert_eq!(drawn(&tree(&bench, None, None).unwrap()), ["Root", " Many +25", " Example Corp"]);
        let first = tree(&bench, Some(&many), None).unwrap();
        assert_eq!(drawn(&first), ["Root", " Many +22", "  Member", "  Member", "  Member", " Example Corp"]);
        let ids = |answer: &api::GetOrganizationTreeResponse| {
            let accounts = answer.items.iter().filter(|item| item.parent_id.as_ref() == Some(&many));
            accounts.map(|item| item.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids(&first), ["222233334400", "222233334401", "222233334402"]);
        let second = tree(&bench, Some(&many), first.next_token).unwrap();
        assert_eq!(ids(&second), ["222233334403", "222233334404", "222233334405"]);
        // Tokens are on record, and name nobody.
        let token = second.next_token;
        assert_eq!(token.as_deref(), Some("222233334405"));
        place(&bench, &id, "222233334405", "Elsewhere");
        assert_eq!(tree(&bench, Some(&many), token).unwrap_err().code, "ValidationException");
        // An account is shown where it is, however far behind the others.
        assert_eq!(ids(&tree(&bench, Some("222233334424"), None).unwrap()).last().unwrap(), "222233334424");
    }

    #[test]
    fn policies_are_shown_where_they_are_attached_once_their_type_is_in_force() {
        let bench = Bench::new();
        let id = organization(&bench, &[], &[]);
        let unit = unit(&bench, &id, None, "Workloads");
        add_policy(
            &bench,
            &id,
            &unit,
            "NoDeletes",
            r#"{"Statement":{"Effect":"Deny","Action":"s3:Delete*","Resource":"*"}}"#,
        );
        let attached = || {
            let answer = tree(&bench, None, None).unwrap();
            let item = answer.items.iter().find(|item| item.id == unit).unwrap().clone();
            (answer.enabled_policy_types.len(), item.policies)
        };
        assert_eq!(attached(), (0, Vec::new()));
        enable_types(&bench, &id);
        let (types, policies) = attached();
        let names: Vec<_> =
            policies.iter().map(|policy| (&*policy.policy_name, policy.aws_managed)).collect();
        assert_eq!(
            (types, names),
            (2, vec![("FullAWSAccess", true), ("RCPFullAWSAccess", true), ("NoDeletes", false)])
        );
    }

    #[test]
    fn tree_is_for_who_manages_the_organization_or_administers_something_for_it() {
        let bench = Bench::new();
        let code = |at| tree(&bench, at, None).map(drop).map_err(|failure| failure.code);
        assert_eq!(code(None), Err("ResourceNotFoundException"));
        organization(&bench, &["222233334444"], &[]);
        assert_eq!(code(Some("999988887777")), Err("ResourceNotFoundException"));
        call_as(&bench, "222233334444");
        assert_eq!(code(None), Err("AccessDenied"));
        delegate(&bench, "222233334444", "ram.amazonaws.com");
        assert_eq!(code(None), Ok(()));
    }

    #[test]
    fn what_a_policy_denies_of_one_unit_is_counted_and_not_shown() {
        let bench = Bench::new();
        let id = organization(&bench, &["222233334444"], &[]);
        let [plain, secret] = ["Plain", "Secret"].map(|name| unit(&bench, &id, None, name));
        place(&bench, &id, "222233334444", "Inner");
        let shown = |at: Option<&str>| {
            let answer = tree(&bench, at, None).map_err(|failure| failure.code)?;
            let root = answer.items[0].hidden;
            Ok::<_, &str>((answer.items.into_iter().map(|item| item.id).collect::<Vec<_>>(), root))
        };
        let deny = |action: &str, node: &str| {
            call_denied(&bench, action, &[format!("arn:aws:organizations::*:ou/*/{node}")]);
        };
        deny("ListPoliciesForTarget", &secret);
        let (ids, hidden) = shown(None).unwrap();
        assert!(ids.contains(&plain) && !ids.contains(&secret), "{ids:?}");
        assert_eq!(hidden, 1);
        assert_eq!(shown(Some(&secret)), Err("AccessDenied"));
        for action in ["ListAccountsForParent", "ListOrganizationalUnitsForParent"] {
            let inner = bench
                .begin()
                .world()
                .organization(&id)
                .unwrap()
                .member("222233334444".parse().unwrap())
                .unwrap()
                .parent
                .clone();
            deny(action, inner.as_str());
            let (ids, _) = shown(None).unwrap();
            assert!(ids.contains(&inner.to_string()) && !ids.contains(&"222233334444".to_owned()), "{ids:?}");
            assert_eq!(shown(Some(inner.as_str())), Err("AccessDenied"));
        }
    }

    #[test]
    fn tokens_name_nothing_that_a_policy_hides_and_pages_join_around_it() {
        let bench = Bench::new();
        let id = organization(&bench, &[], &[]);
        let many = unit(&bench, &id, None, "Many");
        let accounts: Vec<_> = (0..8).map(|number| format!("22223333440{number}")).collect();
        for account in &accounts {
            join(&bench, &id, account);
            place(&bench, &id, account, "Many");
        }
        let arn = |account: &String| format!("arn:aws:organizations::*:account/*/{account}");
        let walk = |hidden: &[&String]| {
            call_denied(
                &bench,
                "ListPoliciesForTarget",
                &hidden.iter().map(|id| arn(id)).collect::<Vec<_>>(),
            );
            let (mut pages, mut token) = (Vec::new(), None);
            loop {
                let answer = tree(&bench, Some(&many), token).unwrap();
                let items = answer.items.into_iter().filter(|item| item.parent_id.as_ref() == Some(&many));
                let page: Vec<_> = items.map(|item| item.id).collect();
                token = answer.next_token;
                assert!(token.as_ref().is_none_or(|token| page.last() == Some(token)), "{page:?} {token:?}");
                pages.push(page);
                if token.is_none() {
                    break pages;
                }
            }
        };
        // The second and third would be the last of their pages.
        let [_, one, two, .., last] = &*accounts else { unreachable!() };
        let pages = walk(&[one, two, last]);
        let places =
            |places: &[usize]| places.iter().map(|place| accounts[*place].clone()).collect::<Vec<_>>();
        assert_eq!(pages, [places(&[0, 3, 4]), places(&[5, 6])]);
        // Nor is there a page behind the last that could be shown.
        let [.., six, seven] = &*accounts else { unreachable!() };
        assert_eq!(walk(&[six, seven]), [places(&[0, 1, 2]), places(&[3, 4, 5])]);
        assert_eq!(walk(&accounts.iter().collect::<Vec<_>>()), [places(&[])]);
        // Of what is hidden a token tells no more than of what is nowhere.
        let refused = |token: &str| tree(&bench, Some(&many), Some(token.into())).unwrap_err();
        let (hidden, nowhere) = (refused(one), refused("999988887777"));
        assert_eq!((hidden.code, hidden.message), (nowhere.code, nowhere.message));
        // What is above is opened no less far for what is hidden in it.
        call_denied(&bench, "ListPoliciesForTarget", &[arn(one)]);
        let beside = tree(&bench, Some(two), None).unwrap();
        let ids: Vec<_> =
            beside.items.iter().map(|item| &item.id).filter(|id| accounts.contains(id)).collect();
        assert_eq!(ids, accounts.iter().filter(|id| *id != one).collect::<Vec<_>>());
    }

    #[test]
    fn token_that_none_was_is_refused() {
        let bench = Bench::new();
        organization(&bench, &[], &[]);
        for (at, token) in [(None, "!"), (None, "222233334444"), (Some("111122223333"), "111122223333")] {
            assert_eq!(tree(&bench, at, Some(token.into())).unwrap_err().code, "ValidationException");
        }
    }

    #[test]
    fn it_is_authorized_as_what_it_shows_one_by_one() {
        let bench = Bench::new();
        organization(&bench, &[], &[]);
        let input = api::GetOrganizationTreeRequest::default();
        let targets = bench.targets(&GET_ORGANIZATION_TREE, &input);
        let actions: Vec<_> = targets.iter().map(|(action, _)| *action).collect();
        assert_eq!(
            actions,
            [
                "organizations:ListAccounts",
                "organizations:ListOrganizationalUnitsForParent",
                "organizations:ListPoliciesForTarget",
                "organizations:ListPoliciesForTarget",
            ]
        );
        assert!(
            targets[2].1.arn.starts_with("arn:aws:organizations::111122223333:root/o-"),
            "{}",
            targets[2].1.arn
        );
    }
}
