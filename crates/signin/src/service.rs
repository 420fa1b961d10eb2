//! The steps of signing in.
//!
//! ```text
//! password ─▶ second factor ─▶ new password, if it must be changed ─▶ reason and approvals, for a sealed root user ─▶ session
//! ```
//!
//! After each step the state says what is missing ([`SignInService::advance`]); nothing but that decides what comes next, so no
//! step can be left out by sending another form. Every step runs on a thread that may block: it hashes, or waits for a commit.
//!
//! Who does not exist is treated like who does: the same lane, the same hash, the same answer.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use rootward_audit::{Backlogged, Entry, Lane, Writer};
use rootward_auth::guard::{self, REASON_CHARS_MAX, REQUEST_SECONDS, Verdict};
use rootward_auth::passkey::{self, RelyingParty};
use rootward_auth::password::{Hasher, Password, Verified};
use rootward_auth::second_factor::{self, GUESS_SECONDS, Guesses, TooMany};
use rootward_auth::session::Tokens;
use rootward_auth::{Credential, Identity, Principal, SignIn};
use rootward_names::{AccessKeyId, AccessKeyKind, AccountId, Handle, Random, Time};
use rootward_pipeline::{Mailer, Source};
use rootward_services::sign_ins::{End, Why, record_end};
use rootward_state::entities::{
    Account, AccountStatus, CredentialOwner, Factor, LoginProfile, MfaDevice, PasswordHash, Purpose,
    RootAccess, RootGuard, Rotated, Seal, SessionKind, SignInSession, SignedIn, User,
};
use rootward_state::{ATTEMPTS_MAX, AccountState, CommitError, Db, RowKey, Txn};
use rootward_store::vault::Vault;
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::lanes::{Lanes, Wait};
use crate::record::{Login, Scene, Whom, root_resealed};
use crate::session::{self, Live, Secret};
use crate::step::{STEPS_SECONDS_MAX, Shown, Step};
use crate::visitor::{Knock, name_of};
use crate::{Browser, Door, Visitor};

/// How long a session lasts: twelve hours, as at AWS, but for a sealed root user's.
const SESSION_SECONDS: i64 = 43_200;
/// How long a decided or expired request stays to be looked at.
const REQUEST_KEPT_SECONDS: i64 = 86_400;
/// A password's last use is kept to five minutes, as AWS does.
const USED_SECONDS: i64 = 300;
/// A session's secret is replaced after an hour.
const ROTATION_SECONDS: i64 = 3_600;
/// How often, and how long apart, a record is handed over while the log does not keep up: two seconds in all.
const HANDOVERS_MAX: usize = 200;
const HANDOVER_PAUSE: Duration = Duration::from_millis(10);

/// What signing in is made of.
pub struct Setup {
    /// The state.
    pub db: Arc<Db>,
    /// Who seals.
    pub vault: Arc<Vault>,
    /// Who opens session tokens.
    pub tokens: Arc<Tokens>,
    /// Who hashes passwords, a few at a time.
    pub hasher: Arc<Hasher>,
    /// Who counts wrong codes of second factors, those of APIs too.
    pub guesses: Arc<Guesses>,
    /// Us, as passkeys know us.
    pub relying_party: Arc<RelyingParty>,
    /// Who sends mail, if a mail server is configured.
    pub mailer: Option<Arc<dyn Mailer>>,
    /// Where records go.
    pub writer: Arc<Writer>,
    /// Time and randomness.
    pub source: Arc<dyn Source>,
    /// How long a root user may sign in without a second factor, in days from the first time on.
    pub mfa_grace_days: u32,
}

/// Signs people in.
pub struct SignInService {
    pub(crate) setup: Setup,
    pub(crate) lanes: Lanes,
}

/// What comes next. A `step` is for the form that goes on.
#[derive(Debug)]
pub enum Next {
    /// Others must agree.
    Approval {
        /// For the form that looks again.
        step: String,
        /// The request they decide on.
        request: Handle,
        /// How many have agreed.
        approved: usize,
        /// How many must.
        required: usize,
        /// Until when they can.
        expires: Time,
    },
    /// The password must be changed.
    NewPassword {
        /// For the form that changes it.
        step: String,
        /// Because it has expired; else because an administrator wants it.
        expired: bool,
    },
    /// The root user is sealed: why is it needed?
    Reason {
        /// For the form that says so.
        step: String,
        /// How many must agree.
        approvals: u8,
        /// How long the session will last.
        minutes: u8,
    },
    /// A second factor is to be shown.
    SecondFactor {
        /// For the form that shows it.
        step: String,
        /// Whether one of them shows codes.
        codes: bool,
        /// Whether one of them is a passkey.
        passkeys: bool,
    },
    /// Signed in.
    Welcome(Welcome),
}

