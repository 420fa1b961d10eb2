//! What is wrong with merged policies, though each of them is sound.
//!
//! Of what services ask of their settings this is what is known and can go wrong by merging: a plan for backups that lacks a part, more
//! tags than can be reported, and more of anything than can be kept. Source: Organizations User Guide, "Backup policy syntax", "Tag policy syntax"; answers of the service.

use std::collections::{BTreeMap, BTreeSet};

use rootward_names::OrganizationPolicyId;
use serde_json::Value;

use super::merge::Merged;

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fault {
    /// Where: names of settings, with slashes between them.
    pub(super) path: String,
    pub(super) message: String,
    pub(super) code: &'static str,
    /// The policies that make it so, by id.
    pub(super) policies: Vec<OrganizationPolicyId>,
}

/// Bytes of merged policies: what the service was seen to take of tag policies, and here of every type.
const BYTES_MAX: usize = 395_000;

/// Tags that are reported as required of one type of resources.
const REQUIRED_TAGS_MAX: usize = 50;

/// Tags that a message names.
const TAGS_NAMED: usize = 5;

/// What is wrong with merged policies of the type with this name in the API, in the order of places.
pub(super) fn of(kind: &str, merged: &Merged) -> Vec<Fault> {
    let mut faults = match kind {
        "BACKUP_POLICY" => plans(merged),
        "TAG_POLICY" => tags(merged),
        _ => Vec::new(),
    };
    let bytes = merged.document().to_string().len();
    if bytes > BYTES_MAX {
        let message = format!(
            "Effective policy size is {bytes} bytes, which exceeds the maximum limit of {BYTES_MAX} bytes"
        );
        let path = merged.children.keys().next().cloned().unwrap_or_default();
        faults.push(Fault { path, ..too_many(message, merged.contributing()) });
    }
    faults.sort();
    faults
}

fn plans(merged: &Merged) -> Vec<Fault> {
    let mut faults = Vec::new();
    let plans = merged.children.get("plans").into_iter().flat_map(|plans| &plans.children);
    for (name, plan) in plans {
        let path = format!("plans/{name}");
        faults.extend(missing(&path, plan, &["regions", "rules", "selections"]));
        for (name, rule) in plan.children.get("rules").into_iter().flat_map(|rules| &rules.children) {
            faults.extend(missing(&format!("{path}/rules/{name}"), rule, &["target_backup_vault_name"]));
        }
    }
    faults
}

fn missing<'m>(path: &'m str, setting: &'m Merged, names: &'m [&str]) -> impl Iterator<Item = Fault> + 'm {
    let absent = names.iter().filter(|name| !setting.children.contains_key(**name));
    absent.map(|name| Fault {
        path: path.to_owned(),
        message: format!("'{name}' is missing"),
        code: "KEY_REQUIRED",
        policies: owned(setting.contributing()),
    })
}

fn tags(merged: &Merged) -> Vec<Fault> {
    let mut faults = Vec::new();
    let tags = merged.children.get("tags").into_iter().flat_map(|tags| &tags.children);
    let mut required: BTreeMap<&str, Vec<(&str, &Merged)>> = BTreeMap::new();
    for (tag, setting) in tags {
        let Some(setting) = setting.children.get("report_required_tag_for") else { continue };
        let kinds = setting.value.as_ref().and_then(Value::as_array).into_iter().flatten();
        for kind in kinds.filter_map(Value::as_str) {
            required.entry(kind).or_default().push((tag, setting));
        }
    }
    for (kind, tags) in required.into_iter().filter(|(_, tags)| tags.len() > REQUIRED_TAGS_MAX) {
        let named: Vec<_> = tags.iter().take(TAGS_NAMED).map(|(tag, _)| *tag).collect();
        let message = format!(
            "Resource type '{kind}' has {} tags for 'report_required_tag_for', which exceeds the maximum limit of {REQUIRED_TAGS_MAX}. \
             Contributing tag keys include: {} and {} more",
            tags.len(),
            named.join(", "),
            tags.len() - named.len()
        );
        faults.push(too_many(message, tags.iter().flat_map(|(_, tag)| tag.contributing()).collect()));
    }
    faults
}

fn too_many(message: String, policies: BTreeSet<&OrganizationPolicyId>) -> Fault {
    Fault { path: "tags".to_owned(), message, code: "ELEMENTS_TOO_MANY", policies: owned(policies) }
}

fn owned(policies: BTreeSet<&OrganizationPolicyId>) -> Vec<OrganizationPolicyId> {
    policies.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    /// The faults of a policy that says this of so many services.
    fn faults_of(services: usize) -> Vec<Fault> {
        let services: serde_json::Map<_, _> = (0..services)
            .map(|n| {
                (format!("service{n:05}"), serde_json::json!({ "opt_out_policy": { "@@assign": "optOut" } }))
            })
            .collect();
        let text = serde_json::json!({ "services": services }).to_string();
        let settings = Settings::read("AISERVICES_OPT_OUT_POLICY", &text).unwrap();
        let policy = ("p-examplepol".parse().unwrap(), settings);
        of("AISERVICES_OPT_OUT_POLICY", &Merged::of([std::slice::from_ref(&policy)]))
    }

    #[test]
    fn merged_policies_of_any_type_are_bounded() {
        assert!(faults_of(8_000).is_empty());
        let [fault] = faults_of(9_500).try_into().unwrap();
        assert_eq!((fault.code, &*fault.path), ("ELEMENTS_TOO_MANY", "services"));
        assert!(
            fault.message.ends_with("bytes, which exceeds the maximum limit of 395000 bytes"),
            "{}",
            fault.message
        );
        assert_eq!(fault.policies, ["p-examplepol".parse().unwrap()]);
    }
}
