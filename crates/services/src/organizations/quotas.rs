//! How much there may be. Source: Organizations User Guide, "Quotas and service limits".

/// Accounts of an organization, the management account among them. AWS begins with 10 and raises it on request, up to 10,000 and more.
pub(super) const ACCOUNTS_MAX: usize = 50_000;

/// Organizational units of an organization.
pub(super) const UNITS_MAX: usize = 2_000;

/// Levels of units under the root.
pub(super) const UNIT_LEVELS_MAX: usize = 5;

/// Tags of an account, root, unit or policy.
pub(super) const TAGS_MAX: usize = 50;
