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

const PLACES: [&str; 14] = [
    "*",
    "arn:aws:s3:::bucket",
    "arn:aws:s3:::bucket/*",
    "arn:aws:s3:::bucket/a",
    "arn:aws:s3:::bucket/a*",
    "arn:aws:s3:::bucket/${aws:username}",
    "arn:aws:s3:::*/a",
    "arn:aws:s3:::b?cket/a",
    "arn:*:s3:::bucket/*",
    "arn:aws:s*",
    "arn:aws:s3",
    "arn:aws:s3:::other/*",
    "arn:aws:sqs:*:111111111111:queue",
    "odd",
];

const RESOURCES: [&str; 6] = [
    "arn:aws:s3:::bucket",
    "arn:aws:s3:::bucket/a",
    "arn:aws:s3:::bucket/ab/c",
    "arn:aws:s3:::other/a",
    "arn:aws:sqs:us-east-1:111111111111:queue",
    "*",
];

fn statement() -> impl Strategy<Value = String> {
    let actions = prop::collection::vec(prop::sample::select(&PATTERNS[..]), 1..4);
    let places = prop::collection::vec(prop::sample::select(&PLACES[..]), 1..3);
    // Denials and negations are rare, so that the others decide too.
    let elements = prop_oneof![
        20 => Just(("Allow", "Action", "Resource")),
        1 => Just(("Allow", "NotAction", "Resource")),
        1 => Just(("Allow", "Action", "NotResource")),
        1 => Just(("Deny", "Action", "Resource")),
    ];
    (actions, elements, places).prop_map(|(actions, (effect, action, resource), places)| {
        let (actions, places) = (actions.join(r#"",""#), places.join(r#"",""#));
        format!(r#"{{"Effect":"{effect}","{action}":["{actions}"],"{resource}":["{places}"]}}"#)
    })
}

proptest! {
    #[test]
    fn many_statements_decide_as_they_do_one_by_one(
        statements in prop_oneof![
            prop::collection::vec(statement(), 1..40),
            // More than a service may have before they are searched by action; few are repeated often enough.
            prop::collection::vec(statement(), 1..6).prop_map(|few| few.into_iter().cycle().take(200).collect()),
        ],
        filler in 0..60usize,
        action in prop::sample::select(vec!["s3:GetObject", "s3:PutObject", "S3:getbucketacl", "sqs:SendMessage", "iam:GetUser"]),
        resource in prop::sample::select(&RESOURCES[..]),
    ) {
        let others = (0..filler).map(|n| format!(r#"{{"Effect":"Deny","Action":"s3:Other{n}","Resource":"*"}}"#));
        let all: Vec<String> = statements.iter().cloned().chain(others).collect();
        let singles: Vec<Program> = statements.iter().map(|statement| program(statement)).collect();
        let singles: Vec<Attached<'_>> = singles.iter().map(of).collect();
        let mut asked = Asked { action, resource, ..Asked::default() };
        asked.context.text("aws:username", "a");
        let one_by_one = asked.decide(&Policies { identity: &singles, ..Policies::default() });
        prop_assert_eq!(asked.by_identity(&all.join(",")), one_by_one.outcome.to_string());
    }
}
