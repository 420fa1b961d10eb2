//! A node: store, state, audit log and the path of requests, opened together and closed together.

mod alerts;
mod existing_accounts;
mod root;

use std::fs::DirBuilder;
use std::num::NonZeroUsize;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rootward_alerts::{Alerts, Bell};
use rootward_audit::{
    Call, Entry, EventId, EventType, Failure, Filter, Head, Lane, Limits, Log, Reader, Record, Seal, Stored,
    UserIdentity, Writer,
};
use rootward_auth::authn::{Authenticator, Authority};
use rootward_auth::passkey::RelyingParty;
use rootward_auth::password::{Hasher, Password};
use rootward_auth::second_factor::Guesses;
use rootward_auth::session::Tokens;
use rootward_names::{AccountId, Arn, Partition, Random, Time};
use rootward_pipeline::{Mailer, OpenAccount as OpenOnUse, Pipeline, Setup, Trail};
use rootward_services::accounts::{self, OpenAccount};
use rootward_services::root_guard;
use rootward_signin::SignInService;
use rootward_state::{ATTEMPTS_MAX, CommitError, Db, OpenError, Opened, Txn};
use rootward_store::vault::{Key, KeyFile, KeyFileError, Vault};
use rootward_store::{Embedded, Memory, Store, StoreError};
use serde_json::{Value, json};

use crate::Location;
use crate::front::Face;
use crate::look_ups::LookUps;
use crate::operator::OperatorError;
use crate::outbox::{Moved, Mover};
use crate::postman::Postman;
use crate::questions::{self, Place, Question};
use crate::source::{Draw, Source};

/// How long the feed may take to hand a committed record on.
const FEED_TIME: Duration = Duration::from_millis(50);
/// How long records on their way may take to reach the log.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(10);
/// How many of the oldest records are looked at: a log begins with the opening of the first account, or with attempts at it.
const FIRST_RECORDS: usize = 100;
/// The host commands on record that change nothing.
const READING: [&str; 6] =
    ["Can", "GetRootProtection", "ListAccounts", "ListAlertTargets", "TestAlertTarget", "WhoCan"];
/// How many may wait for a password's hash: a second's worth. Who comes later is told to try again.
const HASHES_WAITING_MAX: usize = 32;
/// Where records of host commands say they come from.
const HOST: &str = "operator socket";

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
    mover: Mutex<Option<Mover>>,
    pipeline: Arc<Pipeline>,
    tokens: Arc<Tokens>,
    hasher: Arc<Hasher>,
    guesses: Arc<Guesses>,
    relying_party: Arc<RelyingParty>,
    postman: Option<Arc<Postman>>,
    source: Arc<Source>,
    opening: Mutex<()>,
    bell: Arc<Bell>,
    alerts: OnceLock<Alerts>,
}

/// What a host command changed.
struct Changed<R> {
    /// In whose trail it is recorded; none for what is of the whole server.
    account: Option<AccountId>,
    /// `responseElements` of the record.
    elements: Value,
    result: R,
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

