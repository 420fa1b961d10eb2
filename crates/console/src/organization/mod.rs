//! The organization: its units and accounts as a picture, with what is attached to each, and what binds the one that was chosen.
//!
//! Only what is chosen, what is above it and what is small is open; the rest is a link further. What an account without an
//! organization sees, and a member, is in the same place.

pub(crate) mod account;
pub(crate) mod credentials;
mod explain;
pub(crate) mod policy;

use askama::Template;
use axum::response::{Redirect, Response};
use rootward_api::organizations::{self as orgs, PolicyType};
use rootward_api::rootward::{self as api, OrganizationItemType as Type, OrganizationPolicyType as Kind};
use rootward_wire::{Empty, Error};
use serde::Deserialize;

use crate::layout::{Frame, Part, VERSION, html_with, part};
use crate::list::segment;
use crate::visit::{Posted, Query, SignedIn};

const HERE: &str = "/console/organization";

#[derive(Template)]
#[template(path = "organization.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    shown: Part<Shown>,
}

/// What somebody sees of an organization.
enum Shown {
    /// There is none.
    None,
    /// They are of a member: which organization it is, and who manages it.
    Member(Membership),
    Tree(Box<Tree>),
}

struct Membership {
    id: String,
    management: String,
    email: String,
}

struct Tree {
    id: String,
    management: String,
    /// In which half of the page somebody is who has chosen something.
    is_chosen: bool,
    /// What was looked for, and what was found.
    search: String,
    found: Option<Found>,
    rows: Vec<Row>,
    /// How many lists are still open behind the last row.
    closes: usize,
    levels: Levels,
}

struct Found {
    accounts: Vec<api::FoundAccount>,
    next: Option<String>,
}

/// A line of the tree.
struct Row {
    item: api::OrganizationItem,
    /// How many lists end before it.
    closes: usize,
    has_children: bool,
    is_chosen: bool,
    /// The address of what is in it and not shown.
    more: Option<String>,
    /// Whether service control policies are in force and nothing allows everything here.
    narrows: bool,
}

impl Row {
    fn address(&self) -> String {
        address_of(self.item.r#type, &self.item.id)
    }

    /// The class of its picture.
    fn kind(&self) -> &'static str {
        match (self.item.r#type, self.item.state) {
            (Type::Root | Type::OrganizationalUnit, _) if self.item.open || self.item.hidden == 0 => "unit",
            (Type::Root | Type::OrganizationalUnit, _) => "unit closed",
            (Type::Account, Some(api::AccountState::Active)) => "active",
            (Type::Account, _) => "idle",
        }
    }

    /// Whether somebody has attached something here that binds nobody.
    fn is_idle(&self) -> bool {
        self.item.management && self.item.policies.iter().any(|policy| !policy.aws_managed)
    }

    /// The state of an account that is not active.
    fn inactive(&self) -> Option<&'static str> {
        self.item.state.filter(|state| *state != api::AccountState::Active).map(|state| state.as_str())
    }

    /// What a closed unit has in it, in words.
    fn contents(&self) -> String {
        let accounts = counted(self.item.accounts, "account");
        match self.item.units {
            0 => accounts,
            units => format!("{}, {accounts}", counted(units, "unit")),
        }
    }
}

fn counted(count: i32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// What binds something, level by level from the root down to it.
pub(crate) struct Levels {
    /// Of what was asked about.
    name: String,
    id: String,
    is_management: bool,
    levels: Vec<Level>,
    /// Which types of policies are in force.
    enabled: Vec<Kind>,
    /// The root's id, to switch on a type.
    root: String,
    /// Of the account that manages the organization.
    management: String,
}

/// A type of policies that is not in force, and how it is switched on.
struct Off {
    kind: Kind,
    what: &'static str,
    means: &'static str,
    /// The class that colours it.
    tone: &'static str,
    /// As [`Change`] has it.
    change: &'static str,
    button: &'static str,
}

static OFF: [Off; 2] = [
    Off {
        kind: Kind::ServiceControlPolicy,
        what: "Service control policies",
        means: "nothing bounds what users, roles and root users of members may do.",
        tone: "warn",
        change: "enable-scps",
        button: "Turn on SCPs",
    },
    Off {
        kind: Kind::ResourceControlPolicy,
        what: "Resource control policies",
        means: "nothing bounds what may be done to what belongs to members.",
        tone: "denied",
        change: "enable-rcps",
        button: "Turn on RCPs",
    },
];

struct Level {
    id: String,
    name: String,
    address: String,
    what: &'static str,
    policies: Vec<api::OrganizationPolicy>,
}

impl Levels {
    /// Of an answer that was asked about this id; without one, about the root.
    fn of(tree: &api::GetOrganizationTreeResponse, at: Option<&str>) -> Option<Self> {
        let find = |id: &str| tree.items.iter().find(|item| item.id == id);
        let root = tree.items.first()?;
        let item = at.map_or(Some(root), find)?;
        let above = std::iter::successors(Some(item), |item| find(item.parent_id.as_deref()?));
        let mut levels: Vec<_> = above.take(LEVELS_MAX).map(Level::of).collect();
        levels.reverse();
        Some(Self {
            name: item.name.expose().to_owned(),
            id: item.id.clone(),
            is_management: item.management,
            levels,
            enabled: tree.enabled_policy_types.clone(),
            root: root.id.clone(),
            management: tree.management_account_id.clone(),
        })
    }

    /// Whether somebody of this account can be allowed to switch on types of policies: of the account that manages the organization.
    fn may_enable(&self, account: &str) -> bool {
        self.management == account
    }

    /// Whether they are those of the whole organization, which is where types of policies are switched on.
    fn is_whole(&self) -> bool {
        self.id == self.root
    }

    /// What is attached to it directly; none where there is nothing.
    fn here(&self) -> Option<&Level> {
        self.levels.last().filter(|level| !level.policies.is_empty())
    }

    /// The types of policies that are not in force.
    fn off(&self) -> impl Iterator<Item = &'static Off> {
        OFF.iter().filter(|off| !self.enabled.contains(&off.kind))
    }
}

