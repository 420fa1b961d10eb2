//! The secret half of an access key, and the key derived from it for one day, region and service.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::claim::Scope;

/// Secret access key, as the user typed it into a client.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey(String);

impl SecretKey {
    /// Takes the secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for sealing or for showing it once at creation.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// Key that signs every request of one access key, day, region and service.
///
/// Worth keeping: deriving it costs more than verifying with it. Whoever caches it must drop it with the
/// access key. Held as the keyed state of the MAC, which saves two of the four hash blocks of each signature.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// Derives the key of `scope`, whose terminator is `aws4_request` by then ([`Claim::for_service`] saw to
    /// it).
    ///
    /// [`Claim::for_service`]: crate::Claim::for_service
    pub fn derive(secret: &SecretKey, scope: &Scope<'_>) -> Self {
        let mut seed = Zeroizing::new(Vec::with_capacity(4 + secret.0.len()));
        seed.extend_from_slice(b"AWS4");
        seed.extend_from_slice(secret.0.as_bytes());
        let date = keyed(&seed).sign(scope.date().as_bytes());
        let region = keyed(&*date).sign(scope.region().as_bytes());
        let service = keyed(&*region).sign(scope.service().as_bytes());
        keyed(&*keyed(&*service).sign(b"aws4_request"))
    }

    /// MAC of `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.clone().chain_update(message).finalize().into_bytes().into())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

fn keyed(key: &[u8]) -> SigningKey {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    SigningKey(Hmac::new_from_slice(key).expect("any length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let secret = SecretKey::new("wJalrXUtnFEMI");
        assert_eq!(format!("{secret:?}"), "SecretKey(…)");
        let key = SigningKey::derive(&secret, &Scope::new("20150830", "us-east-1", "iam"));
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
    }
}
