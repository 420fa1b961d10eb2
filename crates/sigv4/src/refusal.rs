//! Why a request was refused, with the code and the words in which AWS answers.

use std::fmt;

use rootward_names::Time;

/// Error code of a refusal, as the query protocols name it.
///
/// The JSON protocols append `Exception` and call `SignatureDoesNotMatch` `InvalidSignatureException`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// S3, status 403: a presigned URL past its life.
    AccessDenied,
    /// Status 400: the claim is malformed.
    IncompleteSignature,
    /// S3, status 403: the clocks differ by more than 15 minutes.
    RequestTimeTooSkewed,
    /// Status 403: the claim is well formed and does not hold.
    SignatureDoesNotMatch,
    /// S3, status 400: the body is not the one whose hash was sent.
    XAmzContentSHA256Mismatch,
}

impl Code {
    /// The code as it is written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::IncompleteSignature => "IncompleteSignature",
            Self::RequestTimeTooSkewed => "RequestTimeTooSkewed",
            Self::SignatureDoesNotMatch => "SignatureDoesNotMatch",
            Self::XAmzContentSHA256Mismatch => "XAmzContentSHA256Mismatch",
        }
    }
}

/// A refused request. `Display` is the message for the client; [`Refusal::summary`] is the one for logs and
/// records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// `Authorization` and `X-Amz-Algorithm` in one request: two claims.
    BothForms,
    /// Signed too long ago, or with a clock that is slow.
    Expired {
        /// When the request says it was signed.
        signed: Time,
        /// The clock here.
        now: Time,
    },
    /// A claim that cannot be read; the message names what is missing or malformed.
    Incomplete(String),
    /// The signature is another one than the key makes.
    Mismatch(Box<Mismatch>),
    /// Signed with a clock that is fast.
    NotYetCurrent {
        /// When the request says it was signed.
        signed: Time,
        /// The clock here.
        now: Time,
    },
    /// The body does not have the hash stated in `X-Amz-Content-Sha256`.
    PayloadMismatch,
    /// S3: a presigned URL past the life that its signer gave it.
    PresignedExpired,
    /// The credential scope names another service, region, day or terminator; every fault is in the message.
    Scope(String),
    /// S3: clocks too far apart.
    TimeTooSkewed,
    /// A header that must be signed is not; its name as the message shows it.
    UnsignedHeader(String),
}

impl Refusal {
    /// AWS's code for this refusal.
    pub const fn code(&self) -> Code {
        match self {
            Self::PresignedExpired => Code::AccessDenied,
            Self::Incomplete(_) => Code::IncompleteSignature,
            Self::TimeTooSkewed => Code::RequestTimeTooSkewed,
            Self::BothForms
            | Self::Expired { .. }
            | Self::Mismatch(_)
            | Self::NotYetCurrent { .. }
            | Self::Scope(_)
            | Self::UnsignedHeader(_) => Code::SignatureDoesNotMatch,
            Self::PayloadMismatch => Code::XAmzContentSHA256Mismatch,
        }
    }

    /// The message without the canonical request, which may hold a session token.
    pub fn summary(&self) -> String {
        match self {
            Self::Mismatch(_) => MISMATCH.to_owned(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BothForms => f.write_str(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
            ),
            Self::Expired { signed, now } => write!(
                f,
                "Signature expired: {} is now earlier than {} ({} - 15 min.)",
                signed.basic(),
                now.plus_seconds(-WINDOW_SECONDS).basic(),
                now.basic()
            ),
            Self::Incomplete(message) | Self::Scope(message) => f.write_str(message),
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::NotYetCurrent { signed, now } => write!(
                f,
                "Signature not yet current: {} is still later than {} ({} + 15 min.)",
                signed.basic(),
                now.plus_seconds(WINDOW_SECONDS).basic(),
                now.basic()
            ),
            Self::PayloadMismatch => {
                f.write_str("The provided 'x-amz-content-sha256' header does not match what was computed.")
            }
            Self::PresignedExpired => f.write_str("Request has expired"),
            Self::TimeTooSkewed => {
                f.write_str("The difference between the request time and the current time is too large.")
            }
            Self::UnsignedHeader(name) => {
                write!(f, "{name} must be a 'SignedHeader' in the AWS Authorization.")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// What was signed as seen from here, for the signer to compare. Its `Debug` shows neither text: they hold
/// session tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Mismatch {
    canonical_request: String,
    string_to_sign: String,
}

impl Mismatch {
    pub(crate) fn new(canonical_request: &[u8], string_to_sign: &[u8]) -> Self {
        Self {
            canonical_request: String::from_utf8_lossy(canonical_request).into_owned(),
            string_to_sign: String::from_utf8_lossy(string_to_sign).into_owned(),
        }
    }

    /// The canonical request; bytes that are not UTF-8 show as U+FFFD.
    pub fn canonical_request(&self) -> &str {
        &self.canonical_request
    }

    /// The string whose MAC is the signature.
    pub fn string_to_sign(&self) -> &str {
        &self.string_to_sign
    }
}

impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mismatch(…)")
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{MISMATCH}\n\nThe Canonical String for this request should have been\n'{}'\n\n\
             The String-to-Sign should have been\n'{}'\n",
            self.canonical_request, self.string_to_sign
        )
    }
}

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS \
     Secret Access Key and signing method. Consult the service documentation for details.";

/// How far the clock of the signer may be off, either way; also how long a signature lives outside S3.
pub(crate) const WINDOW_SECONDS: i64 = 15 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_refusals_state_both_clocks() {
        let (signed, now) =
            (Time::parse("2026-11-24T00:00:00Z").unwrap(), Time::parse("2026-11-24T00:25:00Z").unwrap());
        assert_eq!(
            Refusal::Expired { signed, now }.to_string(),
            "Signature expired: 20261124T000000Z is now earlier than 20261124T001000Z (20261124T002500Z - 15 min.)"
        );
        assert_eq!(
            Refusal::NotYetCurrent { signed: now, now: signed }.to_string(),
            "Signature not yet current: 20261124T002500Z is still later than 20261124T001500Z (20261124T000000Z + 15 min.)"
        );
    }

    #[test]
    fn mismatch_shows_the_client_what_was_signed_and_the_log_nothing() {
        let refusal = Refusal::Mismatch(Box::new(Mismatch::new(b"GET\n/\n", b"AWS4-HMAC-SHA256\n")));
        assert_eq!(
            refusal.to_string(),
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for \
             this request should have been\n'GET\n/\n'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n'\n"
        );
        assert!(refusal.summary().ends_with("documentation for details."));
        assert_eq!(format!("{refusal:?}"), "Mismatch(Mismatch(…))");
    }
}
