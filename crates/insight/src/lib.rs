//! Questions put to policies that are not in force anywhere: worked cases and benchmark corpora.
//!
//! ```text
//! text → Scenario (documents compiled, questions typed) → ask → Request and Policies → decide, explain
//! ```
//!
//! ```
//! use rootward_insight::{Input, ask};
//!
//! let input = Input::read(r#"{"id": "A02",
//!     "principal": {"type": "user", "arn": "arn:aws:iam::111111111111:user/dev", "account": "111111111111"},
//!     "identity_policies": [{"Version": "2012-10-17", "Statement":
//!         [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}],
//!     "request": {"action": "s3:GetObject", "resource": "arn:aws:s3:::b1/k.txt", "context": {}}}"#);
//! assert!(input.unreadable.is_empty());
//! ask(&input.scenarios, |asked| assert!(asked[0].decide().is_allowed()));
//! ```
//!
//! No I/O and no clock. Nothing panics on input. Guarantee: an input that leaves open what is asked is an error and never a
//! decision; a policy document that cannot be read denies wherever it takes part.
#![warn(missing_docs)]

mod cases;
mod corpus;
mod document;
mod json;
pub mod reference;
mod scenario;
pub mod told;

pub use document::Document;
pub use json::Unreadable;
pub use scenario::{Asked, Caller, CallerKind, Policies, Question, Scenario, Values, ask};

/// With everything escaped that is not plainly seen (controls, formats, marks, separators): what callers sent must neither
/// make lines of its own, nor speak to the terminal, nor turn a line around.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// Everything that one text asks.
#[derive(Debug)]
#[non_exhaustive]
pub struct Input {
    /// The name that a corpus gives itself.
    pub name: Option<String>,
    /// What could be read, in the order of the text.
    pub scenarios: Vec<Scenario>,
    /// What could not.
    pub unreadable: Vec<Unreadable>,
}

impl Input {
    /// Reads cases (one, a list of them, or several of either one after another) or a corpus.
    ///
    /// A case that cannot be read does not hide the others; a corpus is read as a whole or not at all.
    pub fn read(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut input = Self { name: None, scenarios: Vec::new(), unreadable: Vec::new() };
        if let Err(unreadable) = input.fill(text) {
            input.unreadable.push(unreadable);
        }
        input
    }

    fn fill(&mut self, text: &str) -> Result<(), Unreadable> {
        let mut empty = true;
        for value in json::values(text) {
            let value = value?;
            empty = false;
            if corpus::is_corpus(&value) {
                let (name, scenario) = corpus::read(value)?;
                self.name = Some(name);
                self.scenarios.push(scenario);
                continue;
            }
            for (at, case) in value.elements_or_self()?.into_iter().enumerate() {
                match cases::read(case, at) {
                    Ok(scenario) => self.scenarios.push(scenario),
                    Err(unreadable) => self.unreadable.push(unreadable),
                }
            }
        }
        if empty { Err(Unreadable::new(1, "the text is empty")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plainly_seen_is_escaped() {
        assert_eq!(printable("a\u{202e}b\u{2066}c\u{200f}"), "a\\u{202e}b\\u{2066}c\\u{200f}");
        assert_eq!(printable("a\u{2028}b\u{2029}c\u{a0}d"), "a\\u{2028}b\\u{2029}c\\u{a0}d");
        assert_eq!(printable("\u{1b}[2J\r\n\t\u{7f}\u{85}"), "\\u{1b}[2J\\r\\n\\t\\u{7f}\\u{85}");
        assert_eq!(printable("\u{feff}\u{200b}\u{ad}\u{e0041}"), "\\u{feff}\\u{200b}\\u{ad}\\u{e0041}");
    }

    #[test]
    fn what_is_plainly_seen_stays() {
        for text in ["arn:aws:iam::123456789012:user/ann", r#"it's "a\b""#, "Zoë Groß 日本語 א"] {
            assert_eq!(printable(text), text);
        }
    }
}
