//! What people sign in with, and what a sign-in leaves behind: passwords, second factors, sessions, and how a root user is
//! guarded.
//!
//! None of these is an entity of its own: each belongs to a user or to the account, under that one's id. They are rows apart
//! because they change with every sign-in, and because nobody who reads a user's row for a decision needs a password's hash.

use rootward_names::{AccessKeyId, AccountId, Handle, Partition, Time, UniqueId};
use serde::{Deserialize, Serialize};

use super::{CredentialOwner, Document, PasswordHash, Tag};

/// The rule for passwords of an account's users. It never applies to the root user. The default is what fields mean that
/// `UpdateAccountPasswordPolicy` leaves out; an account without a policy follows another rule.
///
/// Source: IAM API Reference, `UpdateAccountPasswordPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordPolicy {
    /// 6–128 characters.
    pub minimum_length: u8,
    /// At least one of `! @ # $ % ^ & * ( ) _ + - = [ ] { } | '`.
    pub require_symbols: bool,
    /// At least one digit.
    pub require_numbers: bool,
    /// At least one of A–Z.
    pub require_uppercase: bool,
    /// At least one of a–z.
    pub require_lowercase: bool,
    /// Users may change their own password without any policy attached to them.
    pub allow_users_to_change: bool,
    /// 1–1095 days after which a password expires.
    pub max_age_days: Option<u16>,
    /// How many of the last passwords cannot be had again: 1–24.
    pub reuse_prevention: Option<u8>,
    /// Who lets a password expire cannot set a new one at sign-in: an administrator must.
    pub hard_expiry: bool,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            minimum_length: 6,
            require_symbols: false,
            require_numbers: false,
            require_uppercase: false,
            require_lowercase: false,
            allow_users_to_change: false,
            max_age_days: None,
            reuse_prevention: None,
            hard_expiry: false,
        }
    }
}

impl PasswordPolicy {
    /// When a password expires that was set at `set`, if it does. A policy counts at once, also for passwords older
    /// than it.
    pub fn expires(&self, set: Time) -> Option<Time> {
        self.max_age_days.map(|days| set.plus_seconds(i64::from(days) * 86_400))
    }
}

/// A user's password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoginProfile {
    /// When the user first had one.
    pub created: Time,
    /// The one in force.
    pub password: PasswordHash,
    /// When it was set.
    pub set: Time,
    /// When it was last used to sign in.
    pub used: Option<Time>,
    /// The next sign-in asks for a new one.
    pub reset_required: bool,
    /// The ones before, newest first: as many as any policy can forbid to use again.
    pub previous: Vec<PasswordHash>,
}

/// What an account's credentials looked like at one time: kept, because it is shown as it was until it expires.
#[derive(Clone, Serialize, Deserialize)]
pub struct CredentialReport {
    /// When.
    pub generated: Time,
    /// The report as it is shown, compressed (DEFLATE).
    pub content: Box<[u8]>,
}

impl std::fmt::Debug for CredentialReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CredentialReport {{ {:?}, {} bytes }}", self.generated, self.content.len())
    }
}

/// A second factor, of whoever it is bound to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MfaDevice {
    /// What follows the account in its ARN (`mfa/path/name`, `u2f/user/ann/key-ABC`), or the serial number of a hardware
    /// token, which has no ARN.
    pub id: Box<str>,
    /// When it was made.
    pub created: Time,
    /// In the order they were set.
    pub tags: Vec<Tag>,
    /// Whose it is and since when; `None`: not bound yet.
    pub bound: Option<Bound>,
    /// What it is.
    pub factor: Factor,
}

/// Whose a second factor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Whose.
    pub owner: CredentialOwner,
    /// Since when.
    pub at: Time,
}

/// How a second factor proves itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Factor {
    /// A FIDO2 security key or passkey.
    Passkey(Passkey),
    /// Codes by time.
    Totp(Totp),
}

