//! The service-linked role by which Organizations works in accounts of an organization with all features.
//!
//! Source: Organizations User Guide, "AWS Organizations and service-linked roles".

use rootward_names::{AccountId, EntityKind, Partition};
use rootward_pipeline::{OpContext, Scope, Target};
use rootward_state::Txn;
use rootward_state::entities::{Document, Grants, PolicyRef, Role};

/// Whose role it is.
pub(super) const SERVICE: &str = "organizations.amazonaws.com";
/// What roles of services are called.
pub(super) const RESERVED_PREFIX: &str = "AWSServiceRoleFor";

const NAME: &str = "AWSServiceRoleForOrganizations";
const POLICY: &str = "AWSOrganizationsServiceTrustPolicy";
const SESSION_SECONDS_MAX: u32 = 3_600;

/// Makes the role in an account that has none of this name, whose absence is guarded.
pub(super) fn make(ctx: &OpContext<'_>, txn: &mut Txn, account: AccountId) {
    if txn.named::<Role>(account, NAME).is_some() {
        return;
    }
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":["{SERVICE}"]}},"Action":["sts:AssumeRole"]}}]}}"#
    );
    let role = Role {
        id: ctx.unique_id(EntityKind::Role),
        name: NAME.into(),
        path: format!("/aws-service-role/{SERVICE}/").into(),
        created: ctx.now,
        description: Some(
            "Service-linked role used by AWS Organizations to enable integration of other AWS services with Organizations."
                .into(),
        ),
        trust: Document::new(trust),
        session_seconds_max: SESSION_SECONDS_MAX,
        tags: Vec::new(),
        grants: Grants { attached: vec![PolicyRef::Aws(POLICY.into())], inline: Vec::new() },
        boundary: None,
    };
    txn.put_entity(account, role);
}

/// Whether the caller's account has none.
pub(super) fn is_missing(scope: &Scope<'_>) -> bool {
    scope.world.account(scope.ctx.account()).is_none_or(|state| state.named::<Role>(NAME).is_none())
}

/// The role as a resource, in the caller's account.
pub(super) fn target(scope: &Scope<'_>) -> Target {
    Target::arn(arn(scope.ctx.partition(), scope.ctx.account()))
}

fn arn(partition: Partition, account: AccountId) -> String {
    format!("arn:{partition}:iam::{account}:role/aws-service-role/{SERVICE}/{NAME}")
}
