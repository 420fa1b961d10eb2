//! The path: one function a step, in the order in which they run.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, REFERER, USER_AGENT};
use http::{HeaderMap, Request, Response, StatusCode};
use rootward_auth::Principal;
use rootward_auth::authn::{Authenticated, Authenticator, Now, Unauthenticated};
use rootward_auth::authz::{self, RequestFacts};
use rootward_auth::dpop::{self, Replays};
use rootward_auth::passkey::RelyingParty;
use rootward_auth::password::Hasher;
use rootward_auth::second_factor::Guesses;
use rootward_auth::session::Tokens;
use rootward_names::{AccessKeyId, AccountId, Partition, Time};
use rootward_sigv4::Parts;
use rootward_state::{ATTEMPTS_MAX, CommitError, Db, Txn};
use rootward_store::vault::Vault;
use rootward_wire::{
    CommonError, Error, Frame, HttpRequest, Operation, OperationSchema, Protocol, Record, ServiceSchema,
    Shape, Value,
};
use serde_json::value::RawValue;

use crate::browser;
use crate::context::OpContext;
use crate::declaration::{Effect, Scope};
use crate::failure::Failure;
use crate::handler::{Call, Handler, Output};
use crate::host;
use crate::mail::{Mail, Mailer};
use crate::records::Records;
use crate::source::{Draw, Source};
use crate::trail::{self, Caller, Ended, Event, TlsFacts, Touched, Trail, Unrecordable};
use crate::unsigned::{Knock, TurnedAway};
use crate::usage::UsageTracker;

/// Opens the accounts that a sandbox makes on first use.
pub type OpenAccount = Box<dyn Fn(&mut Txn, AccountId) + Send + Sync>;

/// What the path is made of.
pub struct Setup {
    /// The services it answers for.
    pub services: &'static [&'static ServiceSchema],
    /// The operations that are implemented.
    pub handlers: Vec<&'static dyn Handler>,
    /// The state.
    pub db: Arc<Db>,
    /// Who checks credentials.
    pub authenticator: Authenticator,
    /// Who issues sessions.
    pub tokens: Arc<Tokens>,
    /// Who seals secrets.
    pub vault: Arc<Vault>,
    /// Who hashes passwords, a few at a time.
    pub hasher: Hasher,
    /// Who counts wrong codes of second factors; signing in counts with it.
    pub guesses: Arc<Guesses>,
    /// Us, as passkeys know us.
    pub relying_party: Arc<RelyingParty>,
    /// Where people reach us, as scheme and authority, if that was said.
    pub url: Option<String>,
    /// Who sends mail, if a mail server is configured.
    pub mailer: Option<Arc<dyn Mailer>>,
    /// The audit log, to look up in.
    pub records: Arc<dyn Records>,
    /// How long a root user may sign in without a second factor, in days from the first time on.
    pub mfa_grace_days: u32,
    /// Where records go.
    pub trail: Trail,
    /// Time and randomness.
    pub source: Arc<dyn Source>,
    /// What a sandbox does for an account that does not exist yet.
    pub open_account: OpenAccount,
}

/// The path of every request.
pub struct Pipeline {
    setup: Setup,
    handlers: HashMap<(&'static str, &'static str), &'static dyn Handler>,
    usage: UsageTracker,
    refusals: Budget,
    replays: Replays,
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// The peer's address, or the one that a trusted proxy has seen.
    pub address: IpAddr,
    /// Whether the client speaks TLS, with us or with a trusted proxy.
    pub secure: bool,
    /// What protected the connection to us.
    pub tls: Option<TlsFacts>,
}

/// An answer, with what metrics and logs want to know of it.
pub struct Answered {
    /// What the client gets.
    pub response: Response<Bytes>,
    /// The operation, once it was known.
    pub operation: Option<&'static OperationSchema>,
    /// The error's code, when it did not succeed.
    pub error: Option<String>,
}

/// Who calls from inside: a session of the console, which has authenticated its user and needs no signature.
pub struct Inside<'a> {
    /// The user of the session.
    pub principal: &'a Principal,
    /// The region that the call is for.
    pub region: &'a str,
    /// Where the browser is.
    pub origin: Origin,
    /// The host that the browser asks, see [`host`](crate::host()).
    pub host: Option<&'a str>,
    /// `User-Agent`, as the browser sent it.
    pub user_agent: Option<&'a str>,
}

