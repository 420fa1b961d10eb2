//! Every refusal of our own service.

use rootward_api::rootward::ErrorCode;
use rootward_names::{AccountId, Handle, Time};
use rootward_pipeline::Failure;

use crate::root_guard::GuardError;

/// Administrators have no part in how the root user is guarded.
pub(super) fn only_root(account: AccountId) -> Failure {
    Failure::access_denied(format!(
        "Only the root user of account {account} may do this, whatever policies allow: it decides how the root user itself is \
         guarded. Sign in as the root user, or ask the operator of the host (`rootward root`)."
    ))
}

/// A session without a second factor.
pub(super) fn mfa_needed() -> Failure {
    Failure::access_denied(
        "This needs a session in which a second factor was shown: sign in with an MFA device.",
    )
}

/// Only people decide.
pub(super) fn only_users() -> Failure {
    Failure::access_denied(
        "Requests for root access are decided by the IAM users who are named as approvers, in a session with a second factor.",
    )
}

/// Others have not agreed yet.
pub(super) fn not_agreed(request: Handle, approved: usize, required: usize, expires: Time) -> Failure {
    Failure::new(
        ErrorCode::Conflict.schema(),
        format!(
            "{approved} of {required} approvals have been given for request {request}. Send the same call again when the others \
             have been given, until {expires}."
        ),
    )
}

pub(super) fn no_such_user(name: &str) -> Failure {
    Failure::new(ErrorCode::ResourceNotFound.schema(), format!("The user with name {name} cannot be found."))
}

pub(super) fn no_such_session(id: &str) -> Failure {
    Failure::new(ErrorCode::ResourceNotFound.schema(), format!("There is no session {id}."))
}

/// Sessions of a role or of a federated user are none of a sign-in.
pub(super) fn user_name_needed() -> Failure {
    Failure::new(
        ErrorCode::Validation.schema(),
        "Must specify UserName when calling with non-User credentials.",
    )
}

pub(super) fn invalid_token() -> Failure {
    Failure::new(ErrorCode::Validation.schema(), "NextToken is none that was given.")
}

/// What the rules of the guard refuse.
pub(super) fn refused(error: &GuardError) -> Failure {
    let code = match error {
        GuardError::ApproverTwice(_)
        | GuardError::Minutes
        | GuardError::Reason
        | GuardError::SessionMinutes
        | GuardError::TooFewApprovers { .. }
        | GuardError::TooManyApprovers => ErrorCode::Validation,
        GuardError::Decided(_)
        | GuardError::NoSeal(_)
        | GuardError::NoSecondFactor(_)
        | GuardError::SpokenAlready => ErrorCode::Conflict,
        GuardError::NoSuchRequest | GuardError::NoSuchUser(_) => ErrorCode::ResourceNotFound,
        GuardError::TooManyRequests => ErrorCode::LimitExceeded,
        GuardError::NotApprover | GuardError::Sealed(_) => return Failure::access_denied(sentence(error)),
        GuardError::NoSuchAccount(_) => {
            return Failure::internal("the caller's account is not in the snapshot");
        }
    };
    Failure::new(code.schema(), sentence(error))
}

fn sentence(error: &GuardError) -> String {
    let text = error.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}