    /// A sandbox with its one account. Its root users have no seal, unless they are to be `sealed` like all others.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) fn sandbox(seed: Option<u64>, sealed: bool, face: &Face) -> Result<Self, StartError> {
        let source = seed.map_or(Source::Machine, Source::seeded);
        let key = Key::random(&mut Draw(&source));
        let log = Log::in_memory(seal(&Vault::new(&key)))?;
        let store = Arc::new(Memory::new()?);
        let authority = Authority::Sandbox;
        let node = Self::assemble(Foundation { store, key, log, source, authority, sealed }, face)?;
        let mut txn = node.db.begin();
        let (id, now) = (AccountId::SANDBOX, node.source.now());
        open_sandbox_account(&mut txn, id, sealed, now, &mut Draw(&node.source), &node.vault);
        node.db.commit_wait(txn).map_err(|error| StartError::System(error.to_string()))?;
        Ok(node)
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
        let mover = mover.map_err(StartError::System)?;
        let (tokens, hasher) = (Arc::new(Tokens::new(Arc::clone(&vault))), Arc::new(hasher()));
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
            hasher: Arc::clone(&hasher),
            guesses: Arc::clone(&guesses),
            relying_party: Arc::clone(&relying_party),
            url: face.given_url.clone(),
            mailer: postman.clone().map(|postman| postman as Arc<dyn Mailer>),
            mfa_grace_days: face.mfa_grace_days,
            records: Arc::new(LookUps::new(Arc::clone(&log))),
            trail: Trail::new(Arc::clone(&writer)),
            source: Arc::clone(&source) as Arc<dyn rootward_pipeline::Source>,
            open_account: open_on_use(Arc::clone(&source), Arc::clone(&vault), sealed),
        }));
        let (mover, alerts) = (Mutex::new(Some(mover)), OnceLock::new());
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
            alerts,
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
        SignInService::new(rootward_signin::Setup {
            db: Arc::clone(&self.db),
            vault: Arc::clone(&self.vault),
            tokens: Arc::clone(&self.tokens),
            hasher: Arc::clone(&self.hasher),
            guesses: Arc::clone(&self.guesses),
            relying_party: Arc::clone(&self.relying_party),
            mailer: self.postman.clone().map(|postman| postman as Arc<dyn Mailer>),
            writer: Arc::clone(&self.writer),
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
        if let Some(mover) = self.mover.lock().unwrap_or_else(PoisonError::into_inner).take() {
            mover.stop();
        }
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

    /// Writes down how far the log reaches, all of it on disk: until the next start no end of it can be cut off unseen.
    fn anchor_trail(&self) {
        let head = self.log.head().to_bytes();
        if self.db.snapshot().trail_head() == Some(head.as_slice()) {
            return;
        }
        let mut txn = self.db.begin();
        txn.put_trail_head(&head);
        if let Err(error) = self.db.commit_wait(txn) {
            tracing::warn!(%error, "how far the audit log reaches was not written down");
        }
    }

    /// Opens an account, for a host command.
    pub(crate) fn create_account(
        &self,
        name: &str,
        email: &str,
        password: Option<&str>,
        admin: Option<&str>,
    ) -> Result<Value, OperatorError> {
        let hash = password
            .map(|text| accounts::root_password(&Password::new(text), name, email, &mut self.draw()))
            .transpose()?;
        let request = OpenAccount { name, email, password: hash, admin, partition: Partition::Aws, id: None };
        let parameters = json!({ "accountName": name, "email": email, "adminUserName": admin });
        let opened = self.host_write("CreateAccount", &parameters, |txn, now, random| {
            let opened = accounts::open(txn, &request, now, random, &self.vault)?;
            let admin = opened.admin.as_ref();
            let admin =
                admin.map(|admin| json!({ "arn": admin.arn, "accessKeyId": admin.key.id.to_string() }));
            let elements = json!({ "accountId": opened.account.to_string(), "admin": admin });
            Ok(Changed { account: Some(opened.account), elements, result: opened })
        })?;
        let mut answer = json!({
            "AccountId": opened.account.to_string(),
            "Root": { "Arn": opened.root_arn, "Email": email },
        });
        if let (Some(admin), Some(answer)) = (&opened.admin, answer.as_object_mut()) {
            let key = access_key(&admin.key);
            answer.insert(
                "Admin".into(),
                json!({ "UserName": admin.user_name, "Arn": admin.arn, "AccessKey": key }),
            );
        }
        Ok(answer)
    }

    /// Opens the first account, for who has the setup code. Of two at once one finds that it is not the first.
    pub(crate) fn open_first_account(
        &self,
        name: &str,
        email: &str,
        password: &str,
    ) -> Result<AccountId, OperatorError> {
        let _one_at_a_time = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if self.accounts() > 0 {
            return Err(OperatorError::Refused("there is an account already: sign in to it".into()));
        }
        let opened = self.create_account(name, email, Some(password), None)?;
        let id = opened.get("AccountId").and_then(Value::as_str).and_then(|id| id.parse().ok());
        id.ok_or_else(|| OperatorError::Failed("the account was opened and its id is not known".into()))
    }

    /// Makes a root user's access key, for a host command.
    pub(crate) fn create_root_access_key(&self, account: AccountId) -> Result<Value, OperatorError> {
        let parameters = json!({ "accountId": account.to_string() });
        let key = self.host_write("CreateRootAccessKey", &parameters, |txn, now, random| {
            let key = accounts::create_root_access_key(txn, account, now, random, &self.vault)?;
            let elements = json!({ "accessKey": { "accessKeyId": key.id.to_string(), "status": "Active" } });
            Ok(Changed { account: Some(account), elements, result: key })
        })?;
        Ok(json!({ "AccountId": account.to_string(), "AccessKey": access_key(&key) }))
    }

    /// Whether a principal may do something, for a host command.
    pub(crate) fn can(
        &self,
        principal: &str,
        account: Option<AccountId>,
        question: &Question,
    ) -> Result<Value, OperatorError> {
        let (world, now) = (self.db.snapshot(), self.source.now());
        let answer = questions::can(&world, principal, account, question, now, &mut self.draw());
        // The account that the principal turned out to be of.
        let found =
            answer.as_ref().ok().and_then(|answer| Arn::parse(answer.get("principal")?.as_str()?).ok());
        let account = account.map(|id| id.to_string()).or_else(|| found.map(|arn| arn.account.to_owned()));
        let parameters = json!({ "principal": principal, "accountId": account, "action": question.action,
            "resource": question.resource });
        self.record_read("Can", &parameters, answer)
    }

    /// Who may do something, for a host command. The first portion is on record, for all of them.
    pub(crate) fn who_can(
        &self,
        account: Option<AccountId>,
        question: &Question,
        after: Option<&Place>,
    ) -> Result<Value, OperatorError> {
        let (world, now) = (self.db.snapshot(), self.source.now());
        let answer = questions::who_can(&world, account, question, after, now, &mut self.draw());
        if after.is_some() {
            return answer;
        }
        let parameters = json!({ "accountId": account.map(|id| id.to_string()), "action": question.action,
            "resource": question.resource });
        self.record_read("WhoCan", &parameters, answer)
    }

    /// Records a command that changes nothing, whether or not it could be answered.
    fn record_read(
        &self,
        name: &str,
        parameters: &Value,
        answer: Result<Value, OperatorError>,
    ) -> Result<Value, OperatorError> {
        if let Err(error) = &answer {
            self.record_refused(name, parameters, error);
            return answer;
        }
        let entry =
            self.host_entry(name, parameters, account_of(parameters), Ok(&Value::Null), self.source.now());
        if self.writer.try_send(Lane::Plain, entry).is_err() {
            return Err(OperatorError::Failed(
                "the question cannot be recorded, and so is not answered".into(),
            ));
        }
        answer
    }

    /// Commits what `change` does, with its record, as host commands do: again when it loses a race.
    fn host_write<R>(
        &self,
        name: &str,
        parameters: &Value,
        change: impl Fn(&mut Txn, Time, &mut dyn Random) -> Result<Changed<R>, OperatorError>,
    ) -> Result<R, OperatorError> {
        for _ in 0..ATTEMPTS_MAX {
            let (mut txn, now) = (self.db.begin(), self.source.now());
            let Changed { account, elements, result } = match change(&mut txn, now, &mut self.draw()) {
                Ok(done) => done,
                Err(error) => {
                    self.record_refused(name, parameters, &error);
                    return Err(error);
                }
            };
            let entry = self.host_entry(name, parameters, account, Ok(&elements), now);
            txn.put_outbox(entry.id().to_bytes(), entry.json().as_bytes());
            match self.db.commit_wait(txn) {
                Ok(_) => return Ok(result),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(OperatorError::Failed(error.to_string())),
            }
        }
        Err(OperatorError::Failed("too many other changes at the same time; try again".into()))
    }

    fn record_refused(&self, name: &str, parameters: &Value, error: &OperatorError) {
        let account = account_of(parameters);
        let message = error.to_string();
        let code = if error.is_callers_fault() { "OperatorCommandRefused" } else { "OperatorCommandFailed" };
        let failure = Failure { code: Some(code), message: &message };
        let entry = self.host_entry(name, parameters, account, Err(failure), self.source.now());
        if self.writer.try_send(Lane::Plain, entry).is_err() {
            tracing::warn!("a host command that did not succeed could not be recorded");
        }
    }

    fn host_entry(
        &self,
        name: &str,
        parameters: &Value,
        account: Option<AccountId>,
        ended: Result<&Value, Failure<'_>>,
        now: Time,
    ) -> Entry {
        let call =
            Call { source: "rootward.host", name, region: Partition::Aws.global_region(), source_ip: HOST };
        let id = EventId::new(now, &mut self.draw());
        let request = serde_json::value::to_raw_value(parameters).ok();
        let response =
            ended.as_ref().ok().and_then(|elements| serde_json::value::to_raw_value(elements).ok());
        Entry::new(&Record {
            failure: ended.err(),
            request: request.as_deref(),
            response: response.as_deref(),
            event_type: EventType::AwsServiceEvent,
            recipient: account,
            read_only: READING.contains(&name),
            ..Record::new(id, now, call, UserIdentity::Service { name: "rootward host command" })
        })
    }

    /// The newest records, oldest first.
    pub(crate) fn tail_trail(
        &self,
        lines: usize,
        account: Option<AccountId>,
    ) -> Result<Value, OperatorError> {
        self.catch_up();
        let filter = Filter { account, ..Filter::default() };
        Ok(json!({ "records": shown(&self.log.reader().tail(lines, &filter).map_err(failed)?)? }))
    }

    /// The records behind number `after`, in order, with the number of the last one.
    pub(crate) fn read_trail(&self, after: u64, count: usize) -> Result<Value, OperatorError> {
        let stored = self.log.reader().after(after, count).map_err(failed)?;
        let last = stored.last().map_or(after, |stored| stored.seq);
        Ok(json!({ "records": shown(&stored)?, "last": last }))
    }

    /// How many records there are, those on their way included.
    pub(crate) fn trail_length(&self) -> Value {
        self.catch_up();
        json!({ "records": self.log.head().seq })
    }

    /// Proves the whole log, also that it reaches as far as the state says.
    pub(crate) fn verify_trail(&self) -> Result<Value, OperatorError> {
        self.catch_up();
        let anchor = self.db.snapshot().trail_head().and_then(Head::from_bytes);
        verify(self.log.reader(), anchor)
    }

    /// Lets records on their way reach the log before somebody looks at it.
    fn catch_up(&self) {
        std::thread::sleep(FEED_TIME);
        if let Err(error) = self.writer.flush(FLUSH_TIME_MAX) {
            tracing::warn!(%error, "the newest records are not in the audit log yet");
        }
    }

    /// The node's randomness.
    pub(crate) fn draw(&self) -> Draw<'_> {
        Draw(&self.source)
    }
}

