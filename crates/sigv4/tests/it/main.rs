//! The verifier from outside: documented examples, every refusal with its text, and an independent signer as
//! twin.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that panics fails, as it should"
)]

mod examples;
mod refusals;
mod signer;
mod twin;
