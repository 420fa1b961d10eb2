//! The rows: what is stored of an account and of each entity in it.
//!
//! A row is an aggregate: whatever an invariant of the entity depends on is inside it, or the operation writes the
//! other row too (attaching a customer policy rewrites the policy's row, so that deleting it at the same time
//! loses the race). Names are kept as written; keys fold them.
//!
//! INVARIANT: nothing here holds a readable secret. Passwords are hashes; secret access keys and seeds are sealed.

mod organization;
mod settings;
mod sign_in;

use std::sync::{Arc, OnceLock};

use rootward_names::{AccessKeyId, AccountId, EntityKind, Partition, Time, UniqueId};
use rootward_policy::Program;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use organization::{
    AccountRequest, AccountRequestOutcome, CentralRootAccess, Handshake, HandshakeAction, HandshakeAnswer,
    HandshakeParty, HandshakeState, Membership, Organization, OrganizationNode, OrganizationPolicy,
    OrganizationPolicyType, OrganizationResourcePolicy, ResponsibilityTransfer, TransferState,
    TrustedService,
};
pub use settings::{
    AccountSettings, AlternateContact, BillingPreferences, Contact, ContactKind, EmailUpdate, Support,
    SupportPlan,
};
pub use sign_in::{
    Bound, CredentialReport, Decision, Factor, GuardPolicy, LoginProfile, MfaDevice, Passkey, PasswordPolicy,
    Position, Purpose, RootAccess, RootGuard, Rotated, Seal, SessionKind, SignInSession, SignedIn, Totp,
};

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountStatus {
    /// In use.
    Active,
    /// Stopped by the operator: every request is refused.
    Suspended,
    /// Closed, by its root user or by the operator: every request is refused, for good when the time to open it again is over.
    Closed {
        /// When.
        at: Time,
    },
}

impl AccountStatus {
    /// How long a closed account can be opened again, in days.
    pub const REOPEN_DAYS: u16 = 90;

    /// Until when it can be opened again, and its root user may sign in to look at bills; none if it is not closed.
    pub fn reopenable_until(self) -> Option<Time> {
        match self {
            Self::Active | Self::Suspended => None,
            Self::Closed { at } => Some(at.plus_seconds(i64::from(Self::REOPEN_DAYS) * 86_400)),
        }
    }

    /// Whether it is closed for good.
    pub fn is_gone(self, now: Time) -> bool {
        self.reopenable_until().is_some_and(|until| until <= now)
    }
}

/// An account with its root user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    /// Twelve digits.
    pub id: AccountId,
    /// 1–50 printable ASCII characters.
    pub name: Box<str>,
    /// The root user's e-mail, as written; unique over all accounts ignoring case.
    pub email: Box<str>,
    /// 64 hex digits: the account in ACL grants.
    pub canonical_id: Box<str>,
    /// When it was opened.
    pub created: Time,
    /// Whether it may be used.
    pub status: AccountStatus,
    /// The family of regions it lives in.
    pub partition: Partition,
    /// The name in sign-in addresses, unique over all accounts.
    pub alias: Option<Box<str>>,
    /// The root user.
    pub root: RootUser,
}

/// What is known of a root user besides its account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RootUser {
    /// Argon2id hash; none while the root user cannot sign in.
    pub password: Option<PasswordHash>,
    /// When the password was set.
    pub password_set: Option<Time>,
    /// When it was last used to sign in.
    pub password_used: Option<Time>,
    /// Its access keys: at most two.
    pub access_keys: Vec<AccessKeyId>,
    /// Since when one without a password may set a first one by mail; none where it may not.
    pub recoverable: Option<Time>,
}

/// An Argon2id hash in PHC form.
#[derive(Clone, Serialize, Deserialize)]
pub struct PasswordHash(Box<str>);

impl PasswordHash {
    /// Takes a PHC string.
    pub fn new(phc: impl Into<Box<str>>) -> Self {
        Self(phc.into())
    }

    /// The PHC string, for verification only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// A tag; keys are unique ignoring case and kept as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// 1–128 characters.
    pub key: Box<str>,
    /// 0–256 characters.
    pub value: Box<str>,
}

/// A managed policy as it is attached: by an id that outlives renames of nothing and re-creation of names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PolicyRef {
    /// One of AWS's managed policies, by name (unique among them).
    Aws(Box<str>),
    /// One of the account's own, by unique id.
    Customer(UniqueId),
}

/// A policy document: its text to the byte, and the program compiled from it when it is first needed.
#[derive(Clone)]
pub struct Document(Arc<DocumentInner>);

struct DocumentInner {
    text: Box<str>,
    program: OnceLock<Arc<Program>>,
}

impl Document {
    /// Keeps `text`, which the caller has validated.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(Arc::new(DocumentInner { text: text.into(), program: OnceLock::new() }))
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The compiled program, shared by everyone who holds this document.
    pub fn program(&self) -> &Arc<Program> {
        self.0.program.get_or_init(|| Arc::new(Program::of_stored(&self.0.text)))
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Document({} bytes)", self.text().len())
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<str>::deserialize(deserializer).map(Self::new)
    }
}

/// An inline policy of a user, group or role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InlinePolicy {
    /// Unique in its owner, ignoring case.
    pub name: Box<str>,
    /// What it says.
    pub document: Document,
}

/// What users, groups and roles have in common: the policies that grant to them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Grants {
    /// Managed policies, in the order they were attached.
    pub attached: Vec<PolicyRef>,
    /// Inline policies, by name.
    pub inline: Vec<InlinePolicy>,
}

impl Grants {
    /// The inline policy called `name`, ignoring case.
    pub fn inline(&self, name: &str) -> Option<&InlinePolicy> {
        self.inline.iter().find(|policy| policy.name.eq_ignore_ascii_case(name))
    }

