//! Organizations: accounts under one roof, in units, bound by policies.
//!
//! One file a noun. Who calls and what of theirs it may be is [`standing`]'s to say; how rows are shown is [`shown`]'s; texts of refusals
//! are in [`failures`], numbers in [`quotas`]. Pages are cut by [`page`].
//!
//! Source: Organizations API Reference and User Guide; Service Authorization Reference, "AWS Organizations".

mod delegation;
mod failures;
mod organization;
mod page;
mod quotas;
mod resource_policy;
mod shown;
mod standing;
#[cfg(test)]
pub(crate) mod testing;
mod trusted;

use rootward_pipeline::Handler;

/// Every operation that is implemented.
pub(crate) fn operations() -> impl Iterator<Item = &'static dyn Handler> {
    [delegation::OPERATIONS, organization::OPERATIONS, resource_policy::OPERATIONS, trusted::OPERATIONS]
        .into_iter()
        .flatten()
        .copied()
}
