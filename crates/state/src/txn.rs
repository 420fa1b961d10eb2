//! Transactions: what an operation read and what it wants to write.

use std::collections::BTreeMap;
use std::sync::Arc;

use rootward_names::{AccessKeyId, AccountId};
use rootward_store::{COMMIT_BYTES_MAX, Commit, Guard, Revision, Write};

use crate::alerts::{AlertCursor, AlertTarget};
use crate::codec::Row;
use crate::entities::{
    AccessKey, Account, AccountRequest, AccountSettings, CredentialReport, Group, GuardPolicy, Handshake,
    InstanceProfile, LoginProfile, ManagedPolicy, Membership, MfaDevice, Organization, OrganizationNode,
    OrganizationPolicy, PasswordPolicy, ResponsibilityTransfer, Role, RootAccess, RootGuard, SignInSession,
    Usage, User,
};
use crate::world::Tabled;
use crate::{AccountState, Entry, NameKey, OutboxId, RowKey, World};

/// What is kept free for the record of the call: without parameters that are large.
const RECORD_BYTES: usize = 64 * 1_024;

/// One optimistic transaction over a snapshot.
///
/// Reads through the `get` family are guarded: the commit is refused when such a row has changed since, also from
/// absent to present. Reads through [`Txn::world`] and [`Txn::view`] are not: use them to list, to count against
/// quotas and to follow references, and rewrite a row that both sides read when an invariant spans two rows.
/// A transaction sees its own writes through the `get` family only.
#[derive(Debug)]
pub struct Txn {
    world: Arc<World>,
    guards: BTreeMap<RowKey, Revision>,
    writes: BTreeMap<RowKey, Option<Row>>,
    /// Audit records, in the order in which they were added.
    records: Vec<(OutboxId, Arc<[u8]>)>,
}

/// How often a transaction is run again when its commit lost a race. Each lost race means that somebody else's succeeded.
pub const ATTEMPTS_MAX: usize = 64;

/// A kind of row a transaction can read and write.
pub trait Stored: Sized {
    #[doc(hidden)]
    fn find<'w>(world: &'w World, key: &RowKey) -> Option<&'w Entry<Self>>;
    #[doc(hidden)]
    fn wrap(row: Arc<Self>) -> RowBox;
    #[doc(hidden)]
    fn unwrap(row: &RowBox) -> Option<&Arc<Self>>;
}

/// A row of any kind.
#[doc(hidden)]
pub struct RowBox(Row);

fn state(world: &World, account: Option<AccountId>) -> Option<&AccountState> {
    world.account(account?).map(|state| &**state)
}

macro_rules! stored {
    ($($entity:ident as $variant:ident: |$world:ident, $key:ident| $find:expr;)*) => {$(
        impl Stored for $entity {
            fn find<'w>($world: &'w World, $key: &RowKey) -> Option<&'w Entry<Self>> { $find }
            fn wrap(row: Arc<Self>) -> RowBox { RowBox(Row::$variant(row)) }
            fn unwrap(row: &RowBox) -> Option<&Arc<Self>> {
                match &row.0 { Row::$variant(row) => Some(row), _ => None }
            }
        }
    )*};
}

fn find_entity<'w, T: Tabled>(world: &'w World, key: &RowKey) -> Option<&'w Entry<T>> {
    match key {
        RowKey::Entity(account, kind, name) if *kind == T::KIND => {
            T::table(state(world, Some(*account))?).entry(name)
        }
        _ => None,
    }
}

