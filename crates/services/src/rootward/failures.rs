//! Every refusal of our own service.

use rootward_api::rootward::ErrorCode;
use rootward_auth::passkey::NotRegistered;
use rootward_auth::password::Unacceptable;
use rootward_names::{AccountId, Handle, Time};
use rootward_pipeline::Failure;

use crate::accounts::AccountError;
use crate::organizations::overview::Unseen;
use crate::root_guard::GuardError;

/// A session without a second factor.
pub(super) fn mfa_needed() -> Failure {
    Failure::access_denied(
        "This needs a session in which a second factor was shown: sign in with an MFA device.",
    )
}

/// Only people decide.
pub(super) fn only_users() -> Failure {
    Failure::access_denied(
        "Requests for root access are decided by the IAM users who are named as approvers, in a session with a second factor.",
    )
}

/// Others have not agreed yet.
pub(super) fn not_agreed(request: Handle, approved: usize, required: usize, expires: Time) -> Failure {
    Failure::new(
        ErrorCode::Conflict.schema(),
        format!(
            "{approved} of {required} approvals have been given for request {request}. Send the same call again when the others \
             have been given, until {expires}."
        ),
    )
}

pub(super) fn no_such_user(name: &str) -> Failure {
    Failure::new(ErrorCode::ResourceNotFound.schema(), format!("The user with name {name} cannot be found."))
}

pub(super) fn no_such_session(id: &str) -> Failure {
    Failure::new(ErrorCode::ResourceNotFound.schema(), format!("There is no session {id}."))
}

/// Roles and federated users are nobody whom a call without a name could be about.
pub(super) fn user_name_needed() -> Failure {
    Failure::new(
        ErrorCode::Validation.schema(),
        "Must specify UserName when calling with non-User credentials.",
    )
}

/// Sessions of one user and of all federated ones are asked for at once.
pub(super) fn user_or_federated() -> Failure {
    Failure::new(ErrorCode::Validation.schema(), "UserName and Federated exclude each other.")
}

/// Why somebody does not see the organization.
pub(super) fn organization_unseen(why: Unseen) -> Failure {
    match why {
        Unseen::NoOrganization => not_found("Your account is not a member of an organization."),
        Unseen::NotTheirs => Failure::access_denied("You don't have permissions to access this resource."),
    }
}

pub(super) fn nothing_in_organization(id: &str) -> Failure {
    not_found(format!("There is no account, unit or root {id} in your organization."))
}

pub(super) fn no_such_member(id: &str) -> Failure {
    not_found(format!("There is no member account {id} in your organization."))
}

pub(super) fn resource_of_another_account(asked: AccountId, owner: AccountId) -> Failure {
    Failure::new(
        ErrorCode::Validation.schema(),
        format!("ResourceArn names account {owner}: ask about resources of account {asked}."),
    )
}

/// Root credentials are looked at from outside only where that was switched on.
pub(super) fn root_credentials_not_managed() -> Failure {
    conflict(
        "The organization does not manage the root credentials of its members: this needs all features, trusted access for \
         iam.amazonaws.com, and iam:EnableOrganizationsRootCredentialsManagement.",
    )
}

fn not_found(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::ResourceNotFound.schema(), message)
}

pub(super) fn invalid_token() -> Failure {
    Failure::new(ErrorCode::Validation.schema(), "NextToken is none that was given.")
}

/// The old password is another.
pub(super) fn wrong_password() -> Failure {
    Failure::access_denied("The old password is not the root user's.")
}

/// A root user that signs in with no password.
pub(super) fn no_password() -> Failure {
    conflict("The root user has no password.")
}

pub(super) fn unacceptable(error: &Unacceptable) -> Failure {
    invalid(error)
}

/// Nothing can be sent from here. The address is not repeated: it is hidden from records.
pub(super) fn no_mailer(account: AccountId) -> Failure {
    conflict(format!(
        "No mail server is configured on this node, so no code can be sent to the new address. The operator of the host can change \
         the address: `rootward account change-email --account {account} --email ADDRESS`."
    ))
}

/// A code was asked for just now.
pub(super) fn too_many_codes() -> Failure {
    Failure::new(
        ErrorCode::LimitExceeded.schema(),
        "Codes are on their way for as many accounts of the organization as may be at once: wait 15 minutes.",
    )
}

