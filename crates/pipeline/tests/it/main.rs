//! The path from outside: which error comes first, lost races, what cannot be recorded, and our own failures.
#![expect(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

mod bench;
mod inside;
mod ours;
mod protocols;
mod refusals;
mod unsigned;
mod writes;
