//! Every case of `tests/conformance/cases`: policies, a request, the documented decision.

use std::path::Path;

use rootward_insight::{Input, ask};

#[test]
fn every_case_is_decided_as_documented() {
    run("policy-cases.json", 226);
    run("denials.json", 10);
    run("organization-cases.json", 47);
}

#[test]
fn every_question_that_was_settled_stays_settled() {
    run("twin-cases.json", 17);
}

/// Runs the cases of a file, which holds `count` of them.
fn run(file: &str, count: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/cases").join(file);
    let input = Input::read(&std::fs::read_to_string(path).unwrap());
    assert_eq!(input.unreadable, []);
    assert_eq!(input.scenarios.len(), count);
    let mut wrong = String::new();
    ask(&input.scenarios, |asked| {
        assert_eq!(asked.len(), count);
        for asked in asked {
            assert_eq!(asked.unreadable().count(), 0, "{}", asked.question.id);
            let (decision, explanation) = (asked.decide(), asked.explain());
            assert_eq!(decision.outcome, explanation.decision.outcome);
            let expected = asked.question.expected.unwrap();
            if decision.outcome != expected {
                wrong += &format!("{}: expected {expected}, {explanation}\n", asked.question.id);
            }
        }
    });
    assert!(wrong.is_empty(), "{wrong}");
}
