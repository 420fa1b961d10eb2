//! Every refusal of Sign-In. Besides its code each has what OAuth calls it: that is what clients look at.

use rootward_api::signin::{AccessDeniedException, ErrorCode, OAuth2ErrorCode, ValidationException};
use rootward_auth::command_line::InvalidRequest;
use rootward_pipeline::Failure;
use rootward_wire::Error;
use serde_json::Value;

fn denied(error: OAuth2ErrorCode, message: &str) -> Failure {
    Failure::new(ErrorCode::AccessDenied.schema(), message).with_members(&AccessDeniedException { error })
}

fn invalid(message: impl Into<String>) -> Failure {
    let error = OAuth2ErrorCode::InvalidRequest;
    Failure::new(ErrorCode::Validation.schema(), message).with_members(&ValidationException { error })
}

/// What no client asks for.
pub(super) fn invalid_request(problem: InvalidRequest) -> Failure {
    invalid(format!("The request is invalid: {problem}."))
}

/// A member that this grant needs.
pub(super) fn missing(name: &str) -> Failure {
    invalid(format!("The request is invalid: {name} is missing."))
}

/// The proof is missing or wrong, or was shown before.
pub(super) fn no_proof() -> Failure {
    invalid("The request is invalid: its DPoP header is no proof for it.")
}

/// Not ours, somebody else's, or for something else: which, nobody is told.
pub(super) fn invalid_grant() -> Failure {
    invalid(
        "The authorization code or refresh token is invalid, or was not given to this client for this request.",
    )
}

/// Good once, and for some minutes.
pub(super) fn code_expired() -> Failure {
    denied(OAuth2ErrorCode::AuthcodeExpired, "The authorization code has expired or was used already.")
}

/// The session is over.
pub(super) fn session_over() -> Failure {
    denied(OAuth2ErrorCode::TokenExpired, "The session has expired or was ended. Sign in again.")
}

/// Who signed in is gone or kept out.
pub(super) fn user_gone() -> Failure {
    denied(OAuth2ErrorCode::UserCredentialsChanged, "Who signed in can no longer act. Sign in again.")
}

/// Consent is given in a browser.
pub(super) fn not_in_browser() -> Failure {
    let message = "A command line is let in by who is signed in at the console, in that session.";
    denied(OAuth2ErrorCode::InsufficientPermissions, message)
}

/// Gives errors of other origin, such as a denial by policies, the name that clients look at.
pub(super) fn complete(mut error: Error) -> Error {
    let name = match &*error.code {
        "AccessDeniedException" => OAuth2ErrorCode::InsufficientPermissions,
        "ValidationException" => OAuth2ErrorCode::InvalidRequest,
        _ => return error,
    };
    error.members.entry("error").or_insert_with(|| Value::from(name.as_str()));
    error
}
