//! Authentication: from a signed request to the principal that signed it.
//!
//! Order of the answers: no claim at all, malformed or late claim, wrong scope, unknown or inactive key or one of another
//! partition, unusable session token, suspended account, signature, sealed root user. Everything about a key or token is resolved before
//! the signature is checked, because that is where the secret comes from; nothing about it is *told* that AWS does not tell.
//!
//! DIFFERENCE: any region is accepted in the scope, also for the global services. Clients that are pointed at an endpoint
//! of their own sign with the region they are configured for.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use quick_cache::sync::Cache;
use rootward_names::{AccessKeyId, AccessKeyKind, AccountId, Partition, Time};
use rootward_sigv4::{Claim, Code, Parts, Refusal, Scope, SecretKey, SigningKey};
use rootward_state::World;
use rootward_state::entities::{
    AccessKey, AccountStatus, CredentialOwner, Role, SessionKind, SignInSession, SignedIn, User,
};
use rootward_store::vault::Vault;

use crate::guard;
use crate::session::{Claims, Holder, SecretAccessKey, Session, Tokens};
use crate::{AssumedRoot, Credential, FederatedUser, Identity, Principal, RoleSession, SignIn};

/// Who decides what a key is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Every request is signed with a key that was issued here.
    Issued,
    /// The sandbox: a key that was not issued here is the root user of an account. Keys that carry an account which
    /// exists here count as issued, so no issued key, live, inactive or deleted, is ever taken unverified. The region that
    /// a foreign key signs for decides its partition; an issued key is known in the partition it was made in, as AWS has it.
    Sandbox,
}

/// Authenticates requests.
pub struct Authenticator {
    vault: Arc<Vault>,
    tokens: Arc<Tokens>,
    authority: Authority,
    signing_keys: Cache<(AccessKeyId, u64), Arc<CachedKey>>,
}

/// How many derived signing keys are kept. One serves a key for one day, region and service.
const SIGNING_KEYS_MAX: usize = 4_096;

/// A derived signing key with all it was derived from, so that it is good for exactly that.
struct CachedKey {
    proof: Proof,
    scope: Scope<'static>,
    key: SigningKey,
}

/// What holds the secret of a claim. Rows and opened tokens are immutable: the same allocation is the same secret.
#[derive(Clone)]
enum Proof {
    Row(Arc<AccessKey>),
    Token(Arc<Session>),
}

impl Proof {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Row(a), Self::Row(b)) => Arc::ptr_eq(a, b),
            (Self::Token(a), Self::Token(b)) => Arc::ptr_eq(a, b),
            (Self::Row(_), Self::Token(_)) | (Self::Token(_), Self::Row(_)) => false,
        }
    }
}

/// The time, as it is told to two kinds of judges. They differ only in a seeded sandbox.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// What signatures are held against.
    pub signing: Time,
    /// What sessions expire by.
    pub sessions: Time,
}

/// A principal and the region their request is for.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// Who signed.
    pub principal: Principal,
    /// The region in the credential scope.
    pub region: Box<str>,
}

/// A request that was not authenticated.
#[derive(Debug)]
pub enum Unauthenticated {
    /// The key, or what it belongs to, does not exist or may not be used.
    InvalidKey,
    /// No claim at all.
    Missing,
    /// The session is over.
    Expired,
    /// The sandbox is to open this account first.
    SandboxAccount(AccountId),
    /// The claim does not hold.
    Refused(Refusal),
    /// The claim holds, and its maker is a root user whom the seal keeps out.
    Sealed(Box<Authenticated>),
    /// The account is suspended or closed.
    Suspended,
    /// A foreign key of the sandbox in a request that a web page could have had sent.
    WebPage,
}

impl Unauthenticated {
    /// Code, status and message on the wire.
    pub fn answer(&self) -> (&'static str, u16, String) {
        match self {
            Self::Expired => {
                ("ExpiredToken", 403, "The security token included in the request is expired".into())
            }
            Self::InvalidKey | Self::SandboxAccount(_) => {
                ("InvalidClientTokenId", 403, "The security token included in the request is invalid.".into())
            }
            Self::Missing => {
                ("MissingAuthenticationToken", 403, "Request is missing Authentication Token".into())
            }
            Self::Refused(refusal) => (refusal.code().as_str(), status(refusal.code()), refusal.to_string()),
            Self::Sealed(caller) => ("AccessDenied", 403, sealed(caller.principal.account)),
            Self::Suspended => {
                ("OptInRequired", 403, "The AWS Access Key Id needs a subscription for the service".into())
            }
            Self::WebPage => ("AccessDenied", 403, WEB_PAGE.into()),
        }
    }

