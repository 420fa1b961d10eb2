//! Every refusal of Organizations, with code and status as the model has them, and the reason where the exception has one.
//!
//! Texts follow the service where an answer of it is known; the others are ours.

use rootward_api::organizations::{
    ConstraintViolationException, ConstraintViolationExceptionReason, ErrorCode, InvalidInputException,
    InvalidInputExceptionReason,
};
use rootward_pipeline::Failure;

fn refused(code: ErrorCode, message: &str) -> Failure {
    Failure::new(code.schema(), message)
}

/// A number or an order of things that must not be.
pub(super) fn constraint(reason: ConstraintViolationExceptionReason, message: &str) -> Failure {
    let shape = ConstraintViolationException { message: None, reason: Some(reason) };
    refused(ErrorCode::ConstraintViolation, message).with_members(&shape)
}

/// An input that fits the model and still will not do.
pub(super) fn invalid_input(reason: InvalidInputExceptionReason, message: &str) -> Failure {
    let shape = InvalidInputException { message: None, reason: Some(reason) };
    refused(ErrorCode::InvalidInput, message).with_members(&shape)
}

/// Whose account is in no organization.
pub(super) fn not_in_use() -> Failure {
    refused(ErrorCode::AwsOrganizationsNotInUse, "Your account is not a member of an organization.")
}

/// A member that calls what is the management account's.
pub(super) fn not_management() -> Failure {
    refused(ErrorCode::AccessDenied, "You don't have permissions to access this resource.")
}

pub(super) fn already_in_organization() -> Failure {
    refused(ErrorCode::AlreadyInOrganization, "The AWS account is already a member of an organization.")
}

pub(super) fn organization_not_empty() -> Failure {
    refused(
        ErrorCode::OrganizationNotEmpty,
        "To delete an organization you must first remove all member accounts (except the master).",
    )
}

pub(super) fn bad_next_token() -> Failure {
    invalid_input(
        InvalidInputExceptionReason::InvalidNextToken,
        "You specified an invalid value for nextToken. You must specify a valid token.",
    )
}