stored! {
    AccessKey as AccessKey: |world, key| match key {
        RowKey::AccessKey(id) => state(world, id.account())?.access_keys.entry(id),
        _ => None,
    };
    Account as Account: |world, key| match key {
        RowKey::Account(id) => state(world, Some(*id)).map(|state| &state.account),
        _ => None,
    };
    AccountRequest as AccountRequest: |world, key| match key {
        RowKey::AccountRequest(organization, id) => world.organization(organization)?.requests.entry(id),
        _ => None,
    };
    AlertCursor as AlertCursor: |world, key| match key {
        RowKey::AlertCursor(target) => world.alerts.cursors.entry(target),
        _ => None,
    };
    AlertTarget as AlertTarget: |world, key| match key {
        RowKey::AlertTarget(name) => world.alerts.targets.entry(name),
        _ => None,
    };
    CredentialReport as CredentialReport: |world, key| match key {
        RowKey::CredentialReport(account) => state(world, Some(*account))?.credential_report.as_ref(),
        _ => None,
    };
    AccountSettings as AccountSettings: |world, key| match key {
        RowKey::AccountSettings(id) => state(world, Some(*id))?.settings.as_ref(),
        _ => None,
    };
    Group as Group: |world, key| find_entity(world, key);
    GuardPolicy as GuardPolicy: |world, key| match key {
        RowKey::GuardPolicy(id) => state(world, Some(*id))?.guard_policy.as_ref(),
        _ => None,
    };
    Handshake as Handshake: |world, key| match key {
        RowKey::Handshake(organization, id) => world.organization(organization)?.handshakes.entry(id),
        _ => None,
    };
    InstanceProfile as InstanceProfile: |world, key| find_entity(world, key);
    LoginProfile as LoginProfile: |world, key| match key {
        RowKey::LoginProfile(account, user) => state(world, Some(*account))?.login_profiles.entry(user),
        _ => None,
    };
    ManagedPolicy as Policy: |world, key| find_entity(world, key);
    Membership as Membership: |world, key| match key {
        RowKey::Membership(account) => world.organization_of(*account)?.members.entry(account),
        _ => None,
    };
    MfaDevice as MfaDevice: |world, key| match key {
        RowKey::MfaDevice(account, id) => state(world, Some(*account))?.mfa_devices.entry(id),
        _ => None,
    };
    Organization as Organization: |world, key| match key {
        RowKey::Organization(id) => world.organization(id).map(|state| &state.organization),
        _ => None,
    };
    OrganizationNode as OrganizationNode: |world, key| match key {
        RowKey::OrganizationNode(organization, id) => world.organization(organization)?.nodes.entry(id),
        _ => None,
    };
    OrganizationPolicy as OrganizationPolicy: |world, key| match key {
        RowKey::OrganizationPolicy(organization, id) => world.organization(organization)?.policies.entry(id),
        _ => None,
    };
    PasswordPolicy as PasswordPolicy: |world, key| match key {
        RowKey::PasswordPolicy(account) => state(world, Some(*account))?.password_policy.as_ref(),
        _ => None,
    };
    ResponsibilityTransfer as ResponsibilityTransfer: |world, key| match key {
        RowKey::ResponsibilityTransfer(organization, id) => world.organization(organization)?.transfers.entry(id),
        _ => None,
    };
    Role as Role: |world, key| find_entity(world, key);
    RootAccess as RootAccess: |world, key| match key {
        RowKey::RootAccess(account, id) => state(world, Some(*account))?.root_accesses.entry(id),
        _ => None,
    };
    RootGuard as RootGuard: |world, key| match key {
        RowKey::RootGuard(account) => state(world, Some(*account))?.root_guard.as_ref(),
        _ => None,
    };
    SignInSession as Session: |world, key| match key {
        RowKey::Session(account, id) => state(world, Some(*account))?.sessions.entry(id),
        _ => None,
    };
    Usage as Usage: |world, key| match key {
        RowKey::KeyUsage(id) => state(world, id.account())?.usage.entry(key),
        RowKey::RoleUsage(account, _) => state(world, Some(*account))?.usage.entry(key),
        _ => None,
    };
    User as User: |world, key| find_entity(world, key);
}

impl Txn {
    /// Starts on a snapshot.
    pub fn new(world: Arc<World>) -> Self {
        Self { world, guards: BTreeMap::new(), writes: BTreeMap::new(), records: Vec::new() }
    }

    /// The snapshot, unguarded and without this transaction's writes.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// One account of the snapshot, unguarded and without this transaction's writes.
    pub fn view(&self, account: AccountId) -> Option<Arc<AccountState>> {
        self.world.account(account).cloned()
    }

    /// The row under `key`, guarded.
    pub fn get<T: Stored>(&mut self, key: RowKey) -> Option<Arc<T>> {
        if let Some(written) = self.writes.get(&key) {
            return written.clone().and_then(|row| T::unwrap(&RowBox(row)).cloned());
        }
        let found = T::find(&self.world, &key);
        self.guards.insert(key, found.map_or(0, |entry| entry.revision));
        found.map(|entry| Arc::clone(&entry.row))
    }

