//! Organizations: accounts under one roof, in units, bound by policies.
//!
//! One file a noun. Who calls and what of theirs it may be is [`standing`]'s to say, what rules are about [`targets`]'s; how rows are shown
//! is [`shown`]'s; texts of refusals are in [`failures`], numbers in [`quotas`]. Pages are cut by [`page`].
//!
//! Source: Organizations API Reference and User Guide; Service Authorization Reference, "AWS Organizations".

mod account_requests;
mod accounts;
mod all_features;
mod attachments;
mod closing;
mod delegation;
mod effective;
mod events;
mod failures;
pub mod guardrail;
mod handshakes;
mod invitations;
mod joining;
pub(crate) mod keys;
mod leaving;
mod organization;
pub(crate) mod overview;
mod page;
mod policies;
mod policy_documents;
mod policy_types;
mod quotas;
mod resource_policy;
mod service_role;
mod shown;
mod standing;
mod tags;
mod targets;
#[cfg(test)]
pub(crate) mod testing;
mod transfers;
mod tree;
mod trusted;
mod units;

use rootward_pipeline::Handler;
pub use standing::standing_remark;

/// Every operation that is implemented.
pub(crate) fn operations() -> impl Iterator<Item = &'static dyn Handler> {
    [
        account_requests::OPERATIONS,
        accounts::OPERATIONS,
        all_features::OPERATIONS,
        attachments::OPERATIONS,
        closing::OPERATIONS,
        delegation::OPERATIONS,
        effective::OPERATIONS,
        handshakes::OPERATIONS,
        invitations::OPERATIONS,
        leaving::OPERATIONS,
        organization::OPERATIONS,
        policies::OPERATIONS,
        policy_types::OPERATIONS,
        resource_policy::OPERATIONS,
        tags::OPERATIONS,
        transfers::OPERATIONS,
        tree::OPERATIONS,
        trusted::OPERATIONS,
        units::OPERATIONS,
    ]
    .into_iter()
    .flatten()
    .copied()
}
