//! Row keys: what a row is called in the World and in the store.
//!
//! Shape in the store: `a/ACCOUNT` and `a/ACCOUNT/KIND/NAME` for an account and what belongs to it (kinds of one letter are
//! entities, words are what they and the account sign in with), `g/…` for what is one over all accounts, `k/KEY` for access keys, `l/…` for last uses, `n/ORGANIZATION/…` for
//! organizations, `o/…` for the audit outbox, `p/ACCOUNT` for an account's place in an organization (behind the organization, which a World
//! has to know before). Key order is name order, so
//! listings page in the order people expect.

use std::fmt;

use rootward_names::{
    AccessKeyId, AccountId, AccountRequestId, EntityKind, Handle, HandshakeId, NodeId, OrganizationId,
    OrganizationPolicyId, ResponsibilityTransferId, UniqueId,
};

/// A name as it is compared: entity names are unique ignoring case but kept as written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameKey(Box<str>);

impl NameKey {
    /// The key of `name`. Names are ASCII by the service model's patterns, so ASCII folding is all there is to do.
    pub fn new(name: &str) -> Self {
        Self(name.to_ascii_lowercase().into_boxed_str())
    }

    /// The folded name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of an outbox row, which is the event id of its record: unique, so that concurrent writers never meet.
pub type OutboxId = [u8; 16];

/// The key of one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKey {
    /// An access key, long-term only; found through the account its id carries.
    AccessKey(AccessKeyId),
    /// The account itself with its root user.
    Account(AccountId),
    /// A request to open an account in an organization.
    AccountRequest(OrganizationId, AccountRequestId),
    /// What is settled for an account as a whole.
    AccountSettings(AccountId),
    /// How far a target of alerts has been told.
    AlertCursor(NameKey),
    /// A target of alerts.
    AlertTarget(NameKey),
    /// Which account has taken an alias.
    Alias(Box<str>),
    /// An account's credential report.
    CredentialReport(AccountId),
    /// Which account has taken an e-mail address (ASCII-folded).
    Email(NameKey),
    /// A user, group, role, policy or instance profile.
    Entity(AccountId, EntityKind, NameKey),
    /// What binds an account that no organization can bind.
    GuardPolicy(AccountId),
    /// An agreement between accounts.
    Handshake(OrganizationId, HandshakeId),
    /// When and where an access key was last used.
    KeyUsage(AccessKeyId),
    /// A user's password.
    LoginProfile(AccountId, UniqueId),
    /// In which organization an account is, and where.
    Membership(AccountId),
    /// A second factor, by its id in the account.
    MfaDevice(AccountId, Box<str>),
    /// An organization.
    Organization(OrganizationId),
    /// The root or a unit of an organization.
    OrganizationNode(OrganizationId, NodeId),
    /// A policy of an organization.
    OrganizationPolicy(OrganizationId, OrganizationPolicyId),
    /// An audit record that has committed with its write and not yet reached the log.
    Outbox(OutboxId),
    /// An account's rule for passwords.
    PasswordPolicy(AccountId),
    /// A responsibility that is transferred to an organization.
    ResponsibilityTransfer(OrganizationId, ResponsibilityTransferId),
    /// When and where a role was last used.
    RoleUsage(AccountId, UniqueId),
    /// A request to use an account's root user.
    RootAccess(AccountId, Handle),
    /// How an account's root user is guarded.
    RootGuard(AccountId),
    /// A session that began with a sign-in.
    Session(AccountId, Handle),
    /// How far the audit log is known to reach: what proves later that its end was not cut off.
    TrailHead,
}

/// A key in the store that no version of Rootward writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownKey;

const fn kind_letter(kind: EntityKind) -> char {
    match kind {
        EntityKind::Group => 'g',
        EntityKind::InstanceProfile => 'i',
        EntityKind::Policy => 'p',
        EntityKind::Role => 'r',
        EntityKind::User => 'u',
    }
}