/// What a browser is told to ask for a passkey.
#[derive(Debug)]
pub struct PasskeyOptions {
    /// For the form that shows it, and for asking again.
    pub step: String,
    /// JSON for `PublicKeyCredential.parseRequestOptionsFromJSON`, under `publicKey`.
    pub options: String,
}

/// A session that has begun.
pub struct Welcome {
    /// The account.
    pub account: AccountId,
    /// The value of the session's cookie.
    pub cookie: String,
    /// The value of the browser's cookie, which knows the name from now on.
    pub browser: String,
    /// When the session ends.
    pub expires: Time,
}

impl std::fmt::Debug for Welcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Welcome {{ account: {}, expires: {:?}, … }}", self.account, self.expires)
    }
}

/// Why somebody is not signed in. Says nothing about who exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// What the form carried is not good any more.
    #[error("this sign-in took too long, or began in another browser: begin again")]
    BeginAgain,
    /// Too many passwords are being checked.
    #[error("too many people are signing in at the moment: try again in a few seconds")]
    Busy,
    /// The password has expired, and the account's policy leaves it to administrators.
    #[error("your password has expired: ask an administrator of your account for a new one")]
    Expired,
    /// None of the user's passkeys can be asked for here.
    #[error("you have no security key or passkey that can be used at this address")]
    NoPasskey,
    /// The reason is missing or too long.
    #[error("say in 1-{REASON_CHARS_MAX} characters why the root user is needed")]
    NoReason,
    /// An approver said no.
    #[error("an approver has rejected the request")]
    Rejected,
    /// Not enough approvers agreed in time.
    #[error("the request was not approved in time: begin again")]
    RequestExpired,
    /// Too many wrong guesses.
    #[error("too many sign-ins that failed: try again in {seconds} seconds")]
    Slow {
        /// When to try again.
        seconds: i64,
    },
    /// The account is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// Too many requests for root access wait.
    #[error(
        "{} requests for root access wait already: let approvers decide on them first",
        guard::REQUESTS_MAX
    )]
    TooManyRequests,
    /// The sign-in cannot be recorded or written.
    #[error("the sign-in cannot be recorded now, and so is not carried out: try again later")]
    Unavailable,
    /// Wrong name or password.
    #[error("name or password is wrong")]
    Wrong,
    /// Wrong code or key.
    #[error("the code or security key is wrong, or was used already")]
    WrongFactor,
}

impl From<Wait> for Refused {
    fn from(wait: Wait) -> Self {
        Self::Slow { seconds: wait.seconds }
    }
}

/// A password as it is kept.
struct Kept {
    hash: PasswordHash,
    set: Time,
    reset_required: bool,
}

/// A transaction of a sign-in under way, with the records that go with it.
pub(crate) struct Act<'a> {
    service: &'a SignInService,
    visitor: &'a Visitor<'a>,
    pub(crate) txn: Txn,
    state: Arc<AccountState>,
    entries: Vec<Entry>,
    pub(crate) now: Time,
}

impl SignInService {
    /// Signing in, made of these parts.
    pub fn new(setup: Setup) -> Self {
        Self { setup, lanes: Lanes::new() }
    }

    /// The browser of a cookie; a new one for a cookie that is none of ours.
    pub fn browser(&self, cookie: Option<&str>) -> Browser {
        let known = cookie.and_then(|cookie| Browser::open(&self.setup.vault, cookie));
        known.unwrap_or_else(|| Browser::new(&mut self.draw()))
    }

    /// The value of a browser's cookie.
    pub fn browser_cookie(&self, browser: &Browser) -> String {
        browser.seal(&self.setup.vault, &mut self.draw())
    }

