//! Every refusal of Organizations, with code and status as the model has them, and the reason where the exception has one.
//!
//! Texts follow the service where an answer of it is known; the others are ours.

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

pub(super) fn policy_not_found() -> Failure {
    refused(ErrorCode::PolicyNotFound, "You specified a policy that doesn't exist.")
}

pub(super) fn duplicate_policy() -> Failure {
    refused(ErrorCode::DuplicatePolicy, "A policy with the same name already exists.")
}

pub(super) fn policy_in_use() -> Failure {
    refused(
        ErrorCode::PolicyInUse,
        "The policy is attached to one or more entities. You must detach it from all roots, OUs, and accounts before performing this \
         operation.",
    )
}

/// What is AWS's own is changed by nobody.
pub(super) fn immutable_policy() -> Failure {
    invalid_input(
        InvalidInputExceptionReason::ImmutablePolicy,
        "You can't modify or delete an AWS managed policy.",
    )
}

/// Begins as the service was seen to answer; `found` says what is wrong, and at which line and column.
pub(super) fn malformed_policy(found: &str) -> Failure {
    let message = format!(
        "The provided policy document does not meet the requirements of the specified policy type. {found}"
    );
    refused(ErrorCode::MalformedPolicyDocument, &message)
}

pub(super) fn too_many_policies() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::PolicyNumberLimitExceeded,
        "You have reached the maximum number of policies of this type in the organization.",
    )
}

pub(super) fn policy_too_long(chars_max: usize) -> Failure {
    let message = format!("A policy of this type has at most {chars_max} characters, white space included.");
    constraint(ConstraintViolationExceptionReason::PolicyContentLimitExceeded, &message)
}

pub(super) fn target_not_found() -> Failure {
    refused(ErrorCode::TargetNotFound, "You specified a target that doesn't exist.")
}

pub(super) fn target_not_supported() -> Failure {
    invalid_input(
        InvalidInputExceptionReason::TargetNotSupported,
        "You specified a target that is not currently supported.",
    )
}

pub(super) fn policy_already_attached() -> Failure {
    refused(
        ErrorCode::DuplicatePolicyAttachment,
        "The selected policy is already attached to the specified target.",
    )
}

pub(super) fn policy_not_attached() -> Failure {
    refused(
        ErrorCode::PolicyNotAttached,
        "The policy isn't attached to the specified target in the specified root.",
    )
}

pub(super) fn too_many_attached() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::MaxPolicyTypeAttachmentLimitExceeded,
        "You have attached the maximum number of policies to the specified target.",
    )
}

pub(super) fn last_attached() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::MinPolicyTypeAttachmentLimitExceeded,
        "You cannot remove the last policy attached to the specified target. You must have at least one attached at all times.",
    )
}

pub(super) fn non_detachable_policy() -> Failure {
    invalid_input(
        InvalidInputExceptionReason::NonDetachablePolicy,
        "You can't detach this AWS managed policy.",
    )
}

pub(super) fn root_not_found() -> Failure {
    refused(ErrorCode::RootNotFound, "You specified a root that doesn't exist.")
}

pub(super) fn policy_type_enabled_already() -> Failure {
    refused(ErrorCode::PolicyTypeAlreadyEnabled, "The specified policy type is already enabled.")
}

pub(super) fn policy_type_not_enabled() -> Failure {
    refused(ErrorCode::PolicyTypeNotEnabled, "This operation can be performed only for enabled policy types.")
}

/// What only all features have.
pub(super) fn policy_type_not_available() -> Failure {
    refused(
        ErrorCode::PolicyTypeNotAvailableForOrganization,
        "You can't use the specified policy type with the feature set currently enabled for this organization.",
    )
}

pub(super) fn effective_policy_not_found() -> Failure {
    refused(
        ErrorCode::EffectivePolicyNotFound,
        "The specified policy type is not enabled. Enable that policy type on your organization root and then retry.",
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
