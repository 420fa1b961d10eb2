//! Accounts in a memory store, keys and sessions of their principals, and requests signed by AWS's own signer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::{HeaderMap, HeaderName, HeaderValue};
use rootward_auth::authn::{Authenticated, Authenticator, Authority, Now, Unauthenticated, seal_secret};
use rootward_auth::session::{Claims, Holder, SecretAccessKey, Tokens};
use rootward_auth::{Credential, Identity, Principal, RoleSession};
use rootward_names::{
    AccessKeyId, AccessKeyKind, AccountId, EntityKind, Handle, Partition, Random, Time, UniqueId,
};
use rootward_sigv4::Parts;
use rootward_state::entities::{
    AccessKey, Account, AccountStatus, CredentialOwner, Document, Grants, Group, InlinePolicy, ManagedPolicy,
    PolicyRef, PolicyVersion, Role, RootGuard, RootUser, Rotated, Seal, SessionKind, SignInSession, SignedIn,
    Tag, User,
};
use rootward_state::{Db, RowKey, Txn, World};
use rootward_store::Memory;
use rootward_store::vault::{Key, Vault};
use rootward_testkit::Seeded;

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const ELSEWHERE: &str = "444455556666";

/// When everything happens.
pub(crate) const NOW: Time = Time::from_seconds(1_700_000_000);

/// What a request is signed with.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    pub(crate) key: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

pub(crate) struct Bench {
    authenticator: Authenticator,
    db: Arc<Db>,
    random: Seeded,
    tokens: Arc<Tokens>,
    vault: Arc<Vault>,
}

pub(crate) fn account() -> AccountId {
    ACCOUNT.parse().unwrap()
}

impl Bench {
    /// One active account without a seal, [`ACCOUNT`].
    pub(crate) fn new(authority: Authority) -> Self {
        Self::seeded(authority, 1)
    }

    /// The same with another key file and other ids.
    pub(crate) fn seeded(authority: Authority, seed: u64) -> Self {
        let mut random = Seeded::new(seed);
        let vault = Arc::new(Vault::new(&Key::random(&mut random)));
        let tokens = Arc::new(Tokens::new(Arc::clone(&vault)));
        let db = Db::open(Arc::new(Memory::new().unwrap())).unwrap().db;
        let authenticator = Authenticator::new(Arc::clone(&vault), Arc::clone(&tokens), authority);
        let bench = Self { authenticator, db, random, tokens, vault };
        bench.open_account(ACCOUNT, AccountStatus::Active);
        bench
    }

    pub(crate) fn open_account(&self, id: &str, status: AccountStatus) {
        let id: AccountId = id.parse().unwrap();
        let account = Account {
            id,
            name: "Example".into(),
            email: format!("{id}@example.com").into(),
            canonical_id: "0".repeat(64).into(),
            created: NOW,
            status,
            partition: Partition::Aws,
            alias: None,
            root: RootUser::default(),
        };
        self.write(|txn| {
            txn.put(RowKey::Account(id), account);
            txn.put(RowKey::RootGuard(id), RootGuard { seal: Seal::Never, ..RootGuard::new() });
        });
    }

    pub(crate) fn write(&self, write: impl FnOnce(&mut Txn)) {
        let mut txn = self.db.begin();
        write(&mut txn);
        self.db.commit_wait(txn).unwrap();
    }

    /// A transaction on the state as it stands.
    pub(crate) fn begin(&self) -> Txn {
        self.db.begin()
    }

    /// Whether a transaction commits; it may have lost a race.
    pub(crate) fn commits(&self, txn: Txn) -> bool {
        self.db.commit_wait(txn).is_ok()
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) fn random(&mut self) -> &mut dyn Random {
        &mut self.random
    }

    pub(crate) fn world(&self) -> Arc<World> {
        self.db.snapshot()
    }

    fn id(&mut self, kind: EntityKind) -> UniqueId {
        UniqueId::random(kind, &mut self.random)
    }

    pub(crate) fn user(&mut self, name: &str, change: impl FnOnce(&mut User)) -> Arc<User> {
        let mut user = User {
            id: self.id(EntityKind::User),
            name: name.into(),
            path: "/".into(),
            created: NOW,
            tags: Vec::new(),
            grants: Grants::default(),
            boundary: None,
            groups: Vec::new(),
            access_keys: Vec::new(),
        };
        change(&mut user);
        let user = Arc::new(user);
        self.write(|txn| txn.put_entity::<User>(account(), Arc::clone(&user)));
        user
    }

    pub(crate) fn role(&mut self, name: &str, change: impl FnOnce(&mut Role)) -> Arc<Role> {
        let mut role = Role {
            id: self.id(EntityKind::Role),
            name: name.into(),
            path: "/team/".into(),
            created: NOW,
            description: None,
            trust: Document::new(""),
            session_seconds_max: 3_600,
            tags: Vec::new(),
            grants: Grants::default(),
            boundary: None,
        };
        change(&mut role);
        let role = Arc::new(role);
        self.write(|txn| txn.put_entity::<Role>(account(), Arc::clone(&role)));
        role
    }

    pub(crate) fn group(&mut self, name: &str, grants: Grants) -> UniqueId {
        let id = self.id(EntityKind::Group);
        let group = Group { id, name: name.into(), path: "/".into(), created: NOW, grants };
        self.write(|txn| txn.put_entity(account(), group));
        id
    }

    /// A customer managed policy, as it is attached.
    pub(crate) fn policy(&mut self, name: &str, statement: &str) -> PolicyRef {
        let id = self.id(EntityKind::Policy);
        let policy = ManagedPolicy {
            id,
            name: name.into(),
            path: "/".into(),
            created: NOW,
            updated: NOW,
            description: None,
            tags: Vec::new(),
            versions: vec![PolicyVersion { number: 1, created: NOW, document: document(statement) }],
            default_version: 1,
            next_version: 2,
        };
        self.write(|txn| txn.put_entity(account(), policy));
        PolicyRef::Customer(id)
    }

