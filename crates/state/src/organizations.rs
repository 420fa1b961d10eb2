//! Organizations in memory: their rows, and who is where.

use std::collections::HashMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, LazyLock, OnceLock};

use fnv::FnvHashMap;
use rootward_names::{
    AccountId, AccountRequestId, HandshakeId, NodeId, OrganizationId, OrganizationPolicyId,
    ResponsibilityTransferId,
};
use rootward_policy::{Program, merged_rcps, merged_scps};
use rootward_store::Revision;
use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

use crate::codec::Row;
use crate::entities::{
    AccountRequest, Document, Handshake, HandshakeParty, HandshakeState, Membership, Organization,
    OrganizationNode, OrganizationPolicy, OrganizationPolicyType, ResponsibilityTransfer,
};
use crate::{Entry, NameKey, RowKey, Table};

/// One organization.
#[derive(Debug, Clone)]
pub struct OrganizationState {
    pub(crate) organization: Entry<Organization>,
    pub(crate) handshakes: Table<HandshakeId, Handshake>,
    pub(crate) members: Table<AccountId, Membership>,
    pub(crate) nodes: Table<NodeId, OrganizationNode>,
    pub(crate) policies: Table<OrganizationPolicyId, OrganizationPolicy>,
    pub(crate) requests: Table<AccountRequestId, AccountRequest>,
    pub(crate) transfers: Table<ResponsibilityTransferId, ResponsibilityTransfer>,
    children: RedBlackTreeSetSync<(NodeId, Target)>,
    targets: RedBlackTreeSetSync<(OrganizationPolicyId, Target)>,
    /// What binds in each node, from the root down to it. Each decision looks here; nobody chooses the ids.
    chains: Arc<FnvHashMap<NodeId, Chain>>,
    /// Of each account, what decisions ask of it: one look-up, beside that of its node.
    seats: RedBlackTreeMapSync<AccountId, Seat>,
    /// What binds accounts that have the policies that every account has at first.
    first_level: Arc<Levels>,
    /// Whether `chains` are to be noted anew when the commit is through.
    is_stale: bool,
}

/// Where an account is, and what is attached to it.
#[derive(Debug, Clone)]
struct Seat {
    node: NodeId,
    own: Arc<Levels>,
}

/// Where a node is.
#[derive(Debug)]
struct Chain {
    /// `o-…/r-…/ou-…/`
    path: Box<str>,
    /// From the root down to the node.
    levels: Levels,
}

/// Where an account is in its organization, and what is attached there.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// `o-…/r-…/ou-…/`, as condition keys have it; none where the node does not exist.
    pub path: Option<&'a str>,
    /// Whether it is the management account, which nothing binds.
    pub is_management: bool,
    /// From the root down to the node that the account is in.
    above: &'a Levels,
    own: &'a Levels,
}

impl<'a> Place<'a> {
    /// What binds the account, level by level from the root down to the account itself; none for the management account.
    pub fn levels(&self) -> Option<impl Iterator<Item = &'a Level> + use<'a>> {
        (!self.is_management).then(|| self.above.each.iter().chain(&self.own.each).map(|level| &**level))
    }

    /// The same, merged: to decide by, and not to tell why.
    pub fn merged(&self) -> Option<impl Iterator<Item = &'a Merged> + use<'a>> {
        (!self.is_management).then(|| [self.above, self.own].into_iter().map(Levels::merged))
    }
}

/// Of a node that does not exist: no policy allows anything there.
static NOWHERE: LazyLock<Levels> = LazyLock::new(|| Levels::of(vec![Arc::default()]));

/// Levels that follow one another.
#[derive(Debug)]
struct Levels {
    each: Vec<Arc<Level>>,
    /// Made when it is first asked for: most of the nodes of an organization are seldom decided in.
    merged: OnceLock<Merged>,
}

/// The policies of levels that follow one another, as few programs; see [`merged_scps`] and [`merged_rcps`].
#[derive(Debug)]
pub struct Merged {
    /// Service control policies.
    pub scps: Box<[Program]>,
    /// Resource control policies.
    pub rcps: Box<[Program]>,
}

