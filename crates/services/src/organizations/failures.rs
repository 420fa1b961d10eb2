//! Every refusal of Organizations, with code and status as the model has them, and the reason where the exception has one.
//!
//! Texts follow the service where an answer of it is known; the others are ours. What breaks a constraint of the model is
//! refused before an operation runs, with the reasons of `models/overrides/organizations.json`.
//!
//! DIFFERENCE: AWS has been seen to put the member behind the reason (`INVALID_PATTERN:RESOURCE_ID`); the reason is always one of
//! the values of the model here, which clients with an enum for it can read.

use rootward_api::organizations::{
    ConstraintViolationException, ConstraintViolationExceptionReason, ErrorCode,
    HandshakeConstraintViolationException, HandshakeConstraintViolationExceptionReason,
    InvalidInputException, InvalidInputExceptionReason,
};
use rootward_names::AccountId;
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

/// A handshake that must not be made or accepted now.
fn handshake_constraint(reason: HandshakeConstraintViolationExceptionReason, message: &str) -> Failure {
    let shape = HandshakeConstraintViolationException { message: None, reason: Some(reason) };
    refused(ErrorCode::HandshakeConstraintViolation, message).with_members(&shape)
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

/// More than one commit of the store takes.
pub(super) fn too_many_attachments(targets: usize) -> Failure {
    constraint(
        ConstraintViolationExceptionReason::MaxPolicyTypeAttachmentLimitExceeded,
        &format!(
            "Policies of this type are attached to {targets} accounts, units and roots, more than can be detached at once. Nothing has \
             changed. Detach some of them first."
        ),
    )
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

pub(super) fn account_already_closed() -> Failure {
    refused(ErrorCode::AccountAlreadyClosed, "You can't close an account that is already closed.")
}

pub(super) fn account_request_not_found() -> Failure {
    refused(
        ErrorCode::CreateAccountStatusNotFound,
        "You specified a create account request ID that doesn't exist.",
    )
}

pub(super) fn account_requests_exceeded() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::AccountCreationRateLimitExceeded,
        "You have exceeded the number of accounts that you can create in one day.",
    )
}

pub(super) fn blank_account_name() -> Failure {
    invalid_input(
        InvalidInputExceptionReason::InvalidPattern,
        "You specified a value for AccountName that is nothing but blanks.",
    )
}

pub(super) fn reserved_role_name() -> Failure {
    invalid_input(
        InvalidInputExceptionReason::InvalidRoleName,
        "You provided a role name that isn't valid. A role name can't begin with the reserved prefix AWSServiceRoleFor.",
    )
}

pub(super) fn no_gov_cloud() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::MasterAccountNotGovcloudEnabled,
        "To complete this operation, the management account must be associated with an account in the AWS GovCloud (US) Region.",
    )
}

pub(super) fn cannot_close_management() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::CannotCloseManagementAccount,
        "You can't close the management account.",
    )
}

pub(super) fn closing_needs_all_features() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::OrganizationNotInAllFeaturesMode,
        "Your organization must have all features enabled to close a member account.",
    )
}

pub(super) fn close_quota_exceeded() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::CloseAccountQuotaExceeded,
        "You have exceeded close account quota for the past 30 days.",
    )
}

pub(super) fn management_cannot_leave() -> Failure {
    refused(
        ErrorCode::MasterCannotLeaveOrganization,
        "You can't remove the management account from the organization.",
    )
}

pub(super) fn delegated_administrator_cannot_leave() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::CannotRemoveDelegatedAdministratorFromOrg,
        "This member account is a delegated administrator. Deregister it for every service before it leaves the organization.",
    )
}

/// A member that nobody could do anything with outside: its root user has no password.
pub(super) fn cannot_stand_alone() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::AccountCannotLeaveOrganization,
        "The member account is missing one or more of the prerequisites required to operate as a standalone account: \
         its root user has no password.",
    )
}

pub(super) fn closed_cannot_leave() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::AccountCannotLeaveOrganization,
        "A closed account stays in the organization until it can't be opened again.",
    )
}

pub(super) fn no_handshake() -> Failure {
    refused(ErrorCode::HandshakeNotFound, "You specified a handshake that doesn't exist.")
}

/// Asked for what has been done already.
pub(super) fn handshake_in_state(state: &str) -> Failure {
    refused(ErrorCode::HandshakeAlreadyInState, &format!("The handshake is already {state}."))
}

/// Asked for what cannot follow.
pub(super) fn handshake_is_over(state: &str) -> Failure {
    refused(
        ErrorCode::InvalidHandshakeTransition,
        &format!("You can't perform the operation on a handshake that is {state}."),
    )
}

/// Members have not agreed yet.
pub(super) fn not_all_agree() -> Failure {
    refused(
        ErrorCode::InvalidHandshakeTransition,
        "You can't accept the handshake before every invited member account has accepted its own.",
    )
}

pub(super) fn duplicate_handshake() -> Failure {
    refused(
        ErrorCode::DuplicateHandshake,
        "A handshake with the same action and target already exists. It must be canceled or declined first.",
    )
}

pub(super) fn already_in_an_organization(account: Option<AccountId>) -> Failure {
    let whose = account.map_or_else(|| "Your account".to_owned(), |account| format!("The account {account}"));
    handshake_constraint(
        HandshakeConstraintViolationExceptionReason::AlreadyInAnOrganization,
        &format!("{whose} is already a member of an organization."),
    )
}

