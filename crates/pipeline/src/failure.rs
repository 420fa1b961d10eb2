//! Failures: what a caller is told when a call does not succeed.

use std::borrow::Cow;
use std::fmt;

use rootward_auth::authz;
use rootward_wire::{CommonError, Error, ErrorSchema, Fault, Members, Structure};

/// A refusal or error in the words of the wire: code, status and public message.
///
/// Operations build them through one table of texts per service; nothing internal ever goes into the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The wire code, for example `NoSuchEntity`.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What the caller reads.
    pub message: String,
    /// What else the model gives the error, for callers in the JSON protocols.
    pub members: Members,
    /// What went wrong where it was our fault: for the log, never for the caller.
    pub cause: Option<Cow<'static, str>>,
    /// What the operation has written is kept all the same.
    pub keeps_writes: bool,
}

impl Failure {
    /// A failure that the service's model declares, with this text.
    pub fn new(schema: &'static ErrorSchema, message: impl Into<String>) -> Self {
        Self::unmodelled(schema.code, schema.status, message)
    }

    /// A failure whose code no model has, as the service was seen to answer it.
    pub fn unmodelled(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            status,
            message: message.into(),
            members: Members::new(),
            cause: None,
            keeps_writes: false,
        }
    }

    /// The same failure with the members of its shape, for example `account::ValidationException`.
    #[must_use]
    pub fn with_members(self, shape: &dyn Structure) -> Self {
        match rootward_wire::members(shape) {
            Ok(members) => Self { members, ..self },
            Err(mismatch) => Self::internal(mismatch.to_string()),
        }
    }

    /// The same failure of a call that has got somewhere: what it has written is committed before it is answered. For writing
    /// operations that take more than one call, such as one that others must agree to first, or one that counts attempts.
    #[must_use]
    pub fn keeping_writes(self) -> Self {
        Self { keeps_writes: true, ..self }
    }

    /// `ValidationError`, 400.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(CommonError::ValidationError.schema(), message)
    }

    /// `AccessDenied`, 403.
    pub fn access_denied(message: impl Into<String>) -> Self {
        Self::new(CommonError::AccessDenied.schema(), message)
    }

    /// `Throttling`, 400: too much at once.
    pub fn throttled() -> Self {
        Self::new(CommonError::Throttling.schema(), "Rate exceeded")
    }

    /// `InternalFailure`, 500: our bug, or our data broken. The cause goes to the server's log, nothing to the caller.
    pub fn internal(cause: impl Into<Cow<'static, str>>) -> Self {
        let Error { message, cause, .. } = Error::internal(cause);
        Self { cause, ..Self::new(CommonError::InternalFailure.schema(), message) }
    }

    /// Whether the caller's request was at fault.
    pub fn is_sender_fault(&self) -> bool {
        self.status < 500
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let fault = if failure.is_sender_fault() { Fault::Sender } else { Fault::Receiver };
        let Failure { code, status, message, members, cause, keeps_writes: _ } = failure;
        Self { code: code.into(), status, fault, message, members, cause }
    }
}

impl From<authz::Denied> for Failure {
    fn from(denied: authz::Denied) -> Self {
        Self::unmodelled(denied.code, 403, denied.message)
    }
}
