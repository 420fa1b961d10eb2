//! Texts and bytes that the models mark sensitive: passwords, secret keys, private keys, tokens.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A sensitive text: hidden in `Debug`, compared in constant time (the length may show), wiped on drop.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct Sensitive(String);

/// Sensitive bytes, kept as [`Sensitive`] keeps a text.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct SensitiveBlob(Vec<u8>);

impl Sensitive {
    /// Takes ownership of `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl SensitiveBlob {
    /// Takes ownership of `bytes`.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<String> for Sensitive {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl PartialEq for Sensitive {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl PartialEq for SensitiveBlob {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Sensitive {}
impl Eq for SensitiveBlob {}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sensitive(..)")
    }
}

impl fmt::Debug for SensitiveBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SensitiveBlob(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_content() {
        assert_eq!(format!("{:?}", Sensitive::new("hunter2")), "Sensitive(..)");
        assert_eq!(format!("{:?}", SensitiveBlob::new(*b"hunter2")), "SensitiveBlob(..)");
    }

    #[test]
    fn equality_looks_at_the_content() {
        assert_eq!(Sensitive::new("a"), Sensitive::new("a"));
        assert_ne!(Sensitive::new("a"), Sensitive::new("ab"));
    }
}