    /// First step: name and password.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn password(
        &self,
        visitor: &Visitor<'_>,
        door: &Door<'_>,
        password: &Password,
    ) -> Result<Next, Refused> {
        let world = self.setup.db.snapshot();
        let knock = Knock::at(&world, door);
        let state = knock.account.and_then(|id| world.account(id));
        let kept = state.zip(knock.owner).and_then(|(state, owner)| kept(state, owner));
        let (guess, clock) = (visitor.browser.lane(knock.name), self.setup.source.machine_now());
        let guess = self.lanes.enter(visitor.address, knock.name, guess, clock)?;
        let Ok(permit) = self.setup.hasher.permit() else {
            guess.was_none();
            return Err(Refused::Busy);
        };
        let verified = permit.verify(password, kept.as_ref().map(|kept| &kept.hash));
        let (Verified::Matches { outdated }, Some(kept), Some(state), Some(owner)) =
            (verified, kept, state, knock.owner)
        else {
            drop(permit);
            if let Some(state) = state
                && self.failed(visitor, state, knock.owner).is_err()
            {
                // Whoever does not exist is answered at once, too.
                tracing::warn!("a sign-in that failed could not be recorded");
            }
            return Err(Refused::Wrong);
        };
        guess.was_right();
        let rehashed = outdated.then(|| permit.hash(password, &mut self.draw()).ok()).flatten();
        drop(permit);
        let account = state.account().id;
        let began = self.setup.source.now();
        let browser = visitor.browser.id();
        let step = Step {
            account,
            owner,
            browser,
            session: Handle::random(&mut self.draw()),
            began,
            password_set: kept.set,
            challenge: None,
            factor: None,
            reason: None,
            request: None,
        };
        self.act(visitor, account, |act| {
            if act.state.account().status != AccountStatus::Active {
                return Err(Refused::Suspended);
            }
            if let Some(hash) = &rehashed {
                act.rehash(owner, &kept.hash, hash);
            }
            if let Some(kind) = act.kind_of_factors(owner) {
                act.record(|scene, random| scene.check_mfa(Whom::Known(owner), kind, random));
            }
            act.advance(&step)
        })
    }

    /// Second step: a code of any of the user's devices.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn code(&self, visitor: &Visitor<'_>, step: &str, code: &str) -> Result<Next, Refused> {
        let step = self.step(visitor, step)?;
        let clock = self.setup.source.machine_now();
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let Step { account, owner, .. } = step;
        let shown = second_factor::Shown { account, owner, device: None, code: &code };
        self.show(visitor, &step, |act| {
            second_factor::take(&mut act.txn, &shown, &self.setup.vault, clock).ok()
        })
    }

    /// What the browser must know to ask for any of the user's passkeys. It may be asked anew when a challenge is void: one is
    /// good for [`passkey::SECONDS_MAX`], and once.
    ///
    /// # Errors
    /// [`Refused::BeginAgain`]; [`Refused::NoPasskey`].
    pub fn passkey_options(&self, visitor: &Visitor<'_>, step: &str) -> Result<PasskeyOptions, Refused> {
        let step = self.step(visitor, step)?;
        let world = self.setup.db.snapshot();
        let state = world.account(step.account).ok_or(Refused::BeginAgain)?;
        let started = self.setup.relying_party.start_assertion(state, step.owner, self.setup.source.now());
        let (options, challenge) = started.ok_or(Refused::NoPasskey)?;
        let step = Step { challenge: Some(challenge), ..step };
        Ok(PasskeyOptions { step: step.seal(&self.setup.vault, &mut self.draw()), options })
    }

    /// Second step: the answer of any of the user's passkeys, as JSON, to the challenge in the step of
    /// [`Self::passkey_options`].
    ///
    /// # Errors
    /// [`Refused`].
    pub fn passkey(&self, visitor: &Visitor<'_>, step: &str, credential: &str) -> Result<Next, Refused> {
        let step = self.step(visitor, step)?;
        let Step { account, owner, .. } = step;
        let challenge = step.challenge.as_ref().ok_or(Refused::BeginAgain)?;
        let shown = passkey::Shown { account, owner, challenge, credential };
        self.show(visitor, &step, |act| {
            passkey::take(&mut act.txn, &shown, &self.setup.relying_party, act.now).ok()
        })
    }

    /// Goes on with the second factor that is taken, if one is.
    fn show<'a>(
        &'a self,
        visitor: &'a Visitor<'a>,
        step: &Step,
        take: impl Fn(&mut Act<'a>) -> Option<Arc<MfaDevice>>,
    ) -> Result<Next, Refused> {
        let (clock, mut result) = (self.setup.source.machine_now(), Err(Refused::Unavailable));
        // Counted by whether it was right, and not by what became of the step.
        let taken = Cell::new(false);
        let guess = || {
            result = self.act(visitor, step.account, |act| {
                let device = take(act);
                taken.set(device.is_some());
                let Some(device) = device else { return Err(act.wrong_factor(step.owner)) };
                let factor = Some(Shown { device: device.id.clone(), at: act.now });
                act.advance(&Step { factor, challenge: None, ..step.clone() })
            });
            if taken.get() { Ok(()) } else { Err(second_factor::Refused) }
        };
        match self.setup.guesses.guess(step.account, step.owner, clock, guess) {
            Ok(Ok(()) | Err(second_factor::Refused)) => result,
            Err(TooMany) => Err(Refused::Slow { seconds: GUESS_SECONDS }),
        }
    }

    /// After a password was changed that had to be: the new one.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn changed(&self, visitor: &Visitor<'_>, step: &str, password: &Password) -> Result<Next, Refused> {
        let step = self.step(visitor, step)?;
        let world = self.setup.db.snapshot();
        let state = world.account(step.account).ok_or(Refused::BeginAgain)?;
        let kept = kept(state, step.owner).ok_or(Refused::BeginAgain)?;
        let permit = self.setup.hasher.permit().map_err(|_| Refused::Busy)?;
        let verified = permit.verify(password, Some(&kept.hash));
        drop(permit);
        if verified == Verified::Differs {
            return Err(Refused::BeginAgain);
        }
        self.act(visitor, step.account, |act| act.advance(&Step { password_set: kept.set, ..step.clone() }))
    }

    /// Who changes the password that must be changed: good for one call from inside.
    ///
    /// # Errors
    /// [`Refused::BeginAgain`].
    pub fn who_changes_password(&self, visitor: &Visitor<'_>, step: &str) -> Result<Principal, Refused> {
        let step = self.step(visitor, step)?;
        let world = self.setup.db.snapshot();
        let state = world.account(step.account).ok_or(Refused::BeginAgain)?;
        let CredentialOwner::User(id) = step.owner else { return Err(Refused::BeginAgain) };
        let user = state.by_id::<User>(id).ok_or(Refused::BeginAgain)?;
        // Only where the step before has asked for it: everything else was shown, and it is due.
        let kept = kept(state, step.owner).filter(|kept| kept.set == step.password_set);
        let kept = kept.ok_or(Refused::BeginAgain)?;
        if lacks_factor(state, &step) || due(state, &kept, self.setup.source.now())?.is_none() {
            return Err(Refused::BeginAgain);
        }
        let random = &mut self.draw();
        let sign_in = SignIn { session: Handle::random(random), kind: SessionKind::Console };
        Ok(Principal {
            account: step.account,
            partition: state.account().partition,
            identity: Identity::User(Arc::clone(user)),
            credential: Credential::Temporary {
                key: AccessKeyId::random(AccessKeyKind::Temporary, step.account, random),
                issued: step.began,
                mfa: step.factor.as_ref().map(|shown| shown.at),
                sign_in: Some(sign_in),
            },
        })
    }

    /// Why the sealed root user is needed. Others are asked, if they must agree.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn reason(&self, visitor: &Visitor<'_>, step: &str, reason: &str) -> Result<Next, Refused> {
        let step = self.step(visitor, step)?;
        let reason = reason.trim();
        if !guard::is_reason(reason) {
            return Err(Refused::NoReason);
        }
        self.act(visitor, step.account, |act| {
            let step = act.ask(&step, reason)?;
            act.advance(&step)
        })
    }

    /// Looks again whether others have agreed.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn look_again(&self, visitor: &Visitor<'_>, step: &str) -> Result<Next, Refused> {
        let step = self.step(visitor, step)?;
        self.act(visitor, step.account, |act| act.advance(&step))
    }

    /// The session of a cookie, if it is not over and comes from where it was given to.
    pub fn session(&self, visitor: &Visitor<'_>, cookie: &str) -> Option<Live> {
        let world = self.setup.db.snapshot();
        session::find(&world, &self.setup.tokens, cookie, visitor, self.setup.source.now())
    }

    /// Notes that a session is in use; a new cookie when its secret is due to be replaced.
    pub fn touch(&self, live: &Live) -> Option<String> {
        let now = self.setup.source.now();
        let is_due = |since: Time, seconds: i64| now.seconds() - since.seconds() >= seconds;
        if !is_due(live.row.rotated.at, ROTATION_SECONDS) && !is_due(live.row.used, USED_SECONDS) {
            return None;
        }
        let key = RowKey::Session(live.account, live.id);
        let mut txn = self.setup.db.begin();
        let row = txn.get::<SignInSession>(key.clone())?;
        let secret = Secret::random(&mut self.draw());
        let mut row = SignInSession { used: now, ..SignInSession::clone(&row) };
        // Of several requests at once one replaces the secret: those after it find it new, those beside it lose the race.
        let rotates = is_due(row.rotated.at, ROTATION_SECONDS);
        if rotates {
            row.rotated = Rotated { at: now, previous: Some(row.digest) };
            row.digest = secret.digest();
        }
        txn.put(key, row);
        let written = self.setup.db.commit_wait(txn).is_ok();
        (written && rotates).then(|| secret.cookie(live.account, live.id))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`Refused::Unavailable`].
    pub fn sign_out(&self, visitor: &Visitor<'_>, live: &Live) -> Result<(), Refused> {
        self.act(visitor, live.account, |act| {
            let key = RowKey::Session(live.account, live.id);
            if let Some(row) = act.txn.get::<SignInSession>(key.clone()) {
                // Over and not gone: what the browser still holds of the sign-in opens no other.
                let ended = SignInSession { expires: act.now, reason: None, ..SignInSession::clone(&row) };
                act.txn.put(key, ended);
                let end = End { why: Why::SignedOut, source_ip: Some(visitor.address), now: act.now };
                record_end(&mut act.txn, live.account, (live.id, &row), &end, &mut self.draw());
            }
            Ok(())
        })
    }

    /// Removes sessions and requests that are over, and says of a seal that was broken for a while that it has closed.
    pub fn sweep(&self) {
        let (world, now) = (self.setup.db.snapshot(), self.setup.source.now());
        for state in world.accounts() {
            let (account, partition) = (state.account().id, state.account().partition);
            let mut txn = self.setup.db.begin();
            for (id, row) in state.sessions().iter().filter(|(_, row)| row.expires <= now) {
                let key = RowKey::Session(account, *id);
                if row.created.plus_seconds(STEPS_SECONDS_MAX) <= now {
                    txn.delete(key);
                } else if row.reason.is_some() {
                    txn.put(key, SignInSession { reason: None, ..SignInSession::clone(row) });
                }
                let end = End { why: Why::Expired, source_ip: None, now };
                record_end(&mut txn, account, (*id, row), &end, &mut self.draw());
            }
            let is_old = |row: &RootAccess| row.expires.plus_seconds(REQUEST_KEPT_SECONDS) <= now;
            for (id, _) in state.root_accesses().iter().filter(|(_, row)| is_old(row)) {
                txn.delete(RowKey::RootAccess(account, *id));
            }
            // Guarded: who breaks the seal again meanwhile is not overwritten.
            let is_broken = matches!(state.root_guard().seal, Seal::Open { .. });
            let guard = is_broken.then(|| txn.get::<RootGuard>(RowKey::RootGuard(account))).flatten();
            if let Some(guard) = guard
                && matches!(guard.seal, Seal::Open { until, .. } if until <= now)
            {
                let entry = root_resealed(account, partition, &guard.seal, now, &mut self.draw());
                txn.put_outbox(entry.id().to_bytes(), entry.json().as_bytes());
                let guard = RootGuard { seal: Seal::Closed, ..RootGuard::clone(&guard) };
                txn.put(RowKey::RootGuard(account), guard);
            }
            if !txn.is_read_only()
                && let Err(error) = self.setup.db.commit_wait(txn)
            {
                tracing::debug!(%account, %error, "what is over was not removed");
            }
        }
    }

    fn step(&self, visitor: &Visitor<'_>, text: &str) -> Result<Step, Refused> {
        let now = self.setup.source.now();
        Step::open(&self.setup.vault, text, visitor.browser.id(), now).ok_or(Refused::BeginAgain)
    }

    /// Records a sign-in that failed.
    fn failed(
        &self,
        visitor: &Visitor<'_>,
        state: &AccountState,
        owner: Option<CredentialOwner>,
    ) -> Result<(), Refused> {
        let scene = Scene { visitor, state, now: self.setup.source.now() };
        let has_mfa = owner.is_some_and(|owner| state.mfa_devices_of(owner).next().is_some());
        let whom = owner.map_or(Whom::Nobody, Whom::Known);
        self.send(scene.console_login(whom, Login::Failed { has_mfa }, &mut self.draw()))
    }

    /// Runs a step and commits what it writes with its records, again when it loses a race.
    pub(crate) fn act<'a, R>(
        &'a self,
        visitor: &'a Visitor<'a>,
        account: AccountId,
        step: impl Fn(&mut Act<'a>) -> Result<R, Refused>,
    ) -> Result<R, Refused> {
        for _ in 0..ATTEMPTS_MAX {
            let txn = self.setup.db.begin();
            let state = txn.view(account).ok_or(Refused::BeginAgain)?;
            let now = self.setup.source.now();
            let mut act = Act { service: self, visitor, txn, state, entries: Vec::new(), now };
            let result = step(&mut act);
            let Act { mut txn, entries, .. } = act;
            if result.is_err() || txn.is_read_only() {
                entries.into_iter().try_for_each(|entry| self.send(entry))?;
                return result;
            }
            if !self.setup.writer.is_healthy() {
                return Err(Refused::Unavailable);
            }
            for entry in &entries {
                txn.put_outbox(entry.id().to_bytes(), entry.json().as_bytes());
            }
            match self.setup.db.commit_wait(txn) {
                Ok(_) => return result,
                Err(CommitError::Conflict) => {}
                Err(error) => {
                    tracing::error!(%error, "the store refused a sign-in");
                    return Err(Refused::Unavailable);
                }
            }
        }
        Err(Refused::Unavailable)
    }

    pub(crate) fn send(&self, mut entry: Entry) -> Result<(), Refused> {
        for _ in 0..HANDOVERS_MAX {
            match self.setup.writer.try_send(Lane::Plain, entry) {
                Ok(()) => return Ok(()),
                Err(Backlogged { entry: back }) => entry = *back,
            }
            std::thread::sleep(HANDOVER_PAUSE);
        }
        Err(Refused::Unavailable)
    }

    pub(crate) fn draw(&self) -> Draw<'_> {
        Draw(&*self.setup.source)
    }
}