/// Passwords are hashed by half of the processors at most: signing in, however often it is tried, leaves the other half to
/// signed requests.
fn hasher() -> Hasher {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    Hasher::new(NonZeroUsize::new(processors / 2).unwrap_or(NonZeroUsize::MIN), HASHES_WAITING_MAX)
}

/// In whose trail a command is recorded: the account it names.
fn account_of(parameters: &Value) -> Option<AccountId> {
    parameters.get("accountId").and_then(Value::as_str).and_then(|id| id.parse().ok())
}

/// Proves the log of a folder that no server has open, in place: no node starts on a log that is not whole.
pub(crate) fn verify_folder(location: &Location) -> Result<Value, OperatorError> {
    let vault = Vault::new(&KeyFile::read(location.key_file()).map_err(StartError::from)?);
    let (seal, anchor) = (seal(&vault), anchor(location, &vault)?);
    // A log that is gone is one of which every record was cut off.
    if !exists(location, &location.trail())? {
        let nothing = Log::in_memory(seal).map_err(StartError::from)?;
        return verify(nothing.reader(), anchor);
    }
    verify(&Reader::open(&location.trail(), seal).map_err(StartError::from)?, anchor)
}

/// How far the log is known to have reached. Does not make a state where there is none.
fn anchor(location: &Location, vault: &Vault) -> Result<Option<Head>, StartError> {
    if !has_state(location)? {
        return Ok(None);
    }
    let store = Arc::new(Embedded::open(&location.state(), vault.key_id(), &mut Draw(&Source::Machine))?);
    Ok(Db::open(store)?.db.snapshot().trail_head().and_then(Head::from_bytes))
}

