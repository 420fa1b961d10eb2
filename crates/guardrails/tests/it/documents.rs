//! What holds for the documents of all guardrails.

use rootward_guardrails::{DOCUMENT_CHARS_MAX, all};
use rootward_insight::reference::remarks;
use rootward_policy::{Effect, Policy, PolicyKind};
use serde_json::Value;

use crate::document;

#[test]
fn every_document_is_a_service_control_policy_without_a_fault() {
    for guardrail in all() {
        let text = document(guardrail.name);
        // The management account, which SCPs leave, has them as its guard policy.
        for kind in [PolicyKind::Guard, PolicyKind::Scp] {
            assert_eq!(Policy::parse(&text, kind).err(), None, "{}", guardrail.name);
        }
        assert!(text.chars().count() < DOCUMENT_CHARS_MAX, "{}", guardrail.name);
    }
}

#[test]
fn every_document_only_denies() {
    for guardrail in all() {
        let policy = Policy::parse(&document(guardrail.name), PolicyKind::Scp).unwrap();
        assert!(policy.statements.iter().all(|statement| statement.effect == Effect::Deny));
    }
}

/// Nothing misspelt and nothing that AWS does not know, but our own service.
#[test]
fn reference_finds_nothing_odd_but_the_service_of_this_server() {
    for guardrail in all() {
        let policy = Policy::parse(&document(guardrail.name), PolicyKind::Scp).unwrap();
        for remark in remarks(&policy) {
            assert!(remark.message.contains("rootward"), "{}: {}", guardrail.name, remark.message);
        }
    }
}

#[test]
fn statements_have_names_of_their_own() {
    let mut names: Vec<String> = Vec::new();
    for guardrail in all() {
        let document: Value = serde_json::from_str(&document(guardrail.name)).unwrap();
        for statement in document["Statement"].as_array().unwrap() {
            let name = statement["Sid"].as_str().unwrap().to_owned();
            assert!(!names.contains(&name), "{name}");
            names.push(name);
        }
    }
}