fn kind_of_letter(letter: &str) -> Option<EntityKind> {
    Some(match letter {
        "g" => EntityKind::Group,
        "i" => EntityKind::InstanceProfile,
        "p" => EntityKind::Policy,
        "r" => EntityKind::Role,
        "u" => EntityKind::User,
        _ => return None,
    })
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessKey(id) => write!(f, "k/{id}"),
            Self::Account(id) => write!(f, "a/{id}"),
            Self::AccountRequest(organization, id) => write!(f, "n/{organization}/request/{id}"),
            Self::AccountSettings(account) => write!(f, "a/{account}/own/settings"),
            Self::AlertCursor(target) => write!(f, "g/alert/cursor/{}", target.as_str()),
            Self::AlertTarget(name) => write!(f, "g/alert/target/{}", name.as_str()),
            Self::Alias(alias) => write!(f, "g/alias/{alias}"),
            Self::CredentialReport(account) => write!(f, "a/{account}/own/credential-report"),
            Self::Email(email) => write!(f, "g/email/{}", email.as_str()),
            Self::Entity(account, kind, name) => {
                write!(f, "a/{account}/{}/{}", kind_letter(*kind), name.as_str())
            }
            Self::GuardPolicy(account) => write!(f, "a/{account}/own/guard-policy"),
            Self::Handshake(organization, id) => write!(f, "n/{organization}/handshake/{id}"),
            Self::KeyUsage(id) => write!(f, "l/k/{id}"),
            Self::LoginProfile(account, user) => write!(f, "a/{account}/login/{user}"),
            Self::Membership(account) => write!(f, "p/{account}"),
            Self::MfaDevice(account, id) => write!(f, "a/{account}/mfa/{id}"),
            Self::Organization(id) => write!(f, "n/{id}"),
            Self::OrganizationNode(organization, id) => write!(f, "n/{organization}/node/{id}"),
            Self::OrganizationPolicy(organization, id) => write!(f, "n/{organization}/policy/{id}"),
            Self::Outbox(id) => {
                f.write_str("o/")?;
                id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::PasswordPolicy(account) => write!(f, "a/{account}/own/password-policy"),
            Self::ResponsibilityTransfer(organization, id) => write!(f, "n/{organization}/transfer/{id}"),
            Self::RoleUsage(account, id) => write!(f, "l/r/{account}/{id}"),
            Self::RootAccess(account, id) => write!(f, "a/{account}/access/{id}"),
            Self::RootGuard(account) => write!(f, "a/{account}/own/root-guard"),
            Self::Session(account, id) => write!(f, "a/{account}/session/{id}"),
            Self::TrailHead => f.write_str("g/trail/head"),
        }
    }
}

impl RowKey {
    /// The key as the store keeps it.
    pub fn encode(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// Reads what [`RowKey::encode`] wrote.
    ///
    /// # Errors
    /// [`UnknownKey`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnknownKey> {
        std::str::from_utf8(bytes).ok().and_then(Self::read).ok_or(UnknownKey)
    }

    fn read(text: &str) -> Option<Self> {
        let (first, rest) = text.split_once('/')?;
        Some(match first {
            "a" => match rest.split_once('/') {
                None => Self::Account(rest.parse().ok()?),
                Some((account, part)) => Self::read_part(account.parse().ok()?, part)?,
            },
            "g" => match rest.split_once('/')? {
                ("alert", alert) => match alert.split_once('/')? {
                    ("cursor", target) => Self::AlertCursor(NameKey::new(target)),
                    ("target", name) => Self::AlertTarget(NameKey::new(name)),
                    _ => return None,
                },
                ("alias", alias) => Self::Alias(alias.into()),
                ("email", email) => Self::Email(NameKey::new(email)),
                ("trail", "head") => Self::TrailHead,
                _ => return None,
            },
            "k" => Self::AccessKey(rest.parse().ok()?),
            "l" => match rest.split_once('/')? {
                ("k", id) => Self::KeyUsage(id.parse().ok()?),
                ("r", role) => {
                    let (account, id) = role.split_once('/')?;
                    Self::RoleUsage(account.parse().ok()?, id.parse().ok()?)
                }
                _ => return None,
            },
            "n" => match rest.split_once('/') {
                None => Self::Organization(rest.parse().ok()?),
                Some((organization, part)) => Self::read_organization(organization.parse().ok()?, part)?,
            },
            "o" => Self::Outbox(read_hex(rest)?),
            "p" => Self::Membership(rest.parse().ok()?),
            _ => return None,
        })
    }

    /// What belongs to an organization.
    fn read_organization(organization: OrganizationId, text: &str) -> Option<Self> {
        Some(match text.split_once('/')? {
            ("handshake", id) => Self::Handshake(organization, id.parse().ok()?),
            ("node", id) => Self::OrganizationNode(organization, id.parse().ok()?),
            ("policy", id) => Self::OrganizationPolicy(organization, id.parse().ok()?),
            ("request", id) => Self::AccountRequest(organization, id.parse().ok()?),
            ("transfer", id) => Self::ResponsibilityTransfer(organization, id.parse().ok()?),
            _ => return None,
        })
    }

    /// What belongs to an account: an entity, or what is of one of them or of the account itself.
    fn read_part(account: AccountId, text: &str) -> Option<Self> {
        Some(match text.split_once('/')? {
            ("access", id) => Self::RootAccess(account, id.parse().ok()?),
            ("login", user) => Self::LoginProfile(account, user.parse().ok()?),
            ("mfa", id) => Self::MfaDevice(account, id.into()),
            ("own", "credential-report") => Self::CredentialReport(account),
            ("own", "guard-policy") => Self::GuardPolicy(account),
            ("own", "password-policy") => Self::PasswordPolicy(account),
            ("own", "root-guard") => Self::RootGuard(account),
            ("own", "settings") => Self::AccountSettings(account),
            ("session", id) => Self::Session(account, id.parse().ok()?),
            (kind, name) => Self::Entity(account, kind_of_letter(kind)?, NameKey::new(name)),
        })
    }
}