/// A device that shows codes by time (RFC 6238).
#[derive(Clone, Serialize, Deserialize)]
pub struct Totp {
    /// A token of plastic, whose seed was imported; else an app.
    pub hardware: bool,
    /// The seed, sealed with the key file; bound to the device's id.
    pub seed: Box<[u8]>,
    /// Where its clock stands; kept when the device is no longer bound to anybody, so that its codes stay used up.
    pub position: Option<Position>,
}

/// Where a device's clock stands and how far its codes are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// How many steps the device's clock is before ours; negative if it is behind.
    pub offset: i64,
    /// The last step, by the device's clock, of which a code was taken.
    pub last_step: i64,
}

/// A credential of the Web Authentication API.
#[derive(Clone, Serialize, Deserialize)]
pub struct Passkey {
    /// The credential's id.
    pub credential_id: Box<[u8]>,
    /// Its public key and counter, as the library that verifies it writes them.
    pub credential: Box<str>,
    /// How many of its assertions were taken: a challenge is void once this has changed.
    pub uses: u64,
}

impl std::fmt::Debug for Totp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Totp {{ hardware: {}, position: {:?}, … }}", self.hardware, self.position)
    }
}

impl std::fmt::Debug for Passkey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passkey(…)")
    }
}

impl MfaDevice {
    /// Its serial number, as APIs show it.
    pub fn serial_number(&self, partition: Partition, account: AccountId) -> String {
        // Only what has an ARN has a type in front of its name; serial numbers of tokens are kept out of those.
        if Self::has_arn(&self.id) {
            format!("arn:{partition}:iam::{account}:{}", self.id)
        } else {
            self.id.to_string()
        }
    }

    /// The id of the device with this serial number, which is what [`Self::serial_number`] writes. `None`: no device of this
    /// account can have it.
    pub fn id_of(serial_number: &str, partition: Partition, account: AccountId) -> Option<&str> {
        match serial_number.strip_prefix(&format!("arn:{partition}:iam::{account}:")) {
            Some(id) => Self::has_arn(id).then_some(id),
            None if serial_number.starts_with("arn:") || Self::has_arn(serial_number) => None,
            None => Some(serial_number),
        }
    }

    /// Whether a device with this id has an ARN.
    pub fn has_arn(id: &str) -> bool {
        id.starts_with("mfa/") || id.starts_with("u2f/")
    }

    /// Whose it is, once it is bound.
    pub fn owner(&self) -> Option<CredentialOwner> {
        self.bound.map(|bound| bound.owner)
    }
}

/// Who a session of a sign-in is of.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignedIn {
    /// Somebody who came with temporary credentials: the session token, which nobody but we can read.
    Federated(Box<str>),
    /// The root user.
    Root,
    /// A user.
    User(UniqueId),
}

impl std::fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Federated(_) => f.write_str("Federated(…)"),
            Self::Root => f.write_str("Root"),
            Self::User(id) => write!(f, "User({id})"),
        }
    }
}

/// Where a session of a sign-in is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionKind {
    /// On the command line, by credentials that the browser was asked for.
    CommandLine,
    /// In a browser.
    Console,
}

/// A session that began with a sign-in. It is over when it expires or when its row is gone, whichever is first.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignInSession {
    /// Who.
    pub holder: SignedIn,
    /// Where.
    pub kind: SessionKind,
    /// The access key id that its calls are recorded with: `ASIA…`
    pub key: AccessKeyId,
    /// SHA-256 of the secret that its cookie or refresh token carries.
    pub digest: [u8; 32],
    /// When that secret was made, and the digest of the one before, which is good for a moment longer: a browser has several
    /// requests under way.
    pub rotated: Rotated,
    /// When it began.
    pub created: Time,
    /// When it was last used, to some minutes.
    pub used: Time,
    /// When it ends.
    pub expires: Time,
    /// When a second factor was shown, if one was.
    pub mfa: Option<Time>,
    /// Where it began.
    pub source_ip: Box<str>,
    /// With what, as the browser says.
    pub user_agent: Box<str>,
    /// It is good for nothing but to register a second factor.
    pub restricted: bool,
    /// Why the root user was needed.
    pub reason: Option<Box<str>>,
    /// The session token of the role that was switched to.
    pub role: Option<Box<str>>,
    /// The session in which it was allowed, and without which it is over; none if it began with a sign-in of its own.
    pub parent: Option<Handle>,
}

