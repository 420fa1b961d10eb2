//! The seal on root users, and who must agree before it is broken: the rules, over a transaction, for host commands and operations.
//!
//! A root user is sealed from the start. While it is, no access key is made or made active for it ([`must_be_open`]), none that it has
//! is taken ([`rootward_auth::guard::keeps_out`]), and a sign-in gives a reason and ends by itself. The seal is broken for some
//! minutes and closes by the clock: nobody has to remember.
//!
//! Every function that depends on the seal reads its row guarded. Sealing and making a key at once therefore cannot both win: one
//! of them loses its commit and sees the other's.

use std::collections::BTreeSet;

use rootward_auth::guard::{REASON_CHARS_MAX, REQUEST_SECONDS, Verdict, is_approver, is_reason, standing};
use rootward_names::{AccountId, Handle, Random, Time, UniqueId};
use rootward_state::entities::{CredentialOwner, Decision, Purpose, RootAccess, RootGuard, Seal, User};
use rootward_state::{AccountState, RowKey, Txn};
use sha2::{Digest, Sha256};

/// How long a seal may be broken, in minutes.
pub const UNSEAL_MINUTES: std::ops::RangeInclusive<u8> = 1..=60;
/// How long sessions of a sealed root user may be set to last, in minutes.
pub const SESSION_MINUTES: std::ops::RangeInclusive<u8> = 5..=60;
/// How many may be asked.
pub const APPROVERS_MAX: usize = 10;
/// Requests of one account that wait at once, at most: whoever can ask must not be able to bury the one that matters.
const REQUESTS_MAX: usize = 10;

/// Why the guard of a root user is not changed, or keeps something from being done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// A user is named more than once.
    #[error("the user `{0}` is named twice")]
    ApproverTwice(String),
    /// The request cannot be decided any more; the text says what has become of it.
    #[error("the request for root access cannot be decided any more: it {0}")]
    Decided(&'static str),
    /// Minutes out of range.
    #[error("a seal is broken for {}-{} minutes", UNSEAL_MINUTES.start(), UNSEAL_MINUTES.end())]
    Minutes,
    /// There is no account with this id.
    #[error("there is no account {0}")]
    NoSuchAccount(AccountId),
    /// There is no such request.
    #[error("there is no such request for root access")]
    NoSuchRequest,
    /// There is no user of this name.
    #[error("there is no user `{0}` in the account")]
    NoSuchUser(String),
    /// A user without a second factor cannot be an approver.
    #[error("the user `{0}` has no MFA device: an approver needs one")]
    NoSecondFactor(String),
    /// The root user has no seal that could be broken.
    #[error("the root user of account {0} has no seal: accounts of a sandbox have none")]
    NoSeal(AccountId),
    /// Who decides is no approver.
    #[error("only an approver who has an MFA device decides on requests for root access")]
    NotApprover,
    /// The reason is missing, too long, or has control characters.
    #[error("expected a reason of 1-{REASON_CHARS_MAX} characters on one line")]
    Reason,
    /// The root user is sealed.
    #[error(
        "the root user of account {0} is sealed, so no access key is made for it; to unseal it: \
         `rootward root unseal --account {0} --reason TEXT`"
    )]
    Sealed(AccountId),
    /// Minutes out of range.
    #[error("sessions last {}-{} minutes", SESSION_MINUTES.start(), SESSION_MINUTES.end())]
    SessionMinutes,
    /// The user has decided already.
    #[error("the user has decided on this request already")]
    SpokenAlready,
    /// More must agree than can.
    #[error("{required} users cannot agree when {named} are named")]
    TooFewApprovers {
        /// How many were to agree.
        required: u8,
        /// How many there would be.
        named: usize,
    },
    /// More approvers than may be.
    #[error("at most {APPROVERS_MAX} approvers can be named")]
    TooManyApprovers,
    /// Too many requests wait.
    #[error("{REQUESTS_MAX} requests for root access wait already")]
    TooManyRequests,
}

/// How a root user may be used.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// How long sessions last while it is sealed; as before if none.
    pub session_minutes: Option<u8>,
    /// How many must agree.
    pub approvals_required: u8,
    /// The names of those who are asked.
    pub approvers: &'a [String],
}

/// Something that others must agree to.
#[derive(Debug, Clone)]
pub struct Wish {
    purpose: Purpose,
    reason: String,
    digest: [u8; 32],
}

impl Wish {
    /// What approvers read.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Whether others agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// Not yet.
    Awaited {
        /// The request they decide on.
        request: Handle,
        /// How many have agreed.
        approved: usize,
        /// How many must.
        required: usize,
        /// Until when they can.
        expires: Time,
        /// It was made just now.
        is_new: bool,
    },
    /// Yes, or nobody needs to be asked.
    Given,
}

/// How the root user of `account` is guarded; guarded in the transaction.
///
/// # Errors
/// [`GuardError::NoSuchAccount`].
pub fn read(txn: &mut Txn, account: AccountId) -> Result<RootGuard, GuardError> {
    if txn.view(account).is_none() {
        return Err(GuardError::NoSuchAccount(account));
    }
    let row = txn.get::<RootGuard>(RowKey::RootGuard(account));
    Ok(row.map_or_else(RootGuard::new, |row| RootGuard::clone(&row)))
}

