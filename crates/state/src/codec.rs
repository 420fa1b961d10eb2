//! Rows as bytes: one format byte, then postcard.
//!
//! The store's schema version says which formats may occur; the byte in each row lets a later version read old rows
//! as they come instead of rewriting a whole store at start.

use std::sync::Arc;

use rootward_names::{AccountId, EntityKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::RowKey;
use crate::alerts::{AlertCursor, AlertTarget};
use crate::entities::{
    AccessKey, Account, AccountRequest, AccountSettings, CredentialReport, Group, GuardPolicy, Handshake,
    InstanceProfile, LoginProfile, ManagedPolicy, Membership, MfaDevice, Named, Organization,
    OrganizationNode, OrganizationPolicy, PasswordPolicy, ResponsibilityTransfer, Role, RootAccess,
    RootGuard, SignInSession, Usage, User,
};

const FORMAT: u8 = 1;

/// A row that this version cannot read: damaged, or written by a newer one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row `{key}` cannot be read: {problem}")]
pub struct CorruptRow {
    /// The key as text, lossily.
    pub key: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Any row, shared.
#[derive(Debug, Clone)]
pub(crate) enum Row {
    AccessKey(Arc<AccessKey>),
    Account(Arc<Account>),
    AccountRequest(Arc<AccountRequest>),
    AlertCursor(Arc<AlertCursor>),
    AlertTarget(Arc<AlertTarget>),
    CredentialReport(Arc<CredentialReport>),
    AccountSettings(Arc<AccountSettings>),
    Group(Arc<Group>),
    GuardPolicy(Arc<GuardPolicy>),
    Handshake(Arc<Handshake>),
    InstanceProfile(Arc<InstanceProfile>),
    LoginProfile(Arc<LoginProfile>),
    Membership(Arc<Membership>),
    MfaDevice(Arc<MfaDevice>),
    Organization(Arc<Organization>),
    OrganizationNode(Arc<OrganizationNode>),
    OrganizationPolicy(Arc<OrganizationPolicy>),
    /// Which account has taken an e-mail address or alias.
    Owner(AccountId),
    PasswordPolicy(Arc<PasswordPolicy>),
    Policy(Arc<ManagedPolicy>),
    /// Bytes that others read: an audit record on its way to the log, the head of the log.
    Raw(Arc<[u8]>),
    ResponsibilityTransfer(Arc<ResponsibilityTransfer>),
    Role(Arc<Role>),
    RootAccess(Arc<RootAccess>),
    RootGuard(Arc<RootGuard>),
    Session(Arc<SignInSession>),
    Usage(Arc<Usage>),
    User(Arc<User>),
}

impl Row {
    /// The row's bytes in the store.
    pub(crate) fn encode(&self) -> Arc<[u8]> {
        match self {
            Self::AccessKey(row) => encode(&**row),
            Self::Account(row) => encode(&**row),
            Self::AccountRequest(row) => encode(&**row),
            Self::AlertCursor(row) => encode(&**row),
            Self::AlertTarget(row) => encode(&**row),
            Self::CredentialReport(row) => encode(&**row),
            Self::AccountSettings(row) => encode(&**row),
            Self::Group(row) => encode(&**row),
            Self::GuardPolicy(row) => encode(&**row),
            Self::Handshake(row) => encode(&**row),
            Self::InstanceProfile(row) => encode(&**row),
            Self::LoginProfile(row) => encode(&**row),
            Self::Membership(row) => encode(&**row),
            Self::MfaDevice(row) => encode(&**row),
            Self::Organization(row) => encode(&**row),
            Self::OrganizationNode(row) => encode(&**row),
            Self::OrganizationPolicy(row) => encode(&**row),
            Self::PasswordPolicy(row) => encode(&**row),
            Self::Raw(bytes) => Arc::clone(bytes),
            Self::Owner(account) => encode(account),
            Self::Policy(row) => encode(&**row),
            Self::ResponsibilityTransfer(row) => encode(&**row),
            Self::Role(row) => encode(&**row),
            Self::RootAccess(row) => encode(&**row),
            Self::RootGuard(row) => encode(&**row),
            Self::Session(row) => encode(&**row),
            Self::Usage(row) => encode(&**row),
            Self::User(row) => encode(&**row),
        }
    }

    /// Reads the bytes stored under `key`.
    pub(crate) fn decode(key: &RowKey, bytes: &[u8]) -> Result<Self, CorruptRow> {
        let corrupt = |problem| CorruptRow { key: key.to_string(), problem };
        let row = match key {
            RowKey::AccessKey(_) => decode(bytes).map(Self::AccessKey),
            RowKey::Account(_) => decode(bytes).map(Self::Account),
            RowKey::AccountRequest(..) => decode(bytes).map(Self::AccountRequest),
            RowKey::AccountSettings(_) => decode(bytes).map(Self::AccountSettings),
            RowKey::AlertCursor(_) => decode(bytes).map(Self::AlertCursor),
            RowKey::AlertTarget(_) => decode(bytes).map(Self::AlertTarget),
            RowKey::Alias(_) | RowKey::Email(_) => {
                decode::<AccountId>(bytes).map(|owner| Self::Owner(*owner))
            }
            RowKey::CredentialReport(_) => decode(bytes).map(Self::CredentialReport),
            RowKey::Entity(_, EntityKind::Group, _) => decode_entity(bytes).map(Self::Group),
            RowKey::Entity(_, EntityKind::InstanceProfile, _) => {
                decode_entity(bytes).map(Self::InstanceProfile)
            }
            RowKey::Entity(_, EntityKind::Policy, _) => decode_entity(bytes).map(Self::Policy),
            RowKey::Entity(_, EntityKind::Role, _) => decode_entity(bytes).map(Self::Role),
            RowKey::Entity(_, EntityKind::User, _) => decode_entity(bytes).map(Self::User),
            RowKey::GuardPolicy(_) => decode(bytes).map(Self::GuardPolicy),
            RowKey::Handshake(..) => decode(bytes).map(Self::Handshake),
            RowKey::KeyUsage(_) | RowKey::RoleUsage(..) => decode(bytes).map(Self::Usage),
            RowKey::LoginProfile(..) => decode(bytes).map(Self::LoginProfile),
            RowKey::Membership(_) => decode(bytes).map(Self::Membership),
            RowKey::MfaDevice(_, id) => decode_device(id, bytes).map(Self::MfaDevice),
            RowKey::Organization(_) => decode(bytes).map(Self::Organization),
            RowKey::OrganizationNode(..) => decode(bytes).map(Self::OrganizationNode),
            RowKey::OrganizationPolicy(..) => decode(bytes).map(Self::OrganizationPolicy),
            RowKey::PasswordPolicy(_) => decode(bytes).map(Self::PasswordPolicy),
            RowKey::ResponsibilityTransfer(..) => decode(bytes).map(Self::ResponsibilityTransfer),
            RowKey::RootAccess(..) => decode(bytes).map(Self::RootAccess),
            RowKey::RootGuard(_) => decode(bytes).map(Self::RootGuard),
            RowKey::Session(..) => decode(bytes).map(Self::Session),
            RowKey::Outbox(_) | RowKey::TrailHead => return Ok(Self::Raw(bytes.into())),
        };
        row.map_err(corrupt)
    }
}

fn encode<T: Serialize>(row: &T) -> Arc<[u8]> {
    // Writing to a growing buffer fails for no type of ours: no maps of unknown length, no custom errors.
    let bytes = postcard::to_extend(row, vec![FORMAT]).unwrap_or_default();
    bytes.into()
}

/// An entity whose id is one of its own kind: under another's, the indexes would find it in the wrong table.
fn decode_entity<T: DeserializeOwned + Named>(bytes: &[u8]) -> Result<Arc<T>, &'static str> {
    let row: Arc<T> = decode(bytes)?;
    if row.id().kind() == T::KIND { Ok(row) } else { Err("its id is one of another kind of entity") }
}

/// A device under its own id: the index by owner leads to ids.
fn decode_device(id: &str, bytes: &[u8]) -> Result<Arc<MfaDevice>, &'static str> {
    let row: Arc<MfaDevice> = decode(bytes)?;
    if *row.id == *id { Ok(row) } else { Err("its id is another's") }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<Arc<T>, &'static str> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => postcard::from_bytes(rest).map(Arc::new).map_err(|_| "damaged"),
        Some(_) => Err("its format is newer than this version of Rootward"),
        None => Err("empty"),
    }
}
