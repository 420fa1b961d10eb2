//! What service control policies, resource control policies and guard policies have in common: how long they may be, and how their faults
//! are told.

use rootward_policy::{Diagnostic, Policy, PolicyKind};

/// Characters of a service control policy and of a guard policy, white space included.
///
/// Source: Organizations User Guide, "Quotas and service limits".
pub(crate) const SCP_CHARS_MAX: usize = 10_240;

/// Problems of one document that are told: the first ones.
const TOLD_MAX: usize = 10;

/// Whether a document has more characters than that. Asked before it is read: what is read is bounded.
pub(crate) fn is_too_long(text: &str, chars_max: usize) -> bool {
    text.chars().nth(chars_max).is_some()
}

/// What is wrong with a document, in sentences.
pub(crate) fn problems(text: &str, kind: PolicyKind) -> Option<String> {
    let problems = Policy::parse(text, kind).err()?;
    let told: Vec<_> = problems.iter().take(TOLD_MAX).map(told).collect();
    Some(told.join(" "))
}

fn told(problem: &Diagnostic) -> String {
    let (at, help) = (problem.place.start, problem.help);
    format!("{} at line {} column {}: {help}.", problem.message, at.line, at.column)
}
