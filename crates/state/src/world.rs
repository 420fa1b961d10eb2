//! The World: every row that matters to a decision, in memory, immutable, with the indexes derived from them.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use rootward_names::{
    AccessKeyId, AccountId, Arn, EntityKind, Handle, HandshakeId, OrganizationId, Partition,
    ResponsibilityTransferId, Time, UniqueId,
};
use rootward_store::{Change, Revision};
use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

use crate::alerts::{AlertCursor, AlertTables, AlertTarget};
use crate::codec::{CorruptRow, Row};
use crate::entities::{
    AccessKey, Account, AccountSettings, CredentialOwner, CredentialReport, Group, GuardPolicy, Handshake,
    InstanceProfile, LoginProfile, ManagedPolicy, MfaDevice, Named, PasswordPolicy, PolicyRef,
    ResponsibilityTransfer, Role, RootAccess, RootGuard, SignInSession, Usage, User,
};
use crate::organizations::{Open, OrganizationState, Organizations, Recipient};
use crate::{Entry, NameKey, RowKey, Table};

/// Everything, at one revision.
#[derive(Debug, Clone)]
pub struct World {
    pub(crate) revision: Revision,
    accounts: RedBlackTreeMapSync<AccountId, Arc<AccountState>>,
    pub(crate) alerts: AlertTables,
    organizations: Organizations,
    pub(crate) owners: Table<RowKey, AccountId>,
    trail_head: Option<Arc<[u8]>>,
}

/// One account: its rows by name, and who refers to what.
#[derive(Debug, Clone)]
pub struct AccountState {
    pub(crate) account: Entry<Account>,
    pub(crate) access_keys: Table<AccessKeyId, AccessKey>,
    pub(crate) credential_report: Option<Entry<CredentialReport>>,
    pub(crate) groups: Table<NameKey, Group>,
    pub(crate) guard_policy: Option<Entry<GuardPolicy>>,
    pub(crate) instance_profiles: Table<NameKey, InstanceProfile>,
    pub(crate) login_profiles: Table<UniqueId, LoginProfile>,
    pub(crate) mfa_devices: Table<Box<str>, MfaDevice>,
    pub(crate) password_policy: Option<Entry<PasswordPolicy>>,
    pub(crate) policies: Table<NameKey, ManagedPolicy>,
    pub(crate) roles: Table<NameKey, Role>,
    pub(crate) root_accesses: Table<Handle, RootAccess>,
    pub(crate) root_guard: Option<Entry<RootGuard>>,
    pub(crate) sessions: Table<Handle, SignInSession>,
    pub(crate) settings: Option<Entry<AccountSettings>>,
    pub(crate) users: Table<NameKey, User>,
    pub(crate) usage: Table<RowKey, Usage>,
    names: RedBlackTreeMapSync<UniqueId, NameKey>,
    referrers: RedBlackTreeMapSync<Link, RedBlackTreeSetSync<UniqueId>>,
    factors: RedBlackTreeSetSync<(CredentialOwner, Box<str>)>,
}

/// A reference from one entity to another, by what it means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    Attached(PolicyRef),
    Boundary(PolicyRef),
    Member(UniqueId),
    ProfileRole(UniqueId),
}

