//! Every refusal of IAM, in AWS's words, with code and status as the model has them.
//!
//! Source: recorded answers of the service; clients match on these texts.

use rootward_api::iam::ErrorCode;
use rootward_names::AccountId;
use rootward_pipeline::Failure;
use rootward_policy::Source;

use crate::tag_keys::Unfit;

fn no_such_entity(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::NoSuchEntity.schema(), message)
}

fn already_exists(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::EntityAlreadyExists.schema(), message)
}

fn delete_conflict(message: &str) -> Failure {
    Failure::new(ErrorCode::DeleteConflict.schema(), message)
}

fn limit_exceeded(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::LimitExceeded.schema(), message)
}

pub(crate) fn invalid_input(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::InvalidInput.schema(), message)
}

fn unmodifiable(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::UnmodifiableEntity.schema(), message)
}

/// A document that is no policy of the kind wanted; the engine knows the words.
pub(crate) fn malformed_policy(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::MalformedPolicyDocument.schema(), message)
}

/// A principal of a trust policy that names nobody.
pub(crate) fn invalid_principal(principal: &str) -> Failure {
    malformed_policy(format!("Invalid principal in policy: \"AWS\":\"{principal}\""))
}

/// A role under a path that is kept for services.
pub(crate) fn service_role_path() -> Failure {
    Failure::access_denied("Cannot perform the operation on the protected path /aws-service-role/")
}

/// A role that only the service it belongs to changes.
pub(crate) fn protected_role(name: &str) -> Failure {
    unmodifiable(format!(
        "Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
    ))
}

/// A root user whose seal is closed.
pub(crate) fn root_is_sealed(account: AccountId) -> Failure {
    Failure::access_denied(format!(
        "The root user of account {account} is sealed: no access key is made or made active for it. Unseal it first: as the root \
         user with rootward:UnsealRoot, or on the host with `rootward root unseal --account {account} --reason TEXT`."
    ))
}

pub(crate) fn no_organization() -> Failure {
    Failure::new(
        ErrorCode::OrganizationNotFound.schema(),
        "The account is not a member of an organization in AWS Organizations.",
    )
}

pub(crate) fn not_management_or_delegated() -> Failure {
    Failure::new(
        ErrorCode::AccountNotManagementOrDelegatedAdministrator.schema(),
        "The account is neither the management account of the organization nor its delegated administrator for IAM.",
    )
}

pub(crate) fn not_management() -> Failure {
    Failure::new(
        ErrorCode::CallerIsNotManagementAccount.schema(),
        "The account is not the management account of the organization.",
    )
}

pub(crate) fn not_all_features() -> Failure {
    Failure::new(
        ErrorCode::OrganizationNotInAllFeaturesMode.schema(),
        "The organization must have all features enabled.",
    )
}

pub(crate) fn iam_not_trusted() -> Failure {
    Failure::new(
        ErrorCode::ServiceAccessNotEnabled.schema(),
        "Trusted access for iam.amazonaws.com is not enabled in AWS Organizations.",
    )
}

pub(crate) fn no_key_of_assumed_root() -> Failure {
    Failure::access_denied(
        "No access key is made or made active for a root user by a session of sts:AssumeRoot.",
    )
}

pub(crate) fn is_approver(account: AccountId, name: &str) -> Failure {
    Failure::access_denied(format!(
        "The user {name} is an approver of root access: nobody else gives them a password, an access key or an MFA device, or \
         changes one. To do so, name other approvers first: as the root user with rootward:PutRootAccessSettings, or on the host \
         with `rootward root approvers --account {account}`."
    ))
}

// What does not exist.

pub(crate) fn no_such_user(name: &str) -> Failure {
    no_such_entity(format!("The user with name {name} cannot be found."))
}

pub(crate) fn no_such_group(name: &str) -> Failure {
    no_such_entity(format!("The group with name {name} cannot be found."))
}

pub(crate) fn no_such_role(name: &str) -> Failure {
    no_such_entity(format!("The role with name {name} cannot be found."))
}

pub(crate) fn no_such_instance_profile(name: &str) -> Failure {
    no_such_entity(format!("Instance Profile {name} cannot be found."))
}

pub(crate) fn no_such_policy(arn: &str) -> Failure {
    no_such_entity(format!("Policy {arn} was not found."))
}

