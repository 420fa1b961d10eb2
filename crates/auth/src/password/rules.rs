//! Which passwords are taken, and for how long.
//!
//! Root users: 8–128 characters with at least one digit, upper-case letter, lower-case letter and symbol, not the
//! account's name or e-mail address, and not one that guessing finds quickly. No account's policy applies to them.
//! DIFFERENCE: AWS asks of root users for three of the four kinds of characters and judges no strength.
//!
//! IAM users of an account without a policy: 8–128 characters of three of the four kinds, not the account's name or
//! e-mail address, and no common one.
//! DIFFERENCE: AWS takes common passwords of users too. An account that wants them sets a policy.
//!
//! IAM users of an account with a policy: what it says and 128 characters at most, nothing else, as at AWS.
//!
//! Letters and digits are the ASCII ones; other characters are taken and count as no kind.
//! Source: IAM User Guide, "Set an account password policy for IAM users"; AWS Account Management Reference Guide,
//! "Change the password for the root user".

use std::borrow::Cow;

use rootward_state::entities::PasswordPolicy;

use super::Password;
use super::strength::{self, Strength};

/// Why a password is not taken: everything that is wrong with it, never the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the password {}", self.0.join(", "))]
pub struct Unacceptable(Vec<Cow<'static, str>>);

impl Unacceptable {
    /// What is wrong, each as it goes on after the words `the password`.
    pub fn reasons(&self) -> &[Cow<'static, str>] {
        &self.0
    }
}

/// Checks the rule for root users.
///
/// # Errors
/// [`Unacceptable`] with every part of the rule that is not met.
pub fn check_root(password: &Password, account_name: &str, email: &str) -> Result<(), Unacceptable> {
    let text = password.expose();
    let kinds = Kinds::of(text, ROOT_SYMBOLS);
    let strength = strength::of(text, &[account_name, email]);
    verdict([
        at_least(text, LENGTH_DEFAULT_MIN),
        at_most(text),
        (kinds.digit, DIGIT.into()),
        (kinds.upper, UPPER.into()),
        (kinds.lower, LOWER.into()),
        (kinds.symbol, symbol(ROOT_SYMBOLS)),
        (!text.eq_ignore_ascii_case(account_name), ACCOUNT_NAME.into()),
        (!text.eq_ignore_ascii_case(email), EMAIL.into()),
        (strength == Strength::Strong, "is too easy to guess: use a longer or less common one".into()),
    ])
}

/// Checks the rule for IAM users: the account's policy, or the rule for accounts that have none. The names and the
/// e-mail address matter without a policy only. Whether the password is reused is for
/// [`Permit::is_reused`](super::Permit::is_reused).
///
/// # Errors
/// [`Unacceptable`] with every part of the rule that is not met.
pub fn check_user(
    password: &Password,
    policy: Option<&PasswordPolicy>,
    user_name: &str,
    account_name: &str,
    email: &str,
) -> Result<(), Unacceptable> {
    let text = password.expose();
    let kinds = Kinds::of(text, USER_SYMBOLS);
    match policy {
        Some(policy) => verdict([
            at_least(text, policy.minimum_length.into()),
            at_most(text),
            (kinds.symbol || !policy.require_symbols, symbol(USER_SYMBOLS)),
            (kinds.digit || !policy.require_numbers, DIGIT.into()),
            (kinds.upper || !policy.require_uppercase, UPPER.into()),
            (kinds.lower || !policy.require_lowercase, LOWER.into()),
        ]),
        None => verdict([
            at_least(text, LENGTH_DEFAULT_MIN),
            at_most(text),
            (kinds.count() >= 3, three_kinds()),
            (!text.eq_ignore_ascii_case(account_name), ACCOUNT_NAME.into()),
            (!text.eq_ignore_ascii_case(email), EMAIL.into()),
            (
                strength::of(text, &[user_name, account_name, email]) != Strength::Common,
                "is a common one: use one that nobody else would think of".into(),
            ),
        ]),
    }
}

/// A part of a rule: whether it is met, and what to say if it is not.
type Part = (bool, Cow<'static, str>);

fn verdict<const N: usize>(parts: [Part; N]) -> Result<(), Unacceptable> {
    let broken: Vec<_> = parts.into_iter().filter(|(met, _)| !met).map(|(_, part)| part).collect();
    if broken.is_empty() { Ok(()) } else { Err(Unacceptable(broken)) }
}

fn at_least(text: &str, length_min: usize) -> Part {
    (text.chars().count() >= length_min, format!("must have at least {length_min} characters").into())
}

fn at_most(text: &str) -> Part {
    (text.chars().count() <= LENGTH_MAX, format!("must have at most {LENGTH_MAX} characters").into())
}

fn symbol(symbols: &str) -> Cow<'static, str> {
    format!("must contain one of the symbols {}", spaced(symbols)).into()
}

fn three_kinds() -> Cow<'static, str> {
    format!(
        "must contain three of the four kinds of characters: \
         upper-case letters, lower-case letters, digits and the symbols {}",
        spaced(USER_SYMBOLS)
    )
    .into()
}

