//! Every refusal of Account Management, with code and status as the model has them.
//!
//! Texts follow the service where an answer of it is known; the others are ours.

use rootward_api::account::{
    ErrorCode, ValidationException, ValidationExceptionField, ValidationExceptionReason,
};
use rootward_auth::Principal;
use rootward_pipeline::Failure;
use rootward_wire::Sensitive;

use crate::accounts::AccountError;

fn denied(principal: &Principal, action: &str, reason: &str) -> Failure {
    let plain = not_authorized(principal, action);
    Failure { message: format!("{} ({reason})", plain.message), ..plain }
}

/// An account that is not the caller's to manage, by whatever of theirs or of its own.
pub(super) fn not_authorized(principal: &Principal, action: &str) -> Failure {
    Failure::access_denied(format!("User: {} is not authorized to perform: {action}", principal.arn()))
}

fn not_found(message: &str) -> Failure {
    Failure::new(ErrorCode::ResourceNotFound.schema(), message)
}

fn invalid(message: String, shape: &ValidationException) -> Failure {
    Failure::new(ErrorCode::Validation.schema(), message).with_members(shape)
}

/// An account that is in no organization names itself or another one.
pub(super) fn no_organization(principal: &Principal, action: &str, is_own: bool) -> Failure {
    let reason = if is_own {
        "An account manages itself without naming its own AccountId."
    } else {
        "Accounts are managed by AccountId only in an organization."
    };
    denied(principal, action, reason)
}

/// An organization that does not trust the service, or has not all features.
pub(super) fn not_trusted(principal: &Principal, action: &str) -> Failure {
    let reason = "Your organization must first enable trusted access with AWS Account Management.";
    denied(principal, action, reason)
}

/// Whoever manages an organization names the account that it is managed from.
pub(super) fn management_named(principal: &Principal, action: &str) -> Failure {
    let reason = "The management account can only be managed using the standalone context from the management account.";
    denied(principal, action, reason)
}

pub(super) fn no_contact_information() -> Failure {
    not_found("No contact information was found for this account.")
}

pub(super) fn no_alternate_contact() -> Failure {
    not_found("No contact of the inputted alternate contact type found.")
}

pub(super) fn no_gov_cloud_account() -> Failure {
    not_found("There is no GovCloud account linked to this account.")
}

/// A member of the request that does not do, beyond what the model says.
pub(super) fn bad_field(name: &str, message: &str) -> Failure {
    let field = ValidationExceptionField { name: name.into(), message: Sensitive::new(message) };
    invalid(
        format!("{name}: {message}"),
        &ValidationException {
            reason: Some(ValidationExceptionReason::FieldValidationFailed),
            field_list: Some(vec![field]),
        },
    )
}

/// A region that there is none of.
pub(super) fn no_such_region(name: &str) -> Failure {
    invalid(
        format!("There is no Region {name}."),
        &ValidationException {
            reason: Some(ValidationExceptionReason::InvalidRegionOptTarget),
            field_list: None,
        },
    )
}

/// A region that is in use in every account.
pub(super) fn region_is_default(name: &str) -> Failure {
    invalid(
        format!("Region {name} is enabled by default: it can be neither enabled nor disabled."),
        &ValidationException {
            reason: Some(ValidationExceptionReason::InvalidRegionOptTarget),
            field_list: None,
        },
    )
}

/// A token that no listing gave.
pub(super) fn bad_next_token() -> Failure {
    bad_field("nextToken", "The token is none that a listing of Regions has given.")
}

fn conflict(message: &str) -> Failure {
    Failure::new(ErrorCode::Conflict.schema(), message)
}

/// What the rules of accounts refuse.
pub(super) fn address_refused(error: &AccountError) -> Failure {
    match error {
        AccountError::EmailTaken(_) => conflict("The address belongs to the root user of another account."),
        AccountError::Email { problem, .. } => bad_field("primaryEmail", problem),
        other => Failure::internal(other.to_string()),
    }
}

/// A code was asked for just now.
pub(super) fn too_many_codes() -> Failure {
    Failure::new(
        ErrorCode::TooManyRequests.schema(),
        "Codes are on their way for as many accounts of the organization as may be at once: wait 15 minutes.",
    )
}

pub(super) fn code_sent_already() -> Failure {
    Failure::new(
        ErrorCode::TooManyRequests.schema(),
        "A code was sent less than a minute ago: wait before you ask for another.",
    )
}

/// No code waits for this address: none was asked for, it was used, tried too often, or is too old.
pub(super) fn no_email_update() -> Failure {
    not_found("No code for this address is valid now: ask for one.")
}

/// Nothing can be sent from here.
pub(super) fn no_mailer() -> Failure {
    conflict("No mail server is configured on this node, so no code can be sent to the new address.")
}

/// The address is the root user's already.
pub(super) fn same_email() -> Failure {
    conflict("The address is the root user's already.")
}

/// Some attempts are left, or none.
pub(super) fn wrong_code(attempts_left: u8) -> Failure {
    bad_field("otp", &format!("This is not the code that was sent; {attempts_left} more attempts are left."))
}