/// An entity kept in a table of its account.
pub trait Tabled: Named + Sized {
    /// The table of an account that holds this kind.
    fn table(account: &AccountState) -> &Table<NameKey, Self>;
    #[doc(hidden)]
    fn table_mut(account: &mut AccountState) -> &mut Table<NameKey, Self>;
    #[doc(hidden)]
    fn links(&self, each: &mut dyn FnMut(LinkTo<'_>));
}

/// A reference as [`Tabled::links`] shows it.
#[doc(hidden)]
pub enum LinkTo<'a> {
    Attached(&'a PolicyRef),
    Boundary(&'a PolicyRef),
    Member(UniqueId),
    ProfileRole(UniqueId),
}

impl LinkTo<'_> {
    fn owned(&self) -> Link {
        match self {
            Self::Attached(policy) => Link::Attached((*policy).clone()),
            Self::Boundary(policy) => Link::Boundary((*policy).clone()),
            Self::Member(group) => Link::Member(*group),
            Self::ProfileRole(role) => Link::ProfileRole(*role),
        }
    }
}

macro_rules! tabled {
    ($($entity:ident in $table:ident: |$row:ident, $each:ident| $links:block)*) => {$(
        impl Tabled for $entity {
            fn table(account: &AccountState) -> &Table<NameKey, Self> { &account.$table }
            fn table_mut(account: &mut AccountState) -> &mut Table<NameKey, Self> { &mut account.$table }
            fn links(&self, $each: &mut dyn FnMut(LinkTo<'_>)) { let $row = self; $links }
        }
    )*};
}

tabled! {
    Group in groups: |row, each| {
        row.grants.attached.iter().for_each(|policy| each(LinkTo::Attached(policy)));
    }
    InstanceProfile in instance_profiles: |row, each| {
        row.role.iter().for_each(|role| each(LinkTo::ProfileRole(*role)));
    }
    ManagedPolicy in policies: |_row, _each| {}
    Role in roles: |row, each| {
        row.grants.attached.iter().for_each(|policy| each(LinkTo::Attached(policy)));
        row.boundary.iter().for_each(|policy| each(LinkTo::Boundary(policy)));
    }
    User in users: |row, each| {
        row.grants.attached.iter().for_each(|policy| each(LinkTo::Attached(policy)));
        row.boundary.iter().for_each(|policy| each(LinkTo::Boundary(policy)));
        row.groups.iter().for_each(|group| each(LinkTo::Member(*group)));
    }
}

impl AccountState {
    fn new(account: Entry<Account>) -> Self {
        Self {
            account,
            access_keys: Table::default(),
            credential_report: None,
            groups: Table::default(),
            guard_policy: None,
            instance_profiles: Table::default(),
            login_profiles: Table::default(),
            mfa_devices: Table::default(),
            password_policy: None,
            policies: Table::default(),
            roles: Table::default(),
            root_accesses: Table::default(),
            root_guard: None,
            sessions: Table::default(),
            settings: None,
            users: Table::default(),
            usage: Table::default(),
            names: RedBlackTreeMapSync::new_sync(),
            referrers: RedBlackTreeMapSync::new_sync(),
            factors: RedBlackTreeSetSync::new_sync(),
        }
    }

    /// The account's own row.
    pub fn account(&self) -> &Arc<Account> {
        &self.account.row
    }

    /// All entities of one kind, in name order.
    pub fn all<T: Tabled>(&self) -> &Table<NameKey, T> {
        T::table(self)
    }

    /// The entity called `name`, ignoring case.
    pub fn named<T: Tabled>(&self, name: &str) -> Option<&Arc<T>> {
        T::table(self).get(&NameKey::new(name))
    }

    /// The entity with this unique id, if it is of this kind and still exists.
    pub fn by_id<T: Tabled>(&self, id: UniqueId) -> Option<&Arc<T>> {
        if id.kind() != T::KIND {
            return None;
        }
        self.names.get(&id).and_then(|name| T::table(self).get(name))
    }

    /// The entity that `arn` names, seen from `partition`: every part must be right, also the case of the name.
    pub fn by_arn<T: Tabled>(&self, partition: Partition, arn: &str) -> Option<&Arc<T>> {
        let name = arn.rsplit('/').next()?;
        let found = self.named::<T>(name)?;
        // Names are found ignoring case; ARNs are not equal ignoring it.
        (found.arn(partition, self.account.row.id) == arn).then_some(found)
    }

    /// The access key with this id.
    pub fn access_key(&self, id: AccessKeyId) -> Option<&Arc<AccessKey>> {
        self.access_keys.get(&id)
    }

    /// The password of a user.
    pub fn login_profile(&self, user: UniqueId) -> Option<&Arc<LoginProfile>> {
        self.login_profiles.get(&user)
    }

    /// The second factor with this id.
    pub fn mfa_device(&self, id: &str) -> Option<&Arc<MfaDevice>> {
        self.mfa_devices.get(&id.into())
    }

    /// All second factors, by id.
    pub fn mfa_devices(&self) -> &Table<Box<str>, MfaDevice> {
        &self.mfa_devices
    }

    /// The second factors that are bound to somebody, by id.
    pub fn mfa_devices_of(&self, owner: CredentialOwner) -> impl Iterator<Item = &Arc<MfaDevice>> {
        let from: (CredentialOwner, Box<str>) = (owner, "".into());
        let bound = self.factors.range(from..).take_while(move |(of, _)| *of == owner);
        bound.filter_map(|(_, id)| self.mfa_devices.get(id))
    }

    /// How many second factors are bound to somebody.
    pub fn bound_mfa_devices(&self) -> usize {
        self.factors.size()
    }

    /// The account's credential report, if one was ever generated.
    pub fn credential_report(&self) -> Option<&Arc<CredentialReport>> {
        self.credential_report.as_ref().map(|entry| &entry.row)
    }

    /// The account's guard policy, if it has one.
    pub fn guard_policy(&self) -> Option<&Arc<GuardPolicy>> {
        self.guard_policy.as_ref().map(|entry| &entry.row)
    }

    /// The account's rule for passwords of its users, if it has one of its own.
    pub fn password_policy(&self) -> Option<&Arc<PasswordPolicy>> {
        self.password_policy.as_ref().map(|entry| &entry.row)
    }

    /// The requests to use the root user.
    pub fn root_accesses(&self) -> &Table<Handle, RootAccess> {
        &self.root_accesses
    }

    /// How the root user is guarded.
    pub fn root_guard(&self) -> &RootGuard {
        self.root_guard.as_ref().map_or(&GUARD, |entry| &entry.row)
    }

    /// The sessions that began with a sign-in, those that have expired included.
    pub fn sessions(&self) -> &Table<Handle, SignInSession> {
        &self.sessions
    }

    /// A session that is not over, nor the one in which it was allowed.
    pub fn live_session(&self, id: Handle, now: Time) -> Option<&Arc<SignInSession>> {
        let live = |id| self.sessions.get(id).filter(|row| now < row.expires);
        live(&id).filter(|row| row.parent.as_ref().is_none_or(|parent| live(parent).is_some()))
    }

    /// What is settled for the account as a whole.
    pub fn settings(&self) -> &AccountSettings {
        self.settings.as_ref().map_or(&SETTINGS, |entry| &entry.row)
    }

    /// When an access key was last used, as far as it has been written down.
    pub fn key_usage(&self, id: AccessKeyId) -> Option<&Arc<Usage>> {
        self.usage.get(&RowKey::KeyUsage(id))
    }

    /// When a role was last used, as far as it has been written down.
    pub fn role_usage(&self, id: UniqueId) -> Option<&Arc<Usage>> {
        self.usage.get(&RowKey::RoleUsage(self.account.row.id, id))
    }

    /// Ids of the users, groups and roles that a policy is attached to.
    pub fn attached_to<'a>(&'a self, policy: &PolicyRef) -> impl Iterator<Item = UniqueId> + use<'a> {
        self.referrers(Link::Attached(policy.clone()))
    }

    /// Ids of the users and roles that a policy bounds.
    pub fn bounded_by<'a>(&'a self, policy: &PolicyRef) -> impl Iterator<Item = UniqueId> + use<'a> {
        self.referrers(Link::Boundary(policy.clone()))
    }