fn spaced(symbols: &str) -> String {
    symbols.split("").filter(|symbol| !symbol.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The kinds of characters a text has.
struct Kinds {
    digit: bool,
    lower: bool,
    symbol: bool,
    upper: bool,
}

impl Kinds {
    fn of(text: &str, symbols: &str) -> Self {
        Self {
            digit: text.contains(|c: char| c.is_ascii_digit()),
            lower: text.contains(|c: char| c.is_ascii_lowercase()),
            symbol: text.contains(|c: char| symbols.contains(c)),
            upper: text.contains(|c: char| c.is_ascii_uppercase()),
        }
    }

    fn count(&self) -> usize {
        [self.digit, self.lower, self.symbol, self.upper].into_iter().filter(|has| *has).count()
    }
}

const DIGIT: &str = "must contain a digit";
const UPPER: &str = "must contain an upper-case letter";
const LOWER: &str = "must contain a lower-case letter";
const ACCOUNT_NAME: &str = "must not be the account's name";
const EMAIL: &str = "must not be the e-mail address";

/// The most characters any password may have.
pub const LENGTH_MAX: usize = 128;

/// The fewest that a password may have where no policy says otherwise.
const LENGTH_DEFAULT_MIN: usize = 8;

const ROOT_SYMBOLS: &str = "!@#$%^&*()<>[]{}_+-=|";
const USER_SYMBOLS: &str = "!@#$%^&*()_+-=[]{}|'";

#[cfg(test)]
mod tests {
    use rootward_names::Time;

    use super::*;

    fn root(text: &str) -> String {
        said(check_root(&Password::new(text), "Example Corp", "root@example.com"))
    }

    fn user(text: &str, policy: Option<&PasswordPolicy>) -> String {
        said(check_user(&Password::new(text), policy, "ann", "Example Corp", "root@example.com"))
    }

    fn said(checked: Result<(), Unacceptable>) -> String {
        checked.err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn every_broken_rule_is_named_and_the_password_is_not() {
        let message = root("aaaa");
        for part in ["at least 8", "digit", "upper-case", "symbols ! @ #", "easy to guess"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("aaaa"));
    }

    #[test]
    fn common_password_with_every_kind_of_character_is_refused_to_root() {
        assert!(root("Password1!").contains("easy to guess"));
        assert!(root("root@Example.com").contains("must not be the e-mail"));
        assert_eq!(root("zebra-Violet+40-crumbs"), "");
    }

    #[test]
    fn user_without_a_policy_needs_three_of_four_kinds() {
        for text in ["vuxlopim7Q", "vuxlopim7=", "VUXLOPIM7=", "vuxLOPim=", "vuxLOPim7="] {
            assert_eq!(user(text, None), "", "{text}");
        }
        for text in ["vuxlopimqa", "vuxlopimQA", "vuxlopim74", "VUXLOPIM74", "vuxlopimé7", "vuxlopim7<>"] {
            assert!(user(text, None).contains("three of the four kinds"), "{text}");
        }
    }

    #[test]
    fn user_without_a_policy_is_refused_what_is_common_or_the_account() {
        for text in ["Password1", "P@ssw0rd", "Admin@123", "Qwerty123!"] {
            assert_eq!(
                user(text, None),
                "the password is a common one: use one that nobody else would think of"
            );
        }
        assert!(user("EXAMPLE CORP", None).contains("must not be the account's name"));
        assert!(user("root@Example.com", None).contains("must not be the e-mail address"));
        assert!(user("Ax7=", None).contains("at least 8"));
        assert_eq!(user(&"vuxLOPim7=".repeat(12), None), "");
        assert!(user(&"vuxLOPim7=".repeat(13), None).contains("at most 128"));
    }

    #[test]
    fn user_under_a_policy_needs_what_it_says_and_nothing_else() {
        let plain = PasswordPolicy::default();
        for text in ["aaaaaa", "password", "root@example.com"] {
            assert_eq!(user(text, Some(&plain)), "", "{text}");
        }
        assert_eq!(user("aaaaa", Some(&plain)), "the password must have at least 6 characters");
        assert_eq!(user(&"a".repeat(129), Some(&plain)), "the password must have at most 128 characters");
        let long = PasswordPolicy { minimum_length: 20, ..PasswordPolicy::default() };
        assert!(user(&"é".repeat(19), Some(&long)).contains("at least 20"));
        assert_eq!(user(&"é".repeat(20), Some(&long)), "");
    }

    #[test]
    fn each_kind_that_a_policy_asks_for_must_be_there() {
        type Ask = fn(&mut PasswordPolicy);
        let kinds: [(Ask, &str, &str); 4] = [
            (
                |p| p.require_symbols = true,
                "'aaaaaa",
                "one of the symbols ! @ # $ % ^ & * ( ) _ + - = [ ] { } | '",
            ),
            (|p| p.require_numbers = true, "7aaaaaa", "a digit"),
            (|p| p.require_uppercase = true, "Zaaaaaa", "an upper-case letter"),
            (|p| p.require_lowercase = true, "zÄÄÄÄÄÄ", "a lower-case letter"),
        ];
        for (ask, good, said) in kinds {
            let mut policy = PasswordPolicy::default();
            ask(&mut policy);
            assert_eq!(user(good, Some(&policy)), "");
            assert_eq!(user("éééééé<>", Some(&policy)), format!("the password must contain {said}"));
        }
    }

    #[test]
    fn password_expires_so_many_days_after_it_was_set_or_never() {
        let set = Time::parse("2024-02-28T10:00:00Z").unwrap();
        let expires =
            |max_age_days| PasswordPolicy { max_age_days, ..PasswordPolicy::default() }.expires(set);
        assert_eq!(expires(None), None);
        assert_eq!(expires(Some(1)), Some(Time::parse("2024-02-29T10:00:00Z").unwrap()));
        assert_eq!(expires(Some(1_095)), Some(Time::parse("2027-02-27T10:00:00Z").unwrap()));
    }
}