fn verify(log: &Reader, anchor: Option<Head>) -> Result<Value, OperatorError> {
    let report = log.verify(anchor.as_ref()).map_err(|error| OperatorError::Failed(error.to_string()))?;
    let fault =
        report.fault.as_ref().map(|fault| json!({ "record": fault.seq, "cause": fault.cause.to_string() }));
    Ok(json!({ "whole": report.is_whole(), "records": report.proven.seq, "fault": fault }))
}

fn failed(error: rootward_audit::Error) -> OperatorError {
    OperatorError::Failed(error.to_string())
}

fn shown(stored: &[Stored]) -> Result<Vec<Value>, OperatorError> {
    let records = stored.iter().map(|stored| serde_json::from_str(stored.entry.json()));
    records.collect::<Result<_, _>>().map_err(|error| {
        OperatorError::Failed(format!("the audit log holds a record that is no JSON: {error}"))
    })
}

fn access_key(key: &accounts::AccessKeyPair) -> Value {
    json!({ "AccessKeyId": key.id.to_string(), "SecretAccessKey": key.secret.expose() })
}

fn seal(vault: &Vault) -> Seal {
    let vault = vault.clone();
    Seal::new(move |bytes| vault.mac("audit log", bytes))
}

/// Reads the key file, or makes folder and key file on the first start.
fn open_key(location: &Location, random: &mut dyn Random) -> Result<Key, StartError> {
    let (data, key_file) = (location.data(), location.key_file());
    let folder = DirBuilder::new().recursive(true).mode(0o700).create(data);
    folder.map_err(|error| folder_error(location, "make", &error))?;
    if has_state(location)? {
        return Ok(KeyFile::read(key_file)?);
    }
    if exists(location, key_file)? {
        let key = KeyFile::read(key_file)?;
        // The first start may have been interrupted; or the folder is not the one that it was, and nobody would notice.
        eprintln!(
            "rootward: the key file `{}` was there and the data folder `{}` has no state: beginning with an empty one",
            key_file.display(),
            data.display()
        );
        return Ok(key);
    }
    let key = KeyFile::create(key_file, random)?;
    eprintln!(
        "rootward: made the key file `{}`: back it up apart from the data folder; without it no secret can be read again",
        key_file.display()
    );
    Ok(key)
}

