//! Account Management: contacts, regions, name and state of an account.
//!
//! An operation is about the caller's own account, or about a member of the organization that the caller manages ([`whose`]). None of
//! them is the root user's alone.
//!
//! Source: Account Management API Reference; Service Authorization Reference, "AWS Account Management".

mod contacts;
mod failures;
mod information;
mod primary_email;
mod regions;
mod whose;

pub use regions::is_known_region;
use rootward_pipeline::Handler;

/// Every operation that is implemented.
pub(crate) fn operations() -> impl Iterator<Item = &'static dyn Handler> {
    [contacts::OPERATIONS, information::OPERATIONS, primary_email::OPERATIONS, regions::OPERATIONS]
        .into_iter()
        .flatten()
        .copied()
}
