//! Approvals: whether those who must agree to a use of the root user have agreed.
//!
//! Everything is judged as it stands when the root user is to be used, not as it stood when somebody asked or agreed: an
//! approval counts only while its giver still exists, is still an approver and still has a second factor; how many are needed is
//! what the guard says now. One rejection by an approver is enough to refuse.

use rootward_names::{Time, UniqueId};
use rootward_state::AccountState;
use rootward_state::entities::{CredentialOwner, RootAccess, User};

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
    let decided = access.decisions.iter().filter(|decision| is_approver(state, decision.user));
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

/// Whether this user may decide on requests for root access now: a user of the account who is named as an approver and has a
/// second factor.
pub fn is_approver(state: &AccountState, user: UniqueId) -> bool {
    let named = state.root_guard().approvers.contains(&user) && state.by_id::<User>(user).is_some();
    named && state.mfa_devices_of(CredentialOwner::User(user)).next().is_some()
}
