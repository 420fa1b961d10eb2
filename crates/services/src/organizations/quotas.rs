//! How much there may be. Source: Organizations User Guide, "Quotas and service limits".

/// Accounts of an organization, the management account among them. AWS begins with 10 and raises it on request, up to 10,000 and more.
pub(super) const ACCOUNTS_MAX: usize = 50_000;