/// One call on its way.
struct Attempt<'r> {
    origin: Origin,
    id: &'r str,
    now: Time,
    host: Option<Cow<'r, str>>,
    referer: Option<Cow<'r, str>>,
    user_agent: Option<Cow<'r, str>>,
    protocol: Protocol,
    operation: &'static OperationSchema,
    handler: Option<&'static dyn Handler>,
    read_only: bool,
}

/// What a call that ran leaves behind.
struct Ran {
    /// A failure keeps what the operation has written.
    output: Result<Output, Failure>,
    txn: Txn,
    /// To be posted once the writes are durable.
    mails: Vec<Mail>,
    /// What it was allowed to change or to issue credentials for; what is only read is not told.
    touched: Vec<Touched>,
    /// The other account whose resource the caller was allowed to use, or that the call is about.
    other: Option<AccountId>,
}

impl Pipeline {
    /// A path made of these parts.
    pub fn new(setup: Setup) -> Self {
        let handlers = setup.handlers.iter().map(|handler| (key(handler.schema()), *handler)).collect();
        Self {
            setup,
            handlers,
            usage: UsageTracker::default(),
            refusals: Budget::default(),
            replays: Replays::default(),
        }
    }

    /// Now, as records show it.
    pub fn now(&self) -> Time {
        self.setup.source.now()
    }

    /// Uses of keys and roles that are still to be written down.
    pub fn usage(&self) -> &UsageTracker {
        &self.usage
    }

    /// How many refused claims were left out of the audit log, because there were too many in one second.
    pub fn refusals_unrecorded(&self) -> u64 {
        self.refusals.unrecorded()
    }

    /// Answers one request. Everything that can go wrong has an answer.
    pub async fn answer(&self, request: &Request<Bytes>, origin: Origin) -> Answered {
        let id = self.request_id();
        // At the root, operations name their service themselves.
        let has_path = request.uri().path() != "/";
        let credential = has_path.then(|| rootward_sigv4::stated_credential(&parts(request))).flatten();
        let (request_read, services) = (http_request(request, credential.as_deref()), self.setup.services);
        match Frame::read(request_read, services) {
            Ok(frame) => {
                let attempt = self.attempt(request, origin, &id, &frame);
                let result = self.framed(&attempt, request, &frame).await;
                self.encode(&id, Some(frame.operation), frame.protocol, result)
            }
            Err(error) => self.encode(&id, None, request_read.protocol(services), Err(error)),
        }
    }

    /// Carries out one call from inside, like every other call but for the signature: the same checks, the same
    /// authorization, the same record.
    ///
    /// # Errors
    /// What a client would be answered.
    pub async fn call<O: Operation>(
        &self,
        caller: &Inside<'_>,
        input: &O::Input,
    ) -> Result<O::Output, Error> {
        let id = self.request_id();
        let (operation, handler) = (O::DESCRIPTION, self.handlers.get(&key(O::DESCRIPTION)).copied());
        let attempt = Attempt {
            origin: caller.origin,
            id: &id,
            now: self.setup.source.now(),
            host: caller.host.map(Cow::Borrowed),
            referer: None,
            user_agent: caller.user_agent.map(Cow::Borrowed),
            protocol: operation.service.protocols.first().copied().unwrap_or(Protocol::Query),
            operation,
            handler,
            read_only: is_read_only(handler),
        };
        let caller = Authenticated { principal: caller.principal.clone(), region: caller.region.into() };
        let output = self.authenticated(&attempt, &caller, Record::copy(input).map_err(Error::from)).await?;
        Ok(O::Output::from_value(Some(Value::Structure(Record::copy(&*output)?)))?)
    }

