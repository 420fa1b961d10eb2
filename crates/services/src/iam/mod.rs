//! Identity and Access Management: users, groups, roles, policies, access keys, passwords and what belongs to the account.
//!
//! One file a noun holds the declarations of its operations, their functions and tests, and a slice `OPERATIONS`. What
//! they share: [`failures`] (every text), [`page`] (listings), [`tags`], [`targets`] (what rules authorize on), [`refs`]
//! (policies by ARN and as rows keep them), [`owner`] (who has policies), [`shape`] (rows as answers), [`whom`] (the
//! optional user name), [`quotas`].
//!
//! INVARIANT: a row refers to another by unique id, and only while that other exists. An operation that adds a reference
//! rewrites the row referred to as well, so that deleting it at the same time loses the race.
//!
//! Source: IAM API Reference; Service Authorization Reference, "AWS Identity and Access Management (IAM)"; where those are
//! silent on texts, what the service has been seen to answer.

mod access_keys;
mod account;
mod attachments;
mod boundaries;
mod credential_report;
mod failures;
mod groups;
mod inline;
mod instance_profiles;
mod login_profiles;
mod mfa_devices;
mod organizations_features;
mod owner;
mod page;
mod password_policy;
mod policies;
mod policy_versions;
mod quotas;
mod refs;
mod roles;
mod shape;
mod simulate;
mod tags;
pub(crate) mod targets;
mod trust;
mod users;
pub(crate) mod whom;

use rootward_pipeline::Handler;

pub(crate) use access_keys::{Issued, issue};
pub(crate) use quotas::{ACCESS_KEYS_PER_USER, MFA_DEVICES_PER_USER};

#[cfg(test)]
pub(crate) use access_keys::{CREATE_ACCESS_KEY, UPDATE_ACCESS_KEY};

/// Every operation that is implemented.
pub(crate) fn operations() -> impl Iterator<Item = &'static dyn Handler> {
    [
        access_keys::OPERATIONS,
        account::OPERATIONS,
        attachments::OPERATIONS,
        boundaries::OPERATIONS,
        credential_report::OPERATIONS,
        groups::OPERATIONS,
        inline::OPERATIONS,
        instance_profiles::OPERATIONS,
        login_profiles::OPERATIONS,
        mfa_devices::OPERATIONS,
        organizations_features::OPERATIONS,
        password_policy::OPERATIONS,
        policies::OPERATIONS,
        policy_versions::OPERATIONS,
        roles::OPERATIONS,
        simulate::OPERATIONS,
        users::OPERATIONS,
    ]
    .into_iter()
    .flatten()
    .copied()
}