pub(crate) fn not_attachable(arn: &str) -> Failure {
    no_such_entity(format!("Policy {arn} does not exist or is not attachable."))
}

pub(crate) fn no_such_policy_version(arn: &str, version: &str) -> Failure {
    no_such_entity(format!("Policy {arn} version {version} does not exist or is not attachable."))
}

pub(crate) fn policy_not_attached(arn: &str) -> Failure {
    no_such_entity(format!("Policy {arn} was not found."))
}

/// A policy of AWS's or of another account where only an own one will do.
pub(crate) fn policy_outside_account() -> Failure {
    Failure::access_denied("Policy is outside your own account.")
}

/// A policy that AWS made for a service-linked role; `to` is what it was to be attached to.
pub(crate) fn service_role_policy(to: &str) -> Failure {
    Failure::new(
        ErrorCode::PolicyNotAttachable.schema(),
        format!("Cannot attach a Service Role Policy to {to}."),
    )
}

/// A permissions boundary that does not exist.
pub(crate) fn no_such_boundary(arn: &str) -> Failure {
    no_such_entity(format!("Scope ARN: {arn} does not exist or is not attachable."))
}

/// `owner` is `user`, `group` or `role`.
pub(crate) fn no_such_inline_policy(owner: &str, name: &str) -> Failure {
    no_such_entity(format!("The {owner} policy with name {name} cannot be found."))
}

pub(crate) fn no_such_access_key(id: &str) -> Failure {
    no_such_entity(format!("The Access Key with id {id} cannot be found."))
}

pub(crate) fn no_such_mfa_device(serial_number: &str) -> Failure {
    no_such_entity(format!("VirtualMFADevice with serial number {serial_number} doesn't exist."))
}

/// A device that is not bound to whom the call names.
pub(crate) fn mfa_device_of_others() -> Failure {
    no_such_entity("MFA Device invalid for user.")
}

pub(crate) fn no_such_login_profile(user: &str) -> Failure {
    no_such_entity(format!("Login Profile for User {user} cannot be found."))
}

pub(crate) fn root_has_no_login_profile(account: AccountId) -> Failure {
    no_such_entity(format!("Login Profile for the root user of account {account} cannot be found."))
}

pub(crate) fn no_password_policy(account: AccountId) -> Failure {
    no_such_entity(format!("The Password Policy with domain name {account} cannot be found."))
}

pub(crate) fn no_password_policy_to_delete() -> Failure {
    no_such_entity("The account policy with name PasswordPolicy cannot be found.")
}

pub(crate) fn no_such_account_alias(alias: &str) -> Failure {
    no_such_entity(format!("The account alias {alias} cannot be found."))
}

// What exists already.

pub(crate) fn user_exists(name: &str) -> Failure {
    already_exists(format!("User with name {name} already exists."))
}

pub(crate) fn group_exists(name: &str) -> Failure {
    already_exists(format!("Group with name {name} already exists."))
}

pub(crate) fn role_exists(name: &str) -> Failure {
    already_exists(format!("Role with name {name} already exists."))
}

pub(crate) fn policy_exists(name: &str) -> Failure {
    already_exists(format!("A policy called {name} already exists. Duplicate names are not allowed."))
}

pub(crate) fn instance_profile_exists(name: &str) -> Failure {
    already_exists(format!("Instance Profile {name} already exists."))
}

pub(crate) fn mfa_device_exists() -> Failure {
    already_exists("MFADevice entity at the same path and name already exists.")
}

pub(crate) fn mfa_device_in_use() -> Failure {
    already_exists("MFA Device is already in use.")
}

pub(crate) fn login_profile_exists(user: &str) -> Failure {
    already_exists(format!("Login Profile for user {user} already exists."))
}

/// Whom a password is not given back.
pub(crate) fn root_has_login_profile(account: AccountId) -> Failure {
    already_exists(format!("Login Profile for the root user of account {account} already exists."))
}

pub(crate) fn root_has_credentials(account: AccountId) -> Failure {
    already_exists(format!(
        "The root user of account {account} still has access keys or MFA devices: delete them before its password can be recovered."
    ))
}

pub(crate) fn account_alias_exists(alias: &str) -> Failure {
    already_exists(format!("The account alias {alias} already exists."))
}

