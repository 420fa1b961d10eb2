//! The audit log from outside: what it proves, what it survives, what it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod crash;
mod lookup;
mod open;
mod tamper;
mod world;
mod writer;
