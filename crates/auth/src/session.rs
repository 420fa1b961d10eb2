//! Session tokens: temporary credentials that carry everything about themselves.
//!
//! Shape: base64 of a sealed (encrypted and authenticated) postcard of [`Claims`]. Any node with the same key file can
//! open a token without a look-up; nobody else can read, change or make one. The secret access key is inside, so
//! nothing is stored when a session begins. What a token says is *who* the session is of; *what* that principal may do
//! is read from the state at each request, so deleting the user or role ends all its sessions at once, and a
//! policy on `aws:TokenIssueTime` ends the older ones. Credentials that a sign-in gave die with its session.
//!
//! Opened tokens are kept in a bounded cache, because their session policies are compiled once and decryption is paid once.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use quick_cache::sync::Cache;
use rootward_names::{AccessKeyId, AccountId, Handle, Partition, Random, Time, UniqueId};
use rootward_state::entities::Document;
use rootward_store::vault::Vault;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::root_task::RootTask;

/// Longest token that is looked at, in bytes. The longest that can be issued is about half of it.
pub const TOKEN_BYTES_MAX: usize = 32 * 1024;

/// How many opened tokens are kept.
const CACHED_MAX: usize = 1_000;

/// Separates tokens from everything else that is sealed, and versions their form.
const CONTEXT: &[u8] = b"session token 4";

/// A secret access key as it is shown once to its owner and then sealed: 40 characters.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct SecretAccessKey(String);

/// Takes the same time wherever they differ.
impl PartialEq for SecretAccessKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for SecretAccessKey {}

impl SecretAccessKey {
    /// A fresh one: 30 random bytes in base64.
    pub fn random(random: &mut dyn Random) -> Self {
        let mut bytes = [0; 30];
        random.fill(&mut bytes);
        let text = BASE64_STANDARD.encode(bytes);
        bytes.zeroize();
        Self(text)
    }

    /// Takes one that was kept.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to show it to its owner or to check a signature.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretAccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretAccessKey(…)")
    }
}

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holder {
    /// A federated user's, from `GetFederationToken`.
    FederatedUser {
        /// The user who asked for it; `None`: the root user.
        by: Option<UniqueId>,
        /// The name given to it.
        name: Box<str>,
    },
    /// A role's.
    Role {
        /// `AROA…`
        id: UniqueId,
        /// The name given to the session.
        session_name: Box<str>,
    },
    /// The root user's, from `GetSessionToken` or a sign-in.
    Root,
    /// A user's, from `GetSessionToken` or a sign-in.
    User(UniqueId),
    /// The root user's of a member of an organization, from `AssumeRoot`. The last, so that tokens from before it was there still open.
    AssumedRoot(RootTask),
}

/// Everything about a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// `ASIA…`
    pub key: AccessKeyId,
    /// What requests are signed with.
    pub secret: SecretAccessKey,
    /// The account of the holder.
    pub account: AccountId,
    /// Where it began, and alone is known.
    pub partition: Partition,
    /// Whose session it is.
    pub holder: Holder,
    /// When it began.
    pub issued: Time,
    /// When it ends.
    pub expires: Time,
    /// When multi-factor authentication took place, if it did.
    pub mfa: Option<Time>,
    /// Whether it was made with temporary credentials: a link of a chain of roles.
    pub chained: bool,
    /// The session of a sign-in without which these credentials are worth nothing.
    pub sign_in: Option<Handle>,
    /// Session tags.
    pub tags: Vec<(Box<str>, Box<str>)>,
    /// Keys of the session tags that pass on to sessions made from this one.
    pub transitive: Vec<Box<str>>,
    /// Set once, kept along a chain of roles.
    pub source_identity: Option<Box<str>>,
    /// The inline session policy.
    pub policy: Option<Document>,
    /// ARNs of managed session policies.
    pub policy_arns: Vec<Box<str>>,
}

/// Session policies: what a session's permissions cannot exceed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionPolicies {
    /// At most one inline document.
    pub inline: Option<Document>,
    /// At most ten managed policies, by ARN; in force as they stand at each request.
    pub managed: Vec<Box<str>>,
}

impl SessionPolicies {
    /// Whether the session was made without any, so that it has all permissions of its role.
    pub fn is_none(&self) -> bool {
        self.inline.is_none() && self.managed.is_empty()
    }
}

/// A token that was opened.
#[derive(Debug)]
pub struct Session {
    /// What it says.
    pub claims: Claims,
    /// Its session policies, shared by all requests so that they are compiled once.
    pub policies: Arc<SessionPolicies>,
}

/// A text that is no token of ours, or not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidToken;

/// Issues and opens session tokens.
pub struct Tokens {
    vault: Arc<Vault>,
    opened: Cache<Box<str>, Arc<Session>>,
}

impl Tokens {
    /// Tokens under this key file's key.
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { vault, opened: Cache::new(CACHED_MAX) }
    }

    /// Makes the token that says `claims`, at least `bytes_min` long: zeros behind the claims, which opening ignores.
    pub fn issue(&self, claims: &Claims, bytes_min: usize, random: &mut dyn Random) -> String {
        // Serializing to memory fails for no field of `Claims`; an empty token would simply never open.
        let mut plain = postcard::to_stdvec(claims).unwrap_or_default();
        let mut sealed = self.vault.seal_token(CONTEXT, &plain, random);
        let missing = (bytes_min.min(TOKEN_BYTES_MAX).div_ceil(4) * 3).saturating_sub(sealed.len());
        if missing > 0 {
            // Moved, not grown: growing would leave a copy of the secret behind.
            let mut padded = vec![0; plain.len() + missing];
            padded.iter_mut().zip(&plain).for_each(|(to, from)| *to = *from);
            sealed = self.vault.seal_token(CONTEXT, &padded, random);
            padded.zeroize();
        }
        plain.zeroize();
        BASE64_STANDARD.encode(sealed)
    }

    /// Opens a token. Whether it has expired is for the caller to see.
    ///
    /// # Errors
    /// [`InvalidToken`]: not ours, damaged, or too long.
    pub fn open(&self, token: &str) -> Result<Arc<Session>, InvalidToken> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(InvalidToken);
        }
        if let Some(session) = self.opened.get(token) {
            return Ok(session);
        }
        let sealed = BASE64_STANDARD.decode(token).map_err(|_| InvalidToken)?;
        let plain = self.vault.open_token(CONTEXT, &sealed).map_err(|_| InvalidToken)?;
        let claims: Claims = postcard::from_bytes(&plain).map_err(|_| InvalidToken)?;
        let policies = SessionPolicies { inline: claims.policy.clone(), managed: claims.policy_arns.clone() };
        let session = Arc::new(Session { claims, policies: Arc::new(policies) });
        self.opened.insert(token.into(), Arc::clone(&session));
        Ok(session)
    }
}