    /// Ids of those that a policy is attached to after `after`, in id order.
    pub fn attached_to_after<'a>(
        &'a self,
        policy: &PolicyRef,
        after: Option<UniqueId>,
    ) -> impl Iterator<Item = UniqueId> + use<'a> {
        self.referrers_after(&Link::Attached(policy.clone()), after)
    }

    /// Ids of those that a policy bounds after `after`, in id order.
    pub fn bounded_by_after<'a>(
        &'a self,
        policy: &PolicyRef,
        after: Option<UniqueId>,
    ) -> impl Iterator<Item = UniqueId> + use<'a> {
        self.referrers_after(&Link::Boundary(policy.clone()), after)
    }

    /// How many users, groups and roles a policy is attached to, and how many users and roles it bounds. Counts nothing:
    /// the indexes know their size.
    pub fn policy_uses(&self, policy: &PolicyRef) -> (usize, usize) {
        let size = |link| self.referrers.get(&link).map_or(0, RedBlackTreeSetSync::size);
        (size(Link::Attached(policy.clone())), size(Link::Boundary(policy.clone())))
    }

    /// Ids of the users in a group.
    pub fn members(&self, group: UniqueId) -> impl Iterator<Item = UniqueId> {
        self.referrers(Link::Member(group))
    }

    /// Ids of the users in a group after `after`, in id order: one page of a large group costs no more than the page.
    pub fn members_after(&self, group: UniqueId, after: Option<UniqueId>) -> impl Iterator<Item = UniqueId> {
        self.referrers_after(&Link::Member(group), after)
    }

    /// Ids of the instance profiles that hold a role.
    pub fn profiles_of(&self, role: UniqueId) -> impl Iterator<Item = UniqueId> {
        self.referrers(Link::ProfileRole(role))
    }

    /// The policies of AWS that are attached to anything, by name.
    pub fn aws_policies_in_use(&self) -> impl Iterator<Item = &str> {
        self.referrers.keys().filter_map(|link| match link {
            Link::Attached(PolicyRef::Aws(name)) => Some(&**name),
            _ => None,
        })
    }

    fn referrers_after(
        &self,
        link: &Link,
        after: Option<UniqueId>,
    ) -> impl Iterator<Item = UniqueId> + use<'_> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let set = self.referrers.get(link);
        set.into_iter().flat_map(move |set| set.range((from, Bound::Unbounded)).copied())
    }

    fn referrers(&self, link: Link) -> impl Iterator<Item = UniqueId> + use<'_> {
        self.referrers.get(&link).into_iter().flat_map(|set| set.iter().copied())
    }

    fn put<T: Tabled>(&mut self, key: NameKey, row: Arc<T>, revision: Revision) {
        let old = T::table(self).get(&key).cloned();
        if let Some(old) = &old {
            self.unlink(&**old);
        }
        row.links(&mut |link| self.link(link.owned(), row.id()));
        self.names.insert_mut(row.id(), key.clone());
        T::table_mut(self).insert(key, Entry { revision, row });
    }

    fn take<T: Tabled>(&mut self, key: &NameKey) {
        if let Some(old) = T::table(self).get(key).cloned() {
            self.unlink(&*old);
            // A rename writes the new name before it removes the old one; the id then already has the new name.
            if self.names.get(&old.id()) == Some(key) {
                self.names.remove_mut(&old.id());
            }
            T::table_mut(self).remove(key);
            // The entity may live on under another name: its links were just removed with the old one.
            if let Some(renamed) = self.by_id::<T>(old.id()).cloned() {
                renamed.links(&mut |link| self.link(link.owned(), renamed.id()));
            }
        }
    }

    fn link(&mut self, link: Link, from: UniqueId) {
        let mut set = self.referrers.get(&link).cloned().unwrap_or_else(RedBlackTreeSetSync::new_sync);
        set.insert_mut(from);
        self.referrers.insert_mut(link, set);
    }

    fn unlink<T: Tabled>(&mut self, row: &T) {
        row.links(&mut |link| {
            let link = link.owned();
            let Some(mut set) = self.referrers.get(&link).cloned() else { return };
            set.remove_mut(&row.id());
            if set.is_empty() {
                self.referrers.remove_mut(&link);
            } else {
                self.referrers.insert_mut(link, set);
            }
        });
    }

    fn apply(&mut self, key: RowKey, row: Option<Row>, revision: Revision) {
        match (key, row) {
            (RowKey::AccessKey(id), Some(Row::AccessKey(row))) => {
                self.access_keys.insert(id, Entry { revision, row });
            }
            (RowKey::AccessKey(id), _) => self.access_keys.remove(&id),
            (RowKey::Account(_), Some(Row::Account(row))) => self.account = Entry { revision, row },
            (RowKey::CredentialReport(_), Some(Row::CredentialReport(row))) => {
                self.credential_report = Some(Entry { revision, row });
            }
            (RowKey::CredentialReport(_), _) => self.credential_report = None,
            (RowKey::AccountSettings(_), Some(Row::AccountSettings(row))) => {
                self.settings = Some(Entry { revision, row });
            }
            (RowKey::AccountSettings(_), _) => self.settings = None,
            (RowKey::Entity(_, kind, name), row) => self.apply_entity(kind, name, row, revision),
            (RowKey::GuardPolicy(_), Some(Row::GuardPolicy(row))) => {
                self.guard_policy = Some(Entry { revision, row });
            }
            (RowKey::GuardPolicy(_), _) => self.guard_policy = None,
            (key @ (RowKey::KeyUsage(_) | RowKey::RoleUsage(..)), Some(Row::Usage(row))) => {
                self.usage.insert(key, Entry { revision, row });
            }
            (key @ (RowKey::KeyUsage(_) | RowKey::RoleUsage(..)), _) => self.usage.remove(&key),
            (RowKey::LoginProfile(_, user), Some(Row::LoginProfile(row))) => {
                self.login_profiles.insert(user, Entry { revision, row });
            }
            (RowKey::LoginProfile(_, user), _) => self.login_profiles.remove(&user),
            (RowKey::MfaDevice(_, id), row) => self.apply_device(id, row, revision),
            (RowKey::PasswordPolicy(_), Some(Row::PasswordPolicy(row))) => {
                self.password_policy = Some(Entry { revision, row });
            }
            (RowKey::PasswordPolicy(_), _) => self.password_policy = None,
            (RowKey::RootAccess(_, id), Some(Row::RootAccess(row))) => {
                self.root_accesses.insert(id, Entry { revision, row });
            }
            (RowKey::RootAccess(_, id), _) => self.root_accesses.remove(&id),
            (RowKey::RootGuard(_), Some(Row::RootGuard(row))) => {
                self.root_guard = Some(Entry { revision, row });
            }
            (RowKey::RootGuard(_), _) => self.root_guard = None,
            (RowKey::Session(_, id), Some(Row::Session(row))) => {
                self.sessions.insert(id, Entry { revision, row });
            }
            (RowKey::Session(_, id), _) => self.sessions.remove(&id),
            (
                RowKey::Account(_)
                | RowKey::AccountRequest(..)
                | RowKey::AlertCursor(_)
                | RowKey::AlertTarget(_)
                | RowKey::Alias(_)
                | RowKey::Email(_)
                | RowKey::Handshake(..)
                | RowKey::Membership(_)
                | RowKey::Organization(_)
                | RowKey::OrganizationNode(..)
                | RowKey::OrganizationPolicy(..)
                | RowKey::Outbox(_)
                | RowKey::ResponsibilityTransfer(..)
                | RowKey::TrailHead,
                _,
            ) => {}
        }
    }

    fn apply_device(&mut self, id: Box<str>, row: Option<Row>, revision: Revision) {
        if let Some(owner) = self.mfa_devices.get(&id).and_then(|old| old.owner()) {
            self.factors.remove_mut(&(owner, id.clone()));
        }
        if let Some(Row::MfaDevice(row)) = row {
            if let Some(owner) = row.owner() {
                self.factors.insert_mut((owner, id.clone()));
            }
            self.mfa_devices.insert(id, Entry { revision, row });
        } else {
            self.mfa_devices.remove(&id);
        }
    }

    fn apply_entity(&mut self, kind: EntityKind, name: NameKey, row: Option<Row>, revision: Revision) {
        match row {
            Some(Row::Group(row)) => self.put(name, row, revision),
            Some(Row::InstanceProfile(row)) => self.put(name, row, revision),
            Some(Row::Policy(row)) => self.put(name, row, revision),
            Some(Row::Role(row)) => self.put(name, row, revision),
            Some(Row::User(row)) => self.put(name, row, revision),
            _ => match kind {
                EntityKind::Group => self.take::<Group>(&name),
                EntityKind::InstanceProfile => self.take::<InstanceProfile>(&name),
                EntityKind::Policy => self.take::<ManagedPolicy>(&name),
                EntityKind::Role => self.take::<Role>(&name),
                EntityKind::User => self.take::<User>(&name),
            },
        }
    }
}

