//! Policies of many statements, which are found by service and action: none is overlooked.

use proptest::prelude::*;
use rootward_policy::{Attached, Policies, Program};

use crate::world::{Asked, of, program};

const PATTERNS: [&str; 12] = [
    "s3:GetObject",
    "S3:getobject",
    "s3:PutObject",
    "s3:Get*",
    "s3:*",
    "s3:*Object",
    "s3:Get?bject",
    "sqs:*",
    "sqs:SendMessage",
    "*:GetObject",
    "s?:GetObject",
    "s3",
];

fn statement() -> impl Strategy<Value = String> {
    let actions = prop::collection::vec(prop::sample::select(&PATTERNS[..]), 1..4);
    // Denials and negations are rare, so that the others decide too.
    let element = prop_oneof![
        20 => Just(("Allow", "Action")),
        1 => Just(("Allow", "NotAction")),
        2 => Just(("Deny", "Action")),
    ];
    let place =
        prop::sample::select(vec!["*", "arn:aws:s3:::b/*", "arn:aws:s3:::other/*", "arn:aws:s3:::else/*"]);
    (actions, element, place).prop_map(|(actions, (effect, element), place)| {
        format!(r#"{{"Effect":"{effect}","{element}":["{}"],"Resource":"{place}"}}"#, actions.join(r#"",""#))
    })
}

proptest! {
    #[test]
    fn many_statements_decide_as_they_do_one_by_one(
        statements in prop::collection::vec(statement(), 1..40),
        filler in 0..60usize,
        action in prop::sample::select(vec!["s3:GetObject", "s3:PutObject", "S3:getbucketacl", "sqs:SendMessage", "iam:GetUser"]),
    ) {
        let others = (0..filler).map(|n| format!(r#"{{"Effect":"Deny","Action":"s3:Other{n}","Resource":"*"}}"#));
        let all: Vec<String> = statements.iter().cloned().chain(others).collect();
        let singles: Vec<Program> = statements.iter().map(|statement| program(statement)).collect();
        let singles: Vec<Attached<'_>> = singles.iter().map(of).collect();
        let asked = Asked { action, ..Asked::default() };
        let one_by_one = asked.decide(&Policies { identity: &singles, ..Policies::default() });
        prop_assert_eq!(asked.by_identity(&all.join(",")), one_by_one.outcome.to_string());
    }
}
