//! The comparison itself, and the proof that it succeeded.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    canonical,
    claim::{Claim, Dialect, Form, nonconforming, single},
    key::SigningKey,
    refusal::{Mismatch, Refusal},
};

/// A claim whose scope fits the service called.
#[derive(Debug, Clone)]
pub struct Scoped<'a>(Claim<'a>);

/// Proof: the holder of the key signed this request and this body.
#[derive(Debug, Clone)]
pub struct Verified<'a>(Claim<'a>);

impl<'a> Scoped<'a> {
    // INVARIANT: only `Claim::for_service` calls this, after the scope was found to fit.
    pub(crate) fn new(claim: Claim<'a>) -> Self {
        Self(claim)
    }

    /// What is claimed.
    pub fn claim(&self) -> &Claim<'a> {
        &self.0
    }

    /// Recomputes the signature with `key`, which must be derived for this claim's scope, over the request
    /// and all of `body`.
    ///
    /// # Errors [`Refusal::Mismatch`] when the signature differs; [`Refusal::PayloadMismatch`] and
    /// [`Refusal::Incomplete`] when S3's statement about the body does not hold or cannot be read.
    pub fn verify(self, body: &[u8], key: &SigningKey) -> Result<Verified<'a>, Refusal> {
        let claim = self.0;
        let payload = Payload::of(&claim, body)?;
        let request = canonical::request(
            &claim.parts,
            claim.dialect(),
            claim.form() == Form::Presigned,
            &claim.signed_headers,
            payload.signed_as(),
        );
        let text = string_to_sign(&claim, &request);
        let expected = hex(&key.sign(&text));
        let signed = bool::from(expected.as_slice().ct_eq(claim.signature.as_bytes()));
        match payload.statement() {
            Ok(()) if signed => Ok(Verified(claim)),
            Err(refusal) if signed && payload.dialect == Dialect::S3 => Err(refusal),
            _ => Err(Refusal::Mismatch(Box::new(Mismatch::new(&request, &text)))),
        }
    }
}

impl<'a> Verified<'a> {
    /// What was claimed, now true.
    pub fn claim(&self) -> &Claim<'a> {
        &self.0
    }
}

/// The body as the signature covers it, beside what the request states about it.
struct Payload<'a> {
    computed: [u8; 64],
    stated: Option<&'a [u8]>,
    dialect: Dialect,
}

impl<'a> Payload<'a> {
    fn of(claim: &Claim<'a>, body: &[u8]) -> Result<Self, Refusal> {
        let stated = single(claim.parts.headers, "x-amz-content-sha256", "X-Amz-Content-Sha256")?;
        let stated = match (claim.dialect(), claim.form(), stated) {
            (Dialect::Common, ..) => stated,
            (Dialect::S3, Form::Presigned, None) => Some(UNSIGNED),
            (Dialect::S3, Form::Header, None) => {
                return Err(nonconforming("'X-Amz-Content-Sha256' is missing."));
            }
            (Dialect::S3, _, Some(text)) if text == UNSIGNED || is_hash(text) => stated,
            (Dialect::S3, _, Some(_)) => {
                return Err(Refusal::Incomplete(
                    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, or a valid sha256 value.".to_owned(),
                ));
            }
        };
        Ok(Self { computed: hex(&Sha256::digest(body).into()), stated, dialect: claim.dialect() })
    }

    /// What stands for the body in the canonical request: outside S3 always its own hash, whatever is stated.
    fn signed_as(&self) -> &[u8] {
        match (self.dialect, self.stated) {
            (Dialect::S3, Some(stated)) => stated,
            _ => &self.computed,
        }
    }

    /// Whether the statement about the body holds.
    fn statement(&self) -> Result<(), Refusal> {
        match (self.dialect, self.stated) {
            (_, None) => Ok(()),
            (Dialect::S3, Some(stated)) if stated == UNSIGNED => Ok(()),
            (_, Some(stated)) if stated == self.computed => Ok(()),
            (_, Some(_)) => Err(Refusal::PayloadMismatch),
        }
    }
}

fn is_hash(text: &[u8]) -> bool {
    text.len() == 64 && text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn string_to_sign(claim: &Claim<'_>, request: &[u8]) -> Vec<u8> {
    let scope = claim.scope();
    let mut out = Vec::with_capacity(192);
    out.extend_from_slice(b"AWS4-HMAC-SHA256\n");
    out.extend_from_slice(claim.stamp.text());
    for (separator, part) in
        [(b'\n', scope.date()), (b'/', scope.region()), (b'/', scope.service()), (b'/', "aws4_request")]
    {
        out.push(separator);
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'\n');
    out.extend_from_slice(&hex(&Sha256::digest(request).into()));
    out
}

fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let mut out = [0; 64];
    for ([high, low], byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        (*high, *low) = (digit(byte >> 4), digit(byte & 15));
    }
    out
}

const UNSIGNED: &[u8] = b"UNSIGNED-PAYLOAD";