/// How a root user is guarded about whom nothing else was said.
static GUARD: RootGuard = RootGuard::new();

/// What is settled for an account about which nothing was.
static SETTINGS: AccountSettings = AccountSettings::new();

/// Whose row a key names: an account's, or everybody's.
fn account_of(key: &RowKey) -> Option<AccountId> {
    match key {
        RowKey::AccessKey(id) | RowKey::KeyUsage(id) => id.account(),
        RowKey::Account(id)
        | RowKey::CredentialReport(id)
        | RowKey::AccountSettings(id)
        | RowKey::Entity(id, ..)
        | RowKey::GuardPolicy(id)
        | RowKey::LoginProfile(id, _)
        | RowKey::MfaDevice(id, _)
        | RowKey::PasswordPolicy(id)
        | RowKey::RoleUsage(id, _)
        | RowKey::RootAccess(id, _)
        | RowKey::RootGuard(id)
        | RowKey::Session(id, _) => Some(*id),
        RowKey::AccountRequest(..)
        | RowKey::AlertCursor(_)
        | RowKey::AlertTarget(_)
        | RowKey::Alias(_)
        | RowKey::Email(_)
        | RowKey::Handshake(..)
        | RowKey::Membership(_)
        | RowKey::Organization(_)
        | RowKey::OrganizationNode(..)
        | RowKey::OrganizationPolicy(..)
        | RowKey::Outbox(_)
        | RowKey::ResponsibilityTransfer(..)
        | RowKey::TrailHead => None,
    }
}