impl Levels {
    fn of(each: Vec<Arc<Level>>) -> Self {
        Self { each, merged: OnceLock::new() }
    }

    fn merged(&self) -> &Merged {
        self.merged.get_or_init(|| Merged {
            scps: merged_scps(self.each.iter().map(|level| programs(&level.scps))),
            rcps: merged_rcps(self.each.iter().map(|level| programs(&level.rcps))),
        })
    }
}

fn programs(policies: &[BindingPolicy]) -> impl Iterator<Item = &Program> {
    policies.iter().map(|policy| &**policy.document.program())
}

/// The policies that are attached to one node or account, and bind whoever is in it; in the order in which they were attached.
#[derive(Debug, Default)]
pub struct Level {
    /// Service control policies.
    pub scps: Vec<BindingPolicy>,
    /// Resource control policies.
    pub rcps: Vec<BindingPolicy>,
}

/// A policy that binds.
#[derive(Debug)]
pub struct BindingPolicy {
    /// Its ARN.
    pub arn: Arc<str>,
    /// What it says.
    pub document: Document,
}

/// What policies are attached to, and what is in a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// An account.
    Account(AccountId),
    /// A root or unit.
    Node(NodeId),
}

/// Its id.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => account.fmt(f),
            Self::Node(node) => node.fmt(f),
        }
    }
}

/// Whom a handshake is put to, or whose responsibility is transferred; addresses are one ignoring case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipient {
    /// An account that is named, or has answered.
    Account(AccountId),
    /// Whoever has an address.
    Email(NameKey),
}

impl From<&HandshakeParty> for Recipient {
    fn from(party: &HandshakeParty) -> Self {
        match party {
            HandshakeParty::Account(account) => Self::Account(*account),
            HandshakeParty::Email(email) => Self::Email(NameKey::new(email)),
        }
    }
}

impl Recipient {
    /// Those of one handshake. Whoever has taken it back is none.
    fn of(row: &Handshake) -> impl Iterator<Item = Self> + use<> {
        let named = Self::from(&row.to);
        let answered = row.answer.filter(|_| row.state != HandshakeState::Canceled);
        let answered = answered.map(|answer| Self::Account(answer.by)).filter(|by| *by != named);
        [Some(named), answered].into_iter().flatten()
    }
}

/// Organizations that change, taken out once, however many of their rows do.
pub(crate) type Open = HashMap<OrganizationId, OrganizationState>;

/// All organizations, which account is in which, and what they keep that concerns others.
#[derive(Debug, Clone)]
pub(crate) struct Organizations {
    all: RedBlackTreeMapSync<OrganizationId, Arc<OrganizationState>>,
    member_of: RedBlackTreeMapSync<AccountId, OrganizationId>,
    handshakes: Kept<HandshakeId>,
    transfers: Kept<ResponsibilityTransferId>,
}

/// Which organization keeps what, and whom it concerns.
#[derive(Debug, Clone)]
struct Kept<I: Ord> {
    by: RedBlackTreeMapSync<I, OrganizationId>,
    put_to: RedBlackTreeMapSync<Recipient, RedBlackTreeSetSync<(I, OrganizationId)>>,
}

impl<I: Clone + Ord> Kept<I> {
    fn new() -> Self {
        Self { by: RedBlackTreeMapSync::new_sync(), put_to: RedBlackTreeMapSync::new_sync() }
    }

