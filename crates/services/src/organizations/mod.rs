//! Organizations: accounts under one roof, in units, bound by policies.
//!
//! One file a noun. Who calls and what of theirs it may be is [`standing`]'s to say; how rows are shown is [`shown`]'s; texts of refusals
//! are in [`failures`], numbers in [`quotas`]. Pages are cut by [`page`].
//!
//! Source: Organizations API Reference and User Guide; Service Authorization Reference, "AWS Organizations".

mod accounts;
mod attachments;
mod effective;
mod failures;
mod organization;
mod page;
mod policies;
#[cfg(test)]
mod policy_bench;
mod policy_documents;
mod policy_types;
mod quotas;
mod shown;
mod standing;
mod tags;
mod tree;
mod units;

use rootward_pipeline::Handler;

/// Every operation that is implemented.
pub(crate) fn operations() -> impl Iterator<Item = &'static dyn Handler> {
    [
        accounts::OPERATIONS,
        attachments::OPERATIONS,
        effective::OPERATIONS,
        organization::OPERATIONS,
        policies::OPERATIONS,
        policy_types::OPERATIONS,
        tags::OPERATIONS,
        tree::OPERATIONS,
        units::OPERATIONS,
    ]
    .into_iter()
    .flatten()
    .copied()
}
