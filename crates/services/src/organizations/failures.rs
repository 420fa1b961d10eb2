//! Every refusal of Organizations, with code and status as the model has them, and the reason where the exception has one.
//!
//! Texts follow the service where an answer of it is known; the others are ours. What breaks a constraint of the model is
//! refused before an operation runs, with the reasons of `models/overrides/organizations.json`.
//!
//! DIFFERENCE: AWS has been seen to put the member behind the reason (`INVALID_PATTERN:RESOURCE_ID`); the reason is always one of
//! the values of the model here, which clients with an enum for it can read.

use rootward_api::organizations::{
    ConstraintViolationException, ConstraintViolationExceptionReason, ErrorCode, InvalidInputException,
    InvalidInputExceptionReason,
};
use rootward_pipeline::Failure;

use crate::tag_keys::Unfit;

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

// What is in the tree.

pub(super) fn account_not_found() -> Failure {
    refused(ErrorCode::AccountNotFound, "You specified an account that doesn't exist.")
}

pub(super) fn child_not_found() -> Failure {
    refused(ErrorCode::ChildNotFound, "You specified a child that doesn't exist.")
}

pub(super) fn destination_parent_not_found() -> Failure {
    refused(ErrorCode::DestinationParentNotFound, "You specified a destination parent that doesn't exist.")
}

pub(super) fn duplicate_account() -> Failure {
    refused(ErrorCode::DuplicateAccount, "That account is already present in the specified destination.")
}

pub(super) fn duplicate_unit() -> Failure {
    refused(ErrorCode::DuplicateOrganizationalUnit, "An OU with the same name already exists.")
}

pub(super) fn parent_not_found() -> Failure {
    refused(ErrorCode::ParentNotFound, "You specified a parent that doesn't exist.")
}

pub(super) fn source_parent_not_found() -> Failure {
    refused(ErrorCode::SourceParentNotFound, "You specified a source parent that doesn't exist.")
}

pub(super) fn target_not_found() -> Failure {
    refused(ErrorCode::TargetNotFound, "You specified a target that doesn't exist.")
}

pub(super) fn unit_not_empty() -> Failure {
    refused(
        ErrorCode::OrganizationalUnitNotEmpty,
        "The organizational unit is not empty. Remove or move its accounts and its child OUs first.",
    )
}

pub(super) fn unit_not_found() -> Failure {
    refused(ErrorCode::OrganizationalUnitNotFound, "You specified an organizational unit that doesn't exist.")
}

/// Keys of tags that will not do.
pub(super) fn unfit_tag_key(unfit: Unfit) -> Failure {
    let reason = match unfit {
        Unfit::Duplicate => InvalidInputExceptionReason::DuplicateTagKey,
        Unfit::Reserved => InvalidInputExceptionReason::InvalidSystemTagsParameter,
    };
    invalid_input(reason, unfit.message())
}