    fn attempt<'r>(
        &self,
        request: &'r Request<Bytes>,
        origin: Origin,
        id: &'r str,
        frame: &Frame<'_>,
    ) -> Attempt<'r> {
        let operation = frame.operation;
        let handler = self.handlers.get(&key(operation)).copied();
        let headers = request.headers();
        Attempt {
            origin,
            id,
            now: self.setup.source.now(),
            host: host::host(request.uri(), headers),
            referer: lossy(headers, &REFERER),
            user_agent: lossy(headers, &USER_AGENT),
            protocol: frame.protocol,
            operation,
            handler,
            read_only: is_read_only(handler),
        }
    }

    /// Answers a request whose body never arrived whole.
    pub fn refuse(&self, error: Error) -> Answered {
        self.encode(&self.request_id(), None, Protocol::Query, Err(error))
    }

    async fn framed(
        &self,
        attempt: &Attempt<'_>,
        request: &Request<Bytes>,
        frame: &Frame<'_>,
    ) -> Result<Output, Error> {
        if attempt.operation.anonymous {
            let handler = attempt.handler.ok_or_else(|| not_implemented(attempt.operation))?;
            let result = self.unsigned(attempt, handler, request, frame).await;
            return result.map_err(|error| handler.complete(error.in_protocol(attempt.protocol)));
        }
        match self.authenticate(attempt, request).await {
            Ok(caller) => self.authenticated(attempt, &caller, frame.record()).await,
            Err(refusal) => Err(self.refused(attempt, request, &refusal).await),
        }
    }

    /// Without a signature the input comes first: it says who calls. From there on everything is as with one.
    async fn unsigned(
        &self,
        attempt: &Attempt<'_>,
        handler: &'static dyn Handler,
        request: &Request<Bytes>,
        frame: &Frame<'_>,
    ) -> Result<Output, Error> {
        let call = handler.call(Value::Structure(frame.input()?))?;
        let world = self.setup.db.snapshot();
        let target = dpop::Target {
            method: request.method().as_str(),
            authority: attempt.host.as_deref().unwrap_or_default(),
            path: request.uri().path(),
            secure: attempt.origin.tls.is_some(),
            url: self.setup.url.as_deref(),
        };
        let knock = Knock {
            world: &world,
            now: attempt.now,
            machine_now: self.setup.source.machine_now(),
            target,
            vault: &self.setup.vault,
            tokens: &self.setup.tokens,
            replays: &self.replays,
        };
        match call.caller(&knock) {
            Ok(caller) => self.authenticated(attempt, &caller, frame.record()).await,
            Err(TurnedAway { failure, of: None }) => Err(failure.into()),
            Err(TurnedAway { failure, of: Some(caller) }) => {
                let error = Error::from(failure).in_protocol(attempt.protocol);
                let shown = trail::shown(call.input())?;
                let event = attempt.event(Caller::Known(&caller.principal), &caller.region, shown.as_deref());
                let ended = Ended::Failed { code: &error.code, message: &error.message };
                self.record(&event, &ended, None).await?;
                Err(error)
            }
        }
    }

    async fn authenticated(
        &self,
        attempt: &Attempt<'_>,
        caller: &Authenticated,
        input: Result<Record, Error>,
    ) -> Result<Output, Error> {
        let Authenticated { principal, region } = caller;
        self.usage.note(principal, attempt.now, attempt.operation.service.name, region);
        // What cannot be recorded is not done: a record never lacks its parameters without anybody hearing of it.
        let shown = input.as_ref().map_or(Ok(None), |record| trail::shown(record));
        let (parameters, recordable) = match shown {
            Ok(parameters) => (parameters, Ok(())),
            Err(error) => (None, Err(error)),
        };
        let event = attempt.event(Caller::Known(principal), region, parameters.as_deref());
        let service = attempt.operation.service;
        let valid = recordable
            .and(input)
            .and_then(|record| rootward_wire::validate(&record, service).map(|()| record));
        let result = match valid {
            Ok(input) => self.decoded(attempt, caller, input, event).await,
            Err(error) => Err(error),
        };
        // On record under the code that the client reads.
        let result = result.map_err(|error| error.in_protocol(attempt.protocol));
        if let Err(error) = &result {
            let ended = Ended::Failed { code: &error.code, message: &error.message };
            self.record(&event, &ended, None).await?;
        }
        result
    }

    async fn authenticate(
        &self,
        attempt: &Attempt<'_>,
        request: &Request<Bytes>,
    ) -> Result<Authenticated, Unauthenticated> {
        match self.authenticate_once(attempt, request) {
            Ok(caller) if caller.principal.is_foreign() && attempt.may_come_from_page(request) => {
                Err(Unauthenticated::WebPage)
            }
            Err(Unauthenticated::SandboxAccount(_)) if attempt.may_come_from_page(request) => {
                Err(Unauthenticated::WebPage)
            }
            Err(Unauthenticated::SandboxAccount(account)) => {
                self.open_account(account).await;
                self.authenticate_once(attempt, request)
            }
            result => result,
        }
    }

    fn authenticate_once(
        &self,
        attempt: &Attempt<'_>,
        request: &Request<Bytes>,
    ) -> Result<Authenticated, Unauthenticated> {
        let world = self.setup.db.snapshot();
        let now = Now { signing: self.setup.source.machine_now(), sessions: attempt.now };
        let service = attempt.operation.service.name;
        self.setup.authenticator.authenticate(&world, &parts(request), request.body(), service, now)
    }

    /// Two first requests of one account may race here; the loser finds it open.
    async fn open_account(&self, account: AccountId) {
        let mut txn = self.setup.db.begin();
        (self.setup.open_account)(&mut txn, account);
        if let Err(error) = self.commit(txn).await {
            tracing::debug!(%account, %error, "the sandbox account was not opened here");
        }
    }

    /// A refused claim is on record where its key says whose account was tried.
    async fn refused(
        &self,
        attempt: &Attempt<'_>,
        request: &Request<Bytes>,
        refusal: &Unauthenticated,
    ) -> Error {
        let (code, status, message) = refusal.answer();
        let error = Error::from(Failure::unmodelled(code, status, message)).in_protocol(attempt.protocol);
        // The signature holds, so who it was is known, and nobody else can fill the log with it.
        if let Unauthenticated::Sealed(caller) = refusal {
            let event = attempt.event(Caller::Known(&caller.principal), &caller.region, None);
            let ended = Ended::Failed { code: &error.code, message: &error.message };
            return self.record(&event, &ended, None).await.err().unwrap_or(error);
        }
        let credential = rootward_sigv4::stated_credential(&parts(request)).unwrap_or_default();
        let key = credential.split('/').next().unwrap_or_default();
        let account = key.parse().ok().and_then(AccessKeyId::account);
        let account = account.filter(|id| self.setup.db.snapshot().account(*id).is_some());
        let now = self.setup.source.machine_now();
        if let Some(account) = account.filter(|account| self.refusals.take(*account, now)) {
            let event = attempt.event(Caller::Unknown(account, key), Partition::Aws.global_region(), None);
            let ended = Ended::Failed { code: &error.code, message: &refusal.summary() };
            if let Err(unrecordable) = self.record(&event, &ended, None).await {
                return unrecordable;
            }
        }
        error
    }

    async fn decoded(
        &self,
        attempt: &Attempt<'_>,
        caller: &Authenticated,
        input: Record,
        event: Event<'_>,
    ) -> Result<Output, Error> {
        let operation = attempt.operation;
        let handler = attempt.handler.ok_or_else(|| not_implemented(operation))?;
        let call = handler.call(Value::Structure(input))?;
        handler.callers().check(&caller.principal, operation.name).map_err(Failure::from)?;
        match handler.effect() {
            Effect::Read => {
                let ran = self.run(attempt, caller, &*call)?;
                // It would answer success and write nothing.
                if !ran.txn.is_read_only() {
                    return Err(Error::internal("an operation that is declared as reading has written"));
                }
                let output = ran.output?;
                let ended = Ended::Succeeded { response: None, touched: &ran.touched };
                self.record(&event, &ended, ran.other).await?;
                Ok(output)
            }
            effect @ (Effect::Issue | Effect::Write) => {
                self.write(attempt, caller, effect, &*call, event).await
            }
        }
    }

    /// Runs and commits together with the record, again as long as the commit loses races. What was issued without a write
    /// is only recorded. A failure that keeps its writes is recorded behind them, like every failure, and sends no mail.
    async fn write(
        &self,
        attempt: &Attempt<'_>,
        caller: &Authenticated,
        effect: Effect,
        call: &dyn Call,
        event: Event<'_>,
    ) -> Result<Output, Error> {
        if !self.setup.trail.is_healthy() {
            return Err(unrecordable());
        }
        for _ in 0..ATTEMPTS_MAX {
            let Ran { output, mut txn, mails, touched, other } = self.run(attempt, caller, call)?;
            if let Ok(succeeded) = &output {
                let response = trail::shown(&**succeeded)?;
                let ended = Ended::Succeeded { response: response.as_deref(), touched: &touched };
                if effect == Effect::Issue && txn.is_read_only() {
                    self.record(&event, &ended, other).await?;
                    return output.map_err(Error::from);
                }
                self.setup.trail.put(&mut txn, &event, &ended, other, &mut self.draw());
            }
            match self.commit(txn).await {
                Ok(()) => {
                    self.post(mails);
                    return output.map_err(Error::from);
                }
                Err(CommitError::Conflict) => {}
                Err(error @ CommitError::TooLarge { .. }) => return Err(too_large(&error)),
                Err(error @ CommitError::Unavailable(_)) => {
                    tracing::error!(%error, "the store refused a write");
                    return Err(unavailable());
                }
            }
        }
        Err(Failure::unmodelled("ConcurrentModification", 409, CONCURRENT).into())
    }

    /// Authorizes and runs, both on one snapshot.
    fn run(&self, attempt: &Attempt<'_>, caller: &Authenticated, call: &dyn Call) -> Result<Ran, Failure> {
        let mut txn = self.setup.db.begin();
        let world = Arc::clone(txn.world());
        let mut random = self.draw();
        let ctx = OpContext {
            now: attempt.now,
            machine_now: self.setup.source.machine_now(),
            source_ip: attempt.origin.address,
            user_agent: attempt.user_agent.as_deref(),
            referer: attempt.referer.as_deref(),
            secure_transport: attempt.origin.secure,
            principal: &caller.principal,
            region: &caller.region,
            vault: &self.setup.vault,
            tokens: &self.setup.tokens,
            hasher: &self.setup.hasher,
            guesses: &self.setup.guesses,
            relying_party: &self.setup.relying_party,
            mfa_grace_days: self.setup.mfa_grace_days,
            mailer: self.setup.mailer.as_deref(),
            records: &*self.setup.records,
            mails: RefCell::default(),
            concerned: Cell::default(),
            random: RefCell::new(&mut random),
        };
        let facts = attempt.facts(caller);
        let reads = attempt.handler.is_none_or(|handler| handler.effect() == Effect::Read);
        let (mut other, mut touched) = (None, Vec::<Touched>::new());
        let allowed = call.authorize(&Scope { ctx: &ctx, world: &world }, &mut |check, context| {
            other = other.or(Some(check.resource_account).filter(|id| *id != caller.principal.account));
            if !reads && check.resource != "*" && !touched.iter().any(|known| known.arn == check.resource) {
                touched.push(Touched { arn: check.resource.into(), account: check.resource_account });
            }
            authz::authorize(&world, &caller.principal, &facts, &check, context).map_err(Failure::from)
        })?;
        let output = match call.run(allowed, &ctx, &mut txn) {
            Err(failure) if !failure.keeps_writes => return Err(failure),
            output => output,
        };
        let mails = if output.is_ok() { ctx.take_mails() } else { Vec::new() };
        let other = other.or(ctx.concerned.get());
        Ok(Ran { output, txn, mails, touched, other })
    }

    fn post(&self, mails: Vec<Mail>) {
        if let Some(mailer) = &self.setup.mailer {
            mails.into_iter().for_each(|mail| mailer.post(mail));
        }
    }

    async fn commit(&self, txn: Txn) -> Result<(), CommitError> {
        // Two threads that wake each other take as long as a fast disk: a lone writer does the work itself.
        if may_block()
            && let Some(turn) = self.setup.db.turn()
        {
            return tokio::task::block_in_place(|| turn.commit(txn)).map(drop);
        }
        let (send, receive) = tokio::sync::oneshot::channel();
        self.setup.db.commit(txn, Box::new(move |result| drop(send.send(result))));
        let stopped = |_| Err(CommitError::Unavailable("the store has stopped".into()));
        receive.await.unwrap_or_else(stopped).map(drop)
    }

    async fn record(
        &self,
        event: &Event<'_>,
        ended: &Ended<'_>,
        other: Option<AccountId>,
    ) -> Result<(), Error> {
        let world = self.setup.db.snapshot();
        let recorded = self.setup.trail.record(&world, event, ended, other, &mut self.draw()).await;
        recorded.map_err(|Unrecordable| unrecordable())
    }

    fn draw(&self) -> Draw<'_> {
        Draw(&*self.setup.source)
    }

    fn request_id(&self) -> String {
        let mut bytes = [0; 16];
        self.setup.source.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    fn encode(
        &self,
        id: &str,
        operation: Option<&'static OperationSchema>,
        protocol: Protocol,
        result: Result<Output, Error>,
    ) -> Answered {
        let encoded = result.and_then(|output| {
            let operation = operation.ok_or(rootward_wire::Mismatch)?;
            rootward_wire::success(operation, protocol, &*output, id)
        });
        let (answer, error) = match encoded {
            Ok(answer) => (Some(answer), None),
            Err(error) => {
                let error = error.in_protocol(protocol);
                if let Some(cause) = &error.cause {
                    let operation = operation.map(|operation| operation.name);
                    tracing::error!(request_id = id, operation, %cause, "a call failed by our own fault");
                }
                let service = operation.map(|operation| operation.service);
                let mut speaking =
                    self.setup.services.iter().filter(|service| service.protocols.contains(&protocol));
                let service = service.or(speaking.next().copied());
                let answer = service.map(|service| rootward_wire::failure(service, protocol, &error, id));
                (answer, Some(error.code.into_owned()))
            }
        };
        Answered { response: response(answer, id), operation, error }
    }
}

