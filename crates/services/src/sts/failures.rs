//! Every refusal of STS, in AWS's words, with code and status as the model has them.

use rootward_api::sts::ErrorCode;
use rootward_pipeline::Failure;

use crate::tag_keys::Unfit;

/// The service answers with this code; its model does not have it.
fn invalid_parameter(message: &str) -> Failure {
    Failure::unmodelled("InvalidParameterValue", 400, message)
}

/// A duration outside what the caller may ask for, for example by chaining roles.
pub(super) fn duration_over_role_max() -> Failure {
    Failure::validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
}

pub(super) fn duration_over_chain_max() -> Failure {
    Failure::validation(
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    )
}

pub(super) fn invalid_access_key_id() -> Failure {
    Failure::validation("Invalid access key id.")
}

/// No multi-factor device answers to the serial number, or the code is wrong: one text for both, so that nobody
/// learns which devices exist.
pub(super) fn mfa_refused() -> Failure {
    Failure::access_denied("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
}

pub(super) fn no_root_principal(principal: &str) -> Failure {
    Failure::validation(format!("{principal} is neither the id of an account nor the ARN of its root user."))
}

pub(super) fn no_task_policy(arn: &str) -> Failure {
    Failure::validation(format!("{arn} is not the ARN of a policy for privileged tasks."))
}

/// A root user that this caller's organization does not have assumed, or not for this task.
pub(super) fn root_not_assumed(caller: &str, root: &str) -> Failure {
    Failure::access_denied(format!(
        "User: {caller} is not authorized to perform: sts:AssumeRoot on resource: {root}"
    ))
}

pub(super) fn malformed_policy(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::MalformedPolicyDocument.schema(), message)
}

pub(super) fn packed_policy_too_large(percent: usize) -> Failure {
    Failure::new(
        ErrorCode::PackedPolicyTooLarge.schema(),
        format!("Packed policy consumes {percent}% of allotted space, please use smaller policy."),
    )
}

pub(super) fn unfit_tag_key(why: Unfit) -> Failure {
    invalid_parameter(why.message())
}

pub(super) fn transitive_key_without_tag() -> Failure {
    invalid_parameter("The specified transitive tag key must be included in the requested tags.")
}

pub(super) fn transitive_tag_conflict() -> Failure {
    invalid_parameter(
        "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the \
         calling session.",
    )
}

pub(super) fn source_identity_is_set() -> Failure {
    Failure::access_denied("The source identity of the calling session cannot be changed.")
}

/// DIFFERENCE: nobody issues trusted context assertions here, as IAM Identity Center does at AWS, so none that a request
/// brings in `ProvidedContexts` can be a valid one.
pub(super) fn unknown_context_assertion() -> Failure {
    Failure::validation(
        "The context assertion in ProvidedContexts was not issued by a trusted context provider.",
    )
}

/// The model has no bound here; the service has.
pub(super) fn too_many_session_policies(limit: usize) -> Failure {
    Failure::validation(format!(
        "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less \
         than or equal to {limit}"
    ))
}

pub(super) fn no_such_session_policy(arn: &str) -> Failure {
    Failure::validation(format!("The policy {arn} does not exist or is not attachable."))
}
