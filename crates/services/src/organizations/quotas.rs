//! How much there may be. Source: Organizations User Guide, "Quotas and service limits".

/// Accounts of an organization, the management account among them. AWS begins with 10 and raises it on request, up to 10,000 and more.
pub(super) const ACCOUNTS_MAX: usize = 50_000;

/// Accounts that administer one service. AWS takes from one to ten, as the service has it; five is the most common.
pub(super) const ADMINISTRATORS_OF_SERVICE_MAX: usize = 5;
/// Tags of a resource policy.
pub(super) const TAGS_OF_RESOURCE_POLICY_MAX: usize = 50;
