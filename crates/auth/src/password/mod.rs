//! Passwords: which ones people may have, how they are kept, and how they are checked at sign-in.
//!
//! ```text
//! typed ─▶ Password ─▶ check_root, check_user ─▶ Permit::hash ─▶ PasswordHash ─▶ Permit::verify at sign-in
//! ```
//!
//! - [`check_root`] and [`check_user`] are the rules, [`PasswordPolicy`](rootward_state::entities::PasswordPolicy) is what an account may set of them.
//! - [`Hasher`] bounds how many hashes run at once, and lets in by turns that are fair to sources and names; a [`Permit`] of it hashes and verifies.
//! - [`generate`] makes a password that meets the rules.
//!
//! Left to callers: storing policy, hashes and times, and telling nobody whether it was the name or the password that
//! was wrong.

mod generated;
mod hashing;
mod rules;
mod strength;

use zeroize::{Zeroize, ZeroizeOnDrop};

pub use generated::generate;
pub use hashing::{Asker, Busy, Hasher, Permit, Place, Verified, Who, hash};
pub use rules::{LENGTH_MAX, Unacceptable, check_root, check_user};

/// A password in the clear, for as long as it takes to hash it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Password(String);

impl Password {
    /// Takes a password as typed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to show a generated one to its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}
