//! An account to sign in to, on the memory store, with a clock that is set by hand.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rootward_audit::{Filter, Limits, Log, Seal, Writer};
use rootward_auth::passkey::{RelyingParty, Wanted};
use rootward_auth::password::{self, Hasher, Password};
use rootward_auth::second_factor;
use rootward_auth::session::{Claims, Holder, SecretAccessKey, Tokens};
use rootward_auth::totp::Seed;
use rootward_names::{AccessKeyId, AccessKeyKind, AccountId, EntityKind, Partition, Random, Time, UniqueId};
use rootward_pipeline::{Mail, Mailer, Source};
use rootward_state::entities::{
    Account, AccountStatus, Bound, CredentialOwner, Decision, Document, Factor, Grants, InlinePolicy,
    LoginProfile, MfaDevice, PasswordHash, Position, Role, RootAccess, RootGuard, RootUser, Totp, User,
};
use rootward_state::{AccountState, Db, NameKey, RowKey, Txn};
use rootward_store::Memory;
use rootward_store::vault::{Key, Vault};
use rootward_testkit::{SecurityKey, Seeded};
use serde_json::Value;

use crate::{Browser, Door, Next, Refused, Setup, SignInService, Visitor};

/// A clock that is set by hand.
struct Clock {
    seconds: AtomicI64,
    drawn: AtomicU64,
}

impl Source for Clock {
    fn machine_now(&self) -> Time {
        Time::from_seconds(self.seconds.load(Ordering::Relaxed))
    }

    fn now(&self) -> Time {
        self.machine_now()
    }

    fn fill(&self, bytes: &mut [u8]) {
        Seeded::new(self.drawn.fetch_add(1, Ordering::Relaxed)).fill(bytes);
    }
}

pub(crate) const ROOT_PASSWORD: &str = "zebra-Violet+40-crumbs";
pub(crate) const ANN_PASSWORD: &str = "quiet-Otter+27-lanterns";
pub(crate) const ROOT: Door<'static> = Door::Root { email: "root@example.com" };
pub(crate) const ANN: Door<'static> = Door::User { account: "111122223333", name: "ann" };
const START: i64 = 1_700_000_000;
/// Where the pages are.
pub(crate) const CONSOLE: &str = "http://localhost:4566";
const AGENT: &str = "Mozilla/5.0";

/// Signing in, to an account with a root user and the users ann, bob and cleo. Ann has a password.
pub(crate) struct Bench {
    pub(crate) service: SignInService,
    db: Arc<Db>,
    log: Arc<Log>,
    writer: Arc<Writer>,
    vault: Arc<Vault>,
    clock: Arc<Clock>,
    browser: Browser,
    /// Records that committed with a write.
    outbox: Arc<Mutex<Vec<Value>>>,
    mails: Arc<Mailbox>,
}

/// Mail that was posted.
#[derive(Default)]
struct Mailbox(Mutex<Vec<Mail>>);

impl Mailer for Mailbox {
    fn post(&self, mail: Mail) {
        self.0.lock().unwrap().push(mail);
    }
}

/// One hash for all tests: each takes 20 ms.
fn hashed(password: &str, cell: &'static OnceLock<PasswordHash>) -> PasswordHash {
    cell.get_or_init(|| password::hash(&Password::new(password), &mut Seeded::new(1)).unwrap()).clone()
}

static ROOT_HASH: OnceLock<PasswordHash> = OnceLock::new();
static ANN_HASH: OnceLock<PasswordHash> = OnceLock::new();

