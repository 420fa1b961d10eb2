//! A node: store, state, audit log and the path of requests, opened together and closed together.
//!
//! Here is how it is put together. What is done to its data folder before that is in [`folder`]; what host commands do to it
//! is in a file a subject, all of it by way of [`host`].

mod accounts;
mod alerts;
mod folder;
mod guardrails;
mod host;
mod questions;
mod root;
mod sandbox;
mod trail;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rootward_alerts::{Alerts, Bell};
use rootward_audit::{EventId, Head, Limits, Log, Seal, Writer};
use rootward_auth::authn::{Authenticator, Authority};
use rootward_auth::passkey::RelyingParty;
use rootward_auth::password::Hasher;
use rootward_auth::second_factor::Guesses;
use rootward_auth::session::Tokens;
use rootward_pipeline::{Draw, Mailer, Pipeline, Setup, Trail};
use rootward_signin::SignInService;
use rootward_state::{Db, OpenError, Opened};
use rootward_store::vault::{Key, KeyFileError, Vault};
use rootward_store::{Embedded, Store, StoreError};

use crate::Location;
use crate::front::Face;
use crate::look_ups::LookUps;
use crate::outbox::{Moved, Mover};
use crate::postman::Postman;
use crate::source::Source;

pub(crate) use folder::require_state;
use folder::{check_state_holds, check_trail_reaches, open_key};
pub(crate) use root::only_account;
pub(crate) use trail::verify_folder;

/// How long records on their way may take to reach the log.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a sign-in waits for its records to be on their way, before what is done in its session.
const HAND_OVER_TIME_MAX: Duration = Duration::from_secs(1);
/// How many may wait for a password's hash: a second's worth. Who comes later is told to try again.
const HASHES_WAITING_MAX: usize = 32;