    /// The message for logs and audit records: without the canonical request, which may hold a session token.
    pub fn summary(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.summary(),
            other => other.answer().2,
        }
    }
}

fn sealed(account: AccountId) -> String {
    format!(
        "The root user of account {account} is sealed: its access keys are not taken, nor are sessions that were made with them. \
         Work as an IAM user; or sign in as the root user, or have it unsealed on the host with \
         `rootward root unseal --account {account} --reason TEXT`."
    )
}

const WEB_PAGE: &str = "A key that the sandbox has not issued is not taken from web pages: send the request by POST, and \
    from no browser.";

const fn status(code: Code) -> u16 {
    match code {
        Code::IncompleteSignature | Code::XAmzContentSHA256Mismatch => 400,
        Code::AccessDenied | Code::RequestTimeTooSkewed | Code::SignatureDoesNotMatch => 403,
    }
}

impl From<Refusal> for Unauthenticated {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Authenticator {
    /// An authenticator over the keys of this vault.
    pub fn new(vault: Arc<Vault>, tokens: Arc<Tokens>, authority: Authority) -> Self {
        Self { vault, tokens, authority, signing_keys: Cache::new(SIGNING_KEYS_MAX) }
    }

    /// Finds out who signed this request to `service`.
    ///
    /// # Errors
    /// [`Unauthenticated`], in the order given at the top of this module.
    pub fn authenticate(
        &self,
        world: &World,
        parts: &Parts<'_>,
        body: &[u8],
        service: &str,
        now: Now,
    ) -> Result<Authenticated, Unauthenticated> {
        if self.authority == Authority::Sandbox
            && let Some(foreign) = ForeignKey::of(world, parts)
        {
            return foreign.take(world);
        }
        let claim = Claim::read(parts, now.signing)?.ok_or(Unauthenticated::Missing)?;
        let scoped = claim.for_service(service, is_region)?;
        let signer = self.signer(world, scoped.claim(), now.sessions)?;
        if !self.knows(&signer, scoped.claim().scope().region()) {
            return Err(Unauthenticated::InvalidKey);
        }
        check_active(world, signer.account)?;
        let key = self.signing_key(&signer, scoped.claim().scope()).ok_or(Unauthenticated::InvalidKey)?;
        let verified = scoped.verify(body, &key.key)?;
        let region = verified.claim().scope().region().into();
        let caller = Authenticated { principal: signer.principal(), region };
        if is_kept_out(world, &caller.principal, now.sessions) {
            return Err(Unauthenticated::Sealed(Box::new(caller)));
        }
        Ok(caller)
    }

    /// Whether the partition of this region knows the key. A sandbox is in every partition at once, and ARNs in policies
    /// name one of them: a key that could choose another would leave a Deny behind. Elsewhere there is one partition.
    fn knows(&self, signer: &Signer, region: &str) -> bool {
        match self.authority {
            Authority::Issued => true,
            Authority::Sandbox => signer.partition == Partition::of_region(region),
        }
    }

    fn signer(&self, world: &World, claim: &Claim<'_>, now: Time) -> Result<Signer, Unauthenticated> {
        let key: AccessKeyId = claim.access_key_id().parse().map_err(|_| Unauthenticated::InvalidKey)?;
        let signer = match (key.kind(), claim.session_token()) {
            (AccessKeyKind::LongTerm, None) => self.long_term(world, key),
            (AccessKeyKind::Temporary, Some(token)) => {
                let session = self.tokens.open(token).ok().filter(|session| session.claims.key == key);
                let session = session.ok_or(Unauthenticated::InvalidKey)?;
                if session.claims.expires <= now || is_signed_out(world, &session, now) {
                    return Err(Unauthenticated::Expired);
                }
                temporary(world, session)
            }
            (AccessKeyKind::LongTerm, Some(_)) | (AccessKeyKind::Temporary, None) => None,
        };
        signer.ok_or(Unauthenticated::InvalidKey)
    }