pub(crate) struct Draw<'a>(&'a dyn Source);

impl Random for Draw<'_> {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}

/// The password of somebody of an account, unguarded.
fn kept(state: &AccountState, owner: CredentialOwner) -> Option<Kept> {
    match owner {
        CredentialOwner::Root => of_root(state.account()),
        CredentialOwner::User(id) => state.login_profile(id).map(|profile| of_user(profile)),
    }
}

fn of_root(account: &Account) -> Option<Kept> {
    let hash = account.root.password.clone()?;
    Some(Kept { hash, set: account.root.password_set.unwrap_or(account.created), reset_required: false })
}

fn of_user(profile: &LoginProfile) -> Kept {
    let LoginProfile { password, set, reset_required, .. } = profile;
    Kept { hash: password.clone(), set: *set, reset_required: *reset_required }
}

/// On which terms a session begins.
#[derive(Default)]
struct Terms {
    /// It is good for nothing but to register a second factor.
    restricted: bool,
    /// Why a sealed root user is needed.
    reason: Option<Box<str>>,
}

/// A password that must be changed.
struct Due {
    /// Because it has expired; else because an administrator wants it.
    expired: bool,
}

/// Whether a user's password must be changed before they are let in.
fn due(state: &AccountState, kept: &Kept, now: Time) -> Result<Option<Due>, Refused> {
    let policy = state.password_policy();
    let expires = policy.and_then(|policy| policy.expires(kept.set));
    let expired = expires.is_some_and(|expires| expires <= now);
    if expired && policy.is_some_and(|policy| policy.hard_expiry) {
        return Err(Refused::Expired);
    }
    Ok((expired || kept.reset_required).then_some(Due { expired }))
}