    /// A long-term key.
    pub(crate) fn key(&mut self, owner: CredentialOwner, active: bool) -> Signer {
        let id = AccessKeyId::random(AccessKeyKind::LongTerm, account(), &mut self.random);
        let secret = SecretAccessKey::random(&mut self.random);
        let sealed = seal_secret(&self.vault, id, &secret, &mut self.random);
        let partition = Partition::Aws;
        let row =
            AccessKey { id, account: account(), owner, active, created: NOW, secret: sealed, partition };
        self.write(|txn| txn.put(RowKey::AccessKey(id), row));
        Signer { key: id.to_string(), secret: secret.expose().into(), token: None }
    }

    /// A session of a sign-in.
    pub(crate) fn sign_in(&mut self, holder: SignedIn, expires: Time) -> Handle {
        let id = Handle::random(&mut self.random);
        let row = SignInSession {
            holder,
            kind: SessionKind::CommandLine,
            key: "ASIAY34FZKBOKMUTVV7A".parse().unwrap(),
            digest: [0; 32],
            rotated: Rotated { at: Time::from_seconds(1), previous: None },
            created: NOW,
            used: NOW,
            expires,
            mfa: None,
            source_ip: "127.0.0.1".into(),
            user_agent: "test".into(),
            restricted: false,
            reason: None,
            role: None,
            parent: None,
        };
        self.write(|txn| txn.put(RowKey::Session(account(), id), row));
        id
    }

    /// A session of an hour.
    pub(crate) fn session(&mut self, holder: Holder, change: impl FnOnce(&mut Claims)) -> Signer {
        let mut claims = Claims {
            key: AccessKeyId::random(AccessKeyKind::Temporary, account(), &mut self.random),
            secret: SecretAccessKey::random(&mut self.random),
            account: account(),
            partition: Partition::Aws,
            holder,
            issued: NOW,
            expires: NOW.plus_seconds(3_600),
            mfa: None,
            chained: false,
            sign_in: None,
            tags: Vec::new(),
            transitive: Vec::new(),
            source_identity: None,
            policy: None,
            policy_arns: Vec::new(),
        };
        change(&mut claims);
        let token = Some(self.tokens.issue(&claims, 0, &mut self.random));
        Signer { key: claims.key.to_string(), secret: claims.secret.expose().into(), token }
    }

    /// Signs a request to IAM and finds out who signed it.
    pub(crate) fn send(&self, signer: &Signer) -> Result<Authenticated, Unauthenticated> {
        self.send_at(signer, NOW)
    }

    /// The same at another time.
    pub(crate) fn send_at(&self, signer: &Signer, now: Time) -> Result<Authenticated, Unauthenticated> {
        self.authenticate(&signed(signer, "us-east-1", now), now)
    }

    pub(crate) fn authenticate(
        &self,
        headers: &HeaderMap,
        now: Time,
    ) -> Result<Authenticated, Unauthenticated> {
        let parts = Parts { method: "GET", path: "/", query: QUERY, authority: None, headers };
        let now = Now { signing: now, sessions: now };
        self.authenticator.authenticate(&self.world(), &parts, b"", "iam", now)
    }

    /// Code and message of a refusal; what is logged of it is never more.
    pub(crate) fn refusal(&self, signer: &Signer) -> (&'static str, String) {
        refusal(self.send(signer))
    }
}

pub(crate) fn refusal(result: Result<Authenticated, Unauthenticated>) -> (&'static str, String) {
    let refused = result.unwrap_err();
    assert!(!refused.summary().is_empty());
    let (code, _, message) = refused.answer();
    (code, message)
}

const QUERY: &str = "Action=ListUsers&Version=2010-05-08";

/// The headers of a request that AWS's signer signs.
pub(crate) fn signed(signer: &Signer, region: &str, now: Time) -> HeaderMap {
    let identity = Credentials::new(&signer.key, &signer.secret, signer.token.clone(), None, "test").into();
    let seconds = u64::try_from(now.seconds()).unwrap();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("iam")
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let uri = format!("https://example.com/?{QUERY}");
    let signable = SignableRequest::new("GET", uri, std::iter::empty(), SignableBody::Bytes(b"")).unwrap();
    let (made, _) = sign(signable, &params).unwrap().into_parts().0.into_parts();
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("example.com"));
    for header in &made {
        headers.append(header.name().parse::<HeaderName>().unwrap(), header.value().parse().unwrap());
    }
    headers
}

/// A policy of one statement.
pub(crate) fn document(statement: &str) -> Document {
    Document::new(format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#))
}

/// One inline policy.
pub(crate) fn inline(statement: &str) -> Grants {
    let policy = InlinePolicy { name: "inline".into(), document: document(statement) };
    Grants { inline: vec![policy], ..Grants::default() }
}

pub(crate) fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.into(), value: value.into() }
}

pub(crate) fn principal(identity: Identity) -> Principal {
    let key = "AKIAY34FZKBOKMUTVV7A".parse().unwrap();
    Principal {
        account: account(),
        partition: Partition::Aws,
        identity,
        credential: Credential::LongTerm(key),
    }
}

pub(crate) fn role_session(role: &Arc<Role>, change: impl FnOnce(&mut RoleSession)) -> Principal {
    let mut session = RoleSession {
        role: Arc::clone(role),
        name: "s1".into(),
        tags: Vec::new(),
        transitive: Vec::new(),
        source_identity: None,
        policies: Arc::default(),
    };
    change(&mut session);
    principal(Identity::RoleSession(Box::new(session)))
}
