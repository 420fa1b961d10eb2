//! A step under way: what a sign-in still lacks, and its session when it lacks nothing.

use std::sync::Arc;

use rootward_audit::Entry;
use rootward_auth::guard::{self, REQUEST_SECONDS, Verdict};
use rootward_names::{AccessKeyId, AccessKeyKind, AccountId, Handle, Random, Time, UniqueId};
use rootward_services::session_end::make_room;
use rootward_state::entities::{
    Account, CredentialOwner, Factor, LoginProfile, MfaDevice, PasswordHash, Purpose, RootAccess, RootGuard,
    Rotated, Seal, SessionKind, SignInSession, SignedIn, User,
};
use rootward_state::{AccountState, RowKey, Txn};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::record::{Login, Scene, Whom};
use crate::session::{self, Secret};
use crate::step::{Shown, Step};
use crate::visitor::name_of;
use crate::{Next, Refused, SignInService, Visitor, Welcome};

/// How long a session lasts: twelve hours, as at AWS, but for a sealed root user's.
const SESSION_SECONDS: i64 = 43_200;
/// A password's last use is kept to five minutes, as AWS does.
pub(crate) const USED_SECONDS: i64 = 300;

/// The key of the secret that binds requests to the sign-in that makes them.
const REQUESTS_OF: &str = "root access requests of a sign-in";

/// A password as it is kept.
pub(crate) struct Kept {
    pub(crate) hash: PasswordHash,
    pub(crate) set: Time,
    pub(crate) reset_required: bool,
}

/// A transaction of a sign-in under way, with the records that go with it.
pub(crate) struct Act<'a> {
    pub(crate) service: &'a SignInService,
    pub(crate) visitor: &'a Visitor<'a>,
    pub(crate) txn: Txn,
    pub(crate) state: Arc<AccountState>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) now: Time,
}