/// The change of a session's secret.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Rotated {
    /// When.
    pub at: Time,
    /// SHA-256 of the secret before.
    pub previous: Option<[u8; 32]>,
}

impl std::fmt::Debug for SignInSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { holder, kind, created, expires, .. } = self;
        write!(f, "SignInSession {{ {holder:?}, {kind:?}, {created:?}..{expires:?}, … }}")
    }
}

/// How an account's root user is guarded. An account without this row has the default: sealed, nobody to be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootGuard {
    /// Whether the root user is sealed.
    pub seal: Seal,
    /// Longest session of the root user while it is sealed, in minutes: 5–60.
    pub session_minutes: u8,
    /// How many of `approvers` must agree before the root user is used or unsealed; 0: nobody is asked.
    pub approvals_required: u8,
    /// The users who are asked.
    pub approvers: Vec<UniqueId>,
    /// When the root user first signed in without a second factor: how long that may go on counts from here.
    pub mfa_missing_since: Option<Time>,
}

impl Default for RootGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl RootGuard {
    /// What holds for an account without this row.
    pub const fn new() -> Self {
        Self {
            seal: Seal::Closed,
            session_minutes: 60,
            approvals_required: 0,
            approvers: Vec::new(),
            mfa_missing_since: None,
        }
    }

    /// Whether the root user is sealed at this time.
    pub fn is_sealed(&self, now: Time) -> bool {
        match &self.seal {
            Seal::Closed => true,
            Seal::Never => false,
            // A clock that was set back does not prolong it.
            Seal::Open { since, until, .. } => now < *since || *until <= now,
        }
    }
}

/// What binds every principal of an account, its root user included, where no service control policy can.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuardPolicy {
    /// What it says: Deny alone.
    pub document: Document,
    /// When it was set.
    pub set: Time,
}

impl GuardPolicy {
    /// The ARN of an account's guard policy, of which there is one at most.
    pub fn arn(partition: Partition, account: AccountId) -> String {
        format!("arn:{partition}:rootward::{account}:guard-policy")
    }
}

/// The seal on a root user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seal {
    /// In force.
    Closed,
    /// There is none: accounts of a sandbox.
    Never,
    /// Broken for a while; it closes by itself.
    Open {
        /// When it was broken.
        since: Time,
        /// When it closes.
        until: Time,
        /// Why.
        reason: Box<str>,
    },
}

/// A request to use a root user, which others must agree to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RootAccess {
    /// What for.
    pub purpose: Purpose,
    /// Why.
    pub reason: Box<str>,
    /// What it is bound to, as SHA-256: of the secret that the browser holds which asked to sign in; of all that is wanted, when
    /// an API was asked.
    pub digest: [u8; 32],
    /// From where.
    pub source_ip: Box<str>,
    /// When.
    pub requested: Time,
    /// Until when it can be decided and used.
    pub expires: Time,
    /// Who said what, each once.
    pub decisions: Vec<Decision>,
    /// When it was used.
    pub used: Option<Time>,
}

/// What a root user is wanted for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Purpose {
    /// To change who must agree, and how long sessions last.
    ChangeGuard,
    /// To remove the guard policy, which says this.
    DeleteGuardPolicy(Document),
    /// To set this guard policy.
    PutGuardPolicy(Document),
    /// To sign in.
    SignIn,
    /// To break the seal, for some minutes.
    Unseal(u8),
}

impl Purpose {
    /// The document that it is about.
    pub const fn document(&self) -> Option<&Document> {
        match self {
            Self::DeleteGuardPolicy(document) | Self::PutGuardPolicy(document) => Some(document),
            Self::ChangeGuard | Self::SignIn | Self::Unseal(_) => None,
        }
    }
}

/// What one approver said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Who.
    pub user: UniqueId,
    /// When.
    pub at: Time,
    /// Yes or no.
    pub approved: bool,
}
