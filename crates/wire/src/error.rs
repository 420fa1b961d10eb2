//! Errors as clients see them: code, status, fault and public message.
//!
//! [`CommonError`] holds the codes that belong to no service. Texts follow recorded answers where there are any; the
//! statuses are those of the common-errors page of the IAM API reference, and the line says so where AWS publishes none.

use std::borrow::Cow;
use std::fmt;

use crate::{ErrorSchema, Fault, Mismatch, Protocol, Structure, json};

mod common {
    crate::error_codes! {
        AccessDenied = "AccessDenied", 403, Sender;
        InternalFailure = "InternalFailure", 500, Receiver;
        InvalidAction = "InvalidAction", 400, Sender;
        MalformedInput = "MalformedInput", 400, Sender;
        MalformedQueryString = "MalformedQueryString", 404, Sender;
        MethodNotAllowed = "MethodNotAllowed", 405, Sender;
        MissingAction = "MissingAction", 400, Sender;
        NotImplemented = "NotImplemented", 501, Receiver;
        RequestEntityTooLarge = "RequestEntityTooLarge", 413, Sender;
        RequestTimeout = "RequestTimeout", 408, Sender;
        SerializationException = "SerializationException", 400, Sender;
        ServiceUnavailable = "ServiceUnavailable", 503, Receiver;
        Throttling = "Throttling", 400, Sender;
        UnknownOperationException = "UnknownOperationException", 400, Sender;
        UnsupportedMediaType = "UnsupportedMediaType", 415, Sender;
        ValidationError = "ValidationError", 400, Sender;
    }
}

pub use common::ErrorCode as CommonError;

/// An error on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The code.
    pub code: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// Who is to blame.
    pub fault: Fault,
    /// What the client may know.
    pub message: String,
    /// What else the model gives the error, for clients of the JSON protocols; `message` is no part of it.
    pub members: Members,
    /// What went wrong where it was our fault: for the log, never for the client.
    pub cause: Option<Cow<'static, str>>,
}

/// Members of an error, as JSON.
pub type Members = serde_json::Map<String, serde_json::Value>;

/// All that a client learns of a fault of ours.
const UNKNOWN: &str = "The request processing has failed because of an unknown error, exception or failure.";

impl Error {
    /// An error that a service or [`CommonError`] declares.
    pub fn new(schema: &'static ErrorSchema, message: impl Into<String>) -> Self {
        let ErrorSchema { code, status, fault } = *schema;
        let message = message.into();
        Self { code: Cow::Borrowed(code), status, fault, message, members: Members::new(), cause: None }
    }

    /// The same error with the members of its shape.
    ///
    /// # Errors
    /// [`Mismatch`] when the structure does not fit its schema, which is our bug.
    pub fn with_members(self, shape: &dyn Structure) -> Result<Self, Mismatch> {
        Ok(Self { members: members(shape)?, ..self })
    }

    /// The same error under the code that `protocol` has for it. The JSON protocols have their own words for what every
    /// service answers; codes of the models are the same in all.
    #[must_use]
    pub fn in_protocol(self, protocol: Protocol) -> Self {
        let json = matches!(protocol, Protocol::Json | Protocol::RestJson);
        match JSON_CODES.iter().find(|(code, _)| json && *code == self.code) {
            Some((_, code)) => Self { code: Cow::Borrowed(code), ..self },
            None => self,
        }
    }

    /// `InternalFailure`, 500: our bug, or our data broken. The client learns nothing; the log is told `cause`.
    pub fn internal(cause: impl Into<Cow<'static, str>>) -> Self {
        Self { cause: Some(cause.into()), ..CommonError::InternalFailure.with(UNKNOWN) }
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        CommonError::MalformedInput.with(message)
    }

    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        CommonError::SerializationException.with(message)
    }
}

/// The members of an error from the structure of its shape.
///
/// # Errors
/// [`Mismatch`] when the structure does not fit its schema, which is our bug.
pub fn members(shape: &dyn Structure) -> Result<Members, Mismatch> {
    serde_json::from_slice(&json::to_json(shape)?).map_err(|_| Mismatch)
}

/// Codes of the query protocol and what the JSON protocols call them. Source: "Common errors" in the API references of
/// services of either kind.
const JSON_CODES: &[(&str, &str)] = &[
    ("AccessDenied", "AccessDeniedException"),
    ("ConcurrentModification", "ConcurrentModificationException"),
    ("ExpiredToken", "ExpiredTokenException"),
    ("IncompleteSignature", "IncompleteSignatureException"),
    ("InvalidClientTokenId", "UnrecognizedClientException"),
    ("LimitExceeded", "LimitExceededException"),
    ("MalformedInput", "SerializationException"),
    ("MissingAuthenticationToken", "MissingAuthenticationTokenException"),
    ("RequestEntityTooLarge", "RequestEntityTooLargeException"),
    ("RequestTimeout", "RequestTimeoutException"),
    ("SignatureDoesNotMatch", "InvalidSignatureException"),
    ("Throttling", "ThrottlingException"),
    ("ValidationError", "ValidationException"),
];

impl From<Mismatch> for Error {
    fn from(mismatch: Mismatch) -> Self {
        Self::internal(mismatch.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.status, self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_protocols_have_their_own_codes_once() {
        let code =
            |code: CommonError, protocol| code.with("").in_protocol(protocol).in_protocol(protocol).code;
        for protocol in [Protocol::Json, Protocol::RestJson] {
            assert_eq!(code(CommonError::ValidationError, protocol), "ValidationException");
            assert_eq!(code(CommonError::AccessDenied, protocol), "AccessDeniedException");
            assert_eq!(code(CommonError::NotImplemented, protocol), "NotImplemented");
        }
        for protocol in [Protocol::Query, Protocol::RestXml] {
            assert_eq!(code(CommonError::ValidationError, protocol), "ValidationError");
        }
    }
}