/// The password of somebody of an account, unguarded.
pub(crate) fn kept(state: &AccountState, owner: CredentialOwner) -> Option<Kept> {
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

/// A session of the console that is about to begin.
pub(crate) struct Beginning {
    pub(crate) id: Handle,
    pub(crate) holder: SignedIn,
    /// The key that its calls are on record with.
    pub(crate) key: AccessKeyId,
    pub(crate) expires: Time,
    /// When a second factor was shown.
    pub(crate) mfa: Option<Time>,
    pub(crate) terms: Terms,
}

/// On which terms a session begins.
#[derive(Default)]
pub(crate) struct Terms {
    /// It is good for nothing but to register a second factor.
    restricted: bool,
    /// Why a sealed root user is needed.
    reason: Option<Box<str>>,
}

/// A password that must be changed.
pub(crate) struct Due {
    /// Because it has expired; else because an administrator wants it.
    pub(crate) expired: bool,
}

/// Whether a user's password must be changed before they are let in.
pub(crate) fn due(state: &AccountState, kept: &Kept, now: Time) -> Result<Option<Due>, Refused> {
    let policy = state.password_policy();
    let expires = policy.and_then(|policy| policy.expires(kept.set));
    let expired = expires.is_some_and(|expires| expires <= now);
    if expired && policy.is_some_and(|policy| policy.hard_expiry) {
        return Err(Refused::Expired);
    }
    Ok((expired || kept.reset_required).then_some(Due { expired }))
}

/// Whether a second factor is to be shown: there is one, and none of those there are was shown.
pub(crate) fn lacks_factor(state: &AccountState, step: &Step) -> bool {
    let mut factors = state.mfa_devices_of(step.owner).peekable();
    match &step.factor {
        None => factors.peek().is_some(),
        Some(shown) => factors.all(|device| device.id != shown.device),
    }
}

impl Act<'_> {
    /// What is missing until the session can begin; the session when nothing is.
    pub(crate) fn advance(&mut self, step: &Step) -> Result<Next, Refused> {
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

    /// Goes on with a second factor that was taken.
    pub(crate) fn show(&mut self, step: &Step, device: &MfaDevice) -> Result<Next, Refused> {
        let factor = Some(Shown { device: device.id.clone(), at: self.now });
        self.advance(&Step { factor, challenge: None, ..step.clone() })
    }

    fn advance_user(&mut self, step: &Step, id: UniqueId, kept: &Kept) -> Result<Next, Refused> {
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
            let first = self.state.account().root.password_used.is_none();
            return Ok(Next::Reason { step: self.seal(step), first, approvals, minutes });
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
        let reason = step.reason.clone().filter(|_| sealed);
        let next = self.begin(step, SignedIn::Root, expires, Terms { restricted, reason })?;
        if sealed {
            self.announce(step, expires);
        }
        Ok(next)
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
            Verdict::Rejected => {
                let said_no = access.decisions.iter().find(|decision| !decision.approved);
                let by = said_no.and_then(|decision| self.state.by_id::<User>(decision.user));
                Ok(Some(Next::Rejected { by: by.map(|user| user.name.to_string()) }))
            }
            Verdict::Expired => Err(Refused::RequestExpired),
            Verdict::Used => Err(Refused::BeginAgain),
        }
    }

    /// Takes the reason for which a sealed root user is needed, and asks those who must agree, if anybody must. Of nobody
    /// else a reason is kept.
    ///
    /// One sign-in is one request that waits: another reason takes the place of the one before, under another id, so that nobody agrees
    /// to what they have not read.
    pub(crate) fn ask(&mut self, step: &Step, reason: &str) -> Result<Step, Refused> {
        let guard = self.state.root_guard();
        let is_asked = step.owner == CredentialOwner::Root && guard.seal != Seal::Never;
        if !is_asked || lacks_factor(&self.state, step) {
            return Ok(step.clone());
        }
        let step = Step { reason: Some(reason.into()), ..step.clone() };
        if guard.approvals_required == 0 {
            return Ok(step);
        }
        // Written as it is, so that of those who ask at once each sees the requests before it.
        let key = RowKey::RootGuard(step.account);
        let guard = self.txn.get::<RootGuard>(key.clone()).ok_or(Refused::BeginAgain)?;
        self.txn.put::<RootGuard>(key, guard);
        let secret = self.service.setup.vault.mac(REQUESTS_OF, step.session.to_string().as_bytes());
        let digest: [u8; 32] = Sha256::digest(secret).into();
        let before = self.state.root_accesses().iter().find(|(_, access)| {
            let verdict = guard::standing(&self.state, access, self.now).verdict;
            bool::from(access.digest.ct_eq(&digest)) && matches!(verdict, Verdict::Granted | Verdict::Pending)
        });
        let before = before.map(|(id, access)| (*id, *access.reason == *reason));
        if let Some((id, true)) = before {
            return Ok(Step { request: Some((id, secret)), ..step });
        }
        let (source_ip, before) = (self.visitor.address.to_string(), before.map(|(id, _)| id));
        if !guard::has_room(&self.state, &source_ip, self.now, before) {
            return Err(Refused::TooManyRequests);
        }
        if let Some(before) = before {
            self.txn.delete(RowKey::RootAccess(step.account, before));
        }
        let id = Handle::random(&mut self.service.draw());
        let expires = self.now.plus_seconds(REQUEST_SECONDS);
        let parameters = json!({
            "requestId": id.to_string(),
            "replaces": before.map(|before| before.to_string()),
            "reason": reason,
            "expires": expires.to_string(),
        });
        self.record(|scene, random| scene.break_glass("RootAccessRequested", &parameters, random));
        let access = RootAccess {
            purpose: Purpose::SignIn,
            reason: reason.into(),
            digest,
            source_ip: source_ip.into(),
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
        let id = step.session;
        if self.txn.get::<SignInSession>(RowKey::Session(step.account, id)).is_some() {
            return Err(Refused::BeginAgain);
        }
        let key = AccessKeyId::random(AccessKeyKind::Temporary, step.account, random);
        let mfa = step.factor.as_ref().map(|shown| shown.at);
        let reason = terms.reason.clone();
        let secret = self.open_session(Beginning { id, holder, key, expires, mfa, terms });
        let shown = step.factor.as_ref().and_then(|shown| self.state.mfa_device(&shown.device));
        let partition = self.state.account().partition;
        let serial = shown.map(|device| device.serial_number(partition, step.account));
        let login = Login::Succeeded { mfa: serial.as_deref(), reason: reason.as_deref() };
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
            is_root: step.owner == CredentialOwner::Root,
        }))
    }

    /// Writes the row of a session that begins now, of this browser at this address, and makes room for it. Its secret is in no other place.
    pub(crate) fn open_session(&mut self, beginning: Beginning) -> Secret {
        let Beginning { id, holder, key, expires, mfa, terms: Terms { restricted, reason } } = beginning;
        let secret = Secret::random(&mut self.service.draw());
        let row = SignInSession {
            holder,
            kind: SessionKind::Console,
            key,
            digest: secret.digest(),
            rotated: Rotated { at: self.now, previous: None },
            created: self.now,
            used: self.now,
            expires,
            mfa,
            source_ip: self.visitor.address.to_string().into(),
            user_agent: session::agent(self.visitor).into(),
            restricted,
            reason,
            role: None,
            parent: None,
        };
        let (account, random) = (self.state.account().id, &mut self.service.draw());
        make_room(&mut self.txn, account, &row.holder, self.now, Some(self.visitor.address), random);
        self.txn.put(RowKey::Session(account, id), row);
        secret
    }

    pub(crate) fn wrong_factor(&mut self, owner: CredentialOwner) -> Refused {
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
    pub(crate) fn rehash(&mut self, owner: CredentialOwner, old: &PasswordHash, new: &PasswordHash) {
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
    pub(crate) fn kind_of_factors(&self, owner: CredentialOwner) -> Option<&'static str> {
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
