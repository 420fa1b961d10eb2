//! Passwords: which ones a root user may have, and how they are kept.
//!
//! Rule for root users: 8–128 characters with at least one digit, upper-case letter, lower-case letter and symbol, not
//! the account's name or e-mail address, and not one that guessing finds quickly (zxcvbn score ≥ 3 of 4).
//! DIFFERENCE: AWS asks for three of the four kinds of characters and judges no strength.
//!
//! Kept as an Argon2id hash with 19 MiB of memory, two passes and one lane (OWASP Password Storage Cheat Sheet).

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Algorithm, Argon2, Params, Version};
use rootward_names::Random;
use rootward_state::entities::PasswordHash;
use zeroize::{Zeroize, ZeroizeOnDrop};
use zxcvbn::Score;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const LENGTH_MIN: usize = 8;
const LENGTH_MAX: usize = 128;
const SYMBOLS: &str = "!@#$%^&*()<>[]{}_+-=|";

/// A password in the clear, for as long as it takes to hash it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Password(String);

impl Password {
    /// Takes a password as typed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Why a password is not taken: everything that is wrong with it, never the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the password {}", self.0.join(", "))]
pub struct Unacceptable(Vec<&'static str>);

/// Checks the rule for root users.
///
/// # Errors
/// [`Unacceptable`] with every part of the rule that is not met.
pub fn check_root(password: &Password, account_name: &str, email: &str) -> Result<(), Unacceptable> {
    let text = password.expose();
    let has = |kind: fn(char) -> bool| text.chars().any(kind);
    let rules = [
        (text.chars().count() >= LENGTH_MIN, "must have at least 8 characters"),
        (text.chars().count() <= LENGTH_MAX, "must have at most 128 characters"),
        (has(|c| c.is_ascii_digit()), "must contain a digit"),
        (has(|c| c.is_ascii_uppercase()), "must contain an upper-case letter"),
        (has(|c| c.is_ascii_lowercase()), "must contain a lower-case letter"),
        (
            has(|c| SYMBOLS.contains(c)),
            "must contain one of the symbols ! @ # $ % ^ & * ( ) < > [ ] { } _ + - = |",
        ),
        (!text.eq_ignore_ascii_case(account_name), "must not be the account's name"),
        (!text.eq_ignore_ascii_case(email), "must not be the e-mail address"),
        (
            is_hard_to_guess(text, account_name, email),
            "is too easy to guess: use a longer or less common one",
        ),
    ];
    let broken: Vec<_> = rules.into_iter().filter(|(met, _)| !met).map(|(_, rule)| rule).collect();
    if broken.is_empty() { Ok(()) } else { Err(Unacceptable(broken)) }
}

fn is_hard_to_guess(text: &str, account_name: &str, email: &str) -> bool {
    // zxcvbn takes time with the square of the length; past 128 characters another rule refuses already.
    text.len() > 4 * LENGTH_MAX
        || zxcvbn::zxcvbn(text, &[account_name, email, "rootward", "aws"]).score() >= Score::Three
}

/// Hashes a password with a fresh salt. Takes some 20 ms and 19 MiB: never on an executor's thread.
///
/// # Errors
/// When the hash cannot be computed, which no password within the rule's length causes.
pub fn hash(
    password: &Password,
    random: &mut dyn Random,
) -> Result<PasswordHash, argon2::password_hash::Error> {
    let mut salt = [0; 16];
    random.fill(&mut salt);
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|_| argon2::password_hash::Error::ParamsInvalid)?;
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: Phc = hasher.hash_password_with_salt(password.expose().as_bytes(), &salt)?;
    Ok(PasswordHash::new(hash.to_string()))
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier;

    use super::*;

    struct Fixed;
    impl Random for Fixed {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn refusals(text: &str) -> String {
        check_root(&Password::new(text), "Example Corp", "root@example.com")
            .err()
            .map_or_else(String::new, |e| e.to_string())
    }

    #[test]
    fn every_broken_rule_is_named_and_the_password_is_not() {
        let message = refusals("aaaa");
        for part in ["at least 8", "digit", "upper-case", "symbols", "easy to guess"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("aaaa"));
    }

    #[test]
    fn common_password_with_every_kind_of_character_is_refused() {
        assert!(refusals("Password1!").contains("easy to guess"));
        assert!(refusals("root@Example.com").contains("must not be the e-mail"));
    }

    #[test]
    fn good_password_is_taken_and_verifies() {
        let password = Password::new("zebra-Violet+40-crumbs");
        assert_eq!(check_root(&password, "Example Corp", "root@example.com"), Ok(()));
        let hash = hash(&password, &mut Fixed).unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let phc = Phc::new(hash.expose()).unwrap();
        assert!(Argon2::default().verify_password(b"zebra-Violet+40-crumbs", &phc).is_ok());
        assert!(Argon2::default().verify_password(b"zebra-Violet+40-crumb", &phc).is_err());
    }
}