// What something else still needs.

pub(crate) fn has_attached_policies() -> Failure {
    delete_conflict("Cannot delete entity, must detach all policies first.")
}

pub(crate) fn has_inline_policies() -> Failure {
    delete_conflict("Cannot delete entity, must delete policies first.")
}

pub(crate) fn has_access_keys() -> Failure {
    delete_conflict("Cannot delete entity, must delete access keys first.")
}

/// A virtual device that is bound to somebody.
pub(crate) fn mfa_device_bound() -> Failure {
    delete_conflict("Cannot delete entity, must deactivate the MFA device first.")
}

pub(crate) fn has_login_profile() -> Failure {
    delete_conflict("Cannot delete entity, must delete login profile first.")
}

pub(crate) fn has_mfa_devices() -> Failure {
    delete_conflict("Cannot delete entity, must delete MFA device first.")
}

/// For a group with members and for a user in groups alike.
pub(crate) fn has_memberships() -> Failure {
    delete_conflict("Cannot delete entity, must remove users from group first.")
}

/// For a role in an instance profile and for a profile with a role alike.
pub(crate) fn in_instance_profile() -> Failure {
    delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
}

pub(crate) fn policy_attached() -> Failure {
    delete_conflict("Cannot delete a policy attached to entities.")
}

pub(crate) fn policy_has_versions() -> Failure {
    delete_conflict(
        "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. \
         The default version is deleted with the policy.",
    )
}

pub(crate) fn default_policy_version() -> Failure {
    delete_conflict("Cannot delete the default version of a policy.")
}

// Quotas.

/// `quota` is the quota's name, such as `UsersPerAccount`.
pub(crate) fn quota_exceeded(quota: &str, limit: usize) -> Failure {
    limit_exceeded(format!("Cannot exceed quota for {quota}: {limit}"))
}

/// The inline policies of an entity together are too long; `owner` is `user`, `group` or `role`.
pub(crate) fn inline_policies_too_long(owner: &str, name: &str, limit: usize) -> Failure {
    limit_exceeded(format!("Maximum policy size of {limit} bytes exceeded for {owner} {name}"))
}

pub(crate) fn too_many_policy_versions() -> Failure {
    limit_exceeded(
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing \
         version.",
    )
}

// Credential reports. AWS leaves these texts empty.

pub(crate) fn no_report() -> Failure {
    Failure::new(
        ErrorCode::CredentialReportNotPresent.schema(),
        "There is no credential report. GenerateCredentialReport makes one.",
    )
}

pub(crate) fn report_expired() -> Failure {
    Failure::new(
        ErrorCode::CredentialReportExpired.schema(),
        "The credential report has expired. GenerateCredentialReport makes a new one.",
    )
}

pub(crate) fn report_too_large(users: usize) -> Failure {
    Failure::new(
        ErrorCode::ServiceFailure.schema(),
        format!("A credential report of {users} users is too large to be kept."),
    )
}

// Passwords.

/// A new password that the account's rule does not take; `reasons` go on after the words `the password`.
pub(crate) fn password_unacceptable(reasons: &str) -> Failure {
    Failure::new(
        ErrorCode::PasswordPolicyViolation.schema(),
        format!("Password does not conform to the account password policy. It {reasons}."),
    )
}

/// The root user, a role or a federated user changes its password.
pub(crate) fn not_a_user() -> Failure {
    Failure::new(ErrorCode::InvalidUserType.schema(), "Only IAM Users can change their own password")
}

/// The text is not one that the service has been seen to answer.
pub(crate) fn wrong_old_password() -> Failure {
    Failure::access_denied("The old password is not correct.")
}

// Input that the model takes and the service does not.

/// Only a session of `AssumeRoot` goes without.
pub(crate) fn password_needed() -> Failure {
    Failure::validation(
        "1 validation error detected: Value at 'password' failed to satisfy constraint: Member must not be null",
    )
}

pub(crate) fn password_of_root_given() -> Failure {
    Failure::validation(
        "Password and PasswordResetRequired must be omitted when a root user's password is to be recovered.",
    )
}

pub(crate) fn user_name_needed() -> Failure {
    Failure::validation("Must specify userName when calling with non-User credentials")
}