/// Lets through what cannot be done for a sealed root user.
///
/// # Errors
/// [`GuardError::Sealed`], [`GuardError::NoSuchAccount`].
pub fn must_be_open(txn: &mut Txn, account: AccountId, now: Time) -> Result<(), GuardError> {
    if read(txn, account)?.is_sealed(now) { Err(GuardError::Sealed(account)) } else { Ok(()) }
}

/// Closes the seal, whatever state it is in.
///
/// # Errors
/// [`GuardError::NoSuchAccount`].
pub fn seal(txn: &mut Txn, account: AccountId) -> Result<RootGuard, GuardError> {
    let guard = read(txn, account)?;
    if guard.seal == Seal::Closed {
        return Ok(guard);
    }
    Ok(put(txn, account, RootGuard { seal: Seal::Closed, ..guard }))
}

/// Breaks the seal; one that is broken already stays so for as long as is said now. It closes by itself.
///
/// # Errors
/// [`GuardError`]: bad reason or minutes, no account, no seal.
pub fn unseal(
    txn: &mut Txn,
    account: AccountId,
    reason: &str,
    minutes: u8,
    now: Time,
) -> Result<RootGuard, GuardError> {
    let guard = check_unseal(txn, account, reason, minutes)?;
    let until = now.plus_seconds(i64::from(minutes) * 60);
    let seal = Seal::Open { since: now, until, reason: reason.into() };
    Ok(put(txn, account, RootGuard { seal, ..guard }))
}

/// Opens an account without a seal: one of a sandbox, whose root users sign with any key.
pub fn never_seal(txn: &mut Txn, account: AccountId) {
    put(txn, account, RootGuard { seal: Seal::Never, ..RootGuard::new() });
}

/// Changes how the root user may be used. The seal stays as it is.
///
/// Whether an approver counts is judged anew at each use: one who has lost the second factor meanwhile does not.
///
/// # Errors
/// [`GuardError`]: out of range; a user who does not exist, has no second factor or is named twice.
pub fn change_settings(
    txn: &mut Txn,
    account: AccountId,
    settings: &Settings<'_>,
) -> Result<RootGuard, GuardError> {
    let changed = changed(txn, account, settings)?;
    Ok(put(txn, account, changed))
}

/// An approver's word on a request, once, as long as it has not been used, rejected or decided too late. One who has only
/// just learned what it is for can still reject what enough others have agreed to.
///
/// # Errors
/// [`GuardError`]: no such request or one that is over; not an approver, or one who has spoken already.
pub fn decide(
    txn: &mut Txn,
    account: AccountId,
    request: Handle,
    user: UniqueId,
    approved: bool,
    now: Time,
) -> Result<RootAccess, GuardError> {
    // Also guards who is an approver.
    read(txn, account)?;
    let state = txn.view(account).ok_or(GuardError::NoSuchAccount(account))?;
    if !is_approver(&state, user) {
        return Err(GuardError::NotApprover);
    }
    let key = RowKey::RootAccess(account, request);
    let access = txn.get::<RootAccess>(key.clone()).ok_or(GuardError::NoSuchRequest)?;
    match standing(&state, &access, now).verdict {
        Verdict::Granted | Verdict::Pending => {}
        Verdict::Expired => return Err(GuardError::Decided("was not decided in time")),
        Verdict::Rejected => return Err(GuardError::Decided("has been rejected")),
        Verdict::Used => return Err(GuardError::Decided("has been used")),
    }
    if access.decisions.iter().any(|decision| decision.user == user) {
        return Err(GuardError::SpokenAlready);
    }
    let mut access = RootAccess::clone(&access);
    access.decisions.push(Decision { user, at: now, approved });
    txn.put(key, access.clone());
    Ok(access)
}

/// The wish to break the seal.
///
/// # Errors
/// As [`unseal`].
pub fn wish_to_unseal(
    txn: &mut Txn,
    account: AccountId,
    reason: &str,
    minutes: u8,
) -> Result<Wish, GuardError> {
    check_unseal(txn, account, reason, minutes)?;
    let digest = Sha256::new().chain_update([b'u', minutes]).chain_update(reason).finalize().into();
    let reason = format!("{reason} (unsealed for {minutes} minutes)");
    Ok(Wish { purpose: Purpose::Unseal(minutes), reason, digest })
}

/// The wish to change the settings. Approvers agree to exactly these, which is what the reason says.
///
/// # Errors
/// As [`change_settings`].
pub fn wish_to_change(
    txn: &mut Txn,
    account: AccountId,
    settings: &Settings<'_>,
) -> Result<Wish, GuardError> {
    let RootGuard { session_minutes, approvals_required, approvers, .. } = changed(txn, account, settings)?;
    let mut digest = Sha256::new().chain_update([b'c', session_minutes, approvals_required]);
    // By id: another user who has the name later is somebody else.
    approvers.iter().for_each(|user| digest.update(user.to_string()));
    let names = if settings.approvers.is_empty() { "nobody".into() } else { settings.approvers.join(", ") };
    let reason = format!(
        "{approvals_required} of {} must agree: {names}; sessions of {session_minutes} minutes",
        approvers.len()
    );
    Ok(Wish { purpose: Purpose::ChangeGuard, reason, digest: digest.finalize().into() })
}

