//! What policies may say, by their type.
//!
//! - Those that decide, service and resource control policies, are read by the policy engine with its rules for them.
//! - The others configure services: settings under one name that belongs to the type, each set by operators of inheritance. Of what
//!   services make of their settings nothing is checked: they are kept and merged, and enforced by whoever reads the result.
//!
//! Source: Organizations User Guide, "Service control policies", "Resource control policies", "Management policy syntax and inheritance".

use rootward_pipeline::Failure;
use rootward_policy::PolicyKind;
use rootward_state::entities::{Document, OrganizationPolicyType};

use super::effective::Settings;
use super::{failures, quotas};
use crate::control_policies::{is_too_long, problems};

/// The document of a policy of this type, checked.
///
/// # Errors
/// `ConstraintViolationException` for its length, `MalformedPolicyDocumentException`.
pub(super) fn checked(kind: &OrganizationPolicyType, text: &str) -> Result<Document, Failure> {
    let chars_max = quotas::of_policies(kind).chars_max;
    if is_too_long(text, chars_max) {
        return Err(failures::policy_too_long(chars_max));
    }
    let found = match kind {
        OrganizationPolicyType::ServiceControl => problems(text, PolicyKind::Scp),
        OrganizationPolicyType::ResourceControl => problems(text, PolicyKind::Rcp),
        OrganizationPolicyType::Management(name) => Settings::read(name, text).err(),
    };
    match found {
        Some(found) => Err(failures::malformed_policy(&found)),
        None => Ok(Document::new(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(kind: &str, text: &str) -> Failure {
        checked(&OrganizationPolicyType::of_name(kind), text).unwrap_err()
    }

    fn is_taken(kind: &str, text: &str) -> bool {
        checked(&OrganizationPolicyType::of_name(kind), text).is_ok()
    }

    #[test]
    fn fault_of_a_control_policy_has_line_and_column() {
        let failure = refusal("SERVICE_CONTROL_POLICY", "{\"Version\":\"2012-10-17\",\n \"Statment\":[]}");
        assert_eq!(failure.code, "MalformedPolicyDocumentException");
        assert!(failure.message.contains("unknown element `Statment` at line 2 column 2"), "{failure:?}");
    }

    #[test]
    fn control_policies_are_held_to_the_rules_of_their_type() {
        let scp =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;
        let rcp = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}]}"#;
        assert!(is_taken("SERVICE_CONTROL_POLICY", scp) && is_taken("RESOURCE_CONTROL_POLICY", rcp));
        assert!(!is_taken("SERVICE_CONTROL_POLICY", rcp) && !is_taken("RESOURCE_CONTROL_POLICY", scp));
        assert!(!is_taken("RESOURCE_CONTROL_POLICY", &rcp.replace("Deny", "Allow")));
        assert!(!is_taken("SERVICE_CONTROL_POLICY", &scp.replace("2012", "2008")));
    }

    #[test]
    fn length_counts_characters_and_white_space() {
        let tags = |filler: &str, count| format!("{{\"tags\":{{{}}}}}", filler.repeat(count));
        assert!(is_taken("TAG_POLICY", &tags(" ", 10_000 - 11)));
        let failure = refusal("TAG_POLICY", &tags(" ", 10_000 - 10));
        assert_eq!(failure.code, "ConstraintViolationException");
        assert_eq!(failure.members.get("Reason").unwrap(), "POLICY_CONTENT_LIMIT_EXCEEDED");
        // Characters, not bytes.
        let value =
            |count| format!(r#"{{"tags":{{"a":{{"tag_value":{{"@@assign":["{}"]}}}}}}}}"#, "é".repeat(count));
        let frame = value(0).len();
        assert!(
            is_taken("TAG_POLICY", &value(10_000 - frame)) && !is_taken("TAG_POLICY", &value(10_001 - frame))
        );
        assert!(!is_taken(
            "AISERVICES_OPT_OUT_POLICY",
            &format!("{}{{\"services\":{{}}}}", " ".repeat(2_500))
        ));
    }

    #[test]
    fn settings_stand_under_the_name_of_their_type() {
        for (kind, name) in [
            ("TAG_POLICY", "tags"),
            ("BACKUP_POLICY", "plans"),
            ("AISERVICES_OPT_OUT_POLICY", "services"),
            ("CHATBOT_POLICY", "chatbot"),
            ("DECLARATIVE_POLICY_EC2", "ec2_attributes"),
        ] {
            assert!(is_taken(kind, &format!("{{\"{name}\":{{}}}}")), "{kind}");
            for text in ["", "{}", "[]", "{\"other\":{}}", &format!("{{\"{name}\":{{}},\"other\":{{}}}}")] {
                assert_eq!(refusal(kind, text).code, "MalformedPolicyDocumentException", "{kind} {text}");
            }
        }
        let failure = refusal("TAG_POLICY", "{\"tags\": {},\n \"other\": {}}");
        assert!(failure.message.contains("at line 2 column"), "{failure:?}");
    }
}