pub(super) fn guard_policy_stands() -> Failure {
    refused(
        ErrorCode::AccessDenied,
        "The account has a guard policy, and joins an organization of another account only without one. Remove the guard policy first.",
    )
}

pub(super) fn organization_is_full() -> Failure {
    handshake_constraint(
        HandshakeConstraintViolationExceptionReason::AccountNumberLimitExceeded,
        "You have exceeded the allowed number of AWS accounts in the organization.",
    )
}

pub(super) fn too_many_invitations() -> Failure {
    handshake_constraint(
        HandshakeConstraintViolationExceptionReason::HandshakeRateLimitExceeded,
        "You have exceeded the number of invitations that you can send in one day.",
    )
}

pub(super) fn no_invitations_now() -> Failure {
    handshake_constraint(
        HandshakeConstraintViolationExceptionReason::InviteDisabledDuringEnableAllFeatures,
        "You can't invite accounts while the organization is in the process of enabling all features.",
    )
}

pub(super) fn other_partition() -> Failure {
    handshake_constraint(
        HandshakeConstraintViolationExceptionReason::OrganizationFromDifferentSellerOfRecord,
        "The account is in another AWS partition than the organization.",
    )
}

pub(super) fn has_all_features() -> Failure {
    handshake_constraint(
        HandshakeConstraintViolationExceptionReason::OrganizationAlreadyHasAllFeatures,
        "The organization has all features enabled already.",
    )
}

pub(super) fn all_features_pending() -> Failure {
    handshake_constraint(
        HandshakeConstraintViolationExceptionReason::OrganizationIsAlreadyPendingAllFeaturesMigration,
        "The organization is in the process of enabling all features already.",
    )
}

pub(super) fn too_large_for_all_features() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::AllFeaturesMigrationOrganizationSizeLimitExceeded,
        "The organization has too many accounts to enable all features.",
    )
}

pub(super) fn bad_party(reason: InvalidInputExceptionReason) -> Failure {
    invalid_input(
        reason,
        "You specified a target that no account can be invited by: expected an account ID or an e-mail address.",
    )
}

pub(super) fn two_filters() -> Failure {
    invalid_input(
        InvalidInputExceptionReason::MaxLimitExceededFilter,
        "You can specify only one filter parameter for the operation.",
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

// Responsibility transfers.

pub(super) fn no_transfer() -> Failure {
    refused(
        ErrorCode::ResponsibilityTransferNotFound,
        "You specified a responsibility transfer that doesn't exist.",
    )
}

/// Asked for what has been done already.
pub(super) fn transfer_in_status(status: &str) -> Failure {
    refused(
        ErrorCode::ResponsibilityTransferAlreadyInStatus,
        &format!("The responsibility transfer is already {status}."),
    )
}

/// Asked for what cannot follow.
pub(super) fn transfer_not_ended(status: &str) -> Failure {
    refused(
        ErrorCode::InvalidResponsibilityTransferTransition,
        &format!("You can't end a responsibility transfer that is {status}."),
    )
}

pub(super) fn transfer_not_updated() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::TransferResponsibilityUpdateNotAllowed,
        "You can update only a transfer that lets you manage another organization's responsibilities and that is not over.",
    )
}

pub(super) fn transfer_exists() -> Failure {
    handshake_constraint(
        HandshakeConstraintViolationExceptionReason::ResponsibilityTransferAlreadyExists,
        "The organization transfers this responsibility to yours already.",
    )
}

pub(super) fn transfer_to_itself() -> Failure {
    handshake_constraint(
        HandshakeConstraintViolationExceptionReason::SourceAndTargetCannotMatch,
        "An organization can't transfer a responsibility to itself.",
    )
}

pub(super) fn transfer_of_member() -> Failure {
    handshake_constraint(
        HandshakeConstraintViolationExceptionReason::TargetAccountValidationFailure,
        "The account is a member of your organization, and manages no other one.",
    )
}

pub(super) fn transfer_to_inactive() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::AccountNotActiveForTransferResponsibility,
        "The account that would manage the responsibility is not active.",
    )
}

pub(super) fn too_many_inbound() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::ResponsibilityTransferMaxInboundQuotaViolation,
        "You have exceeded your inbound transfers limit.",
    )
}

pub(super) fn too_many_outbound() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::ResponsibilityTransferMaxOutboundQuotaViolation,
        "You have exceeded your outbound transfers limit.",
    )
}

pub(super) fn chain_too_long() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::ResponsibilityTransferMaxLevelViolation,
        "You have exceeded the maximum length of your transfer chain.",
    )
}

pub(super) fn transfer_under_way() -> Failure {
    constraint(
        ConstraintViolationExceptionReason::ActiveResponsibilityTransferProcess,
        "You can't delete the organization while a responsibility transfer is in progress, or an invitation to one is pending.",
    )
}

pub(super) fn bad_start(reason: InvalidInputExceptionReason) -> Failure {
    invalid_input(
        reason,
        "You provided an invalid start date. It must be the beginning of the first day of a month (UTC), more than a day and at most 36 \
         months ahead.",
    )
}

pub(super) fn bad_end(reason: InvalidInputExceptionReason) -> Failure {
    invalid_input(
        reason,
        "You provided an invalid end date. It must be the end of the last day of a month (UTC), of this one or of one of the next 36.",
    )
}
