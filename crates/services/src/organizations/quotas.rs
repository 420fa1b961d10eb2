//! How much there may be. Source: Organizations User Guide, "Quotas and service limits".

use rootward_state::entities::OrganizationPolicyType;

/// Accounts of an organization, the management account among them. AWS begins with 10 and raises it on request, up to 10,000 and more.
pub(super) const ACCOUNTS_MAX: usize = 50_000;

/// What there may be of one type of policies.
#[derive(Debug)]
pub(super) struct PolicyQuotas {
    /// In an organization.
    pub(super) count_max: usize,
    /// Characters of a document, white space included.
    pub(super) chars_max: usize,
    /// Attached to one node or account, AWS's own included.
    pub(super) attached_max: usize,
}

/// The quotas of a type of policies.
pub(super) fn of_policies(kind: &OrganizationPolicyType) -> PolicyQuotas {
    let (count_max, chars_max, attached_max) = match kind.name() {
        "SERVICE_CONTROL_POLICY" => (10_000, 10_240, 10),
        "RESOURCE_CONTROL_POLICY" => (2_000, 5_120, 5),
        "AISERVICES_OPT_OUT_POLICY" => (1_000, 2_500, 5),
        "UPGRADE_ROLLOUT_POLICY" => (1_000, 5_120, 5),
        "BACKUP_POLICY" | "DECLARATIVE_POLICY_EC2" | "SECURITYHUB_POLICY" | "TAG_POLICY" => {
            (1_000, 10_000, 10)
        }
        _ => (1_000, 10_000, 5),
    };
    PolicyQuotas { count_max, chars_max, attached_max }
}

/// Organizational units of an organization.
pub(super) const UNITS_MAX: usize = 2_000;

/// Levels of units under the root.
pub(super) const UNIT_LEVELS_MAX: usize = 5;

/// Tags of an account, root, unit or policy.
pub(super) const TAGS_MAX: usize = 50;
