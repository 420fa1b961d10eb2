//! Errors as clients see them: code, status, fault and public message.
//!
//! [`CommonError`] holds the codes that belong to no service. Texts follow recorded answers where there are any; the
//! statuses are those of the common-errors page of the IAM API reference, and the line says so where AWS publishes none.

use std::borrow::Cow;
use std::fmt;

use crate::{ErrorSchema, Fault};

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
    /// What went wrong where it was our fault: for the log, never for the client.
    pub cause: Option<Cow<'static, str>>,
}

/// All that a client learns of a fault of ours.
const UNKNOWN: &str = "The request processing has failed because of an unknown error, exception or failure.";

impl Error {
    /// An error that a service or [`CommonError`] declares.
    pub fn new(schema: &'static ErrorSchema, message: impl Into<String>) -> Self {
        let ErrorSchema { code, status, fault } = *schema;
        Self { code: Cow::Borrowed(code), status, fault, message: message.into(), cause: None }
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

impl From<crate::Mismatch> for Error {
    fn from(mismatch: crate::Mismatch) -> Self {
        Self::internal(mismatch.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.status, self.message)
    }
}

impl std::error::Error for Error {}
