//! Rows as answers show them, and their ARNs.
//!
//! ARNs of what is in an organization carry the id of its management account, whoever asks.

use rootward_api::organizations as api;
use rootward_names::{AccountId, NodeId};
use rootward_state::entities::{Organization, OrganizationPolicyType};
use rootward_state::{Target, World};
use rootward_wire::Sensitive;

/// The ARN of something in the organization: `kind` is `ou`, `handshake/invite` and so on, between the account and the organization's id.
pub(super) fn arn(organization: &Organization, kind: &str, id: &str) -> String {
    let (partition, management) = (organization.partition, organization.management);
    format!("arn:{partition}:organizations::{management}:{kind}/{}/{id}", organization.id)
}

/// The ARN of the organization itself.
pub(super) fn organization_arn(organization: &Organization) -> String {
    let (partition, management) = (organization.partition, organization.management);
    format!("arn:{partition}:organizations::{management}:organization/{}", organization.id)
}

/// The ARN of an account in it.
pub(super) fn account_arn(organization: &Organization, account: AccountId) -> String {
    arn(organization, "account", &account.to_string())
}

/// The ARN of its root or of a unit.
pub(super) fn node_arn(organization: &Organization, node: &NodeId) -> String {
    arn(organization, if node.is_root() { "root" } else { "ou" }, node.as_str())
}

/// The ARN of an account, root or unit.
pub(super) fn target_arn(organization: &Organization, target: &Target) -> String {
    match target {
        Target::Account(account) => account_arn(organization, *account),
        Target::Node(node) => node_arn(organization, node),
    }
}

/// The organization.
pub(super) fn organization(row: &Organization, world: &World) -> api::Organization {
    let management = world.account(row.management);
    // Deprecated at AWS, and always that one type when there are all features; `ListRoots` has the truth.
    let available = row.all_features.then(|| {
        vec![api::PolicyTypeSummary {
            r#type: policy_type(&OrganizationPolicyType::ServiceControl),
            status: Some(api::PolicyTypeStatus::Enabled),
        }]
    });
    api::Organization {
        id: Some(row.id.to_string()),
        arn: Some(organization_arn(row)),
        feature_set: Some(if row.all_features {
            api::OrganizationFeatureSet::All
        } else {
            api::OrganizationFeatureSet::ConsolidatedBilling
        }),
        master_account_arn: Some(account_arn(row, row.management)),
        master_account_id: Some(row.management.to_string()),
        master_account_email: management.map(|state| Sensitive::new(&*state.account().email)),
        available_policy_types: Some(available.unwrap_or_default()),
    }
}

/// A type of policies as the API has it; none for one that this version does not know.
pub(super) fn policy_type(kind: &OrganizationPolicyType) -> Option<api::PolicyType> {
    kind.name().parse().ok()
}