/// Why a node cannot start: one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The audit log.
    #[error("cannot open the audit log: {0}")]
    Audit(#[from] rootward_audit::Error),
    /// The data folder or its key file.
    #[error("{0}")]
    Folder(String),
    /// The key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// What is stored.
    #[error("cannot read the state: {0}")]
    State(#[from] OpenError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machine.
    #[error("{0}")]
    System(String),
}

/// A running node.
pub(crate) struct Node {
    db: Arc<Db>,
    vault: Arc<Vault>,
    log: Arc<Log>,
    writer: Arc<Writer>,
    mover: Arc<Mover>,
    pipeline: Arc<Pipeline>,
    tokens: Arc<Tokens>,
    hasher: Hasher,
    guesses: Arc<Guesses>,
    relying_party: Arc<RelyingParty>,
    postman: Option<Arc<Postman>>,
    source: Arc<Source>,
    opening: Mutex<()>,
    bell: Arc<Bell>,
    alerts: OnceLock<Alerts>,
    /// The address that people type; empty for a node that nobody else sees.
    url: String,
}

/// What differs between a data folder and a sandbox.
struct Foundation {
    store: Arc<dyn Store>,
    key: Key,
    log: Log,
    source: Source,
    authority: Authority,
    /// Whether accounts that are opened on use have a seal.
    sealed: bool,
}

impl Node {
    /// Opens a data folder, or makes it with its key file.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) fn open(location: &Location, face: &Face) -> Result<Self, StartError> {
        let source = Source::Machine;
        let key = open_key(location, &mut Draw(&source))?;
        let vault = Vault::new(&key);
        let store = Arc::new(Embedded::open(&location.state(), vault.key_id(), &mut Draw(&source))?);
        let log = Log::open(&location.trail(), seal(&vault))?;
        let (authority, sealed) = (Authority::Issued, true);
        Self::assemble(Foundation { store, key, log, source, authority, sealed }, face)
    }

    fn assemble(foundation: Foundation, face: &Face) -> Result<Self, StartError> {
        let Foundation { store, key, log, source, authority, sealed } = foundation;
        let (log, source, vault) = (Arc::new(log), Arc::new(source), Arc::new(Vault::new(&key)));
        let Opened { db, outbox } = Db::open(store)?;
        check_trail_reaches(&log, &db)?;
        check_state_holds(&log, &db)?;
        let moved = Moved::default();
        let (told, bell) = (moved.clone(), Arc::<Bell>::default());
        let rung = Arc::clone(&bell);
        let on_appended = Box::new(move |ids: &[EventId], head: Head| {
            told.note(ids, head);
            rung.ring(head.seq);
        });
        let writer = Arc::new(Writer::start(Arc::clone(&log), Limits::default(), on_appended)?);
        let mover = Mover::start(Arc::clone(&db), Arc::clone(&writer), moved, outbox);
        let mover = Arc::new(mover.map_err(StartError::System)?);
        let (tokens, hasher) = (Arc::new(Tokens::new(Arc::clone(&vault))), hasher()?);
        let guesses = Arc::new(Guesses::default());
        let relying_party = Arc::clone(&face.relying_party);
        let postman = face.mail_server.clone().map(Postman::start).transpose();
        let postman = postman
            .map_err(|error| {
                StartError::System(format!("cannot start the thread that delivers mail: {error}"))
            })?
            .map(Arc::new);
        let pipeline = Arc::new(Pipeline::new(Setup {
            services: rootward_api::SERVICES,
            handlers: rootward_services::operations().collect(),
            db: Arc::clone(&db),
            authenticator: Authenticator::new(Arc::clone(&vault), Arc::clone(&tokens), authority),
            tokens: Arc::clone(&tokens),
            vault: Arc::clone(&vault),
            hasher: hasher.clone(),
            guesses: Arc::clone(&guesses),
            relying_party: Arc::clone(&relying_party),
            url: face.given_url.clone(),
            mailer: postman.clone().map(|postman| postman as Arc<dyn Mailer>),
            mfa_grace_days: face.mfa_grace_days,
            records: Arc::new(LookUps::new(Arc::clone(&log))),
            trail: Trail::new(Arc::clone(&writer)),
            source: Arc::clone(&source) as Arc<dyn rootward_pipeline::Source>,
            open_account: sandbox::open_on_use(Arc::clone(&source), Arc::clone(&vault), sealed),
        }));
        Ok(Self {
            db,
            vault,
            log,
            writer,
            mover,
            pipeline,
            tokens,
            hasher,
            guesses,
            relying_party,
            postman,
            source,
            opening: Mutex::default(),
            bell,
            alerts: OnceLock::new(),
            url: face.url.clone(),
        })
    }

    /// The path of requests.
    pub(crate) fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// The state.
    pub(crate) fn db(&self) -> &Arc<Db> {
        &self.db
    }

    /// Who seals.
    pub(crate) fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// Signing in to this node.
    pub(crate) fn sign_in(&self, mfa_grace_days: u32) -> SignInService {
        let mover = Arc::clone(&self.mover);
        SignInService::new(rootward_signin::Setup {
            db: Arc::clone(&self.db),
            vault: Arc::clone(&self.vault),
            tokens: Arc::clone(&self.tokens),
            hasher: self.hasher.clone(),
            guesses: Arc::clone(&self.guesses),
            relying_party: Arc::clone(&self.relying_party),
            mailer: self.postman.clone().map(|postman| postman as Arc<dyn Mailer>),
            writer: Arc::clone(&self.writer),
            hand_over: Box::new(move || mover.catch_up(HAND_OVER_TIME_MAX)),
            source: Arc::clone(&self.source) as Arc<dyn rootward_pipeline::Source>,
            mfa_grace_days,
        })
    }

    /// Whether calls can be recorded, and so writes are taken.
    pub(crate) fn is_healthy(&self) -> bool {
        self.writer.is_healthy() && self.db.fault().is_none()
    }

    /// How many records have not reached the log.
    pub(crate) fn trail_backlog(&self) -> u64 {
        self.writer.stats().waiting_records
    }

    /// How many accounts there are.
    pub(crate) fn accounts(&self) -> usize {
        self.db.snapshot().accounts().count()
    }

    /// Writes uses of keys and roles down; what fails is noted again by the next use.
    pub(crate) fn write_usage_down(&self) {
        let mut txn = self.db.begin();
        self.pipeline.usage().flush(&mut txn);
        if !txn.is_read_only()
            && let Err(error) = self.db.commit_wait(txn)
        {
            tracing::warn!(%error, "last uses of keys were not written down");
        }
    }

    /// Stops cleanly: everything noted is written, everything written is durable.
    pub(crate) fn close(&self) {
        self.write_usage_down();
        self.mover.stop();
        match self.writer.flush(FLUSH_TIME_MAX) {
            Ok(()) => self.anchor_trail(),
            Err(error) => {
                tracing::warn!(%error, "the last records of reads may be missing from the audit log");
            }
        }
        self.stop_alerts();
        if let Some(postman) = &self.postman {
            postman.stop();
        }
        self.db.close();
    }

    /// The node's randomness.
    pub(crate) fn draw(&self) -> Draw<'_> {
        Draw(&*self.source)
    }
}

/// Passwords are hashed by half of the processors at most: signing in, however often it is tried, leaves the other half to
/// signed requests.
fn hasher() -> Result<Hasher, StartError> {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let half = NonZeroUsize::new(processors / 2).unwrap_or(NonZeroUsize::MIN);
    let hasher = Hasher::new(half, HASHES_WAITING_MAX);
    hasher.map_err(|error| StartError::System(format!("cannot start the threads that hash: {error}")))
}

fn seal(vault: &Vault) -> Seal {
    let vault = vault.clone();
    Seal::new(move |bytes| vault.mac("audit log", bytes))
}