pub(crate) fn invalid_marker() -> Failure {
    Failure::validation("Invalid Marker.")
}

pub(crate) fn unparsable_arn() -> Failure {
    // Two blanks: as the service writes it.
    Failure::validation("Invalid ARN:  Could not be parsed!")
}

pub(crate) fn invalid_arn(arn: &str) -> Failure {
    Failure::validation(format!("ARN {arn} is not valid."))
}

/// No request could name such a device: what a path takes is more than what a serial number takes.
pub(crate) fn unfit_mfa_device_name() -> Failure {
    invalid_input(
        "The path and name of the MFA device must make a serial number of at most 256 characters, each of them a letter, a \
         digit or one of _+=/:,.@-",
    )
}

/// Not two codes in a row of this device, or used before.
pub(crate) fn invalid_authentication_code() -> Failure {
    Failure::new(
        ErrorCode::InvalidAuthenticationCode.schema(),
        "Authentication code for device is not valid.",
    )
}

pub(crate) fn unfit_tag_key(why: Unfit) -> Failure {
    invalid_input(why.message())
}

/// Sign-in could not tell such an alias from another account.
pub(crate) fn alias_is_account_id() -> Failure {
    Failure::validation("The account alias must not be an account ID.")
}

pub(crate) fn status_not_settable() -> Failure {
    invalid_input("The status of an access key can be set to Active or Inactive.")
}

// Simulations. Of these texts the service has been seen to answer the first two.

/// An ARN that is no user's, group's or role's.
pub(crate) fn unclear_entity(arn: &str) -> Failure {
    invalid_input(format!("Invalid Entity Arn: {arn} does not clearly define entity type and name."))
}

/// A resource policy with nobody, a role or a group as the caller.
pub(crate) fn caller_not_user() -> Failure {
    invalid_input("Invalid caller - Caller must be an IAM user in this context.")
}

/// A document of the request that is no policy; `why` in AWS's words.
pub(crate) fn unreadable_input(member: &str, number: usize, why: &str) -> Failure {
    invalid_input(format!("Invalid policy document at {member}.{number}: {why}"))
}

/// An attached policy that cannot be read.
pub(crate) fn policy_evaluation(source: &Source<'_>) -> Failure {
    Failure::new(
        ErrorCode::PolicyEvaluation.schema(),
        format!("The policy could not be evaluated: {source} cannot be read."),
    )
}

pub(crate) fn too_many_boundaries() -> Failure {
    invalid_input("Only one permissions boundary policy can be simulated.")
}

pub(crate) fn invalid_simulated_action(action: &str) -> Failure {
    invalid_input(format!(
        "Invalid Input Actions: \"{action}\" must be a service and an action, without wildcards."
    ))
}

pub(crate) fn invalid_simulated_resource(resource: &str) -> Failure {
    invalid_input(format!("Resource {resource} must be in ARN format or \"*\"."))
}

pub(crate) fn resource_policy_of_others(resource: &str) -> Failure {
    invalid_input(format!("The resource policy does not apply to resource {resource}."))
}

pub(crate) fn invalid_resource_owner(owner: &str) -> Failure {
    invalid_input(format!("Invalid ResourceOwner: {owner} is not the ARN of an account."))
}

pub(crate) fn invalid_handling_option(option: &str) -> Failure {
    invalid_input(format!("Invalid ResourceHandlingOption: {option}."))
}

pub(crate) fn resource_lacking(option: &str, kind: &str) -> Failure {
    invalid_input(format!("{option} needs a resource of type {kind}."))
}

pub(crate) fn unnamed_context_key() -> Failure {
    invalid_input("Every context entry must have a ContextKeyName.")
}

pub(crate) fn invalid_context_value(key: &str, value: &str) -> Failure {
    invalid_input(format!("Invalid value for context key {key}: {value} is not of its type."))
}

pub(crate) fn one_context_value(key: &str) -> Failure {
    invalid_input(format!("Context key {key} must have one value, or a list type."))
}

pub(crate) fn invalid_policy_identifier() -> Failure {
    invalid_input(
        "A policy identifier must be a policy type, the ARN of a managed policy or an inline policy, with one * at most in a name.",
    )
}

pub(crate) fn simulation_too_large() -> Failure {
    invalid_input("Too many resources for policies of this length.")
}
