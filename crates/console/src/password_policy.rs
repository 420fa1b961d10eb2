//! The account's rule for passwords of its users: it is replaced as a whole, or deleted.

use askama::Template;
use axum::response::{Redirect, Response};
use rootward_api::iam;
use rootward_wire::{Empty, Error};
use serde::Deserialize;

use crate::layout::{Frame, VERSION, html_with, part, status};
use crate::list::Done;
use crate::visit::{Posted, Query, SignedIn};

#[derive(Template)]
#[template(path = "password_policy.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    stands: Stands,
    rule: Rule,
}

/// Which rule counts.
#[derive(Clone, PartialEq, Eq)]
enum Stands {
    /// That of accounts without one.
    Default,
    /// The account's own.
    Own,
    /// Whoever asks may not know, for this reason.
    Unknown(String),
}

/// The rule as the form has it: a box that is not ticked is not sent.
#[derive(Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Rule {
    length: String,
    uppercase: Option<String>,
    lowercase: Option<String>,
    numbers: Option<String>,
    symbols: Option<String>,
    allow_change: Option<String>,
    /// Days; empty if passwords do not expire.
    age: String,
    hard_expiry: Option<String>,
    /// How many; empty if old passwords may be used again.
    reuse: String,
}

fn frame(signed_in: &SignedIn) -> Frame {
    Frame::new(signed_in, "Password policy", "password-policy")
}

pub(crate) async fn page(signed_in: SignedIn, Query(done): Query<Done>) -> Response {
    let done = match done.done.as_deref() {
        Some("changed") => Some("The password policy is changed. New passwords must follow it."),
        Some("deleted") => Some("The password policy is deleted. The default counts again."),
        _ => None,
    };
    let frame = Frame { done, ..frame(&signed_in) };
    let page = read(&signed_in, frame).await;
    signed_in.answer(html_with(page.frame.status, &page))
}

/// The rule that counts; what the form begins with, where there is none.
async fn read(signed_in: &SignedIn, frame: Frame) -> Page {
    let (frame, stands, rule) = match signed_in.call::<iam::GetAccountPasswordPolicy>(&Empty).await {
        Ok(found) => (frame, Stands::Own, Rule::of(&found.password_policy)),
        Err(error) if error.code == "NoSuchEntity" => (frame, Stands::Default, Rule::suggested()),
        Err(error) => {
            let frame = frame.unread(&error);
            (frame, Stands::Unknown(part::<()>(Err(error)).err().unwrap_or_default()), Rule::suggested())
        }
    };
    Page { version: VERSION, frame, stands, rule }
}

/// Replaces the rule.
pub(crate) async fn set(Posted(signed_in, rule): Posted<Rule>) -> Response {
    let input = match rule.request() {
        Ok(input) => input,
        Err(typed) => {
            let frame = frame(&signed_in).mistyped(format!("This is not a number: {typed}"));
            let page = Page { rule, ..read(&signed_in, frame).await };
            return signed_in.answer(html_with(page.frame.status, &page));
        }
    };
    match signed_in.call::<iam::UpdateAccountPasswordPolicy>(&input).await {
        Ok(_) => signed_in.answer(Redirect::to("/console/password-policy?done=changed")),
        Err(error) => refused(&signed_in, &error, rule).await,
    }
}

/// What is refused stays in the form.
async fn refused(signed_in: &SignedIn, error: &Error, rule: Rule) -> Response {
    let page = read(signed_in, frame(signed_in).refused(error)).await;
    signed_in.answer(html_with(status(error), &Page { rule, ..page }))
}

/// A form with its mark and nothing else.
#[derive(Deserialize)]
pub(crate) struct Delete {}

pub(crate) async fn delete(Posted(signed_in, Delete {}): Posted<Delete>) -> Response {
    match signed_in.call::<iam::DeleteAccountPasswordPolicy>(&Empty).await {
        Ok(_) => signed_in.answer(Redirect::to("/console/password-policy?done=deleted")),
        Err(error) => {
            let page = read(&signed_in, frame(&signed_in).refused(&error)).await;
            signed_in.answer(html_with(status(&error), &page))
        }
    }
}

impl Rule {
    fn of(policy: &iam::PasswordPolicy) -> Self {
        let ticked = |on: Option<bool>| (on == Some(true)).then(|| "yes".to_owned());
        let typed = |number: Option<i32>| number.map(|number| number.to_string()).unwrap_or_default();
        Self {
            length: typed(policy.minimum_password_length),
            uppercase: ticked(policy.require_uppercase_characters),
            lowercase: ticked(policy.require_lowercase_characters),
            numbers: ticked(policy.require_numbers),
            symbols: ticked(policy.require_symbols),
            allow_change: ticked(policy.allow_users_to_change_password),
            age: typed(policy.max_password_age),
            hard_expiry: ticked(policy.hard_expiry),
            reuse: typed(policy.password_reuse_prevention),
        }
    }

    /// Long passwords that people may choose by themselves: length is worth more than kinds of characters.
    fn suggested() -> Self {
        let yes = || Some("yes".to_owned());
        Self { length: "14".into(), allow_change: yes(), reuse: "24".into(), ..Self::default() }
    }

    /// # Errors
    /// What was typed where a number belongs.
    fn request(&self) -> Result<iam::UpdateAccountPasswordPolicyRequest, String> {
        Ok(iam::UpdateAccountPasswordPolicyRequest {
            minimum_password_length: number(&self.length)?,
            require_symbols: Some(self.symbols.is_some()),
            require_numbers: Some(self.numbers.is_some()),
            require_uppercase_characters: Some(self.uppercase.is_some()),
            require_lowercase_characters: Some(self.lowercase.is_some()),
            allow_users_to_change_password: Some(self.allow_change.is_some()),
            max_password_age: number(&self.age)?,
            password_reuse_prevention: number(&self.reuse)?,
            hard_expiry: Some(self.hard_expiry.is_some()),
        })
    }
}

/// An empty field says nothing.
fn number(typed: &str) -> Result<Option<i32>, String> {
    match typed.trim() {
        "" => Ok(None),
        typed => typed.parse().map(Some).map_err(|_| typed.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_that_is_saved_unchanged_stays_the_same() {
        let policy = iam::PasswordPolicy {
            minimum_password_length: Some(20),
            require_symbols: Some(true),
            require_numbers: Some(false),
            require_uppercase_characters: Some(true),
            require_lowercase_characters: Some(false),
            allow_users_to_change_password: Some(true),
            expire_passwords: Some(true),
            max_password_age: Some(90),
            password_reuse_prevention: None,
            hard_expiry: Some(false),
        };
        let request = Rule::of(&policy).request().unwrap();
        let again = iam::PasswordPolicy {
            minimum_password_length: request.minimum_password_length,
            require_symbols: request.require_symbols,
            require_numbers: request.require_numbers,
            require_uppercase_characters: request.require_uppercase_characters,
            require_lowercase_characters: request.require_lowercase_characters,
            allow_users_to_change_password: request.allow_users_to_change_password,
            expire_passwords: Some(request.max_password_age.is_some()),
            max_password_age: request.max_password_age,
            password_reuse_prevention: request.password_reuse_prevention,
            hard_expiry: request.hard_expiry,
        };
        assert_eq!(Rule::of(&again), Rule::of(&policy));
        assert_eq!((request.max_password_age, request.password_reuse_prevention), (Some(90), None));
    }

    #[test]
    fn field_that_is_no_number_is_named() {
        let rule = Rule { length: "8".into(), age: "soon".into(), ..Rule::default() };
        assert_eq!(rule.request().err().as_deref(), Some("soon"));
    }
}