/// More than an organization can have.
const LEVELS_MAX: usize = 16;

impl Level {
    /// Those that somebody of the organization has made.
    fn own(&self) -> impl Iterator<Item = &api::OrganizationPolicy> {
        self.policies.iter().filter(|policy| !policy.aws_managed)
    }

    fn of_aws(&self) -> impl Iterator<Item = &api::OrganizationPolicy> {
        self.policies.iter().filter(|policy| policy.aws_managed)
    }

    fn of(item: &api::OrganizationItem) -> Self {
        Self {
            id: item.id.clone(),
            name: item.name.expose().to_owned(),
            address: address_of(item.r#type, &item.id),
            what: what(item.r#type),
            policies: item.policies.clone(),
        }
    }
}

fn what(r#type: Type) -> &'static str {
    match r#type {
        Type::Account => "account",
        Type::OrganizationalUnit => "unit",
        Type::Root => "root",
    }
}

/// The page of an account, or the place of a unit in the tree.
fn address_of(r#type: Type, id: &str) -> String {
    match r#type {
        Type::Account => account_address(id),
        Type::OrganizationalUnit | Type::Root => format!("{HERE}?at={}", segment(id)),
    }
}

/// The page of one account.
pub(crate) fn account_address(id: &str) -> String {
    format!("{HERE}/accounts/{}", segment(id))
}

/// The page of a policy.
pub(crate) fn policy_address(id: &str) -> String {
    format!("{HERE}/policies/{}", segment(id))
}

/// How people call a type of policies.
pub(crate) fn short(kind: Kind) -> &'static str {
    match kind {
        Kind::ResourceControlPolicy => "RCP",
        Kind::ServiceControlPolicy => "SCP",
    }
}

/// What the page is asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    at: String,
    search: String,
    marker: Option<String>,
    done: Option<String>,
}

fn frame(signed_in: &SignedIn) -> Frame {
    Frame::new(signed_in, "Organization", "organization")
}

pub(crate) async fn page(signed_in: SignedIn, Query(asked): Query<Asked>) -> Response {
    let done = match asked.done.as_deref() {
        Some("created") => Some(
            "The organization is there, and this account manages it. Accounts are opened in it, or invited.",
        ),
        Some("enabled") => Some("Policies of this type are in force."),
        _ => None,
    };
    let frame = Frame { done, ..frame(&signed_in) };
    show(&signed_in, frame, asked).await
}

async fn show(signed_in: &SignedIn, frame: Frame, asked: Asked) -> Response {
    let (frame, shown) = match read(signed_in, &asked).await {
        Ok(shown) => (frame, Ok(shown)),
        Err(error) => (frame.unread(&error), part(Err(error))),
    };
    signed_in.answer(html_with(frame.status, &Page { version: VERSION, frame, shown }))
}

async fn read(signed_in: &SignedIn, asked: &Asked) -> Result<Shown, Error> {
    let organization = match signed_in.call::<orgs::DescribeOrganization>(&Empty).await {
        Ok(found) => found.organization,
        Err(error) if error.code == "AWSOrganizationsNotInUseException" => return Ok(Shown::None),
        Err(error) => return Err(error),
    };
    let Some(organization) = organization else { return Ok(Shown::None) };
    let management = organization.master_account_id.unwrap_or_default();
    if !may_look(signed_in) {
        return Ok(Shown::Member(Membership {
            id: organization.id.unwrap_or_default(),
            management,
            email: organization.master_account_email.map(|it| it.expose().to_owned()).unwrap_or_default(),
        }));
    }
    let at = Some(asked.at.clone()).filter(|at| !at.is_empty());
    let is_search = !asked.search.trim().is_empty();
    let next_token = asked.marker.clone().filter(|_| !is_search);
    let input = api::GetOrganizationTreeRequest { at: at.clone(), max_results: None, next_token };
    let tree = signed_in.call::<api::GetOrganizationTree>(&input).await?;
    let found = if is_search { Some(search(signed_in, asked).await?) } else { None };
    Ok(Tree::of(tree, at, asked.search.clone(), found)
        .map_or(Shown::None, |tree| Shown::Tree(Box::new(tree))))
}