    fn put_to<'a>(
        &'a self,
        recipient: &Recipient,
    ) -> impl Iterator<Item = &'a (I, OrganizationId)> + use<'a, I> {
        self.put_to.get(recipient).into_iter().flatten()
    }

    fn insert(&mut self, id: &I, organization: &OrganizationId, recipients: impl Iterator<Item = Recipient>) {
        self.by.insert_mut(id.clone(), organization.clone());
        for recipient in recipients {
            let known = self.put_to.get(&recipient).cloned().unwrap_or_default();
            self.put_to.insert_mut(recipient, known.insert((id.clone(), organization.clone())));
        }
    }

    fn remove(&mut self, id: &I, organization: &OrganizationId, recipients: impl Iterator<Item = Recipient>) {
        if self.by.get(id) == Some(organization) {
            self.by.remove_mut(id);
        }
        let entry = (id.clone(), organization.clone());
        for recipient in recipients {
            let Some(known) = self.put_to.get(&recipient).map(|known| known.remove(&entry)) else { continue };
            if known.is_empty() {
                self.put_to.remove_mut(&recipient);
            } else {
                self.put_to.insert_mut(recipient, known);
            }
        }
    }
}

impl OrganizationState {
    fn new(organization: Entry<Organization>) -> Self {
        let mut state = Self {
            organization,
            handshakes: Table::default(),
            members: Table::default(),
            nodes: Table::default(),
            policies: Table::default(),
            requests: Table::default(),
            transfers: Table::default(),
            children: RedBlackTreeSetSync::new_sync(),
            targets: RedBlackTreeSetSync::new_sync(),
            chains: Arc::default(),
            seats: RedBlackTreeMapSync::new_sync(),
            first_level: Arc::new(Levels::of(Vec::new())),
            is_stale: true,
        };
        state.first_level = state.levels(&first());
        state
    }

    /// The organization's own row.
    pub fn organization(&self) -> &Arc<Organization> {
        &self.organization.row
    }

    /// The accounts in it, the management account among them, by id.
    pub fn members(&self) -> &Table<AccountId, Membership> {
        &self.members
    }

    /// One account's place.
    pub fn member(&self, account: AccountId) -> Option<&Arc<Membership>> {
        self.members.get(&account)
    }

    /// Whether an account manages it.
    pub fn is_management(&self, account: AccountId) -> bool {
        self.organization.row.management == account
    }

    /// Whether an account administers a service for it.
    pub fn is_delegated_administrator(&self, account: AccountId) -> bool {
        self.member(account).is_some_and(|member| !member.delegated.is_empty())
    }

    /// Whether an account administers this service for it.
    pub fn administers(&self, account: AccountId, service: &str) -> bool {
        let member = self.member(account);
        member.is_some_and(|member| member.delegated.iter().any(|delegated| &*delegated.principal == service))
    }

    /// Its root and units, by id.
    pub fn nodes(&self) -> &Table<NodeId, OrganizationNode> {
        &self.nodes
    }

    /// One of them.
    pub fn node(&self, id: &NodeId) -> Option<&Arc<OrganizationNode>> {
        self.nodes.get(id)
    }

    /// Its own policies, by id.
    pub fn policies(&self) -> &Table<OrganizationPolicyId, OrganizationPolicy> {
        &self.policies
    }

    /// A policy, its own or one that AWS attaches.
    pub fn policy(&self, id: &OrganizationPolicyId) -> Option<&OrganizationPolicy> {
        let of_aws = || OrganizationPolicy::of_aws().iter().find(|policy| policy.id == *id);
        self.policies.get(id).map(|policy| &**policy).or_else(of_aws)
    }

    /// What was asked to be opened in it, by id.
    pub fn account_requests(&self) -> &Table<AccountRequestId, AccountRequest> {
        &self.requests
    }

    /// Its handshakes, by id.
    pub fn handshakes(&self) -> &Table<HandshakeId, Handshake> {
        &self.handshakes
    }

    /// What other organizations transfer to it, or are asked to, by id.
    pub fn transfers(&self) -> &Table<ResponsibilityTransferId, ResponsibilityTransfer> {
        &self.transfers
    }