    fn long_term(&self, world: &World, id: AccessKeyId) -> Option<Signer> {
        let state = world.account(id.account()?)?;
        let key = state.access_key(id).filter(|key| key.active)?;
        let identity = match key.owner {
            CredentialOwner::Root => Identity::Root,
            CredentialOwner::User(user) => Identity::User(Arc::clone(state.by_id::<User>(user)?)),
        };
        Some(Signer {
            account: key.account,
            partition: key.partition,
            identity,
            id,
            credential: Credential::LongTerm(id),
            proof: Proof::Row(Arc::clone(key)),
        })
    }

    /// The key that requests of this signer in this scope are signed with; none when the sealed secret does not open.
    fn signing_key(&self, signer: &Signer, scope: &Scope<'_>) -> Option<Arc<CachedKey>> {
        let place = (signer.id, scope_hash(scope));
        let known = self.signing_keys.get(&place);
        if let Some(known) = known.filter(|known| known.proof.is(&signer.proof) && known.scope == *scope) {
            return Some(known);
        }
        let secret = match &signer.proof {
            Proof::Row(row) => open_secret(&self.vault, row)?,
            Proof::Token(session) => SecretKey::new(session.claims.secret.expose()),
        };
        let key = SigningKey::derive(&secret, scope);
        let cached = CachedKey { proof: signer.proof.clone(), scope: scope.to_owned(), key };
        let cached = Arc::new(cached);
        self.signing_keys.insert(place, Arc::clone(&cached));
        Some(cached)
    }
}

fn scope_hash(scope: &Scope<'_>) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    (scope.date(), scope.region(), scope.service()).hash(&mut hasher);
    hasher.finish()
}

/// Who a key or token says it is of, with the secret that proves it.
struct Signer {
    id: AccessKeyId,
    account: AccountId,
    partition: Partition,
    identity: Identity,
    credential: Credential,
    proof: Proof,
}

impl Signer {
    fn principal(self) -> Principal {
        let Self { account, partition, identity, credential, .. } = self;
        Principal { account, partition, identity, credential }
    }
}

/// Who the holder of temporary credentials is, as the account stands: for sessions of the console that began with such
/// credentials. Nothing is proved by it; whoever asks has kept the opened token since it was.
///
/// # Errors
/// [`Unauthenticated`]: the credentials are over, or whoever they are of is gone or kept out by the seal.
pub fn holder(world: &World, session: Arc<Session>, now: Time) -> Result<Principal, Unauthenticated> {
    if session.claims.expires <= now || is_signed_out(world, &session, now) {
        return Err(Unauthenticated::Expired);
    }
    let signer = temporary(world, session).ok_or(Unauthenticated::InvalidKey)?;
    check_active(world, signer.account)?;
    let principal = signer.principal();
    if is_kept_out(world, &principal, now) {
        let region = principal.partition.global_region().into();
        return Err(Unauthenticated::Sealed(Box::new(Authenticated { principal, region })));
    }
    Ok(principal)
}

/// Who a session of a sign-in is of, as the account stands; none when they are gone. Nothing is proved by it.
pub fn signed_in(
    world: &World,
    account: AccountId,
    tokens: &Tokens,
    row: &SignInSession,
    sign_in: SignIn,
    now: Time,
) -> Option<Principal> {
    let state = world.account(account)?;
    let identity = match &row.holder {
        SignedIn::Federated(token) => {
            let principal = holder(world, tokens.open(token).ok()?, now).ok()?;
            return Some(principal.in_session(sign_in));
        }
        SignedIn::Root => Identity::Root,
        SignedIn::User(id) => Identity::User(Arc::clone(state.by_id::<User>(*id)?)),
    };
    let credential =
        Credential::Temporary { key: row.key, issued: row.created, mfa: row.mfa, sign_in: Some(sign_in) };
    Some(Principal { account, partition: state.account().partition, identity, credential })
}

fn is_kept_out(world: &World, principal: &Principal, now: Time) -> bool {
    world.account(principal.account).is_some_and(|state| guard::keeps_out(state.root_guard(), principal, now))
}

fn check_active(world: &World, account: AccountId) -> Result<(), Unauthenticated> {
    let state = world.account(account).ok_or(Unauthenticated::InvalidKey)?;
    match state.account().status {
        AccountStatus::Active => Ok(()),
        AccountStatus::Suspended | AccountStatus::Closed { .. } => Err(Unauthenticated::Suspended),
    }
}

/// Whether these credentials are of a sign-in whose session is over.
fn is_signed_out(world: &World, session: &Session, now: Time) -> bool {
    let Some(id) = session.claims.sign_in else { return false };
    world.account(session.claims.account).is_none_or(|state| state.live_session(id, now).is_none())
}

fn temporary(world: &World, session: Arc<Session>) -> Option<Signer> {
    let claims = &session.claims;
    let state = world.account(claims.account)?;
    let identity = match &claims.holder {
        Holder::AssumedRoot(task) => {
            // Good for as long as the account is in an organization that has the task's feature on.
            let access = world.organization_of(claims.account)?.organization().root_access;
            let is_on = if task.is_of_credentials() { access.credentials } else { access.sessions };
            if !is_on {
                return None;
            }
            let source_identity = claims.source_identity.clone();
            Identity::AssumedRoot(Box::new(AssumedRoot { task: *task, source_identity }))
        }
        Holder::FederatedUser { by, name } => {
            let by = match by {
                Some(id) => Some(Arc::clone(state.by_id::<User>(*id)?)),
                None => None,
            };
            Identity::FederatedUser(Box::new(FederatedUser {
                by,
                name: name.clone(),
                tags: claims.tags.clone(),
                policies: Arc::clone(&session.policies),
            }))
        }
        Holder::Root => Identity::Root,
        Holder::User(id) => Identity::User(Arc::clone(state.by_id::<User>(*id)?)),
        Holder::Role { id, session_name } => Identity::RoleSession(Box::new(RoleSession {
            role: Arc::clone(state.by_id::<Role>(*id)?),
            name: session_name.clone(),
            tags: claims.tags.clone(),
            transitive: claims.transitive.clone(),
            source_identity: claims.source_identity.clone(),
            policies: Arc::clone(&session.policies),
        })),
    };
    let &Claims { key, issued, mfa, sign_in, .. } = claims;
    let sign_in = sign_in.map(|session| SignIn { session, kind: SessionKind::CommandLine });
    let credential = Credential::Temporary { key, issued, mfa, sign_in };
    let (id, account, partition) = (claims.key, claims.account, claims.partition);
    Some(Signer { id, account, partition, identity, credential, proof: Proof::Token(session) })
}

/// Seals a long-term secret for its row. Bound to the key's id: a sealed secret moved to another row does not open.
pub fn seal_secret(
    vault: &Vault,
    id: AccessKeyId,
    secret: &SecretAccessKey,
    random: &mut dyn rootward_names::Random,
) -> Box<[u8]> {
    vault.seal(id.to_string().as_bytes(), secret.expose().as_bytes(), random).into_boxed_slice()
}

fn open_secret(vault: &Vault, key: &AccessKey) -> Option<SecretKey> {
    let plain = vault.open(key.id.to_string().as_bytes(), &key.secret).ok()?;
    std::str::from_utf8(&plain).ok().map(SecretKey::new)
}

/// Whether a text has the form of a region's name: lower-case words and digits joined by single hyphens.
fn is_region(text: &str) -> bool {
    text.len() <= 64
        && text.split('-').all(|word| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
}

/// A key that the sandbox takes at its word.
struct ForeignKey {
    id: String,
    account: AccountId,
    region: String,
}

impl ForeignKey {
    /// The foreign key of a request; none when it is unsigned or signed with an issued key.
    fn of(world: &World, parts: &Parts<'_>) -> Option<Self> {
        let credential = rootward_sigv4::stated_credential(parts)?;
        let mut fields = credential.split('/');
        let (id, _date, region) = (fields.next()?, fields.next(), fields.next());
        let carried = id.parse::<AccessKeyId>().ok().and_then(AccessKeyId::account);
        if carried.is_some_and(|account| world.account(account).is_some()) {
            return None;
        }
        let account = id.parse().unwrap_or(AccountId::SANDBOX);
        let region = region.filter(|region| is_region(region)).unwrap_or(Partition::Aws.global_region());
        Some(Self { id: id.chars().take(128).collect(), account, region: region.into() })
    }

    fn take(self, world: &World) -> Result<Authenticated, Unauthenticated> {
        if world.account(self.account).is_none() {
            return Err(Unauthenticated::SandboxAccount(self.account));
        }
        check_active(world, self.account)?;
        Ok(Authenticated {
            principal: Principal {
                account: self.account,
                partition: Partition::of_region(&self.region),
                identity: Identity::Root,
                credential: Credential::Foreign(self.id.into()),
            },
            region: self.region.into(),
        })
    }
}
