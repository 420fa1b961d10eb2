//! The crate from outside: the corpus of worked cases, what authors and callers get to read, and hostile input.
// Marked so that the helpers count as tests for the lints, too.
#![cfg(test)]

mod cases;
mod denials;
mod diagnostics;
mod evaluation;
mod hostile;
mod remedy;
mod world;
