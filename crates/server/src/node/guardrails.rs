//! The host command that puts a ready service control policy in force.

use rootward_guardrails::Region;
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
        name: &str,
        policy_name: Option<&str>,
        regions: &[String],
        target: &str,
    ) -> Result<Value, OperatorError> {
        let world = self.db.snapshot();
        let organization = guardrail::meant(&world, management);
        let account = organization.as_ref().map_or(management, |organization| Some(organization.management));
        let parameters = json!({
            "accountId": account.map(|id| id.to_string()),
            "guardrailName": name,
            "policyName": policy_name.unwrap_or(name),
            "regions": regions,
            "targetId": target,
        });
        let refuse = |error: &OperatorError| self.record_refused("ApplyGuardrail", &parameters, error);
        let organization = organization.map_err(OperatorError::from).inspect_err(refuse)?;
        let (ready, document) = ready(name, regions).inspect_err(refuse)?;
        let policy_name = policy_name.unwrap_or(ready.name);
        let guardrail =
            Guardrail { name: ready.name, policy_name, description: ready.purpose, document: &document };
        self.host_write("ApplyGuardrail", &parameters, |txn, now, random| {
            let done = guardrail::apply(txn, &organization.id, &guardrail, target, now, random)?;
            let did = json!({
                "policyId": done.policy.id.to_string(),
                "content": document,
                "policyNewlyCreated": done.is_new,
                "policyTypeNewlyEnabled": done.type_enabled,
                "newlyAttached": done.is_attached,
            });
            let result = json!({
                "OrganizationId": done.organization.to_string(),
                "ManagementAccountId": done.management.to_string(),
                "PolicyId": done.policy.id.to_string(),
                "PolicyName": done.policy.name,
                "PolicyArn": done.arn,
                "TargetId": done.target,
                "PolicyNewlyCreated": done.is_new,
                "PolicyTypeNewlyEnabled": done.type_enabled,
                "NewlyAttached": done.is_attached,
            });
            Ok(Changed { account: Some(done.management), elements: did, result })
        })
    }
}

/// The guardrail of this name and its document, without the line break that ends its file.
fn ready(
    name: &str,
    regions: &[String],
) -> Result<(&'static rootward_guardrails::Guardrail, String), OperatorError> {
    let refused = |text: String| OperatorError::Refused(format!("{name}: {text}"));
    let ready = rootward_guardrails::get(name).ok_or_else(|| refused("there is no such guardrail".into()))?;
    let regions: Result<Vec<Region>, _> = regions.iter().map(|region| region.parse()).collect();
    let regions = regions.map_err(|error| refused(error.to_string()))?;
    let document = ready.document(&regions).map_err(|error| refused(format!("{error} (--regions)")))?;
    Ok((ready, document.trim_end().to_owned()))
}

impl From<ApplyError> for OperatorError {
    fn from(error: ApplyError) -> Self {
        Self::Refused(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use rootward_guardrails::DOCUMENT_CHARS_MAX;
    use rootward_services::guard_policy;

    use super::*;

    fn refusal(name: &str, regions: &[&str]) -> String {
        let regions: Vec<_> = regions.iter().map(|&region| region.to_owned()).collect();
        ready(name, &regions).unwrap_err().to_string()
    }

    #[test]
    fn guardrail_is_at_most_as_long_as_a_service_control_policy() {
        let short = ready("deny-root", &[]).unwrap().1;
        let long = |chars: usize| format!("{short}{}", " ".repeat(chars - short.chars().count()));
        assert!(guard_policy::checked(&long(DOCUMENT_CHARS_MAX)).is_ok());
        assert!(guard_policy::checked(&long(DOCUMENT_CHARS_MAX + 1)).is_err());
    }

    #[test]
    fn only_guardrails_there_are_come_with_a_document() {
        let (guardrail, document) = ready("limit-regions", &["eu-central-1".into()]).unwrap();
        assert_eq!(guardrail.name, "limit-regions");
        assert!(document.starts_with('{') && document.ends_with('}') && document.contains("eu-central-1"));
        assert_eq!(refusal("deny-everything", &[]), "deny-everything: there is no such guardrail");
        assert_eq!(
            refusal("limit-regions", &[]),
            "limit-regions: it needs the regions that stay open (--regions)"
        );
        assert_eq!(
            refusal("limit-regions", &["eu-*"]),
            "limit-regions: expected the name of a region, such as `eu-central-1`"
        );
    }
}