impl Default for World {
    fn default() -> Self {
        Self {
            revision: 0,
            accounts: RedBlackTreeMapSync::new_sync(),
            alerts: AlertTables::default(),
            organizations: Organizations::default(),
            owners: Table::default(),
            trail_head: None,
        }
    }
}

impl World {
    /// The commit this World ends with.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// One account.
    pub fn account(&self, id: AccountId) -> Option<&Arc<AccountState>> {
        self.accounts.get(&id)
    }

    /// The entity that `arn` names, with its account, seen from `partition`: every part must be right.
    pub fn by_arn<T: Tabled>(&self, partition: Partition, arn: &str) -> Option<(AccountId, &Arc<T>)> {
        let id: AccountId = Arn::parse(arn).ok()?.account.parse().ok()?;
        let found = self.account(id)?.by_arn::<T>(partition, arn)?;
        Some((id, found))
    }

    /// All accounts, by id.
    pub fn accounts(&self) -> impl Iterator<Item = &Arc<AccountState>> {
        self.accounts.values()
    }

    /// One organization.
    pub fn organization(&self, id: &OrganizationId) -> Option<&Arc<OrganizationState>> {
        self.organizations.get(id)
    }

    /// The organization that an account is in.
    pub fn organization_of(&self, account: AccountId) -> Option<&Arc<OrganizationState>> {
        self.organizations.of(account)
    }

