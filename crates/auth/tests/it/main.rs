//! Authentication and authorization from outside, over accounts in a memory store.
#![expect(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

mod authn;
mod authz;
mod bench;
mod guard;
mod organizations;
mod passkey;
mod second_factor;
