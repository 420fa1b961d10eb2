//! Account Management: contacts, regions, name and state of an account.
//!
//! Every operation is about the caller's own account; that of another account is for whoever manages an organization
//! ([`whose`]). None of them is the root user's alone.
//!
//! Source: Account Management API Reference; Service Authorization Reference, "AWS Account Management".

mod contacts;
mod failures;
mod information;
mod primary_email;
mod regions;
mod whose;

use rootward_pipeline::Handler;

/// Every operation that is implemented.
pub(crate) fn operations() -> impl Iterator<Item = &'static dyn Handler> {
    [contacts::OPERATIONS, information::OPERATIONS, primary_email::OPERATIONS, regions::OPERATIONS]
        .into_iter()
        .flatten()
        .copied()
}
