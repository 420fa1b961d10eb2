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

// Trusted access, delegation and the resource policy.

pub(super) fn unrecognized_service() -> Failure {
    invalid_input(
        InvalidInputExceptionReason::UnrecognizedServicePrincipal,
        "You specified an unrecognized service principal.",
    )
}

pub(super) fn not_all_features() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::OrganizationNotInAllFeaturesMode,
        "This operation can be performed only when all features are enabled in the organization.",
    )
}

pub(super) fn service_access_not_enabled() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::ServiceAccessNotEnabled,
        "You must enable service access for this service before you can register a delegated administrator for it.",
    )
}

pub(super) fn service_has_administrators() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::DelegatedAdministratorExistsForThisService,
        "You must deregister all delegated administrators for this service before you can disable service access for it.",
    )
}

pub(super) fn management_administers() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::CannotRegisterMasterAsDelegatedAdministrator,
        "You cannot register master account/yourself as delegated administrator for your organization.",
    )
}

pub(super) fn suspended_administers() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::CannotRegisterSuspendedAccountAsDelegatedAdministrator,
        "You cannot register a suspended account as a delegated administrator.",
    )
}

pub(super) fn too_many_administrators() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::MaxDelegatedAdministratorsForServiceLimitExceeded,
        "You have reached the maximum number of delegated administrators for this service.",
    )
}

pub(super) fn no_such_account() -> Failure {
    refused(ErrorCode::AccountNotFound, "You specified an account that doesn't exist.")
}

pub(super) fn already_administers() -> Failure {
    refused(
        ErrorCode::AccountAlreadyRegistered,
        "The provided account is already a delegated administrator for your organization.",
    )
}

pub(super) fn does_not_administer() -> Failure {
    refused(
        ErrorCode::AccountNotRegistered,
        "The provided account is not a registered delegated administrator for your organization.",
    )
}

pub(super) fn no_resource_policy() -> Failure {
    refused(ErrorCode::ResourcePolicyNotFound, "No resource policy exists for this organization.")
}

/// Says what is wrong, as the reader of policies does.
pub(super) fn malformed_resource_policy(why: &str) -> Failure {
    invalid_input(
        InvalidInputExceptionReason::InvalidResourcePolicyJson,
        &format!(
            "The provided resource policy document does not meet the requirements of a resource policy: {why}"
        ),
    )
}

pub(super) fn principal_not_delegated_to(principal: &str) -> Failure {
    invalid_input(
        InvalidInputExceptionReason::InvalidPrincipal,
        &format!(
            "The principal {principal} is not supported in the resource policy: expected accounts, users and roles."
        ),
    )
}

pub(super) fn action_not_delegated(action: &str) -> Failure {
    invalid_input(
        InvalidInputExceptionReason::UnsupportedActionInResourcePolicy,
        &format!("The action {action} is not supported in the resource policy."),
    )
}

pub(super) fn resource_not_delegated(resource: &str) -> Failure {
    invalid_input(
        InvalidInputExceptionReason::UnsupportedResourceInResourcePolicy,
        &format!("The resource {resource} is not supported in the resource policy."),
    )
}

pub(super) fn policy_type_not_delegated(policy_type: &str) -> Failure {
    invalid_input(
        InvalidInputExceptionReason::UnsupportedPolicyTypeInResourcePolicy,
        &format!("The policy type {policy_type} is not supported in the resource policy."),
    )
}

/// The model lists a reason for this among those of accounts only.
pub(super) fn tags_of_existing_resource_policy() -> Failure {
    refused(
        ErrorCode::InvalidInput,
        "Tags can be given only to a new resource policy: use TagResource for one that exists.",
    )
}

pub(super) fn unfit_tag_of_resource_policy(why: Unfit) -> Failure {
    let reason = match why {
        Unfit::Duplicate => InvalidInputExceptionReason::DuplicateTagKey,
        Unfit::Reserved => InvalidInputExceptionReason::InvalidSystemTagsParameter,
    };
    invalid_input(reason, why.message())
}

pub(super) fn too_many_tags_of_resource_policy() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::MaxTagLimitExceeded,
        "You have exceeded the number of tags allowed on this resource.",
    )
}