    /// Whether nothing is attached or embedded.
    pub fn is_empty(&self) -> bool {
        self.attached.is_empty() && self.inline.is_empty()
    }
}

/// An IAM user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    /// `AIDA…`
    pub id: UniqueId,
    /// As written; unique in the account ignoring case.
    pub name: Box<str>,
    /// Begins and ends with `/`.
    pub path: Box<str>,
    /// When it was made.
    pub created: Time,
    /// In the order they were set.
    pub tags: Vec<Tag>,
    /// Its policies.
    pub grants: Grants,
    /// What its permissions cannot exceed.
    pub boundary: Option<PolicyRef>,
    /// The groups it is in, by id.
    pub groups: Vec<UniqueId>,
    /// Its access keys: at most two.
    pub access_keys: Vec<AccessKeyId>,
}

/// A group of users.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Group {
    /// `AGPA…`
    pub id: UniqueId,
    /// As written; unique in the account ignoring case.
    pub name: Box<str>,
    /// Begins and ends with `/`.
    pub path: Box<str>,
    /// When it was made.
    pub created: Time,
    /// Its policies.
    pub grants: Grants,
}

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Role {
    /// `AROA…`
    pub id: UniqueId,
    /// As written; unique in the account ignoring case.
    pub name: Box<str>,
    /// Begins and ends with `/`.
    pub path: Box<str>,
    /// When it was made.
    pub created: Time,
    /// Free text.
    pub description: Option<Box<str>>,
    /// Who may assume it. Principals that are entities are kept as unique ids.
    pub trust: Document,
    /// 3,600–43,200.
    pub session_seconds_max: u32,
    /// In the order they were set.
    pub tags: Vec<Tag>,
    /// Its policies.
    pub grants: Grants,
    /// What its permissions cannot exceed.
    pub boundary: Option<PolicyRef>,
}

/// One version of a customer managed policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// The number after the `v`.
    pub number: u32,
    /// When it was made.
    pub created: Time,
    /// What it says.
    pub document: Document,
}

/// A customer managed policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ManagedPolicy {
    /// `ANPA…`
    pub id: UniqueId,
    /// As written; unique in the account ignoring case.
    pub name: Box<str>,
    /// Begins and ends with `/`.
    pub path: Box<str>,
    /// When it was made.
    pub created: Time,
    /// When its newest version was made.
    pub updated: Time,
    /// Free text, never changed.
    pub description: Option<Box<str>>,
    /// In the order they were set.
    pub tags: Vec<Tag>,
    /// At most five, oldest first.
    pub versions: Vec<PolicyVersion>,
    /// The one in force: the number of one of `versions`.
    pub default_version: u32,
    /// The number the next version gets; numbers are never used again.
    pub next_version: u32,
}

impl ManagedPolicy {
    /// The version in force.
    pub fn default_document(&self) -> Option<&Document> {
        self.version(self.default_version).map(|version| &version.document)
    }

    /// The version with this number.
    pub fn version(&self, number: u32) -> Option<&PolicyVersion> {
        self.versions.iter().find(|version| version.number == number)
    }
}

/// An instance profile: the box that hands a role to a machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// `AIPA…`
    pub id: UniqueId,
    /// As written; unique in the account ignoring case.
    pub name: Box<str>,
    /// Begins and ends with `/`.
    pub path: Box<str>,
    /// When it was made.
    pub created: Time,
    /// In the order they were set.
    pub tags: Vec<Tag>,
    /// Its role: at most one.
    pub role: Option<UniqueId>,
}

/// Whose a credential is: an access key, a second factor, a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CredentialOwner {
    /// The account's root user.
    Root,
    /// A user, by id.
    User(UniqueId),
}

/// A long-term access key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccessKey {
    /// `AKIA…`, carries its account.
    pub id: AccessKeyId,
    /// The account that the id carries.
    pub account: AccountId,
    /// Whose it is.
    pub owner: CredentialOwner,
    /// Whether requests signed with it are taken.
    pub active: bool,
    /// When it was made.
    pub created: Time,
    /// The secret, sealed with the key file; bound to the key's id.
    pub secret: Box<[u8]>,
    /// Where it was made, and alone is known.
    pub partition: Partition,
}

/// When, where and for what a key or a role was last used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// To the minute or better.
    pub time: Time,
    /// The signing name of the service.
    pub service: Box<str>,
    /// The region of the request.
    pub region: Box<str>,
}

/// An entity with a name, a path and a unique id in an account.
pub trait Named {
    /// What kind of entity it is.
    const KIND: EntityKind;
    /// The resource type in its ARN.
    const ARN_TYPE: &'static str;
    /// Its unique id.
    fn id(&self) -> UniqueId;
    /// Its name as written.
    fn name(&self) -> &str;
    /// Its path.
    fn path(&self) -> &str;
    /// Its ARN, seen from `partition`, in `account`.
    fn arn(&self, partition: Partition, account: AccountId) -> String {
        format!("arn:{partition}:iam::{account}:{}{}{}", Self::ARN_TYPE, self.path(), self.name())
    }
}

macro_rules! named {
    ($($entity:ident $kind:ident $arn_type:literal),* $(,)?) => {$(
        impl Named for $entity {
            const KIND: EntityKind = EntityKind::$kind;
            const ARN_TYPE: &'static str = $arn_type;
            fn id(&self) -> UniqueId { self.id }
            fn name(&self) -> &str { &self.name }
            fn path(&self) -> &str { &self.path }
        }
    )*};
}

named! {
    Group Group "group",
    InstanceProfile InstanceProfile "instance-profile",
    ManagedPolicy Policy "policy",
    Role Role "role",
    User User "user",
}