/// How many refused claims of one account's keys are recorded in one second, at most. Anybody can send them, so without a
/// bound anybody could fill the disk; and with one for all accounts, hide what is done to one behind noise about another.
const REFUSALS_PER_ACCOUNT: u32 = 50;
/// How many are recorded in one second over all accounts, at most: what keeps somebody who knows many accounts from filling
/// the disk. It also bounds the counters.
const REFUSALS_IN_ALL: u32 = 1_000;

/// Refused claims in the second under way.
#[derive(Default)]
struct Budget(Mutex<Spent>);

#[derive(Default)]
struct Spent {
    second: i64,
    in_all: u32,
    of_account: HashMap<AccountId, u32>,
    /// Left out since the start.
    unrecorded: u64,
}

impl Budget {
    /// Whether one more of this account is to be recorded.
    fn take(&self, account: AccountId, now: Time) -> bool {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.second != now.seconds() {
            let unrecorded = spent.unrecorded;
            *spent = Spent { second: now.seconds(), unrecorded, ..Spent::default() };
        }
        let full = spent.in_all >= REFUSALS_IN_ALL
            || spent.of_account.get(&account).is_some_and(|count| *count >= REFUSALS_PER_ACCOUNT);
        if full {
            spent.unrecorded += 1;
        } else {
            spent.in_all += 1;
            *spent.of_account.entry(account).or_default() += 1;
        }
        !full
    }

