//! How much there may be. Source: Organizations User Guide, "Quotas and service limits".

use rootward_state::entities::OrganizationPolicyType;

use crate::control_policies::SCP_CHARS_MAX;

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
        "SERVICE_CONTROL_POLICY" => (10_000, SCP_CHARS_MAX, 10),
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

/// Attempts to open an account in one day, failed ones among them. AWS bounds them without saying how.
pub(super) const ACCOUNT_REQUESTS_PER_DAY: usize = 1_000;

/// How long requests to open an account are kept at least, in days. AWS keeps what is tracked without saying how long.
pub(super) const ACCOUNT_REQUEST_DAYS: i64 = 30;

/// How long an invitation can be answered, in days.
pub(super) const INVITATION_DAYS: i64 = 15;

/// Invitations in one day that have brought no member, and as many that have brought no transfer.
pub(super) const INVITATIONS_PER_DAY: usize = 20;

/// Organizations whose bills one takes over, or is about to. AWS begins with none and raises it on request, up to this.
///
/// Source of what is about transfers: Billing User Guide, "Quotas" of billing transfer. An organization transfers its bills to one other.
pub(super) const TRANSFERS_MAX: usize = 1_000;

/// Transfers in a row, as in that guide's example of a chain. AWS bounds them without a number in its reference.
pub(super) const TRANSFER_LEVELS_MAX: usize = 2;

/// How far ahead a transfer begins and ends at most, in months. AWS bounds it without saying how.
pub(super) const TRANSFER_MONTHS_AHEAD_MAX: i64 = 36;

/// How long all invited members have to agree to all features, in days.
pub(super) const ALL_FEATURES_DAYS: i64 = 90;

/// Accounts of an organization that can get all features: what is written for them at once fits in one commit of the store.
///
/// DIFFERENCE: AWS takes 5,000. Source: API Reference, `ALL_FEATURES_MIGRATION_ORGANIZATION_SIZE_LIMIT_EXCEEDED`.
pub(super) const ALL_FEATURES_ACCOUNTS_MAX: usize = 1_000;

/// Rows that are swept away with one call: a commit of the store is bounded, and each call adds one.
pub(super) const SWEPT_AT_ONCE: usize = 100;

/// How long a handshake, or a transfer, that is over is shown, in days.
pub(super) const HANDSHAKE_SHOWN_DAYS: i64 = 30;

/// How long closed accounts count against [`closed_accounts_max`], in days.
pub(super) const CLOSED_ACCOUNTS_DAYS: i64 = 30;

/// Accounts of an organization with so many members that can be closed in [`CLOSED_ACCOUNTS_DAYS`]: a tenth of them, at least 10, at most
/// 1,000.
///
/// DIFFERENCE: AWS has raised this to a fifth, and at least 250. Whoever has got in can close fewer accounts here.
pub(super) fn closed_accounts_max(members: usize) -> usize {
    (members / 10).clamp(10, 1_000)
}

/// Accounts that administer one service. AWS takes from one to ten, as the service has it; five is the most common.
pub(super) const ADMINISTRATORS_OF_SERVICE_MAX: usize = 5;
