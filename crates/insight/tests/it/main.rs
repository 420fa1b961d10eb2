//! The crate from outside: the worked cases, and inputs of every kind.
// Marked so that the helpers count as tests for the lints, too.
#![cfg(test)]

mod cases;
mod corpus;
mod reading;

use rootward_insight::{Input, ask};

/// The decisions of a text that reads without a fault.
fn decisions(text: &str) -> Vec<String> {
    let input = Input::read(text);
    assert_eq!(input.unreadable, []);
    ask(&input.scenarios, |asked| asked.iter().map(|asked| asked.decide().outcome.to_string()).collect())
}

/// The faults of a text, as they are shown.
fn faults(text: &str) -> Vec<String> {
    Input::read(text).unreadable.iter().map(ToString::to_string).collect()
}
