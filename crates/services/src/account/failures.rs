//! Every refusal of Account Management, with code and status as the model has them.
//!
//! Texts follow the service where an answer of it is known; the others are ours.

use rootward_api::account::{
    ErrorCode, ValidationException, ValidationExceptionField, ValidationExceptionReason,
};
use rootward_auth::Principal;
use rootward_pipeline::Failure;
use rootward_wire::Sensitive;

fn denied(principal: &Principal, action: &str, reason: &str) -> Failure {
    Failure::access_denied(format!(
        "User: {} is not authorized to perform: {action} ({reason})",
        principal.arn()
    ))
}

fn not_found(message: &str) -> Failure {
    Failure::new(ErrorCode::ResourceNotFound.schema(), message)
}

fn invalid(message: String, shape: &ValidationException) -> Failure {
    Failure::new(ErrorCode::Validation.schema(), message).with_members(shape)
}

/// An account that names itself.
pub(super) fn own_id_given(principal: &Principal, action: &str) -> Failure {
    denied(principal, action, "An account manages itself without naming its own AccountId.")
}

/// An account that names another one.
pub(super) fn not_own(principal: &Principal, action: &str) -> Failure {
    denied(principal, action, "An account is managed from inside; assume a role in it.")
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
