//! The crate from outside: the corpus of worked cases, and what a policy author gets to read.
// Marked so that the helpers count as tests for the lints, too.
#![cfg(test)]

mod cases;
