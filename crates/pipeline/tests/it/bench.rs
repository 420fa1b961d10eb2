//! A path with operations of our own over a memory store that can be told to lose races, in a sandbox, where no request
//! needs a signature.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::request::Builder;
use rootward_audit::{Filter, Limits, Log, Page, Query, Seal, Writer};
use rootward_auth::Principal;
use rootward_auth::authn::{Authenticator, Authority};
use rootward_auth::passkey::RelyingParty;
use rootward_auth::password::Hasher;
use rootward_auth::session::Tokens;
use rootward_names::{AccountId, Partition, Time};
use rootward_pipeline::{
    Answered, Draw, Handler, Inside, Mail, Mailer, Origin, Pipeline, Records, Setup, Source, Trail, Unread,
};
use rootward_state::entities::{Account, AccountStatus, RootUser};
use rootward_state::{Db, RowKey, World};
use rootward_store::vault::{Key, Vault};
use rootward_store::{Commit, CommitError, Done, Memory, Revision, Sink, Store, StoreError, Visit, WatchId};
use rootward_wire::{Error, Operation};

pub(crate) const ACCOUNT: &str = "123456789012";
/// A key that was not issued here: the sandbox's account by its root user.
pub(crate) const FOREIGN: &str = "AKIAIOSFODNN7EXAMPLE";

const PATIENCE: Duration = Duration::from_secs(20);

/// A clock that is set by hand and bytes that count up.
pub(crate) struct Clock {
    seconds: AtomicI64,
    drawn: AtomicU64,
}

impl Source for Clock {
    fn machine_now(&self) -> Time {
        self.now()
    }

    fn now(&self) -> Time {
        Time::from_seconds(self.seconds.load(Ordering::Relaxed))
    }

    fn fill(&self, bytes: &mut [u8]) {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        for (byte, at) in bytes.iter_mut().zip(0_u64..) {
            *byte = (drawn.wrapping_add(at).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
        }
    }
}

/// A memory store whose next commits lose their races.
pub(crate) struct Racing {
    inner: Memory,
    conflicts: AtomicU64,
    submitted: AtomicU64,
}

impl Store for Racing {
    fn load(&self, visit: &mut Visit<'_>) -> Result<Revision, StoreError> {
        self.inner.load(visit)
    }

    fn submit(&self, commit: Commit, done: Done) {
        self.submitted.fetch_add(1, Ordering::Relaxed);
        let lost =
            self.conflicts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match lost {
            Ok(_) => done(Err(CommitError::Conflict)),
            Err(_) => self.inner.submit(commit, done),
        }
    }

    fn watch(&self, from: Revision, sink: Sink) -> Result<WatchId, StoreError> {
        self.inner.watch(from, sink)
    }

    fn unwatch(&self, id: WatchId) {
        self.inner.unwatch(id);
    }

    fn close(&self) {
        self.inner.close();
    }
}

/// Keeps the mail that it is to deliver.
#[derive(Default)]
struct Posted(Mutex<Vec<Mail>>);

impl Mailer for Posted {
    fn post(&self, mail: Mail) {
        self.0.lock().unwrap().push(mail);
    }
}

/// The log, to look up in.
struct Recorded(Arc<Log>);

impl Records for Recorded {
    fn look_up(&self, query: &Query<'_>, count: usize, before: Option<u64>) -> Result<Page, Unread> {
        self.0.reader().lookup(query, count, before).map_err(Unread::Failed)
    }
}

pub(crate) struct Bench {
    db: Arc<Db>,
    store: Arc<Racing>,
    log: Arc<Log>,
    writer: Arc<Writer>,
    clock: Arc<Clock>,
    outbox: Arc<Mutex<Vec<String>>>,
    posted: Arc<Posted>,
    pub(crate) pipeline: Pipeline,
}

impl Bench {
    pub(crate) fn new(handlers: Vec<&'static dyn Handler>) -> Self {
        Self::with(handlers, Limits { linger: Duration::ZERO, ..Limits::default() })
    }

    pub(crate) fn with(handlers: Vec<&'static dyn Handler>, limits: Limits) -> Self {
        let clock = Arc::new(Clock { seconds: AtomicI64::new(1_700_000_000), drawn: AtomicU64::new(0) });
        let vault = Arc::new(Vault::new(&Key::random(&mut Draw(&*clock))));
        let inner = Memory::new().unwrap();
        let store = Arc::new(Racing { inner, conflicts: AtomicU64::new(0), submitted: AtomicU64::new(0) });
        let db = Db::open(Arc::clone(&store) as Arc<dyn Store>).unwrap().db;
        open_account(&db);
        let outbox = Arc::new(Mutex::new(Vec::new()));
        let rows = Arc::clone(&outbox);
        db.follow_outbox(move |row| {
            rows.lock().unwrap().push(String::from_utf8(row.record.to_vec()).unwrap());
        })
        .unwrap();
        let log = Arc::new(Log::in_memory(Seal::new(|_| [0; 32])).unwrap());
        let writer = Arc::new(Writer::start(Arc::clone(&log), limits, Box::new(|_, _| {})).unwrap());
        let tokens = Arc::new(Tokens::new(Arc::clone(&vault)));
        let posted = Arc::new(Posted::default());
        let pipeline = Pipeline::new(Setup {
            services: rootward_api::SERVICES,
            handlers,
            db: Arc::clone(&db),
            authenticator: Authenticator::new(Arc::clone(&vault), Arc::clone(&tokens), Authority::Sandbox),
            tokens,
            vault,
            guesses: Arc::default(),
            hasher: Hasher::new(NonZeroUsize::MIN, 8).unwrap(),
            relying_party: Arc::new(RelyingParty::none()),
            url: None,
            mailer: Some(Arc::clone(&posted) as Arc<dyn Mailer>),
            records: Arc::new(Recorded(Arc::clone(&log))),
            mfa_grace_days: 35,
            trail: Trail::new(Arc::clone(&writer)),
            source: Arc::clone(&clock) as Arc<dyn Source>,
            open_account: Box::new(|_, _| {}),
        });
        Self { db, store, log, writer, clock, outbox, posted, pipeline }
    }

