//! Every case of `tests/conformance/cases`, decided by the oracle alone.

use std::path::Path;

use rootward_oracle::{World, decide};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    id: String,
    sketch: String,
    #[serde(flatten)]
    world: World,
    expected: String,
}

fn wrong(file: &str) -> (usize, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/cases").join(file);
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let wrong = cases.iter().filter_map(|case| {
        let answer = decide(&case.world);
        let is_right = answer.outcome.to_string() == case.expected;
        (!is_right).then(|| format!("{} {}: expected {}, {answer:?}\n", case.id, case.sketch, case.expected))
    });
    (cases.len(), wrong.collect())
}

#[test]
fn every_documented_case_is_decided_as_documented() {
    assert_eq!(wrong("policy-cases.json"), (226, String::new()));
    assert_eq!(wrong("denials.json"), (10, String::new()));
    assert_eq!(wrong("organization-cases.json"), (47, String::new()));
}

#[test]
fn every_question_that_was_settled_stays_settled() {
    assert_eq!(wrong("twin-cases.json"), (17, String::new()));
}