/// Refuses a folder that holds no state: who only reads does not begin one.
pub(crate) fn require_state(location: &Location) -> Result<(), StartError> {
    if has_state(location)? { Ok(()) } else { Err(folder_error(location, "read", &"it holds no state")) }
}

/// Whether the folder holds a state, be it a damaged one. A log without one proves nothing: only the state knows how far it must reach.
fn has_state(location: &Location) -> Result<bool, StartError> {
    let (state, trail) = (exists(location, &location.state())?, exists(location, &location.trail())?);
    if trail && !state {
        let cause = "it has an audit log and no state; restore `state.redb` from a backup";
        return Err(folder_error(location, "use", &cause));
    }
    Ok(state)
}

fn exists(location: &Location, path: &Path) -> Result<bool, StartError> {
    path.try_exists().map_err(|error| folder_error(location, "read", &error))
}

fn folder_error(location: &Location, what: &str, error: &dyn std::fmt::Display) -> StartError {
    StartError::Folder(format!("cannot {what} the data folder `{}`: {error}", location.data().display()))
}

/// The state knows how far the log once reached: a log that ends earlier was cut off or put back from an old copy.
fn check_trail_reaches(log: &Log, db: &Db) -> Result<(), StartError> {
    let Some(anchor) = db.snapshot().trail_head().and_then(Head::from_bytes) else { return Ok(()) };
    if log.reader().holds(&anchor)? {
        return Ok(());
    }
    Err(StartError::Folder(format!(
        "the audit log ends before record {}, which it is known to have held: records were removed, or an older copy was \
         restored; put back the newest `trail.sqlite`",
        anchor.seq
    )))
}

/// The log knows that there was a state: nothing can have succeeded on one that has never been written.
fn check_state_holds(log: &Log, db: &Db) -> Result<(), StartError> {
    if db.snapshot().revision() > 0 {
        return Ok(());
    }
    let first = log.reader().after(0, FIRST_RECORDS)?;
    if first.iter().all(|stored| is_refusal(&stored.entry)) {
        return Ok(());
    }
    Err(StartError::Folder(
        "the state is empty, but the audit log holds records of what was in it; restore `state.redb` from a backup"
            .into(),
    ))
}