impl Bench {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(Clock { seconds: AtomicI64::new(START), drawn: AtomicU64::new(0) });
        let vault = Arc::new(Vault::new(&Key::random(&mut Seeded::new(5))));
        let db = Db::open(Arc::new(Memory::new().unwrap())).unwrap().db;
        let log = Arc::new(Log::in_memory(Seal::new(|_| [0; 32])).unwrap());
        let limits = Limits { linger: Duration::ZERO, ..Limits::default() };
        let writer = Arc::new(Writer::start(Arc::clone(&log), limits, Box::new(|_, _| {})).unwrap());
        let mails = Arc::<Mailbox>::default();
        let service = SignInService::new(Setup {
            db: Arc::clone(&db),
            vault: Arc::clone(&vault),
            tokens: Arc::new(Tokens::new(Arc::clone(&vault))),
            guesses: Arc::default(),
            hasher: Hasher::new(NonZeroUsize::MIN, 8).unwrap(),
            relying_party: Arc::new(relying_party()),
            mailer: Some(Arc::clone(&mails) as Arc<dyn Mailer>),
            writer: Arc::clone(&writer),
            hand_over: Box::new(|| {}),
            source: Arc::clone(&clock) as Arc<dyn Source>,
            mfa_grace_days: 35,
        });
        let browser = service.browser(None);
        let outbox = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&outbox);
        db.follow_outbox(move |row| kept.lock().unwrap().push(serde_json::from_slice(&row.record).unwrap()))
            .unwrap();
        let bench = Self { service, db, log, writer, vault, clock, browser, outbox, mails };
        bench.write(|txn| {
            txn.put(RowKey::Account(account()), row_of_account());
            txn.put_owner(RowKey::Alias("example".into()), account());
            txn.put_owner(RowKey::Email(NameKey::new("root@example.com")), account());
            for name in ["ann", "bob", "cleo"] {
                txn.put_entity(account(), user(name));
            }
            let profile = LoginProfile {
                created: bench.now(),
                password: hashed(ANN_PASSWORD, &ANN_HASH),
                set: bench.now(),
                used: None,
                reset_required: false,
                previous: Vec::new(),
            };
            txn.put(RowKey::LoginProfile(account(), id_of("ann")), profile);
        });
        bench
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) fn account_row(&self, id: AccountId) -> Account {
        Account::clone(self.db.snapshot().account(id).unwrap().account())
    }

    /// Takes the mail that was posted.
    pub(crate) fn take_mails(&self) -> Vec<Mail> {
        std::mem::take(&mut self.mails.0.lock().unwrap())
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    pub(crate) fn pass_seconds(&self, seconds: i64) {
        self.clock.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn write(&self, write: impl FnOnce(&mut Txn)) {
        let mut txn = self.db.begin();
        write(&mut txn);
        self.db.commit_wait(txn).unwrap();
    }

    pub(crate) fn state(&self) -> Arc<AccountState> {
        Arc::clone(self.db.snapshot().account(account()).unwrap())
    }

    pub(crate) fn visitor(&self) -> Visitor<'_> {
        self.visitor_from(7)
    }

    pub(crate) fn visitor_from(&self, n: u8) -> Visitor<'_> {
        Visitor {
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)),
            user_agent: Some(AGENT),
            host: Some("localhost:4566"),
            tls: None,
            browser: &self.browser,
            login_to: "http://localhost:4566/console",
        }
    }

    pub(crate) fn password(&self, door: &Door<'_>, password: &str) -> Result<Next, Refused> {
        self.password_from(&self.visitor(), door, password)
    }

    pub(crate) fn password_from(
        &self,
        visitor: &Visitor<'_>,
        door: &Door<'_>,
        password: &str,
    ) -> Result<Next, Refused> {
        self.service.password(visitor, self.service.knock(visitor, door)?, &Password::new(password))
    }

    /// The session's cookie of somebody who needs nothing but a password.
    pub(crate) fn sign_in(&self, door: &Door<'_>, password: &str) -> String {
        match self.password(door, password) {
            Ok(Next::Welcome(welcome)) => welcome.cookie,
            other => panic!("{other:?}"),
        }
    }

    /// A role with this policy, or without one.
    pub(crate) fn put_role(&self, name: &str, policy: Option<&str>) -> UniqueId {
        let id = UniqueId::random(EntityKind::Role, &mut Seeded::new(name.len() as u64));
        let inline =
            policy.map(|document| InlinePolicy { name: "p".into(), document: Document::new(document) });
        let role = Role {
            id,
            name: name.into(),
            path: "/team/".into(),
            created: self.now(),
            description: None,
            trust: Document::new(r#"{"Version": "2012-10-17", "Statement": []}"#),
            session_seconds_max: 3_600,
            tags: Vec::new(),
            grants: Grants { inline: inline.into_iter().collect(), ..Grants::default() },
            boundary: None,
        };
        self.write(|txn| txn.put_entity(account(), role));
        id
    }

    /// Temporary credentials of an hour, and their session token.
    pub(crate) fn credentials(&self, holder: Holder, change: impl FnOnce(&mut Claims)) -> (Claims, String) {
        let random = &mut Seeded::new(self.clock.drawn.fetch_add(1, Ordering::Relaxed));
        let mut claims = Claims {
            key: AccessKeyId::random(AccessKeyKind::Temporary, account(), random),
            secret: SecretAccessKey::random(random),
            account: account(),
            partition: Partition::Aws,
            holder,
            issued: self.now(),
            expires: self.now().plus_seconds(3_600),
            mfa: None,
            chained: false,
            sign_in: None,
            tags: vec![("team".into(), "blue".into())],
            transitive: Vec::new(),
            source_identity: Some("jane".into()),
            policy: None,
            policy_arns: Vec::new(),
        };
        change(&mut claims);
        let token = Tokens::new(Arc::clone(&self.vault)).issue(&claims, 0, random);
        (claims, token)
    }

    /// Binds a device that shows codes; its seed.
    pub(crate) fn add_device(&self, name: &str, owner: CredentialOwner) -> Seed {
        let id: Box<str> = format!("mfa/{name}").into();
        let seed = Seed::random(&mut Seeded::new(name.len() as u64));
        let sealed = second_factor::seal_seed(&self.vault, account(), &id, &seed, &mut Seeded::new(3));
        let position = Some(Position { offset: 0, last_step: 0 });
        let device = MfaDevice {
            id: id.clone(),
            created: self.now(),
            tags: Vec::new(),
            bound: Some(Bound { owner, at: self.now() }),
            factor: Factor::Totp(Totp { hardware: false, seed: sealed, position }),
        };
        self.write(|txn| txn.put(RowKey::MfaDevice(account(), id), device));
        seed
    }

    /// Registers a security key, and binds it.
    pub(crate) fn add_security_key(&self, name: &str, owner: CredentialOwner, key: &mut SecurityKey) {
        let (party, wanted) = (relying_party(), Wanted { owner, device: name, by: "test" });
        let (options, registration) = party.start_registration(&self.state(), &wanted, self.now()).unwrap();
        let passkey = registration.finish(&party, &self.state(), &key.create(CONSOLE, &options)).unwrap();
        let id: Box<str> = format!("u2f/{name}").into();
        let device = MfaDevice {
            id: id.clone(),
            created: self.now(),
            tags: Vec::new(),
            bound: Some(Bound { owner, at: self.now() }),
            factor: Factor::Passkey(passkey),
        };
        self.write(|txn| txn.put(RowKey::MfaDevice(account(), id), device));
    }

    /// The code that a device shows now.
    pub(crate) fn code(&self, seed: &Seed) -> String {
        let secret = totp_rs::Secret::from(seed.expose());
        let totp = totp_rs::Builder::new().with_secret(secret).build_noncompliant();
        totp.generate(self.now().seconds().unsigned_abs()).to_string()
    }

    pub(crate) fn guard(&self, change: impl FnOnce(&mut RootGuard)) {
        let mut guard = self.state().root_guard().clone();
        change(&mut guard);
        self.write(|txn| txn.put(RowKey::RootGuard(account()), guard));
    }

    /// One of the users decides on the one request there is.
    pub(crate) fn decide(&self, name: &str, approved: bool) {
        let state = self.state();
        let (id, access) = state.root_accesses().iter().next().unwrap();
        let mut access = RootAccess::clone(access);
        access.decisions.push(Decision { user: id_of(name), at: self.now(), approved });
        self.write(|txn| txn.put(RowKey::RootAccess(account(), *id), access));
    }

    /// All records: of what was written, then of what was not.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.writer.flush(Duration::from_secs(20)).unwrap();
        let stored = self.log.reader().tail(1_000, &Filter::default()).unwrap();
        let plain = stored.iter().map(|stored| serde_json::from_str(stored.entry.json()).unwrap());
        self.outbox.lock().unwrap().iter().cloned().chain(plain).collect()
    }

    /// The records of one kind of event.
    pub(crate) fn records_of(&self, name: &str) -> Vec<Value> {
        self.records().into_iter().filter(|record| record["eventName"] == name).collect()
    }
}

fn relying_party() -> RelyingParty {
    RelyingParty::at(CONSOLE, "Rootward").unwrap()
}

pub(crate) fn account() -> AccountId {
    "111122223333".parse().unwrap()
}

pub(crate) fn id_of(name: &str) -> UniqueId {
    UniqueId::random(EntityKind::User, &mut Seeded::new(u64::from(name.as_bytes()[0])))
}

fn user(name: &str) -> User {
    User {
        id: id_of(name),
        name: name.into(),
        path: "/".into(),
        created: Time::from_seconds(START),
        tags: Vec::new(),
        grants: Grants::default(),
        boundary: None,
        groups: Vec::new(),
        access_keys: Vec::new(),
    }
}

fn row_of_account() -> Account {
    Account {
        id: account(),
        name: "Example".into(),
        email: "root@example.com".into(),
        canonical_id: "0".repeat(64).into(),
        created: Time::from_seconds(START),
        status: AccountStatus::Active,
        partition: Partition::Aws,
        alias: Some("example".into()),
        root: RootUser {
            password: Some(hashed(ROOT_PASSWORD, &ROOT_HASH)),
            password_set: Some(Time::from_seconds(START)),
            ..RootUser::default()
        },
    }
}
