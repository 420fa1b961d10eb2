//! The crate from outside: what authors and callers get to read, and hostile input.
// Marked so that the helpers count as tests for the lints, too.
#![cfg(test)]

mod denials;
mod diagnostics;
mod evaluation;
mod hostile;
mod many;
mod remedy;
mod world;