/// Whether this records a call or a command that did nothing.
fn is_refusal(entry: &Entry) -> bool {
    serde_json::from_str::<Value>(entry.json()).is_ok_and(|record| record.get("errorCode").is_some())
}

fn open_on_use(source: Arc<Source>, vault: Arc<Vault>, sealed: bool) -> OpenOnUse {
    Box::new(move |txn, account| {
        open_sandbox_account(txn, account, sealed, source.now(), &mut Draw(&source), &vault);
    })
}

fn open_sandbox_account(
    txn: &mut Txn,
    id: AccountId,
    sealed: bool,
    now: Time,
    random: &mut dyn Random,
    vault: &Vault,
) {
    let (name, email) = (format!("Sandbox {id}"), format!("root-{id}@sandbox.example"));
    let request = OpenAccount {
        name: &name,
        email: &email,
        password: None,
        admin: None,
        partition: Partition::Aws,
        id: Some(id),
    };
    match accounts::open(txn, &request, now, random, vault) {
        Ok(_) if sealed => {}
        Ok(_) => root_guard::never_seal(txn, id),
        Err(error) => tracing::debug!(%id, %error, "the sandbox account exists already"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn location(folder: &tempfile::TempDir) -> Location {
        Location::new(folder.path().join("data"), None)
    }

    /// The folder of a node that has stopped, with an account in it.
    fn used() -> (tempfile::TempDir, Location) {
        let folder = tempfile::tempdir().unwrap();
        let location = location(&folder);
        let node = Node::open(&location, &Face::none()).unwrap();
        node.create_account("name", "name@example.com", Some("quiet-Otter+27-lanterns"), None).ok().unwrap();
        node.close();
        (folder, location)
    }

    fn refusal(location: &Location) -> String {
        Node::open(location, &Face::none()).err().unwrap().to_string()
    }

    #[test]
    fn empty_state_file_is_refused_with_and_without_an_audit_log() {
        let (_folder, location) = used();
        fs::write(location.state(), b"").unwrap();
        assert!(refusal(&location).contains("state.redb"));
        fs::remove_file(location.trail()).unwrap();
        assert!(refusal(&location).contains("state.redb"));
        assert_eq!(fs::metadata(location.state()).unwrap().len(), 0);
    }

    #[test]
    fn removed_state_file_is_refused() {
        let (_folder, location) = used();
        fs::remove_file(location.state()).unwrap();
        assert!(refusal(&location).contains("state.redb"));
        assert!(!location.state().exists());
    }

    #[test]
    fn state_of_a_first_start_beside_a_log_with_records_is_refused() {
        let (_folder, location) = used();
        fs::remove_file(location.state()).unwrap();
        let vault = Vault::new(&KeyFile::read(location.key_file()).unwrap());
        drop(Embedded::open(&location.state(), vault.key_id(), &mut Draw(&Source::Machine)).unwrap());
        for _ in 0..2 {
            assert!(refusal(&location).contains("audit log holds records"));
        }
    }

    #[test]
    fn log_of_refused_commands_alone_needs_no_state() {
        let folder = tempfile::tempdir().unwrap();
        let location = location(&folder);
        let node = Node::open(&location, &Face::none()).unwrap();
        assert!(node.create_account("name", "no address", Some("quiet-Otter+27-lanterns"), None).is_err());
        node.close();
        assert_eq!(Node::open(&location, &Face::none()).ok().unwrap().trail_length()["records"], 1);
    }

    /// What is on disk after each step of the first start.
    #[test]
    fn first_start_that_was_interrupted_begins_again() {
        let (_folder, whole) = used();
        let half = fs::read(whole.state()).unwrap();
        let half = &half[..half.len() / 2];
        for unfinished in [None, Some(b"".as_slice()), Some(half)] {
            let folder = tempfile::tempdir().unwrap();
            let location = location(&folder);
            fs::create_dir(location.data()).unwrap();
            KeyFile::create(location.key_file(), &mut Draw(&Source::Machine)).unwrap();
            if let Some(unfinished) = unfinished {
                fs::write(location.data().join("state.redb.new"), unfinished).unwrap();
            }
            let node = Node::open(&location, &Face::none()).unwrap();
            assert_eq!(node.accounts(), 0);
            node.close();
        }
    }
}