pub(super) fn code_sent_already() -> Failure {
    Failure::new(
        ErrorCode::LimitExceeded.schema(),
        "A code was sent less than a minute ago: wait before you ask for another.",
    )
}

/// The address is the root user's already.
pub(super) fn same_email() -> Failure {
    conflict("The address is the root user's already.")
}

/// No code waits for this address: none was asked for, it was used, tried too often, or is too old.
pub(super) fn no_email_update() -> Failure {
    Failure::new(ErrorCode::ResourceNotFound.schema(), "No code for this address is valid now: ask for one.")
}

pub(super) fn wrong_code(attempts_left: u8) -> Failure {
    invalid(format_args!("this is not the code that was sent; {attempts_left} more attempts are left"))
}

/// What the rules of accounts refuse.
pub(super) fn account_refused(error: &AccountError) -> Failure {
    match error {
        AccountError::EmailTaken(_) => conflict("The address belongs to the root user of another account."),
        AccountError::Email { problem, .. } => {
            invalid(format_args!("this is no address for a root user: {problem}"))
        }
        AccountError::Closed(_) => conflict("The account is closed already."),
        AccountError::Manages(_) => {
            conflict("The account manages an organization. Remove or close its other accounts first.")
        }
        other => Failure::internal(other.to_string()),
    }
}

fn conflict(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::Conflict.schema(), message)
}

fn invalid(text: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorCode::Validation.schema(), sentence(text))
}

/// What the rules of the guard refuse.
pub(super) fn refused(error: &GuardError) -> Failure {
    let code = match error {
        GuardError::ApproverTwice(_)
        | GuardError::Document(_)
        | GuardError::Minutes
        | GuardError::Reason
        | GuardError::SessionMinutes
        | GuardError::TooFewApprovers { .. }
        | GuardError::TooManyApprovers => ErrorCode::Validation,
        GuardError::Decided(_)
        | GuardError::Member(_)
        | GuardError::NobodyAgrees(_)
        | GuardError::NoSeal(_)
        | GuardError::NoSecondFactor(_)
        | GuardError::SpokenAlready => ErrorCode::Conflict,
        GuardError::NoGuardPolicy(_) | GuardError::NoSuchRequest | GuardError::NoSuchUser(_) => {
            ErrorCode::ResourceNotFound
        }
        GuardError::TooManyRequests => ErrorCode::LimitExceeded,
        GuardError::FactorTooNew | GuardError::NotApprover | GuardError::Sealed(_) => {
            return Failure::access_denied(sentence(error));
        }
        GuardError::NoSuchAccount(_) => {
            return Failure::internal("the caller's account is not in the snapshot");
        }
    };
    Failure::new(code.schema(), sentence(error))
}

/// No half of a registration, or not any more.
pub(super) fn registration_over() -> Failure {
    Failure::new(
        ErrorCode::Conflict.schema(),
        "This registration has ended, or began in another session. Begin again.",
    )
}

/// Why a passkey is not registered.
pub(super) fn not_registered(why: NotRegistered) -> Failure {
    match why {
        NotRegistered::Mismatched => Failure::new(
            ErrorCode::Validation.schema(),
            "The answer of the security key does not belong to this registration.",
        ),
        NotRegistered::Taken => Failure::new(
            ErrorCode::Conflict.schema(),
            "The security key is registered in this account already.",
        ),
        NotRegistered::Unverified => Failure::new(
            ErrorCode::Validation.schema(),
            "The security key of the root user must ask for a PIN, a fingerprint or a face. Set one up, or use another key.",
        ),
    }
}

/// Browsers give us no passkeys.
pub(super) fn no_passkeys_here() -> Failure {
    Failure::new(
        ErrorCode::Conflict.schema(),
        "Security keys cannot be used at the address of this server. Start it with an https address (`--url`).",
    )
}

/// As many as there may be.
pub(super) fn too_many_devices(max: usize) -> Failure {
    Failure::new(
        ErrorCode::LimitExceeded.schema(),
        format!("There are {max} MFA devices already, and cannot be more. Remove one first."),
    )
}

/// The root user with a key.
pub(super) fn root_not_signed_in() -> Failure {
    Failure::access_denied(
        "The root user registers security keys at the console: sign in. Its access keys cannot do it.",
    )
}

/// A text of ours as a sentence.
fn sentence(text: impl std::fmt::Display) -> String {
    let text = text.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}