fn read_hex(text: &str) -> Option<OutboxId> {
    u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32).map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind() -> impl Strategy<Value = EntityKind> {
        prop_oneof![
            Just(EntityKind::Group),
            Just(EntityKind::InstanceProfile),
            Just(EntityKind::Policy),
            Just(EntityKind::Role),
            Just(EntityKind::User),
        ]
    }

    fn key() -> impl Strategy<Value = RowKey> {
        let account = (0u64..1_000_000_000_000).prop_map(|n| AccountId::from_number(n).unwrap());
        let handle = "[0-9a-f]{32}".prop_map(|text| text.parse::<Handle>().unwrap());
        let user: UniqueId = "AIDAQPONMLKJIHGFEDCBA".parse().unwrap();
        prop_oneof![
            account.clone().prop_map(move |a| RowKey::LoginProfile(a, user)),
            (account.clone(), "[\\w&&[:ascii:]+=,.@/-]{9,256}")
                .prop_map(|(a, id)| RowKey::MfaDevice(a, id.into())),
            account.clone().prop_map(RowKey::CredentialReport),
            account.clone().prop_map(RowKey::Membership),
            "o-[a-z0-9]{10}".prop_map(|o| RowKey::Organization(o.parse().unwrap())),
            ("o-[a-z0-9]{10,32}", "(r|ou-[a-z0-9]{4})-[a-z0-9]{8}")
                .prop_map(|(o, n)| RowKey::OrganizationNode(o.parse().unwrap(), n.parse().unwrap())),
            ("o-[a-z0-9]{10}", "p-[a-zA-Z0-9_]{8,20}")
                .prop_map(|(o, p)| RowKey::OrganizationPolicy(o.parse().unwrap(), p.parse().unwrap())),
            ("o-[a-z0-9]{10}", "h-[a-z0-9]{8,32}")
                .prop_map(|(o, h)| RowKey::Handshake(o.parse().unwrap(), h.parse().unwrap())),
            ("o-[a-z0-9]{10}", "car-[a-z0-9]{8,32}")
                .prop_map(|(o, r)| RowKey::AccountRequest(o.parse().unwrap(), r.parse().unwrap())),
            ("o-[a-z0-9]{10}", "rt-[a-z0-9]{8,32}")
                .prop_map(|(o, t)| RowKey::ResponsibilityTransfer(o.parse().unwrap(), t.parse().unwrap())),
            account.clone().prop_map(RowKey::GuardPolicy),
            account.clone().prop_map(RowKey::PasswordPolicy),
            account.clone().prop_map(RowKey::RootGuard),
            account.clone().prop_map(RowKey::AccountSettings),
            (account.clone(), handle.clone()).prop_map(|(a, id)| RowKey::RootAccess(a, id)),
            (account.clone(), handle).prop_map(|(a, id)| RowKey::Session(a, id)),
            account.clone().prop_map(RowKey::Account),
            "[a-z0-9-]{1,20}".prop_map(|n| RowKey::AlertCursor(NameKey::new(&n))),
            "[a-z0-9-]{1,20}".prop_map(|n| RowKey::AlertTarget(NameKey::new(&n))),
            "[a-z0-9-]{3,20}".prop_map(|a| RowKey::Alias(a.into())),
            "[a-z.]{1,9}@[a-z.]{1,9}".prop_map(|e| RowKey::Email(NameKey::new(&e))),
            (account, kind(), "[\\w&&[:ascii:]+=,.@-]{1,64}").prop_map(|(a, kind, n)| RowKey::Entity(
                a,
                kind,
                NameKey::new(&n)
            )),
            any::<[u8; 16]>().prop_map(RowKey::Outbox),
            Just(RowKey::TrailHead),
            Just(RowKey::KeyUsage("AKIAY34FZKBOKMUTVV7A".parse().unwrap())),
            Just(RowKey::AccessKey("AKIAY34FZKBOKMUTVV7A".parse().unwrap())),
            Just(RowKey::RoleUsage(
                "000000000001".parse().unwrap(),
                "AROAQPONMLKJIHGFEDCBA".parse().unwrap()
            )),
        ]
    }

    proptest! {
        #[test]
        fn every_key_reads_back(key in key()) {
            prop_assert_eq!(RowKey::decode(&key.encode()), Ok(key));
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
            let _ = RowKey::decode(&bytes);
        }
    }
}