    /// What is directly in a node after `after`: accounts by id, then units by id.
    pub fn children_after<'a>(
        &'a self,
        node: &NodeId,
        after: Option<&Target>,
    ) -> impl Iterator<Item = &'a Target> + use<'a> {
        let first = Target::Account(AccountId::MIN);
        let (node, from) = (node.clone(), (node.clone(), after.cloned().unwrap_or(first)));
        let from = if after.is_some() { Bound::Excluded(from) } else { Bound::Included(from) };
        let children = self.children.range((from, Bound::Unbounded));
        children.take_while(move |(of, _)| *of == node).map(|(_, child)| child)
    }

    /// What a policy is attached to after `after`: accounts by id, then nodes by id.
    pub fn targets_after<'a>(
        &'a self,
        policy: &OrganizationPolicyId,
        after: Option<&Target>,
    ) -> impl Iterator<Item = &'a Target> + use<'a> {
        let first = Target::Account(AccountId::MIN);
        let (policy, from) = (policy.clone(), (policy.clone(), after.cloned().unwrap_or(first)));
        let from = if after.is_some() { Bound::Excluded(from) } else { Bound::Included(from) };
        let targets = self.targets.range((from, Bound::Unbounded));
        targets.take_while(move |(of, _)| *of == policy).map(|(_, target)| target)
    }

    /// The nodes above an account, from the one that it is in up to the root.
    pub fn above(&self, account: AccountId) -> impl Iterator<Item = &Arc<OrganizationNode>> {
        let first = self.member(account).and_then(|member| self.node(&member.parent));
        self.up_from(first)
    }

    /// A node and those above it, up to the root.
    pub fn up<'a>(&'a self, node: &NodeId) -> impl Iterator<Item = &'a Arc<OrganizationNode>> + use<'a> {
        self.up_from(self.node(node))
    }

    fn up_from<'a>(
        &'a self,
        first: Option<&'a Arc<OrganizationNode>>,
    ) -> impl Iterator<Item = &'a Arc<OrganizationNode>> + use<'a> {
        // Nodes are moved nowhere, so a chain has no circle; a damaged one must not hang the server.
        std::iter::successors(first, |node| self.node(node.parent.as_ref()?)).take(NODES_MAX)
    }

    /// What the policies of one of an account's levels are attached to, 0 being the root; behind all nodes it is the account itself.
    pub fn target_at(&self, account: AccountId, level: usize) -> Option<Target> {
        let mut targets: Vec<_> = self.above(account).map(|node| Target::Node(node.id.clone())).collect();
        targets.reverse();
        targets.push(Target::Account(account));
        targets.into_iter().nth(level)
    }

    /// Where an account of the organization is. Who needs more than one of its answers asks once: it takes two look-ups.
    pub fn place(&self, account: AccountId) -> Option<Place<'_>> {
        let Seat { node, own } = self.seats.get(&account)?;
        let chain = self.chains.get(node);
        Some(Place {
            path: chain.map(|chain| &*chain.path),
            above: chain.map_or(&*NOWHERE, |chain| &chain.levels),
            own,
            is_management: self.is_management(account),
        })
    }

    /// The path of an account as condition keys have it: `o-…/r-…/ou-…/`.
    pub fn path(&self, account: AccountId) -> Option<&str> {
        self.place(account)?.path
    }

    /// Whether policies of this type are in force.
    pub fn is_in_force(&self, kind: &OrganizationPolicyType) -> bool {
        self.organization.row.policy_types.contains(kind)
    }

    fn level(&self, attached: &[OrganizationPolicyId]) -> Arc<Level> {
        let (mut scps, mut rcps) = (Vec::new(), Vec::new());
        for policy in attached.iter().filter_map(|id| self.policy(id)) {
            let organization = &self.organization.row;
            let arn = policy.arn(organization.partition, &organization.id, organization.management).into();
            let binding = BindingPolicy { arn, document: policy.document.clone() };
            match policy.kind {
                OrganizationPolicyType::ServiceControl => scps.push(binding),
                OrganizationPolicyType::ResourceControl => rcps.push(binding),
                OrganizationPolicyType::Management(_) => {}
            }
        }
        Arc::new(Level { scps, rcps })
    }

    fn levels(&self, attached: &[OrganizationPolicyId]) -> Arc<Levels> {
        Arc::new(Levels::of(vec![self.level(attached)]))
    }

    /// Notes anew what binds in each node. A thousand nodes take less than a millisecond.
    fn chain(&mut self) {
        let own: HashMap<&NodeId, Arc<Level>> =
            self.nodes.iter().map(|(id, node)| (id, self.level(&node.policies))).collect();
        let chain = |id: &NodeId| {
            let mut nodes: Vec<_> = self.up(id).collect();
            nodes.reverse();
            let mut path = format!("{}/", self.organization.row.id);
            nodes.iter().for_each(|node| path.extend([node.id.as_str(), "/"]));
            let levels = nodes.iter().filter_map(|node| own.get(&node.id)).map(Arc::clone).collect();
            Chain { path: path.into(), levels: Levels::of(levels) }
        };
        self.chains = Arc::new(self.nodes.iter().map(|(id, _)| (id.clone(), chain(id))).collect());
    }

    /// Notes anew where an account is, and what is attached to it.
    fn note_seat(&mut self, account: AccountId) {
        let Some(member) = self.members.get(&account) else {
            self.seats.remove_mut(&account);
            return;
        };
        let own = match is_first(&member.policies) {
            true => Arc::clone(&self.first_level),
            false => self.levels(&member.policies),
        };
        let node = member.parent.clone();
        self.seats.insert_mut(account, Seat { node, own });
    }

    fn apply(&mut self, key: RowKey, row: Option<Row>, revision: Revision) {
        self.is_stale |= matches!(key, RowKey::OrganizationNode(..) | RowKey::OrganizationPolicy(..));
        match (key, row) {
            (RowKey::Organization(_), Some(Row::Organization(row))) => {
                self.organization = Entry { revision, row };
            }
            (RowKey::OrganizationNode(_, id), row) => {
                let row = match row {
                    Some(Row::OrganizationNode(row)) => Some(row),
                    _ => None,
                };
                let place = |row: &OrganizationNode| (row.parent.clone(), row.policies.clone());
                let (old, new) = (self.nodes.get(&id).map(|row| place(row)), row.as_deref().map(place));
                self.moved(&Target::Node(id.clone()), old, new);
                match row {
                    Some(row) => self.nodes.insert(id, Entry { revision, row }),
                    None => self.nodes.remove(&id),
                }
            }
            (RowKey::Membership(id), row) => {
                let row = match row {
                    Some(Row::Membership(row)) => Some(row),
                    _ => None,
                };
                let place = |row: &Membership| (Some(row.parent.clone()), row.policies.clone());
                let (old, new) = (self.members.get(&id).map(|row| place(row)), row.as_deref().map(place));
                self.moved(&Target::Account(id), old, new);
                match row {
                    Some(row) => self.members.insert(id, Entry { revision, row }),
                    None => self.members.remove(&id),
                }
                self.note_seat(id);
            }
            (RowKey::OrganizationPolicy(_, id), row) => {
                match row {
                    Some(Row::OrganizationPolicy(row)) => {
                        self.policies.insert(id.clone(), Entry { revision, row });
                    }
                    _ => self.policies.remove(&id),
                }
                let accounts = self.targets_after(&id, None).map_while(|target| match target {
                    Target::Account(account) => Some(*account),
                    Target::Node(_) => None,
                });
                let accounts: Vec<_> = accounts.collect();
                accounts.into_iter().for_each(|account| self.note_seat(account));
            }
            (RowKey::AccountRequest(_, id), Some(Row::AccountRequest(row))) => {
                self.requests.insert(id, Entry { revision, row });
            }
            (RowKey::AccountRequest(_, id), _) => self.requests.remove(&id),
            (RowKey::Handshake(_, id), Some(Row::Handshake(row))) => {
                self.handshakes.insert(id, Entry { revision, row });
            }
            (RowKey::Handshake(_, id), _) => self.handshakes.remove(&id),
            (RowKey::ResponsibilityTransfer(_, id), Some(Row::ResponsibilityTransfer(row))) => {
                self.transfers.insert(id, Entry { revision, row });
            }
            (RowKey::ResponsibilityTransfer(_, id), _) => self.transfers.remove(&id),
            _ => {}
        }
    }

    /// Notes where `target` is now, and what is attached to it.
    fn moved(&mut self, target: &Target, old: Option<Attachments>, new: Option<Attachments>) {
        if let Some((parent, policies)) = old {
            if let Some(parent) = parent {
                self.children.remove_mut(&(parent, target.clone()));
            }
            for policy in policies {
                self.targets.remove_mut(&(policy, target.clone()));
            }
        }
        if let Some((parent, policies)) = new {
            if let Some(parent) = parent {
                self.children.insert_mut((parent, target.clone()));
            }
            for policy in policies {
                self.targets.insert_mut((policy, target.clone()));
            }
        }
    }
}

