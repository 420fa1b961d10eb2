//! The reference as its users see it: what is in it, what is found, and what damaged bytes do.
// Marked so that the helpers count as tests for the lints, too.
#![cfg(test)]

mod damage;
mod data;
mod facts;