    /// The next commits, this many, lose their races.
    pub(crate) fn lose_races(&self, count: u64) {
        self.store.conflicts.store(count, Ordering::Relaxed);
    }

    /// To whom mail was posted.
    pub(crate) fn posted(&self) -> Vec<String> {
        self.posted.0.lock().unwrap().iter().map(|mail| mail.to.clone()).collect()
    }

    /// How many commits there have been, lost ones included.
    pub(crate) fn commits(&self) -> u64 {
        self.store.submitted.load(Ordering::Relaxed)
    }

    pub(crate) fn world(&self) -> Arc<World> {
        self.db.snapshot()
    }

    pub(crate) fn pass_seconds(&self, seconds: i64) {
        self.clock.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Sends a query of this key, or an unsigned one.
    pub(crate) fn send(&self, key: Option<&str>, query: &str) -> Answered {
        // Not by GET: what a web page could have sent changes nothing with a key that was not issued.
        let request = Request::post("/").header("content-type", "application/x-www-form-urlencoded");
        self.send_to("iam", key, request, query)
    }

    /// Sends a request to this service.
    pub(crate) fn send_to(&self, service: &str, key: Option<&str>, request: Builder, body: &str) -> Answered {
        let mut request = request;
        if let Some(key) = key {
            let claim = format!(
                "AWS4-HMAC-SHA256 Credential={key}/20231114/eu-west-1/{service}/aws4_request, SignedHeaders=host;x-amz-date, Signature={}",
                "0".repeat(64)
            );
            request = request.header("authorization", claim).header("x-amz-date", "20231114T221320Z");
        }
        let request =
            request.header("host", "example.com").body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let origin = Origin { address: IpAddr::V4(Ipv4Addr::LOCALHOST), secure: false, tls: None };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.pipeline.answer(&request, origin))
    }

    /// Calls IAM as the root user; the error's code.
    pub(crate) fn call(&self, action: &str, parameters: &str) -> Option<String> {
        self.send(Some(FOREIGN), &iam(action, parameters)).error
    }

    /// Calls from inside, as the console does.
    pub(crate) fn inside<O: Operation>(
        &self,
        principal: &Principal,
        input: &O::Input,
    ) -> Result<O::Output, Error> {
        let caller = Inside {
            principal,
            region: "us-east-1",
            origin: Origin { address: IpAddr::V4(Ipv4Addr::LOCALHOST), secure: false, tls: None },
            host: Some("example.com"),
            user_agent: Some("browser"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.pipeline.call::<O>(&caller, input))
    }

    /// The newest records that did not come through the outbox, oldest first.
    pub(crate) fn records(&self) -> Vec<String> {
        self.writer.flush(PATIENCE).unwrap();
        let stored = self.log.reader().tail(1_000, &Filter::default()).unwrap();
        stored.iter().map(|stored| stored.entry.json().to_owned()).collect()
    }

    /// The records that were committed with their writes, in the order of their ids.
    pub(crate) fn outbox(&self) -> Vec<String> {
        self.outbox.lock().unwrap().clone()
    }

    /// From now on nothing more goes into the log.
    pub(crate) fn fill_log(&self) {
        self.log.limit_bytes(1).unwrap();
    }

    pub(crate) fn is_recording(&self) -> bool {
        self.writer.is_healthy()
    }
}

pub(crate) fn iam(action: &str, parameters: &str) -> String {
    format!("Action={action}&Version=2010-05-08&{parameters}")
}

pub(crate) fn body(answered: &Answered) -> String {
    String::from_utf8(answered.response.body().to_vec()).unwrap()
}

/// What is logged while `act` runs.
pub(crate) fn logged(act: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, act);
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn open_account(db: &Db) {
    let id: AccountId = ACCOUNT.parse().unwrap();
    let account = Account {
        id,
        name: "Example".into(),
        email: "root@example.com".into(),
        canonical_id: "0".repeat(64).into(),
        created: Time::from_seconds(0),
        status: AccountStatus::Active,
        partition: Partition::Aws,
        alias: None,
        root: RootUser::default(),
    };
    let mut txn = db.begin();
    txn.put(RowKey::Account(id), account);
    db.commit_wait(txn).unwrap();
}