/// What is attached to every node and account at first.
fn first() -> Vec<OrganizationPolicyId> {
    OrganizationPolicy::of_aws().iter().map(|policy| policy.id.clone()).collect()
}

fn is_first(attached: &[OrganizationPolicyId]) -> bool {
    attached.iter().eq(OrganizationPolicy::of_aws().iter().map(|policy| &policy.id))
}

/// Where something is, and what is attached to it.
type Attachments = (Option<NodeId>, Vec<OrganizationPolicyId>);

/// More levels than an organization can have.
const NODES_MAX: usize = 16;

impl Default for Organizations {
    fn default() -> Self {
        Self {
            all: RedBlackTreeMapSync::new_sync(),
            member_of: RedBlackTreeMapSync::new_sync(),
            handshakes: Kept::new(),
            transfers: Kept::new(),
        }
    }
}

impl Organizations {
    pub(crate) fn get(&self, id: &OrganizationId) -> Option<&Arc<OrganizationState>> {
        self.all.get(id)
    }

    pub(crate) fn of(&self, account: AccountId) -> Option<&Arc<OrganizationState>> {
        self.get(self.member_of.get(&account)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<OrganizationState>> {
        self.all.values()
    }

    /// The transfer with an id, with the organization that takes over.
    pub(crate) fn transfer(
        &self,
        id: &ResponsibilityTransferId,
    ) -> Option<(&Arc<OrganizationState>, &Arc<ResponsibilityTransfer>)> {
        let state = self.get(self.transfers.by.get(id)?)?;
        Some((state, state.transfers.get(id)?))
    }

    /// The handshake with an id, with its organization.
    pub(crate) fn handshake(&self, id: &HandshakeId) -> Option<(&Arc<OrganizationState>, &Arc<Handshake>)> {
        let state = self.get(self.handshakes.by.get(id)?)?;
        Some((state, state.handshakes.get(id)?))
    }

    /// What somebody transfers, by id, with the organization that takes over.
    pub(crate) fn transfers_of<'a>(
        &'a self,
        source: &Recipient,
    ) -> impl Iterator<Item = (&'a Arc<OrganizationState>, &'a Arc<ResponsibilityTransfer>)> + use<'a> {
        self.transfers.put_to(source).filter_map(|(id, organization)| {
            let state = self.get(organization)?;
            Some((state, state.transfers.get(id)?))
        })
    }