    fn unrecorded(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).unrecorded
    }
}

/// What is not implemented changes nothing.
fn is_read_only(handler: Option<&dyn Handler>) -> bool {
    handler.is_none_or(|handler| handler.effect() != Effect::Write)
}

impl Attempt<'_> {
    fn may_come_from_page(&self, request: &Request<Bytes>) -> bool {
        let effect = self.handler.map_or(Effect::Read, Handler::effect);
        browser::may_come_from_page(request.method(), request.headers(), effect)
    }

    fn facts<'a>(&'a self, caller: &'a Authenticated) -> RequestFacts<'a> {
        RequestFacts {
            now: self.now,
            region: self.requested_region(caller),
            source_ip: self.origin.address,
            user_agent: self.user_agent.as_deref(),
            referer: self.referer.as_deref(),
            secure_transport: self.origin.secure,
        }
    }

    /// A global service is one for all regions: whatever the caller signed for, `aws:RequestedRegion` is where it lives.
    fn requested_region<'a>(&self, caller: &'a Authenticated) -> &'a str {
        if self.operation.service.is_global {
            caller.principal.partition.global_region()
        } else {
            &caller.region
        }
    }

    fn event<'a>(&'a self, caller: Caller<'a>, region: &'a str, request: Option<&'a RawValue>) -> Event<'a> {
        Event {
            request_id: self.id,
            now: self.now,
            operation: self.operation,
            caller,
            region,
            source_ip: self.origin.address,
            user_agent: self.user_agent.as_deref(),
            host: self.host.as_deref(),
            tls: self.origin.tls,
            read_only: self.read_only,
            request,
        }
    }
}

