//! The host command that puts a ready service control policy in force.

use rootward_names::AccountId;
use rootward_services::guardrail::{self, ApplyError, Guardrail};
use serde_json::{Value, json};

use super::Node;
use super::host::Changed;
use crate::operator::OperatorError;

impl Node {
    /// Puts a guardrail in force on a root, a unit or an account of an organization.
    pub(crate) fn apply_guardrail(
        &self,
        management: Option<AccountId>,
        guardrail: &Guardrail<'_>,
        target: &str,
    ) -> Result<Value, OperatorError> {
        let account = management.or_else(|| {
            let world = self.db.snapshot();
            let mut all = world.organizations().map(|state| state.organization().management);
            // Of several none is meant, which is refused.
            all.next().filter(|_| all.next().is_none())
        });
        let parameters = json!({
            "accountId": account.map(|id| id.to_string()),
            "guardrailName": guardrail.name,
            "content": guardrail.document,
            "targetId": target,
        });
        self.host_write("ApplyGuardrail", &parameters, |txn, now, random| {
            let done = guardrail::apply(txn, management, guardrail, target, now, random)?;
            let did = json!({
                "policyId": done.policy.id.to_string(),
                "policyCreated": done.is_new,
                "policyTypeEnabled": done.type_enabled,
                "attached": done.is_attached,
            });
            let result = json!({
                "ManagementAccountId": done.management.to_string(),
                "PolicyId": done.policy.id.to_string(),
                "PolicyArn": done.arn,
                "TargetId": done.target,
                "PolicyCreated": done.is_new,
                "PolicyTypeEnabled": done.type_enabled,
                "Attached": done.is_attached,
            });
            Ok(Changed { account: Some(done.management), elements: did, result })
        })
    }
}

impl From<ApplyError> for OperatorError {
    fn from(error: ApplyError) -> Self {
        Self::Refused(error.to_string())
    }
}