/// Whether others agree to `wish`; asks them if nobody has yet. Consent is used up by the answer that tells of it.
///
/// # Errors
/// [`GuardError::NoSuchAccount`], [`GuardError::TooManyRequests`].
pub fn consent(
    txn: &mut Txn,
    account: AccountId,
    wish: &Wish,
    source_ip: &str,
    now: Time,
    random: &mut dyn Random,
) -> Result<Consent, GuardError> {
    if read(txn, account)?.approvals_required == 0 {
        return Ok(Consent::Given);
    }
    let state = txn.view(account).ok_or(GuardError::NoSuchAccount(account))?;
    let mut waiting = 0;
    for (id, access) in state.root_accesses().iter() {
        let standing = standing(&state, access, now);
        let is_it = access.purpose == wish.purpose && access.digest == wish.digest;
        match standing.verdict {
            Verdict::Granted if is_it => {
                let key = RowKey::RootAccess(account, *id);
                // Guarded: two that use it at once cannot both win.
                let access = txn.get::<RootAccess>(key.clone()).ok_or(GuardError::NoSuchRequest)?;
                txn.put(key, RootAccess { used: Some(now), ..RootAccess::clone(&access) });
                return Ok(Consent::Given);
            }
            Verdict::Pending if is_it => {
                return Ok(Consent::Awaited {
                    request: *id,
                    approved: standing.approved.len(),
                    required: standing.required,
                    expires: access.expires,
                    is_new: false,
                });
            }
            Verdict::Granted | Verdict::Pending => waiting += 1,
            Verdict::Expired | Verdict::Rejected | Verdict::Used => {}
        }
    }
    if waiting >= REQUESTS_MAX {
        return Err(GuardError::TooManyRequests);
    }
    let (request, expires) = (Handle::random(random), now.plus_seconds(REQUEST_SECONDS));
    let access = RootAccess {
        purpose: wish.purpose,
        reason: wish.reason.as_str().into(),
        digest: wish.digest,
        source_ip: source_ip.into(),
        requested: now,
        expires,
        decisions: Vec::new(),
        used: None,
    };
    let required = standing(&state, &access, now).required;
    txn.put(RowKey::RootAccess(account, request), access);
    Ok(Consent::Awaited { request, approved: 0, required, expires, is_new: true })
}

/// The names of those who are asked. Who has been deleted since is left out.
pub fn approver_names(state: &AccountState, guard: &RootGuard) -> Vec<String> {
    let users = guard.approvers.iter().filter_map(|user| state.by_id::<User>(*user));
    users.map(|user| user.name.to_string()).collect()
}

/// The guard whose seal is to be broken.
fn check_unseal(
    txn: &mut Txn,
    account: AccountId,
    reason: &str,
    minutes: u8,
) -> Result<RootGuard, GuardError> {
    if !is_reason(reason) {
        return Err(GuardError::Reason);
    }
    if !UNSEAL_MINUTES.contains(&minutes) {
        return Err(GuardError::Minutes);
    }
    let guard = read(txn, account)?;
    if guard.seal == Seal::Never { Err(GuardError::NoSeal(account)) } else { Ok(guard) }
}

fn changed(txn: &mut Txn, account: AccountId, settings: &Settings<'_>) -> Result<RootGuard, GuardError> {
    let guard = read(txn, account)?;
    let &Settings { approvals_required, approvers: names, .. } = settings;
    let session_minutes = settings.session_minutes.unwrap_or(guard.session_minutes);
    if !SESSION_MINUTES.contains(&session_minutes) {
        return Err(GuardError::SessionMinutes);
    }
    if names.len() > APPROVERS_MAX {
        return Err(GuardError::TooManyApprovers);
    }
    if usize::from(approvals_required) > names.len() {
        return Err(GuardError::TooFewApprovers { required: approvals_required, named: names.len() });
    }
    let state = txn.view(account).ok_or(GuardError::NoSuchAccount(account))?;
    let (mut approvers, mut known) = (Vec::with_capacity(names.len()), BTreeSet::new());
    for name in names {
        let user = txn.named::<User>(account, name).ok_or_else(|| GuardError::NoSuchUser(name.clone()))?;
        if !known.insert(user.id) {
            return Err(GuardError::ApproverTwice(name.clone()));
        }
        if state.mfa_devices_of(CredentialOwner::User(user.id)).next().is_none() {
            return Err(GuardError::NoSecondFactor(name.clone()));
        }
        approvers.push(user.id);
    }
    Ok(RootGuard { session_minutes, approvals_required, approvers, ..guard })
}

fn put(txn: &mut Txn, account: AccountId, guard: RootGuard) -> RootGuard {
    txn.put(RowKey::RootGuard(account), guard.clone());
    guard
}
