//! Quotas of an account: how many of a thing, and how long.
//!
//! Source: IAM User Guide, "IAM and AWS STS quotas": the defaults. Counts are taken from the snapshot, unguarded, so
//! creations that race can pass a quota by as many as there are racers; what one row holds is counted exactly.

pub(crate) const ACCESS_KEYS_PER_USER: usize = 2;
pub(crate) const ATTACHED_POLICIES_PER_GROUP: usize = 10;
pub(crate) const ATTACHED_POLICIES_PER_ROLE: usize = 10;
pub(crate) const ATTACHED_POLICIES_PER_USER: usize = 10;
pub(crate) const GROUPS: usize = 300;
pub(crate) const GROUPS_PER_USER: usize = 10;
pub(crate) const INSTANCE_PROFILES: usize = 1_000;
pub(crate) const MFA_DEVICES_PER_USER: usize = 8;
pub(crate) const POLICIES: usize = 1_500;
pub(crate) const POLICY_VERSIONS: usize = 5;
pub(crate) const ROLES: usize = 1_000;
pub(crate) const TAGS: usize = 50;
/// DIFFERENCE: AWS stops at 5,000 users. A directory that is run for oneself has no reason to.
pub(crate) const USERS: usize = 1_000_000;
/// As many as users, as AWS has it.
pub(crate) const MFA_DEVICES: usize = USERS;

/// Sizes of documents in characters; white space does not count.
pub(crate) const GROUP_POLICY_CHARS: usize = 5_120;
pub(crate) const POLICY_CHARS: usize = 6_144;
pub(crate) const ROLE_POLICY_CHARS: usize = 10_240;
pub(crate) const TRUST_POLICY_CHARS: usize = 2_048;
pub(crate) const USER_POLICY_CHARS: usize = 2_048;