    /// What is put to somebody, by id.
    pub(crate) fn handshakes_of<'a>(
        &'a self,
        recipient: &Recipient,
    ) -> impl Iterator<Item = (&'a Arc<OrganizationState>, &'a Arc<Handshake>)> + use<'a> {
        self.handshakes.put_to(recipient).filter_map(|(id, organization)| {
            let state = self.get(organization)?;
            Some((state, state.handshakes.get(id)?))
        })
    }

    /// Notes whose a row is and whom it concerns now, and forgets whom it did.
    fn note_recipients(
        &mut self,
        open: &Open,
        organization: &OrganizationId,
        key: &RowKey,
        row: Option<&Row>,
    ) {
        let state = open.get(organization).or_else(|| self.all.get(organization).map(|state| &**state));
        match key {
            RowKey::Handshake(_, id) => {
                if let Some(old) = state.and_then(|state| state.handshakes.get(id)).cloned() {
                    self.handshakes.remove(id, organization, Recipient::of(&old));
                }
                if let Some(Row::Handshake(row)) = row {
                    self.handshakes.insert(id, organization, Recipient::of(row));
                }
            }
            RowKey::ResponsibilityTransfer(_, id) => {
                if let Some(old) = state.and_then(|state| state.transfers.get(id)).cloned() {
                    self.transfers.remove(id, organization, std::iter::once(Recipient::from(&old.source)));
                }
                if let Some(Row::ResponsibilityTransfer(row)) = row {
                    self.transfers.insert(id, organization, std::iter::once(Recipient::from(&row.source)));
                }
            }
            _ => {}
        }
    }

    /// Puts or removes a row.
    pub(crate) fn apply(
        &mut self,
        open: &mut Open,
        key: RowKey,
        row: Option<Row>,
        revision: Revision,
    ) -> Result<(), &'static str> {
        let Some(id) = self.organization_of(&key, row.as_ref()) else { return Ok(()) };
        self.note_recipients(open, &id, &key, row.as_ref());
        if matches!((&key, &row), (RowKey::Organization(_), None)) {
            let state = open.get(&id).or_else(|| self.all.get(&id).map(|state| &**state));
            let handshakes = state.iter().flat_map(|state| state.handshakes.iter());
            let transfers = state.iter().flat_map(|state| state.transfers.iter());
            let left: Vec<RowKey> = handshakes
                .map(|(handshake, _)| RowKey::Handshake(id.clone(), handshake.clone()))
                .chain(
                    transfers
                        .map(|(transfer, _)| RowKey::ResponsibilityTransfer(id.clone(), transfer.clone())),
                )
                .collect();
            left.iter().for_each(|key| self.note_recipients(open, &id, key, None));
            open.remove(&id);
            self.all.remove_mut(&id);
            return Ok(());
        }
        if let RowKey::Membership(account) = key {
            let left = self.member_of.get(&account).filter(|old| row.is_none() || **old != id).cloned();
            if let Some(left) = left {
                self.member_of.remove_mut(&account);
                if let Some(state) = self.opened(open, &left) {
                    state.apply(key.clone(), None, revision);
                }
            }
            if row.is_none() {
                return Ok(());
            }
            self.member_of.insert_mut(account, id.clone());
        }
        if let (RowKey::Organization(_), Some(Row::Organization(organization))) = (&key, &row)
            && self.opened(open, &id).is_none()
        {
            let entry = Entry { revision, row: Arc::clone(organization) };
            open.insert(id.clone(), OrganizationState::new(entry));
        }
        match (self.opened(open, &id), &row) {
            (Some(state), _) => state.apply(key, row, revision),
            // The organization went in the same commit.
            (None, None) => {}
            (None, Some(_)) => return Err("its organization does not exist"),
        }
        Ok(())
    }

    pub(crate) fn close(&mut self, open: Open) {
        for (id, mut state) in open {
            if std::mem::take(&mut state.is_stale) {
                state.chain();
            }
            self.all.insert_mut(id, Arc::new(state));
        }
    }

    fn opened<'o>(&self, open: &'o mut Open, id: &OrganizationId) -> Option<&'o mut OrganizationState> {
        if !open.contains_key(id) {
            open.insert(id.clone(), OrganizationState::clone(self.all.get(id)?));
        }
        open.get_mut(id)
    }

    fn organization_of(&self, key: &RowKey, row: Option<&Row>) -> Option<OrganizationId> {
        match (key, row) {
            (
                RowKey::AccountRequest(id, _)
                | RowKey::Handshake(id, _)
                | RowKey::Organization(id)
                | RowKey::OrganizationNode(id, _)
                | RowKey::OrganizationPolicy(id, _)
                | RowKey::ResponsibilityTransfer(id, _),
                _,
            ) => Some(id.clone()),
            (RowKey::Membership(_), Some(Row::Membership(row))) => Some(row.organization.clone()),
            (RowKey::Membership(account), _) => self.member_of.get(account).cloned(),
            _ => None,
        }
    }
}