/// Whether a second factor is to be shown: there is one, and none of those there are was shown.
fn lacks_factor(state: &AccountState, step: &Step) -> bool {
    let mut factors = state.mfa_devices_of(step.owner).peekable();
    match &step.factor {
        None => factors.peek().is_some(),
        Some(shown) => factors.all(|device| device.id != shown.device),
    }
}

impl Act<'_> {
    /// What is missing until the session can begin; the session when nothing is.
    fn advance(&mut self, step: &Step) -> Result<Next, Refused> {
        let kept = self.kept(step.owner).filter(|kept| kept.set == step.password_set);
        let kept = kept.ok_or(Refused::BeginAgain)?;
        let factors: Vec<_> = self.state.mfa_devices_of(step.owner).cloned().collect();
        if lacks_factor(&self.state, step) {
            // A device that was taken away since it was shown proves nothing any more.
            if step.factor.is_some() {
                return Err(Refused::BeginAgain);
            }
            return Ok(Next::SecondFactor {
                step: self.seal(step),
                codes: factors.iter().any(|device| matches!(device.factor, Factor::Totp(_))),
                passkeys: factors.iter().any(|device| matches!(device.factor, Factor::Passkey(_))),
            });
        }
        match step.owner {
            CredentialOwner::Root => self.advance_root(step, factors.is_empty()),
            CredentialOwner::User(id) => self.advance_user(step, id, &kept),
        }
    }

    fn advance_user(
        &mut self,
        step: &Step,
        id: rootward_names::UniqueId,
        kept: &Kept,
    ) -> Result<Next, Refused> {
        if let Some(Due { expired }) = due(&self.state, kept, self.now)? {
            return Ok(Next::NewPassword { step: self.seal(step), expired });
        }
        let key = RowKey::LoginProfile(step.account, id);
        if let Some(profile) = self.txn.get::<LoginProfile>(key.clone())
            && is_used_before(profile.used, self.now)
        {
            self.txn.put(key, LoginProfile { used: Some(self.now), ..LoginProfile::clone(&profile) });
        }
        let expires = self.now.plus_seconds(SESSION_SECONDS);
        self.begin(step, SignedIn::User(id), expires, Terms::default())
    }

    fn advance_root(&mut self, step: &Step, no_factor: bool) -> Result<Next, Refused> {
        let key = RowKey::RootGuard(step.account);
        let guard = self.txn.get::<RootGuard>(key.clone());
        let guard = guard.map_or_else(RootGuard::new, |guard| RootGuard::clone(&guard));
        // A broken seal lets access keys through. A sign-in is break-glass all the same; only a sandbox's has no seal at all.
        let sealed = guard.seal != Seal::Never;
        let (approvals, minutes) = (guard.approvals_required, guard.session_minutes);
        if sealed && step.reason.is_none() {
            return Ok(Next::Reason { step: self.seal(step), approvals, minutes });
        }
        // Who has asked others waits for them, also where nobody would have to be asked any more.
        if (sealed && approvals > 0 || step.request.is_some())
            && let Some(waiting) = self.use_request(step)?
        {
            return Ok(waiting);
        }
        // The grace period of a root user without a second factor begins with its first sign-in, and anew if it lost one.
        let missing_since = no_factor.then(|| guard.mfa_missing_since.unwrap_or(self.now));
        if missing_since != guard.mfa_missing_since {
            self.txn.put(key, RootGuard { mfa_missing_since: missing_since, ..guard });
        }
        let grace = i64::from(self.service.setup.mfa_grace_days) * 86_400;
        let restricted = missing_since.is_some_and(|since| since.plus_seconds(grace) <= self.now);
        self.note_root_use(step.account);
        let seconds = if sealed { i64::from(minutes) * 60 } else { SESSION_SECONDS };
        let expires = self.now.plus_seconds(seconds);
        if sealed {
            self.announce(step, expires);
        }
        let reason = step.reason.clone().filter(|_| sealed);
        self.begin(step, SignedIn::Root, expires, Terms { restricted, reason })
    }

    /// Uses the request that others have agreed to up; or says that they have not yet.
    fn use_request(&mut self, step: &Step) -> Result<Option<Next>, Refused> {
        let (id, secret) = step.request.ok_or(Refused::BeginAgain)?;
        let key = RowKey::RootAccess(step.account, id);
        let access = self.txn.get::<RootAccess>(key.clone()).ok_or(Refused::RequestExpired)?;
        let is_its = bool::from(access.digest.ct_eq(&<[u8; 32]>::from(Sha256::digest(secret))));
        if !is_its || access.purpose != Purpose::SignIn {
            return Err(Refused::BeginAgain);
        }
        let standing = guard::standing(&self.state, &access, self.now);
        match standing.verdict {
            Verdict::Granted => {
                self.txn.put(key, RootAccess { used: Some(self.now), ..RootAccess::clone(&access) });
                Ok(None)
            }
            Verdict::Pending => Ok(Some(Next::Approval {
                step: self.seal(step),
                request: id,
                approved: standing.approved.len(),
                required: standing.required,
                expires: access.expires,
            })),
            Verdict::Rejected => Err(Refused::Rejected),
            Verdict::Expired => Err(Refused::RequestExpired),
            Verdict::Used => Err(Refused::BeginAgain),
        }
    }

    /// Takes the reason for which a sealed root user is needed, and asks those who must agree, if anybody must. Of nobody
    /// else a reason is kept.
    fn ask(&mut self, step: &Step, reason: &str) -> Result<Step, Refused> {
        let guard = self.state.root_guard();
        let is_asked = step.owner == CredentialOwner::Root && guard.seal != Seal::Never;
        if !is_asked || lacks_factor(&self.state, step) {
            return Ok(step.clone());
        }
        let step = Step { reason: Some(reason.into()), ..step.clone() };
        if guard.approvals_required == 0 {
            return Ok(step);
        }
        if guard::waiting(&self.state, self.now) >= guard::REQUESTS_MAX {
            return Err(Refused::TooManyRequests);
        }
        let random = &mut self.service.draw();
        let (id, mut secret) = (Handle::random(random), [0; 32]);
        random.fill(&mut secret);
        let expires = self.now.plus_seconds(REQUEST_SECONDS);
        let parameters =
            json!({ "requestId": id.to_string(), "reason": reason, "expires": expires.to_string() });
        self.record(|scene, random| scene.break_glass("RootAccessRequested", &parameters, random));
        let access = RootAccess {
            purpose: Purpose::SignIn,
            reason: reason.into(),
            digest: Sha256::digest(secret).into(),
            source_ip: self.visitor.address.to_string().into(),
            requested: self.now,
            expires,
            decisions: Vec::new(),
            used: None,
        };
        self.txn.put(RowKey::RootAccess(step.account, id), access);
        Ok(Step { request: Some((id, secret)), ..step })
    }

    fn announce(&mut self, step: &Step, expires: Time) {
        let parameters = json!({
            "reason": step.reason,
            "requestId": step.request.map(|(id, _)| id.to_string()),
            "expires": expires.to_string(),
        });
        self.record(|scene, random| scene.break_glass("RootSessionStarted", &parameters, random));
    }

    fn begin(&mut self, step: &Step, holder: SignedIn, expires: Time, terms: Terms) -> Result<Next, Refused> {
        let random = &mut self.service.draw();
        // One sign-in is one session, also one that has ended since: its row stays as long as its steps could.
        let (id, secret) = (step.session, Secret::random(random));
        if self.txn.get::<SignInSession>(RowKey::Session(step.account, id)).is_some() {
            return Err(Refused::BeginAgain);
        }
        let row = SignInSession {
            holder,
            kind: SessionKind::Console,
            key: AccessKeyId::random(AccessKeyKind::Temporary, step.account, random),
            digest: secret.digest(),
            rotated: Rotated { at: self.now, previous: None },
            created: self.now,
            used: self.now,
            expires,
            mfa: step.factor.as_ref().map(|shown| shown.at),
            source_ip: self.visitor.address.to_string().into(),
            user_agent: session::agent(self.visitor).into(),
            restricted: terms.restricted,
            reason: terms.reason,
            role: None,
        };
        self.txn.put(RowKey::Session(step.account, id), row);
        let shown = step.factor.as_ref().and_then(|shown| self.state.mfa_device(&shown.device));
        let partition = self.state.account().partition;
        let serial = shown.map(|device| device.serial_number(partition, step.account));
        let login = Login::Succeeded { mfa: serial.as_deref() };
        self.record(|scene, random| scene.console_login(Whom::Known(step.owner), login, random));
        let browser = self.visitor.browser.clone();
        let browser = match name_of(&self.state, step.owner) {
            Some(name) => browser.known_to(name),
            None => browser,
        };
        Ok(Next::Welcome(Welcome {
            account: step.account,
            cookie: secret.cookie(step.account, id),
            browser: browser.seal(&self.service.setup.vault, random),
            expires,
        }))
    }

    fn wrong_factor(&mut self, owner: CredentialOwner) -> Refused {
        let login = Login::Failed { has_mfa: true };
        self.record(|scene, random| scene.console_login(Whom::Known(owner), login, random));
        Refused::WrongFactor
    }

    /// The password of who signs in, guarded.
    fn kept(&mut self, owner: CredentialOwner) -> Option<Kept> {
        let account = self.state.account().id;
        match owner {
            CredentialOwner::Root => of_root(&*self.txn.account(account)?),
            CredentialOwner::User(id) => {
                self.state.by_id::<User>(id)?;
                self.txn
                    .get::<LoginProfile>(RowKey::LoginProfile(account, id))
                    .map(|profile| of_user(&profile))
            }
        }
    }

    /// Keeps a password under today's parameters, unless it was changed meanwhile.
    fn rehash(&mut self, owner: CredentialOwner, old: &PasswordHash, new: &PasswordHash) {
        let account = self.state.account().id;
        let is_same = |hash: &PasswordHash| hash.expose() == old.expose();
        match owner {
            CredentialOwner::Root => {
                let Some(row) = self.txn.account(account) else { return };
                if row.root.password.as_ref().is_some_and(is_same) {
                    let mut row = Account::clone(&row);
                    row.root.password = Some(new.clone());
                    self.txn.put(RowKey::Account(account), row);
                }
            }
            CredentialOwner::User(id) => {
                let key = RowKey::LoginProfile(account, id);
                let Some(row) = self.txn.get::<LoginProfile>(key.clone()) else { return };
                if is_same(&row.password) {
                    self.txn.put(key, LoginProfile { password: new.clone(), ..LoginProfile::clone(&row) });
                }
            }
        }
    }

    fn note_root_use(&mut self, account: AccountId) {
        let Some(row) = self.txn.account(account) else { return };
        if is_used_before(row.root.password_used, self.now) {
            let mut row = Account::clone(&row);
            row.root.password_used = Some(self.now);
            self.txn.put(RowKey::Account(account), row);
        }
    }

    /// What `CheckMfa` calls the second factors of somebody; none if they have none.
    fn kind_of_factors(&self, owner: CredentialOwner) -> Option<&'static str> {
        let mut factors = self.state.mfa_devices_of(owner);
        let first: &MfaDevice = factors.next()?;
        Some(match (&first.factor, factors.next()) {
            (_, Some(_)) => "Multiple MFA Devices",
            (Factor::Passkey(_), None) => "U2F MFA",
            (Factor::Totp(_), None) => "Virtual MFA",
        })
    }

    pub(crate) fn record(&mut self, entry: impl FnOnce(&Scene<'_>, &mut dyn Random) -> Entry) {
        let scene = Scene { visitor: self.visitor, state: &self.state, now: self.now };
        let entry = entry(&scene, &mut self.service.draw());
        self.entries.push(entry);
    }

    fn seal(&self, step: &Step) -> String {
        step.seal(&self.service.setup.vault, &mut self.service.draw())
    }
}

/// Whether a last use is so old that a new one is worth a write.
fn is_used_before(used: Option<Time>, now: Time) -> bool {
    used.is_none_or(|used| now.seconds() - used.seconds() >= USED_SECONDS || now < used)
}