    /// The transfers that are put to this account or address, or that this account has accepted, by id, each with the organization that takes
    /// over.
    pub fn transfers_of<'a>(
        &'a self,
        source: &Recipient,
    ) -> impl Iterator<Item = (&'a Arc<OrganizationState>, &'a Arc<ResponsibilityTransfer>)> + use<'a> {
        self.organizations.transfers_of(source)
    }

    /// The transfer with this id, with the organization that takes over.
    pub fn transfer(
        &self,
        id: &ResponsibilityTransferId,
    ) -> Option<(&Arc<OrganizationState>, &Arc<ResponsibilityTransfer>)> {
        self.organizations.transfer(id)
    }

    /// Whether an account is in an organization that another one manages.
    pub fn is_member(&self, account: AccountId) -> bool {
        self.organization_of(account).is_some_and(|state| state.organization().management != account)
    }

    /// All organizations, by id.
    pub fn organizations(&self) -> impl Iterator<Item = &Arc<OrganizationState>> {
        self.organizations.iter()
    }

    /// The handshake with this id, with its organization.
    pub fn handshake(&self, id: &HandshakeId) -> Option<(&Arc<OrganizationState>, &Arc<Handshake>)> {
        self.organizations.handshake(id)
    }

    /// The handshakes that are put to somebody, with their organizations, by id.
    pub fn handshakes_of<'a>(
        &'a self,
        recipient: &Recipient,
    ) -> impl Iterator<Item = (&'a Arc<OrganizationState>, &'a Arc<Handshake>)> + use<'a> {
        self.organizations.handshakes_of(recipient)
    }

    /// Who is told what happened, by name.
    pub fn alert_targets(&self) -> impl Iterator<Item = &Arc<AlertTarget>> {
        self.alerts.targets.iter().map(|(_, target)| target)
    }

    /// The target of alerts called `name`, ignoring case.
    pub fn alert_target(&self, name: &str) -> Option<&Arc<AlertTarget>> {
        self.alerts.targets.get(&NameKey::new(name))
    }

    /// How far a target of alerts has been told.
    pub fn alert_cursor(&self, target: &str) -> Option<&Arc<AlertCursor>> {
        self.alerts.cursors.get(&NameKey::new(target))
    }

    /// The account whose root user has this e-mail address, ignoring case.
    pub fn account_by_email(&self, email: &str) -> Option<AccountId> {
        self.owners.get(&RowKey::Email(NameKey::new(email))).map(|id| **id)
    }

    /// The account with this alias.
    pub fn account_by_alias(&self, alias: &str) -> Option<AccountId> {
        self.owners.get(&RowKey::Alias(alias.into())).map(|id| **id)
    }

    /// How far the audit log was known to reach.
    pub fn trail_head(&self) -> Option<&[u8]> {
        self.trail_head.as_deref()
    }

    /// This World after `changes`, in order.
    ///
    /// # Errors
    /// [`CorruptRow`] for a row that cannot be read; this World is then still good.
    pub(crate) fn after(&self, changes: &[Change]) -> Result<Self, CorruptRow> {
        let mut builder = Builder::new(self.clone());
        for change in changes {
            for write in &change.writes {
                builder.write(&write.key, write.value.as_deref(), change.revision)?;
            }
            builder.world.revision = change.revision;
        }
        Ok(builder.finish())
    }
}

