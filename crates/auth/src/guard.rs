//! How a root user is guarded: whom the seal keeps out, and whether those who must agree to a use of the root user have agreed.
//!
//! A sealed root user is one who signs in, with a reason, for some minutes. An access key gives no reason and does not end, so
//! while the seal is closed no key of the root user is taken, nor what was made with one: a key made while the seal was broken
//! would outlive it otherwise.
//!
//! Of approvals everything is judged as it stands when the root user is to be used, not as it stood when somebody asked or agreed: an
//! approval counts only while its giver still exists, is still an approver and still has a second factor; how many are needed is
//! what the guard says now, but one at least: who has asked others is not let in because nobody would be asked any more, and asks
//! anew. One rejection is enough to refuse, and for good: only an approver could give it, and nothing that becomes of them or of
//! the guard afterwards takes it back.
//!
//! Whoever could give an approver a password, an access key or a second factor could agree in their place. So while approvals are
//! needed, only approvers themselves do that ([`may_equip`]); anybody who is allowed to may take it away.

use rootward_names::{Handle, Time, UniqueId};
use rootward_state::AccountState;
use rootward_state::entities::{CredentialOwner, RootAccess, RootGuard, User};

use crate::sources::{SITE_BITS, network};
use crate::{Credential, Identity, Principal};

/// The longest reason for a use of the root user, in characters.
pub const REASON_CHARS_MAX: usize = 256;
/// How long others have to decide on a request for root access.
pub const REQUEST_SECONDS: i64 = 3_600;

/// Whether this can be read as a reason: no control characters, neither nothing nor too much.
pub fn is_reason(text: &str) -> bool {
    (1..=REASON_CHARS_MAX).contains(&text.chars().count())
        && !text.trim().is_empty()
        && !text.chars().any(char::is_control)
}

/// Whether the seal keeps this principal out: a root user by access key, or by a session that an API made of one; or a federated
/// user who came from there. Keys that the sandbox takes at their word are no keys of the root user.
pub fn keeps_out(guard: &RootGuard, principal: &Principal, now: Time) -> bool {
    let is_by_key = match principal.credential {
        Credential::LongTerm(_) | Credential::Temporary { sign_in: None, .. } => true,
        Credential::Foreign(_) | Credential::Temporary { sign_in: Some(_), .. } => false,
    };
    let is_roots = match &principal.identity {
        Identity::Root => is_by_key,
        // Wherever they have signed in since.
        Identity::FederatedUser(user) => user.by.is_none(),
        // It takes power away from the root user, or gives it what is no key: no session of it can do more.
        Identity::AssumedRoot(_) | Identity::RoleSession(_) | Identity::User(_) => false,
    };
    is_roots && guard.is_sealed(now)
}

/// Whether this principal may give this user something to prove themselves with, or change it: for an approver, while approvals
/// are needed, only the approver. Not a role that they have assumed, and not the root user, whom they are to watch.
pub fn may_equip(guard: &RootGuard, principal: &Principal, user: UniqueId) -> bool {
    let is_watched = guard.approvals_required > 0 && guard.approvers.contains(&user);
    !is_watched || matches!(&principal.identity, Identity::User(caller) if caller.id == user)
}

/// How a request for root access stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// How many must agree.
    pub required: usize,
    /// Who has agreed and counts.
    pub approved: Vec<UniqueId>,
    /// What has become of it.
    pub verdict: Verdict,
}

/// What has become of a request for root access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was not decided in time.
    Expired,
    /// Enough have agreed.
    Granted,
    /// More must agree.
    Pending,
    /// An approver has said no.
    Rejected,
    /// The root user has been used on it.
    Used,
}

/// How `access` stands at this time, in the account as it is.
pub fn standing(state: &AccountState, access: &RootAccess, now: Time) -> Standing {
    let guard = state.root_guard();
    let required = usize::from(guard.approvals_required).max(1);
    let mut approved = Vec::new();
    for decision in access.decisions.iter().filter(|decision| decision.approved) {
        let counts = is_approver(state, decision.user) && had_factor(state, decision.user, access.requested);
        if counts && !approved.contains(&decision.user) {
            approved.push(decision.user);
        }
    }
    let rejected = access.decisions.iter().any(|decision| !decision.approved);
    let verdict = if access.used.is_some() {
        Verdict::Used
    } else if rejected {
        Verdict::Rejected
    } else if access.expires <= now || now < access.requested {
        Verdict::Expired
    } else if approved.len() >= required {
        Verdict::Granted
    } else {
        Verdict::Pending
    };
    Standing { required, approved, verdict }
}

/// Whether a second factor of this user was bound already at this time: one that an administrator gives to an approver after
/// somebody has asked agrees to nothing.
pub fn had_factor(state: &AccountState, user: UniqueId, at: Time) -> bool {
    let mut factors = state.mfa_devices_of(CredentialOwner::User(user));
    factors.any(|device| device.bound.is_some_and(|bound| bound.at <= at))
}

/// Requests of one account that wait at once, at most: whoever can ask must not be able to bury the one that matters.
pub const REQUESTS_MAX: usize = 10;
/// How many of them may come from one source (IPv6: from a /48): who is at one place leaves room for those who are not.
pub const REQUESTS_OF_SOURCE_MAX: usize = 3;

/// Whether there is room for a request that comes from `source_ip`, beside those that wait to be decided or used, but for the one
/// whose place it takes.
pub fn has_room(state: &AccountState, source_ip: &str, now: Time, instead_of: Option<Handle>) -> bool {
    let source =
        |text: &str| text.parse().map(|address| network(address, SITE_BITS)).map_err(|_| text.to_owned());
    let own = source(source_ip);
    let (mut all, mut from_there) = (0, 0);
    for (_, access) in state.root_accesses().iter().filter(|(id, _)| Some(*id) != instead_of.as_ref()) {
        if matches!(standing(state, access, now).verdict, Verdict::Granted | Verdict::Pending) {
            all += 1;
            from_there += usize::from(source(&access.source_ip) == own);
        }
    }
    all < REQUESTS_MAX && from_there < REQUESTS_OF_SOURCE_MAX
}

/// How many requests wait for this user to decide: none unless they are an approver.
pub fn awaited_of(state: &AccountState, user: UniqueId, now: Time) -> usize {
    let awaits = |access: &RootAccess| {
        standing(state, access, now).verdict == Verdict::Pending
            && had_factor(state, user, access.requested)
            && access.decisions.iter().all(|decision| decision.user != user)
    };
    if is_approver(state, user) {
        state.root_accesses().iter().filter(|(_, access)| awaits(access)).count()
    } else {
        0
    }
}

/// Whether this user may decide on requests for root access now: a user of the account who is named as an approver and has a
/// second factor.
pub fn is_approver(state: &AccountState, user: UniqueId) -> bool {
    let named = state.root_guard().approvers.contains(&user) && state.by_id::<User>(user).is_some();
    named && state.mfa_devices_of(CredentialOwner::User(user)).next().is_some()
}
