//! The steps of signing in.
//!
//! ```text
//! password ─▶ second factor ─▶ new password, if it must be changed ─▶ reason and approvals, for a sealed root user ─▶ session
//! ```
//!
//! After each step the state says what is missing (`act`); nothing but that decides what comes next, so no
//! step can be left out by sending another form. A step is for a thread that may block: it hashes, or waits for a commit.
//!
//! Who does not exist is treated like who does: the same lane, the same hash, the same answer.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use rootward_audit::{Backlogged, Entry, Lane, Writer};
use rootward_auth::passkey::{self, RelyingParty};
use rootward_auth::password::{Asker, Busy, Hasher, Password, Place, Verified, Who};
use rootward_auth::second_factor::{self, GUESS_SECONDS, Guesses, TooMany};
use rootward_auth::session::Tokens;
use rootward_auth::{Credential, Identity, Principal, SignIn};
use rootward_auth::{authn, guard};
use rootward_names::{AccessKeyId, AccessKeyKind, AccountId, Handle, Time};
use rootward_pipeline::{Draw, Mailer, Source};
use rootward_services::session_end::{End, Why, end_one};
use rootward_state::entities::{AccountStatus, CredentialOwner, Rotated, SessionKind, SignInSession, User};
use rootward_state::{ATTEMPTS_MAX, AccountState, CommitError, Db, RowKey};
use rootward_store::vault::Vault;

use crate::act::{Act, USED_SECONDS, due, kept, lacks_factor};
use crate::lanes::{Guess, Lanes};
use crate::record::{Login, Scene, Whom};
use crate::session::{self, Live, Secret};
use crate::step::Step;
use crate::visitor::{Knock, name_of};
use crate::{Browser, Door, Next, PasskeyOptions, Refused, Visitor};

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
    pub hasher: Hasher,
    /// Who counts wrong codes of second factors, those of APIs too.
    pub guesses: Arc<Guesses>,
    /// Us, as passkeys know us.
    pub relying_party: Arc<RelyingParty>,
    /// Who sends mail, if a mail server is configured.
    pub mailer: Option<Arc<dyn Mailer>>,
    /// Where records go.
    pub writer: Arc<Writer>,
    /// Waits a little until the records of what was committed are on their way to the log, so that they come before those of what is
    /// done in the session.
    pub hand_over: Box<dyn Fn() + Send + Sync>,
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

/// A try at a password that was let through.
#[must_use]
pub struct Attempt {
    knock: Knock,
    guess: Guess,
    place: Place,
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

    /// Lets somebody try a password at a door, if that is not too often and not too many do. Looks at nothing but memory: whoever is
    /// refused has cost no thread that may block.
    ///
    /// # Errors
    /// [`Refused::Slow`], [`Refused::Busy`].
    pub fn knock(&self, visitor: &Visitor<'_>, door: &Door<'_>) -> Result<Attempt, Refused> {
        let knock = Knock::at(&self.setup.db.snapshot(), door);
        let (guess, clock) = (visitor.browser.lane(knock.name), self.setup.source.machine_now());
        let guess = self.lanes.enter(visitor.address, knock.name, guess, clock)?;
        let asker = Asker { source: visitor.address, who: Who::Name(knock.name) };
        match self.setup.hasher.enter(asker) {
            Ok(place) => Ok(Attempt { knock, guess, place }),
            Err(Busy) => {
                guess.was_none();
                Err(Refused::Busy)
            }
        }
    }

    /// First step: the password of whose name was given at the door.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn password(
        &self,
        visitor: &Visitor<'_>,
        attempt: Attempt,
        password: &Password,
    ) -> Result<Next, Refused> {
        let Attempt { knock, guess, place } = attempt;
        let world = self.setup.db.snapshot();
        let state = knock.account.and_then(|id| world.account(id));
        let kept = state.zip(knock.owner).and_then(|(state, owner)| kept(state, owner));
        let Ok(permit) = place.wait() else {
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
        let mut result = Err(Refused::Unavailable);
        // Counted by whether it was right, and not by what became of the step.
        let taken = Cell::new(false);
        let guess = || {
            result = self.act(visitor, account, |act| {
                let device = second_factor::take(&mut act.txn, &shown, &self.setup.vault, clock).ok();
                taken.set(device.is_some());
                let Some(device) = device else { return Err(act.wrong_factor(owner)) };
                act.show(&step, &device)
            });
            if taken.get() { Ok(()) } else { Err(second_factor::Refused) }
        };
        let name = self.setup.db.snapshot().account(account).and_then(|state| name_of(state, owner));
        let guessed = match name.and_then(|name| visitor.browser.lane(name)) {
            Some(_) => self.setup.guesses.guess_in_known_browser(account, owner, clock, guess),
            None => self.setup.guesses.guess(account, owner, clock, guess),
        };
        match guessed {
            Ok(Ok(()) | Err(second_factor::Refused)) => result,
            Err(TooMany) => Err(Refused::Slow { seconds: GUESS_SECONDS }),
        }
    }

    /// What the browser must know to ask for any of the user's passkeys. It may be asked anew when a challenge is void: one is
    /// good for [`passkey::SECONDS_MAX`], and once. Reads, draws and seals: it does not block.
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
        let clock = self.setup.source.machine_now();
        let challenge = step.challenge.as_ref().ok_or(Refused::BeginAgain)?;
        let shown = passkey::Shown { account, owner, challenge, credential };
        self.act(visitor, account, |act| {
            match passkey::take(&mut act.txn, &shown, &self.setup.relying_party, act.now) {
                Ok(device) => act.show(&step, &device),
                Err(_) => Err(match self.setup.guesses.wrong_passkey(account, owner, clock) {
                    Ok(()) => act.wrong_factor(owner),
                    Err(TooMany) => Refused::Slow { seconds: GUESS_SECONDS },
                }),
            }
        })
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
        let name = name_of(state, step.owner).ok_or(Refused::BeginAgain)?;
        let asker = Asker { source: visitor.address, who: Who::Name(name) };
        let permit = self.setup.hasher.permit(asker).map_err(|_| Refused::Busy)?;
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

    /// Whose root user a session token of `AssumeRoot` is of, for a task that whoever is signed in carries out there.
    pub fn assumed_root(&self, token: &str) -> Option<Principal> {
        let session = self.setup.tokens.open(token).ok()?;
        let world = self.setup.db.snapshot();
        let principal = authn::holder(&world, session, self.setup.source.now()).ok()?;
        principal.is_assumed_root().then_some(principal)
    }

    /// How many requests for root access wait for who is signed in to decide.
    pub fn awaited_of(&self, live: &Live) -> usize {
        let Identity::User(user) = &live.acting().identity else { return 0 };
        let world = self.setup.db.snapshot();
        let state = world.account(live.account).filter(|_| live.role.is_none());
        state.map_or(0, |state| guard::awaited_of(state, user.id, self.setup.source.now()))
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
            if let Some(row) = act.txn.get::<SignInSession>(RowKey::Session(live.account, live.id)) {
                let end = End { why: Why::SignedOut, source_ip: Some(visitor.address), now: act.now };
                end_one(&mut act.txn, live.account, (live.id, &row), &end, &mut self.draw());
            }
            Ok(())
        })
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
                Ok(_) => {
                    if !entries.is_empty() {
                        (self.setup.hand_over)();
                    }
                    return result;
                }
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