/// A header as conditions and records see it. It may hold any bytes: one that is not UTF-8 must neither hide the header from
/// a policy that denies by it nor keep it off the record.
fn lossy<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Cow<'h, str>> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What of a request is signed besides its body.
fn parts(request: &Request<Bytes>) -> Parts<'_> {
    let (method, uri) = (request.method(), request.uri());
    Parts {
        method: method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        authority: uri.authority().map(http::uri::Authority::as_str),
        headers: request.headers(),
    }
}

/// `credential` is the stated one: what it says of the service holds once the signature does.
fn http_request<'a>(request: &'a Request<Bytes>, credential: Option<&'a str>) -> HttpRequest<'a> {
    HttpRequest {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        content_type: text(request.headers(), &CONTENT_TYPE),
        target: text(request.headers(), &HeaderName::from_static("x-amz-target")),
        scope: credential.and_then(|credential| credential.split('/').nth(3)),
        headers: Some(request.headers()),
        body: request.body(),
    }
}

fn response(answer: Option<rootward_wire::Response>, id: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    match answer {
        Some(answer) => {
            *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
            response.headers_mut().extend(answer.headers);
            *response.body_mut() = answer.body.into();
        }
        None => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

/// Whether the executor has other threads for other tasks while this one blocks.
pub(crate) fn may_block() -> bool {
    use tokio::runtime::{Handle, RuntimeFlavor};
    Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

fn key(operation: &OperationSchema) -> (&'static str, &'static str) {
    (operation.service.name, operation.name)
}

fn not_implemented(operation: &OperationSchema) -> Error {
    let (service, name) = key(operation);
    CommonError::NotImplemented
        .with(format!("{service}:{name} is not implemented by this version of Rootward."))
}

fn unrecordable() -> Error {
    CommonError::ServiceUnavailable
        .with("The request was not carried out because it could not be recorded in the audit log.")
}

/// An entity with everything inside it has outgrown its row: white space counts for no quota, but it is kept.
fn too_large(error: &CommitError) -> Error {
    Failure::unmodelled(
        "LimitExceeded",
        409,
        format!("The entity would become too large to be kept: {error}."),
    )
    .into()
}

fn unavailable() -> Error {
    CommonError::ServiceUnavailable
        .with("The request was not carried out because the state cannot be written now.")
}

const CONCURRENT: &str = "The request was rejected because multiple requests to change this object were submitted \
    simultaneously. Wait a few minutes and submit your request again.";

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(budget: &Budget, account: u64, second: i64, claims: u32) -> u32 {
        let (account, now) = (AccountId::from_number(account).unwrap(), Time::from_seconds(second));
        (0..claims).map(|_| u32::from(budget.take(account, now))).sum()
    }

    #[test]
    fn refused_claims_of_one_account_take_nothing_from_another() {
        let budget = Budget::default();
        assert_eq!(recorded(&budget, 1, 0, 200), REFUSALS_PER_ACCOUNT);
        assert_eq!(recorded(&budget, 2, 0, 1), 1);
        assert_eq!(budget.unrecorded(), 150);
        assert_eq!(recorded(&budget, 1, 1, 1), 1);
        assert_eq!(budget.unrecorded(), 150);
    }

    #[test]
    fn refused_claims_of_all_accounts_are_bounded_and_so_are_their_counters() {
        let budget = Budget::default();
        let in_all: u32 = (1..=5_000).map(|account| recorded(&budget, account, 0, 1)).sum();
        assert_eq!(in_all, REFUSALS_IN_ALL);
        assert_eq!(budget.0.lock().unwrap().of_account.len(), 1_000);
        assert_eq!(budget.unrecorded(), 4_000);
        assert_eq!(recorded(&budget, 5_000, 1, 60), REFUSALS_PER_ACCOUNT);
    }
}
