//! The proof of the guardrails: what the decision engine denies because of each, and what it leaves.
// Marked so that the helpers count as tests for the lints, too.
#![cfg(test)]

mod documents;
mod proofs;

use rootward_guardrails::{Region, get};

/// The document of a guardrail; where it needs regions, two stay open.
fn document(name: &str) -> String {
    let guardrail = get(name).unwrap();
    let open: Vec<Region> = OPEN.iter().map(|region| region.parse().unwrap()).collect();
    guardrail.document(if guardrail.takes_regions() { &open } else { &[] }).unwrap()
}

const OPEN: [&str; 2] = ["eu-central-1", "eu-west-1"];
