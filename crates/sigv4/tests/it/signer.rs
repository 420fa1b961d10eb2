//! Requests signed by `aws-sigv4`, AWS's own signer for Rust. Shared with `fuzz/`.

use std::{
    fmt::Write,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use rootward_names::Time;
use rootward_sigv4::{Claim, Parts, Refusal, SecretKey, SigningKey};

/// A request as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// How to sign it.
#[derive(Debug, Clone)]
pub(crate) struct Signing {
    pub(crate) presigned: bool,
    pub(crate) checksum_header: bool,
    pub(crate) secret: String,
    pub(crate) session_token: Option<String>,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) seconds: u32,
}

impl Request {
    /// The same request with a signature; `None` when the signer refuses it.
    pub(crate) fn signed(mut self, signing: &Signing) -> Option<Self> {
        let identity =
            Credentials::new("AKIDEXAMPLE", &signing.secret, signing.session_token.clone(), None, "test")
                .into();
        let mut settings = SigningSettings::default();
        if signing.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(900));
        }
        if signing.checksum_header {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if signing.service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&signing.region)
            .name(&signing.service)
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(signing.seconds.into()))
            .settings(settings)
            .build()
            .ok()?
            .into();
        let separator = if self.query.is_empty() { "" } else { "?" };
        let uri = format!("https://example.com{}{separator}{}", self.path, self.query);
        let body = match (signing.service.as_str(), signing.presigned) {
            ("s3", true) => SignableBody::UnsignedPayload,
            _ => SignableBody::Bytes(&self.body),
        };
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new(&self.method, uri, headers, body).ok()?;
        let (headers, parameters) = sign(signable, &params).ok()?.into_parts().0.into_parts();
        self.headers.push(("host".to_owned(), "example.com".to_owned()));
        self.headers.extend(headers.iter().map(|h| (h.name().to_owned(), h.value().to_owned())));
        for (name, value) in parameters {
            let separator = if self.query.is_empty() { "" } else { "&" };
            write!(self.query, "{separator}{name}={}", escaped(value.as_bytes())).ok()?;
        }
        Some(self)
    }

    /// Verifies the request at the time it was signed, for the service it was signed for.
    pub(crate) fn verify(&self, signing: &Signing) -> Result<(), Failure> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().map_err(|_| Failure::Unsendable)?;
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| Failure::Unsendable)?);
        }
        let parts = Parts {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            authority: None,
            headers: &headers,
        };
        let claim =
            Claim::read(&parts, Time::from_seconds(signing.seconds.into()))?.ok_or(Failure::Anonymous)?;
        if claim.session_token() != signing.session_token.as_deref() {
            return Err(Failure::OtherToken);
        }
        let scoped = claim.for_service(&signing.service, |region| region == signing.region)?;
        let key = SigningKey::derive(&SecretKey::new(signing.secret.as_str()), scoped.claim().scope());
        scoped.verify(&self.body, &key)?;
        Ok(())
    }
}

/// Why a request did not verify.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Anonymous,
    OtherToken,
    Refused(Refusal),
    Unsendable,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, &byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
