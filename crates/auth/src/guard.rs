//! How a root user is guarded: whom the seal keeps out, and whether those who must agree to a use of the root user have agreed.
//!
//! A sealed root user is one who signs in, with a reason, for some minutes. An access key gives no reason and does not end, so
//! while the seal is closed no key of the root user is taken, nor what was made with one: a key made while the seal was broken
//! would outlive it otherwise.
//!
//! Of approvals everything is judged as it stands when the root user is to be used, not as it stood when somebody asked or agreed: an
//! approval counts only while its giver still exists, is still an approver and still has a second factor; how many are needed is
//! what the guard says now. One rejection by an approver is enough to refuse.
//!
//! Whoever could give an approver a password, an access key or a second factor could agree in their place. So while approvals are
//! needed, only approvers themselves do that ([`may_equip`]); anybody who is allowed to may take it away.

use rootward_names::{Time, UniqueId};
use rootward_state::AccountState;
use rootward_state::entities::{CredentialOwner, RootAccess, RootGuard, User};

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
        Identity::RoleSession(_) | Identity::User(_) => false,
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
    let required = usize::from(guard.approvals_required);
    let decided = access.decisions.iter().filter(|decision| {
        is_approver(state, decision.user) && had_factor(state, decision.user, access.requested)
    });
    let (mut approved, mut rejected) = (Vec::new(), false);
    for decision in decided {
        if !decision.approved {
            rejected = true;
        } else if !approved.contains(&decision.user) {
            approved.push(decision.user);
        }
    }
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

/// How many requests of the account wait to be decided or used.
pub fn waiting(state: &AccountState, now: Time) -> usize {
    let waits = |access: &RootAccess| {
        matches!(standing(state, access, now).verdict, Verdict::Granted | Verdict::Pending)
    };
    state.root_accesses().iter().filter(|(_, access)| waits(access)).count()
}

/// Whether this user may decide on requests for root access now: a user of the account who is named as an approver and has a
/// second factor.
pub fn is_approver(state: &AccountState, user: UniqueId) -> bool {
    let named = state.root_guard().approvers.contains(&user) && state.by_id::<User>(user).is_some();
    named && state.mfa_devices_of(CredentialOwner::User(user)).next().is_some()
}