    /// The account's own row, guarded.
    pub fn account(&mut self, id: AccountId) -> Option<Arc<Account>> {
        self.get(RowKey::Account(id))
    }

    /// The entity called `name`, ignoring case, guarded: also its absence is.
    pub fn named<T: Stored + Tabled>(&mut self, account: AccountId, name: &str) -> Option<Arc<T>> {
        self.get(RowKey::Entity(account, T::KIND, NameKey::new(name)))
    }

    /// The access key, guarded.
    pub fn access_key(&mut self, id: AccessKeyId) -> Option<Arc<AccessKey>> {
        self.get(RowKey::AccessKey(id))
    }

    /// Who has taken an e-mail address or alias, guarded: also its being free is.
    pub fn owner(&mut self, key: RowKey) -> Option<AccountId> {
        match self.writes.get(&key) {
            Some(Some(Row::Owner(owner))) => return Some(*owner),
            Some(_) => return None,
            None => {}
        }
        let found = self.world.owners.entry(&key);
        self.guards.insert(key, found.map_or(0, |entry| entry.revision));
        found.map(|entry| *entry.row)
    }

    /// Writes a row under `key`.
    pub fn put<T: Stored>(&mut self, key: RowKey, row: impl Into<Arc<T>>) {
        self.writes.insert(key, Some(T::wrap(row.into()).0));
    }

    /// Writes an entity under its own name.
    pub fn put_entity<T: Stored + Tabled>(&mut self, account: AccountId, row: impl Into<Arc<T>>) {
        let row = row.into();
        self.put::<T>(RowKey::Entity(account, T::KIND, NameKey::new(row.name())), row);
    }

    /// Takes an e-mail address or alias for `account`.
    pub fn put_owner(&mut self, key: RowKey, account: AccountId) {
        self.writes.insert(key, Some(Row::Owner(account)));
    }

    /// Adds an audit record to the outbox, from where the records of a commit go on in the order in which they were added.
    pub fn put_outbox(&mut self, id: OutboxId, record: &[u8]) {
        self.records.push((id, record.into()));
    }

    /// Notes how far the audit log reaches.
    pub fn put_trail_head(&mut self, head: &[u8]) {
        self.writes.insert(RowKey::TrailHead, Some(Row::Raw(head.into())));
    }

    /// Removes a row.
    pub fn delete(&mut self, key: RowKey) {
        self.writes.insert(key, None);
    }

    /// Removes the entity called `name`.
    pub fn delete_entity<T: Tabled>(&mut self, account: AccountId, name: &str) {
        self.delete(RowKey::Entity(account, T::KIND, NameKey::new(name)));
    }

    /// Whether there is anything to commit.
    pub fn is_read_only(&self) -> bool {
        self.writes.is_empty() && self.records.is_empty()
    }

    /// Whether what is written and read so far fits in one commit of the store, with room for the call's own record. It costs as much as
    /// encoding it.
    pub fn fits(&self) -> bool {
        let guards: usize = self.guards.keys().map(|key| key.encode().len()).sum();
        let rows: usize = self
            .writes
            .iter()
            .map(|(key, row)| key.encode().len() + row.as_ref().map_or(0, |row| row.encode().len()))
            .sum();
        let records: usize = self.records.iter().map(|(_, record)| record.len()).sum();
        guards + rows + records + RECORD_BYTES < COMMIT_BYTES_MAX
    }

    /// What the store is asked to do. Writes are in key order, so an account precedes what is in it, and a rename
    /// may remove the old name before or after it writes the new one; `World` copes with both. Behind them are the audit records, whose
    /// keys would order them by chance.
    pub(crate) fn into_commit(self) -> Commit {
        let guards = self.guards.iter().map(|(key, seen)| Guard { key: key.encode(), seen: *seen }).collect();
        let mut writes: Vec<_> = self
            .writes
            .iter()
            .map(|(key, row)| Write { key: key.encode(), value: row.as_ref().map(Row::encode) })
            .collect();
        writes.sort_by(|a, b| a.key.cmp(&b.key));
        writes.extend(self.records.into_iter().map(|(id, record)| Write {
            key: RowKey::Outbox(id).encode(),
            value: Some(Row::Raw(record).encode()),
        }));
        Commit { guards, writes }
    }
}
