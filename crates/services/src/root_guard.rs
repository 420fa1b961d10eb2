//! The seal on root users, and who must agree before it is broken: the rules, over a transaction, for host commands and operations.
//!
//! A root user is sealed from the start. While it is, no access key is made or made active for it ([`must_be_open`]), none that it has
//! is taken ([`rootward_auth::guard::keeps_out`]), and a sign-in gives a reason and ends by itself. The seal is broken for some
//! minutes and closes by the clock: nobody has to remember.
//!
//! Every function that depends on the seal reads its row guarded. Sealing and making a key at once therefore cannot both win: one
//! of them loses its commit and sees the other's.

use std::collections::BTreeSet;

use rootward_auth::guard::{
    self, REASON_CHARS_MAX, REQUEST_SECONDS, REQUESTS_MAX, REQUESTS_OF_SOURCE_MAX, Verdict, had_factor,
    is_approver, is_reason, standing,
};
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

/// Why the guard of a root user is not changed, or keeps something from being done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// A user is named more than once.
    #[error("the user `{0}` is named twice")]
    ApproverTwice(String),
    /// The request cannot be decided any more; the text says what has become of it.
    #[error("the request for root access cannot be decided any more: it {0}")]
    Decided(&'static str),
    /// A document that is no guard policy; the text says why.
    #[error("the document is no guard policy: {0}")]
    Document(String),
    /// The approver's second factor was registered after the request was made.
    #[error("an approver's MFA device must have been registered before the request for root access was made")]
    FactorTooNew,
    /// Service control policies bind the account, not a guard policy.
    #[error(
        "account {0} is a member of an organization, where service control policies bind, and not a guard policy of its own"
    )]
    Member(AccountId),
    /// Minutes out of range.
    #[error("a seal is broken for {}-{} minutes", UNSEAL_MINUTES.start(), UNSEAL_MINUTES.end())]
    Minutes,
    /// There is no account with this id.
    #[error("there is no account {0}")]
    NoSuchAccount(AccountId),
    /// The account has no guard policy.
    #[error("account {0} has no guard policy")]
    NoGuardPolicy(AccountId),
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
    /// Nobody needs to agree, and without that the root user could undo what is to bind it.
    #[error(
        "a guard policy is changed with the approvals of others, and nobody needs to agree yet: set approvers up first, or change it \
         on the host: `rootward root guard-policy set FILE --account {0}`"
    )]
    NobodyAgrees(AccountId),
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
    #[error("not enough approvers are named: {required} must agree, of {named}")]
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
    #[error(
        "too many requests for root access wait already: {REQUESTS_MAX}, or {REQUESTS_OF_SOURCE_MAX} of this source"
    )]
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
    /// `digest` is of all that is wanted.
    pub(crate) fn new(purpose: Purpose, reason: String, digest: [u8; 32]) -> Self {
        Self { purpose, reason, digest }
    }

    /// What it is for.
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }

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
/// [`GuardError`]: no such request or one that is over; not an approver, one whose second factor is newer than the request, or one
/// who has spoken already.
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
    // A word that does not count is not taken: who gives it would believe that it does.
    if !had_factor(&state, user, access.requested) {
        return Err(GuardError::FactorTooNew);
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
    // Names can be given to somebody else, and nobody sees ids: it is said who would be new, and who no longer one.
    let standing = read(txn, account)?.approvers;
    let gone = standing.iter().filter(|user| !approvers.contains(user));
    let gone = gone
        .map(|user| txn.world().account(account)?.by_id::<User>(*user))
        .map(|user| user.map(|user| user.name.to_string()));
    let gone: Vec<String> = gone.map(|name| name.unwrap_or_else(|| "a deleted user".into())).collect();
    let names =
        settings.approvers.iter().zip(&approvers).map(|(name, user)| {
            if standing.contains(user) { name.to_string() } else { format!("{name} (new)") }
        });
    let names =
        if settings.approvers.is_empty() { "nobody".into() } else { names.collect::<Vec<_>>().join(", ") };
    let gone = if gone.is_empty() { String::new() } else { format!(" (no longer: {})", gone.join(", ")) };
    let reason = format!(
        "{approvals_required} of {} must agree: {names}{gone}; sessions of {session_minutes} minutes",
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
            Verdict::Expired | Verdict::Granted | Verdict::Pending | Verdict::Rejected | Verdict::Used => {}
        }
    }
    if !guard::has_room(&state, source_ip, now, None) {
        return Err(GuardError::TooManyRequests);
    }
    let (request, expires) = (Handle::random(random), now.plus_seconds(REQUEST_SECONDS));
    let access = RootAccess {
        purpose: wish.purpose.clone(),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rootward_api::iam as api;

    use super::*;
    use crate::accounts::{self, AccountError};
    use crate::iam::{CREATE_ACCESS_KEY, UPDATE_ACCESS_KEY};
    use crate::testing::Bench;

    fn sealed() -> Bench {
        let bench = Bench::new();
        bench.write(|txn| drop(seal(txn, bench.account()).unwrap()));
        bench
    }

    fn act<T>(
        bench: &Bench,
        act: impl FnOnce(&mut Txn, AccountId, Time) -> Result<T, GuardError>,
    ) -> Result<T, GuardError> {
        bench.write_with(|txn, now, _, _| {
            let result = act(txn, bench.account(), now);
            // A commit of nothing is none.
            if txn.is_read_only() {
                txn.put(RowKey::RootGuard(bench.account()), bench.state().root_guard().clone());
            }
            result
        })
    }

    fn is_sealed(bench: &Bench) -> bool {
        bench.state().root_guard().is_sealed(bench.now())
    }

    /// A sealed root user, and ann, bob and cleo of whom this many must agree.
    fn guarded(required: u8) -> (Bench, [UniqueId; 3]) {
        let bench = sealed();
        let names = ["ann", "bob", "cleo"].map(str::to_owned);
        let users = names.each_ref().map(|name| bench.add_user(name));
        users.iter().for_each(|user| bench.add_factor(*user));
        let settings =
            Settings { session_minutes: Some(30), approvals_required: required, approvers: &names };
        act(&bench, |txn, account, _| change_settings(txn, account, &settings)).unwrap();
        (bench, users)
    }

    fn ask(bench: &Bench, reason: &str, minutes: u8) -> Result<Consent, GuardError> {
        ask_from(bench, "192.0.2.7", reason, minutes)
    }

    fn ask_from(bench: &Bench, source: &str, reason: &str, minutes: u8) -> Result<Consent, GuardError> {
        bench.write_with(|txn, now, random, _| {
            let wish = wish_to_unseal(txn, bench.account(), reason, minutes)?;
            let consent = consent(txn, bench.account(), &wish, source, now, random)?;
            if txn.is_read_only() {
                txn.put(RowKey::RootGuard(bench.account()), bench.state().root_guard().clone());
            }
            Ok(consent)
        })
    }

    fn asked(bench: &Bench, reason: &str, minutes: u8) -> Handle {
        match ask(bench, reason, minutes).unwrap() {
            Consent::Awaited { request, .. } => request,
            Consent::Given => panic!("nobody was asked"),
        }
    }

    fn say(bench: &Bench, request: Handle, user: UniqueId, approved: bool) -> Result<RootAccess, GuardError> {
        act(bench, |txn, account, now| decide(txn, account, request, user, approved, now))
    }

    #[test]
    fn broken_seal_closes_by_the_clock_and_sealing_it_twice_is_sealing_it() {
        let bench = sealed();
        let unseal =
            |reason: &str, minutes| act(&bench, |txn, id, now| unseal(txn, id, reason, minutes, now));
        for minutes in [0, 61] {
            assert_eq!(unseal("drill", minutes), Err(GuardError::Minutes));
        }
        for reason in ["", "  ", "a\nb", &"x".repeat(257)] {
            assert_eq!(unseal(reason, 5), Err(GuardError::Reason));
        }
        assert!(is_sealed(&bench));
        unseal("drill", 5).unwrap();
        bench.pass_seconds(299);
        assert!(!is_sealed(&bench));
        bench.pass_seconds(1);
        assert!(is_sealed(&bench));
        unseal("drill", 60).unwrap();
        for _ in 0..2 {
            assert_eq!(act(&bench, |txn, id, _| seal(txn, id)).unwrap().seal, Seal::Closed);
        }
        assert!(is_sealed(&bench));
    }

    #[test]
    fn what_has_no_seal_is_not_unsealed_and_can_be_sealed() {
        let bench = Bench::new();
        let account = bench.account();
        let refused = act(&bench, |txn, id, now| unseal(txn, id, "drill", 5, now));
        assert_eq!(refused, Err(GuardError::NoSeal(account)));
        act(&bench, |txn, id, _| seal(txn, id)).unwrap();
        assert!(is_sealed(&bench));
        let elsewhere: AccountId = "999988887777".parse().unwrap();
        assert_eq!(act(&bench, |txn, _, _| seal(txn, elsewhere)), Err(GuardError::NoSuchAccount(elsewhere)));
    }

    #[test]
    fn settings_name_users_with_second_factors_and_no_more_must_agree_than_are_named() {
        let (bench, _) = guarded(2);
        bench.add_user("dan");
        let put = |minutes, required, names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let settings =
                Settings { session_minutes: minutes, approvals_required: required, approvers: &names };
            act(&bench, |txn, account, _| change_settings(txn, account, &settings))
        };
        for minutes in [4, 61] {
            assert_eq!(put(Some(minutes), 0, &[]), Err(GuardError::SessionMinutes));
        }
        let few = GuardError::TooFewApprovers { required: 2, named: 1 };
        assert_eq!(put(None, 2, &["ann"]), Err(few));
        assert_eq!(put(None, 1, &["eve"]), Err(GuardError::NoSuchUser("eve".into())));
        assert_eq!(put(None, 1, &["dan"]), Err(GuardError::NoSecondFactor("dan".into())));
        assert_eq!(put(None, 1, &["ann", "Ann"]), Err(GuardError::ApproverTwice("Ann".into())));
        assert_eq!(put(None, 0, &["ann"; 11]), Err(GuardError::TooManyApprovers));
        let guard = put(None, 1, &["bob"]).unwrap();
        assert_eq!((guard.session_minutes, guard.approvals_required, guard.approvers.len()), (30, 1, 1));
        assert_eq!(guard.seal, Seal::Closed);
    }

    #[test]
    fn consent_is_for_exactly_what_was_asked_and_for_once() {
        let (bench, [ann, bob, _]) = guarded(2);
        let request = asked(&bench, "drill", 5);
        assert_eq!(asked(&bench, "drill", 5), request);
        assert_ne!(asked(&bench, "drill", 6), request);
        assert_ne!(asked(&bench, "another", 5), request);
        say(&bench, request, ann, true).unwrap();
        assert!(matches!(ask(&bench, "drill", 5), Ok(Consent::Awaited { approved: 1, required: 2, .. })));
        say(&bench, request, bob, true).unwrap();
        let longer = ask_from(&bench, "192.0.2.8", "drill", 60);
        assert!(matches!(longer, Ok(Consent::Awaited { approved: 0, .. })));
        assert_eq!(ask(&bench, "drill", 5), Ok(Consent::Given));
        assert_ne!(asked(&bench, "drill", 5), request);
    }

    #[test]
    fn consent_to_settings_is_to_these_users_and_not_to_their_names() {
        let (bench, [ann, ..]) = guarded(1);
        let names = ["bob".to_owned()];
        let settings = Settings { session_minutes: None, approvals_required: 1, approvers: &names };
        let ask = |expected: &str| {
            bench.write_with(|txn, now, random, _| {
                let wish = wish_to_change(txn, bench.account(), &settings)?;
                assert_eq!(wish.reason(), expected);
                consent(txn, bench.account(), &wish, "192.0.2.7", now, random)
            })
        };
        let known = "1 of 1 must agree: bob (no longer: ann, cleo); sessions of 30 minutes";
        let Ok(Consent::Awaited { request, .. }) = ask(known) else { panic!("nobody was asked") };
        say(&bench, request, ann, true).unwrap();
        bench.write(|txn| txn.delete_entity::<User>(bench.account(), "bob"));
        bench.add_factor(bench.add_user("bob"));
        let new =
            "1 of 1 must agree: bob (new) (no longer: ann, a deleted user, cleo); sessions of 30 minutes";
        assert!(matches!(ask(new), Ok(Consent::Awaited { is_new: true, .. })));
    }

    #[test]
    fn racing_uses_of_one_consent_do_not_both_win() {
        let (bench, [ann, ..]) = guarded(1);
        let request = asked(&bench, "drill", 5);
        say(&bench, request, ann, true).unwrap();
        let using = || {
            let mut txn = bench.begin();
            let wish = wish_to_unseal(&mut txn, bench.account(), "drill", 5).unwrap();
            let random = &mut rootward_testkit::Seeded::new(9);
            let given = consent(&mut txn, bench.account(), &wish, "192.0.2.7", bench.now(), random);
            assert_eq!(given, Ok(Consent::Given));
            txn
        };
        let (first, second) = (using(), using());
        assert!(bench.second_loses(first, second));
    }

    #[test]
    fn approver_speaks_once_and_only_while_it_matters() {
        let (bench, [ann, bob, cleo]) = guarded(2);
        let request = asked(&bench, "drill", 5);
        let dan = bench.add_user("dan");
        bench.add_factor(dan);
        assert_eq!(say(&bench, request, dan, true).unwrap_err(), GuardError::NotApprover);
        bench.write(|txn| txn.delete(RowKey::MfaDevice(bench.account(), format!("mfa/{cleo}").into())));
        assert_eq!(say(&bench, request, cleo, true).unwrap_err(), GuardError::NotApprover);
        bench.pass_seconds(1);
        bench.add_factor(cleo);
        for approved in [true, false] {
            assert_eq!(say(&bench, request, cleo, approved).unwrap_err(), GuardError::FactorTooNew);
        }
        say(&bench, request, ann, true).unwrap();
        assert_eq!(say(&bench, request, ann, false).unwrap_err(), GuardError::SpokenAlready);
        let unknown = Handle::random(&mut rootward_testkit::Seeded::new(7));
        assert_eq!(say(&bench, unknown, bob, true).unwrap_err(), GuardError::NoSuchRequest);
        say(&bench, request, bob, false).unwrap();
        let refused = say(&bench, request, cleo, true).unwrap_err();
        assert_eq!(refused, GuardError::Decided("has been rejected"));
        let late = asked(&bench, "later", 5);
        bench.pass_seconds(REQUEST_SECONDS);
        let refused = say(&bench, late, ann, true).unwrap_err();
        assert_eq!(refused, GuardError::Decided("was not decided in time"));
    }

    #[test]
    fn what_enough_have_agreed_to_can_still_be_rejected_until_it_is_used() {
        let (bench, [ann, bob, _]) = guarded(1);
        let request = asked(&bench, "drill", 5);
        say(&bench, request, ann, true).unwrap();
        say(&bench, request, bob, false).unwrap();
        assert!(matches!(ask(&bench, "drill", 5), Ok(Consent::Awaited { is_new: true, .. })));
    }

    #[test]
    fn requests_that_wait_are_bounded() {
        let (bench, _) = guarded(1);
        (0..REQUESTS_OF_SOURCE_MAX).for_each(|number| {
            asked(&bench, &format!("drill {number}"), 5);
        });
        assert_eq!(ask(&bench, "one more", 5), Err(GuardError::TooManyRequests));
        for number in 3..REQUESTS_MAX {
            ask_from(&bench, &format!("2001:db8:{number}::7"), &format!("drill {number}"), 5).unwrap();
            let again = ask_from(&bench, &format!("2001:db8:{number}::7"), &format!("drill {number}"), 5);
            assert!(matches!(again, Ok(Consent::Awaited { is_new: false, .. })));
        }
        assert_eq!(ask_from(&bench, "2001:db8::7", "one more", 5), Err(GuardError::TooManyRequests));
        bench.pass_seconds(REQUEST_SECONDS);
        asked(&bench, "one more", 5);
    }

    /// One step in the life of an account.
    #[derive(Debug, Clone, Copy)]
    enum Deed {
        ApiCreates,
        HostCreates,
        Lays { active: bool },
        Passes { minutes: u8 },
        Seals,
        Unseals { minutes: u8 },
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            Just(Deed::ApiCreates),
            Just(Deed::HostCreates),
            any::<bool>().prop_map(|active| Deed::Lays { active }),
            (1..40u8).prop_map(|minutes| Deed::Passes { minutes }),
            Just(Deed::Seals),
            (1..=60u8).prop_map(|minutes| Deed::Unseals { minutes }),
        ]
    }

    /// The root user's keys that requests can be signed with.
    fn active_keys(bench: &Bench) -> BTreeSet<String> {
        let state = bench.state();
        let keys = state.account().root.access_keys.iter().filter_map(|id| state.access_key(*id));
        keys.filter(|key| key.active).map(|key| key.id.to_string()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever the order of what root users, operators and the clock do.
        #[test]
        fn no_key_appears_or_comes_back_while_the_seal_is_closed(
            deeds in proptest::collection::vec(deed(), 1..24),
        ) {
            let bench = sealed();
            let account = bench.account();
            for deed in deeds {
                let (was_sealed, before) = (is_sealed(&bench), active_keys(&bench));
                match deed {
                    Deed::ApiCreates => {
                        let input = api::CreateAccessKeyRequest { user_name: None };
                        let made = bench.run(&CREATE_ACCESS_KEY, input).map_err(|failure| failure.code);
                        prop_assert_eq!(made.err() == Some("AccessDenied"), was_sealed);
                    }
                    Deed::HostCreates => {
                        let made = bench.write_with(|txn, now, random, vault| {
                            accounts::create_root_access_key(txn, account, now, random, vault)
                        });
                        let refused = made.err() == Some(AccountError::Guard(GuardError::Sealed(account)));
                        prop_assert_eq!(refused, was_sealed);
                    }
                    Deed::Lays { active } => {
                        let keys = bench.state().account().root.access_keys.clone();
                        let status =
                            if active { api::StatusType::Active } else { api::StatusType::Inactive };
                        for key in keys {
                            let input = api::UpdateAccessKeyRequest {
                                user_name: None,
                                access_key_id: key.to_string(),
                                status,
                            };
                            let put = bench.run(&UPDATE_ACCESS_KEY, input);
                            prop_assert_eq!(put.is_err(), active && was_sealed);
                        }
                    }
                    Deed::Passes { minutes } => bench.pass_seconds(i64::from(minutes) * 60),
                    Deed::Seals => drop(act(&bench, |txn, id, _| seal(txn, id)).unwrap()),
                    Deed::Unseals { minutes } => {
                        act(&bench, |txn, id, now| unseal(txn, id, "drill", minutes, now)).unwrap();
                    }
                }
                prop_assert!(!was_sealed || active_keys(&bench).is_subset(&before));
            }
        }
    }
}