/// Whether the API is asked for the tree. It decides; but what it would refuse to everybody of an account, nobody there need be refused
/// and put on record for.
fn may_look(signed_in: &SignedIn) -> bool {
    let account = signed_in.live.acting().account;
    let world = signed_in.visit.house.db.snapshot();
    world.organization_of(account).is_some_and(|state| {
        state.is_management(account)
            || state.is_delegated_administrator(account)
            || state.organization().resource_policy.is_some()
    })
}

async fn search(signed_in: &SignedIn, asked: &Asked) -> Result<Found, Error> {
    let text = asked.search.trim().to_owned();
    let list = format!("{HERE}?search={}", segment(&text));
    let input =
        api::SearchAccountsRequest { text: text.into(), max_results: None, next_token: asked.marker.clone() };
    let found = signed_in.call::<api::SearchAccounts>(&input).await?;
    Ok(Found { accounts: found.accounts, next: crate::list::Pages::after(&list, found.next_token) })
}

impl Tree {
    /// Whether policies that are attached everywhere are left out of the picture.
    fn is_quiet(&self) -> bool {
        self.rows.iter().any(|row| row.item.policies.iter().any(|policy| policy.policy_id == FULL_ACCESS))
    }

    fn of(
        tree: api::GetOrganizationTreeResponse,
        at: Option<String>,
        search: String,
        found: Option<Found>,
    ) -> Option<Self> {
        let levels = Levels::of(&tree, at.as_deref())?;
        let depth = |item: &api::OrganizationItem| {
            let parent = |item: &api::OrganizationItem| {
                tree.items.iter().find(|other| Some(&other.id) == item.parent_id.as_ref())
            };
            std::iter::successors(parent(item), |item| parent(item)).take(LEVELS_MAX).count()
        };
        let depths: Vec<_> = tree.items.iter().map(depth).collect();
        let (mut rows, mut before) = (Vec::new(), 0);
        for (place, (item, depth)) in tree.items.iter().zip(&depths).enumerate() {
            let next = place.checked_add(1).and_then(|next| depths.get(next));
            let full = |policy: &api::OrganizationPolicy| {
                policy.policy_type == Kind::ServiceControlPolicy && policy.policy_id == FULL_ACCESS
            };
            let is_in_force = tree.enabled_policy_types.contains(&Kind::ServiceControlPolicy);
            rows.push(Row {
                closes: before - (*depth).min(before),
                has_children: next.is_some_and(|next| next > depth),
                is_chosen: item.id == levels.id,
                more: more(item, &levels.id, tree.next_token.as_deref()),
                narrows: is_in_force && !item.management && !item.policies.iter().any(full),
                item: item.clone(),
            });
            before = *depth;
        }
        Some(Self {
            id: tree.organization_id,
            management: tree.management_account_id,
            is_chosen: at.is_some(),
            search,
            found,
            closes: before,
            rows,
            levels,
        })
    }
}

/// The policy that every node and account has at first.
const FULL_ACCESS: &str = "p-FullAWSAccess";

/// Where what is in an open node and not shown is: its next page where it was asked for, else its own.
fn more(item: &api::OrganizationItem, at: &str, token: Option<&str>) -> Option<String> {
    let here = address_of(item.r#type, &item.id);
    match token {
        Some(token) if item.id == at => Some(format!("{here}&marker={}", segment(token))),
        _ if item.open && item.hidden > 0 && item.id != at => Some(here),
        _ => None,
    }
}

/// What is changed here.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// Makes an organization that this account manages.
    Create,
    /// Puts service control policies in force.
    EnableScps { root: String },
    /// Puts resource control policies in force.
    EnableRcps { root: String },
}

pub(crate) async fn change(Posted(signed_in, change): Posted<Change>) -> Response {
    let (result, done) = match change {
        Change::Create => {
            let input =
                orgs::CreateOrganizationRequest { feature_set: Some(orgs::OrganizationFeatureSet::All) };
            (signed_in.call::<orgs::CreateOrganization>(&input).await.map(drop), "created")
        }
        Change::EnableScps { root } => {
            (enable(&signed_in, root, PolicyType::ServiceControlPolicy).await, "enabled")
        }
        Change::EnableRcps { root } => {
            (enable(&signed_in, root, PolicyType::ResourceControlPolicy).await, "enabled")
        }
    };
    match result {
        Ok(()) => signed_in.answer(Redirect::to(&format!("{HERE}?done={done}"))),
        Err(error) => show(&signed_in, frame(&signed_in).refused(&error), Asked::default()).await,
    }
}

async fn enable(signed_in: &SignedIn, root_id: String, policy_type: PolicyType) -> Result<(), Error> {
    let input = orgs::EnablePolicyTypeRequest { root_id, policy_type };
    signed_in.call::<orgs::EnablePolicyType>(&input).await.map(drop)
}