/// A World under construction: accounts that change are taken out once, however many of their rows do.
pub(crate) struct Builder {
    world: World,
    open: HashMap<AccountId, AccountState>,
    open_organizations: Open,
}

impl Builder {
    pub(crate) fn new(world: World) -> Self {
        Self { world, open: HashMap::new(), open_organizations: Open::new() }
    }

    /// Puts (or with `None` removes) one row.
    pub(crate) fn write(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        revision: Revision,
    ) -> Result<(), CorruptRow> {
        let corrupt = |problem| CorruptRow { key: String::from_utf8_lossy(key).into_owned(), problem };
        let key = RowKey::decode(key).map_err(|_| corrupt("its key is of no known form"))?;
        let row = value.map(|bytes| Row::decode(&key, bytes)).transpose()?;
        let Some(id) = account_of(&key) else {
            return self.write_global(key, row, revision).map_err(corrupt);
        };
        if let std::collections::hash_map::Entry::Vacant(slot) = self.open.entry(id) {
            let state = match (self.world.accounts.get(&id), &row) {
                (Some(state), _) => AccountState::clone(state),
                (None, Some(Row::Account(row))) => {
                    AccountState::new(Entry { revision, row: Arc::clone(row) })
                }
                (None, _) => return Err(corrupt("its account does not exist")),
            };
            slot.insert(state);
        }
        if let Some(state) = self.open.get_mut(&id) {
            state.apply(key, row, revision);
        }
        Ok(())
    }

    fn write_global(
        &mut self,
        key: RowKey,
        row: Option<Row>,
        revision: Revision,
    ) -> Result<(), &'static str> {
        let World { alerts, organizations, owners, trail_head, .. } = &mut self.world;
        match (key, row) {
            (RowKey::AlertCursor(target), Some(Row::AlertCursor(row))) => {
                alerts.cursors.insert(target, Entry { revision, row });
            }
            (RowKey::AlertCursor(target), _) => alerts.cursors.remove(&target),
            (RowKey::AlertTarget(name), Some(Row::AlertTarget(row))) => {
                alerts.targets.insert(name, Entry { revision, row });
            }
            (RowKey::AlertTarget(name), _) => alerts.targets.remove(&name),
            (
                key @ (RowKey::AccountRequest(..)
                | RowKey::Handshake(..)
                | RowKey::Membership(_)
                | RowKey::Organization(_)
                | RowKey::OrganizationNode(..)
                | RowKey::OrganizationPolicy(..)
                | RowKey::ResponsibilityTransfer(..)),
                row,
            ) => return organizations.apply(&mut self.open_organizations, key, row, revision),
            (RowKey::TrailHead, Some(Row::Raw(head))) => *trail_head = Some(head),
            (key, Some(Row::Owner(owner))) => owners.insert(key, Entry { revision, row: Arc::new(owner) }),
            // The outbox is not part of the World; see `Db::open` and the audit writer.
            (_, Some(_)) => {}
            (key, None) => owners.remove(&key),
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> World {
        for (id, state) in self.open {
            self.world.accounts.insert_mut(id, Arc::new(state));
        }
        self.world.organizations.close(self.open_organizations);
        self.world
    }

    pub(crate) fn finish_at(mut self, revision: Revision) -> World {
        self.world.revision = revision;
        self.finish()
    }
}
