//! Failures: what a caller is told when a call does not succeed.

use std::fmt;

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
}

impl Failure {
    /// A failure with this code, status and text.
    pub fn new(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into() }
    }

    /// `ValidationError`, 400.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", 400, message)
    }

    /// `AccessDenied`, 403.
    pub fn access_denied(message: impl Into<String>) -> Self {
        Self::new("AccessDenied", 403, message)
    }

    /// `ServiceFailure`, 500: our fault; the reason goes to the server's log, not to the caller.
    pub fn internal() -> Self {
        Self::new("ServiceFailure", 500, "The request processing has failed because of an unknown error.")
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
