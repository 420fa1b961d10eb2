//! Input made to hurt: never a panic, never an allow, always soon.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rootward_policy::{Policy, PolicyKind, Program};

use crate::world::{Asked, outcome};

const KINDS: [PolicyKind; 9] = [
    PolicyKind::Boundary,
    PolicyKind::Endpoint,
    PolicyKind::Guard,
    PolicyKind::Identity,
    PolicyKind::Rcp,
    PolicyKind::Resource,
    PolicyKind::Scp,
    PolicyKind::Session,
    PolicyKind::Trust,
];

/// Values that stand somewhere in a policy, many of them where they should not.
fn json() -> impl Strategy<Value = String> {
    let texts = prop_oneof![
        Just("2012-10-17"),
        Just("Allow"),
        Just("Deny"),
        Just("*"),
        Just("s3:Get*"),
        Just("arn:aws:s3:::b/${a:b, 'c'}*"),
        Just("arn:aws:iam::111111111111:root"),
        Just("111111111111"),
        Just("10.0.0.0/8"),
        Just("2026-01-01"),
        Just("${"),
        Just("?*?"),
        Just("é\\u0000"),
    ]
    .prop_map(|text| format!("\"{text}\""));
    let leaf = prop_oneof![4 => texts, 1 => Just("1e9".to_owned()), 1 => Just("true".to_owned()), 1 => Just("null".to_owned())];
    let names = prop_oneof![
        Just("Version"),
        Just("Statement"),
        Just("Effect"),
        Just("Principal"),
        Just("NotPrincipal"),
        Just("Action"),
        Just("NotAction"),
        Just("Resource"),
        Just("NotResource"),
        Just("Condition"),
        Just("Sid"),
        Just("AWS"),
        Just("Service"),
        Just("StringLike"),
        Just("ForAllValues:NumericNotEquals"),
        Just("IpAddress"),
        Just("Null"),
        Just("aws:SourceIp"),
        Just("K"),
    ];
    leaf.prop_recursive(6, 40, 6, move |inner| {
        let member = (names.clone(), inner.clone()).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        prop_oneof![
            1 => prop::collection::vec(inner, 0..4).prop_map(|values| format!("[{}]", values.join(","))),
            3 => prop::collection::vec(member, 0..7).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

/// Documents that are mostly right.
fn document() -> impl Strategy<Value = String> {
    let actions = prop::collection::vec("[a-z]{1,3}:[A-Za-z*?]{0,5}", 1..3);
    let resources =
        prop::collection::vec("\\*|arn:aws:[a-z]{2}:[a-z*]{0,2}:[0-9*]{0,2}:[a-z*?/:${}]{1,8}", 1..3);
    let operators =
        prop_oneof![Just("StringEquals"), Just("ForAnyValue:ArnNotLike"), Just("Bool"), Just("DateEquals")];
    let condition = (operators, "[a-z:/]{1,6}", prop::collection::vec("[ -~]{0,8}", 0..3));
    let quote = |texts: Vec<String>| serde_json::to_string(&texts).unwrap();
    let statement = (any::<[bool; 3]>(), actions, resources, condition, "[a-zA-Z0-9]{0,4}").prop_map(
        move |([deny, not_action, not_resource], actions, resources, (operator, key, values), sid)| {
            let effect = if deny { "Deny" } else { "Allow" };
            let not = |not: bool| if not { "Not" } else { "" };
            format!(
                r#"{{"Sid":"{sid}","Effect":"{effect}","Principal":{{"AWS":["*","1"],"Service":"x.y"}},"{}Action":{},"{}Resource":{},"Condition":{{"{operator}":{{"{key}":{}}}}}}}"#,
                not(not_action), quote(actions), not(not_resource), quote(resources), quote(values),
            )
        },
    );
    prop::collection::vec(statement, 1..4).prop_map(|statements| {
        format!(r#"{{"Version":"2012-10-17","Id":"\"x\"","Statement":[{}]}}"#, statements.join(","))
    })
}

/// The policy with all places forgotten, by way of its text.
fn reprinted(text: &str) -> Option<(String, String)> {
    let printed = Policy::read_stored(text).ok()?.to_string();
    let again = Policy::read_stored(&printed).expect(&printed).to_string();
    Some((printed, again))
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        for kind in KINDS {
            let _ = Policy::parse(&text, kind);
        }
    }

    #[test]
    fn any_json_is_read_or_refused_and_what_is_accepted_is_stored(text in json()) {
        for kind in KINDS {
            match Policy::parse(&text, kind) {
                Ok(policy) => prop_assert_eq!(Policy::read_stored(&text).unwrap(), policy),
                Err(problems) => {
                    prop_assert!(problems.iter().next().is_some());
                    prop_assert!(!problems.to_string().contains('\0'));
                }
            }
        }
        let _ = outcome_of(&text);
    }

    #[test]
    fn document_that_cannot_be_read_never_allows(text in json()) {
        if Policy::read_stored(&text).is_err() {
            prop_assert_eq!(outcome_of(&text), "explicitDeny");
        }
    }

    #[test]
    fn printed_policy_reads_back_and_decides_alike(text in document()) {
        let (printed, again) = reprinted(&text).expect(&text);
        prop_assert_eq!(&printed, &again);
        prop_assert_eq!(outcome_of(&printed), outcome_of(&text));
    }

    #[test]
    fn principals_left_alone_leave_the_text_alone(text in document()) {
        prop_assert_eq!(Policy::map_principals(&text, &mut |_| None), text.clone());
        let mapped = Policy::map_principals(&text, &mut |value| (value == "1").then(|| "2".to_owned()));
        prop_assert_eq!(Policy::map_principals(&mapped, &mut |value| (value == "2").then(|| "1".to_owned())), text);
    }
}

fn outcome_of(text: &str) -> String {
    let program = Program::of_stored(text);
    let policies =
        rootward_policy::Policies { identity: &[crate::world::of(&program)], ..Default::default() };
    Asked::default().decide(&policies).outcome.to_string()
}

#[test]
fn unknown_operator_helps_no_allow_and_excuses_no_deny() {
    let statement = |effect: &str| {
        format!(
            r#"{{"Effect":"{effect}","Action":"*","Resource":"*","Condition":{{"StringResembles":{{"a":"b"}}}}}}"#
        )
    };
    assert_eq!(outcome(&statement("Allow")), "implicitDeny");
    let both = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*"}},{}"#, statement("Deny"));
    assert_eq!(outcome(&both), "explicitDeny");
}

#[test]
fn value_that_does_not_parse_helps_no_allow_and_excuses_no_deny() {
    for (condition, key, value) in [
        (r#""NumericLessThan":{"k":"10"}"#, "k", "ten"),
        (r#""NumericNotEquals":{"k":"ten"}"#, "k", "10"),
        (r#""DateGreaterThan":{"k":"later"}"#, "k", "2026-01-01"),
        (r#""IpAddress":{"k":"1.2.3.4/33"}"#, "k", "1.2.3.4"),
        (r#""NotIpAddress":{"k":"1.2.3.4/24"}"#, "k", "fe80::1%eth0"),
        (r#""Bool":{"k":"true"}"#, "k", "yes"),
    ] {
        let mut asked = Asked::default();
        asked.context.text(key, value);
        let allow =
            format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{{condition}}}}}"#);
        assert_eq!(asked.by_identity(&allow), "implicitDeny", "{condition}");
        let deny =
            format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*"}},{}"#, allow.replace("Allow", "Deny"));
        assert_eq!(asked.by_identity(&deny), "explicitDeny", "{condition}");
    }
}

#[test]
fn wildcard_in_a_service_grants_nothing_and_still_denies() {
    assert_eq!(outcome(r#"{"Effect":"Allow","Action":"s*:GetObject","Resource":"*"}"#), "implicitDeny");
    assert_eq!(outcome(r#"{"Effect":"Allow","NotAction":"s*:GetObject","Resource":"*"}"#), "implicitDeny");
    let all = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    assert_eq!(
        outcome(&format!(r#"{all},{{"Effect":"Deny","Action":"s*:GetObject","Resource":"*"}}"#)),
        "explicitDeny"
    );
    assert_eq!(
        outcome(&format!(r#"{all},{{"Effect":"Deny","NotAction":"s*:GetObject","Resource":"*"}}"#)),
        "explicitDeny"
    );
}

/// Runs `work` and demands that it took less than five seconds, debug build and busy machine included.
fn soon(work: impl FnOnce()) {
    let start = Instant::now();
    work();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn large_deep_and_repetitive_documents_are_answered_soon() {
    let statement = r#"{"Sid":"x","Effect":"allow","Action":"é","Resource":"b"},"#;
    let many = format!(r#"{{"Statement":[{}1]}}"#, statement.repeat(4_000));
    let names: String = (0..20_000).map(|n| format!("\"k{}\":0,", n % 7_000)).collect();
    for text in
        ["[".repeat(10_000), " ".repeat(10_000_000), many, format!("{{{names}\"\":0}}"), "1,".repeat(100_000)]
    {
        soon(|| assert!(Policy::parse(&text, PolicyKind::Identity).is_err()));
    }
}

#[test]
fn pattern_and_resource_made_for_each_other_are_matched_soon() {
    let resource = format!("arn:aws:s3:::{}", "a".repeat(200_000));
    for name in ["*a".repeat(100_000) + "b", "a*".repeat(50_000) + "b", format!("*{}b*", "a?".repeat(2_000))]
    {
        let mut asked = Asked { resource: &resource, ..Asked::default() };
        asked.context.text("k", &"a".repeat(20_000));
        let statement = format!(
            r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"StringLike":{{"k":"{name}"}}}}}}"#
        );
        soon(|| assert_eq!(asked.by_identity(&statement), "implicitDeny"));
        let statement = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::{name}"}}"#);
        soon(|| assert_eq!(asked.by_identity(&statement), "implicitDeny"));
    }
}

#[test]
fn actions_of_any_length_and_letters_are_decided() {
    let long = "s3:".to_owned() + &"É".repeat(10_000);
    for action in ["", ":", "s3", "s3:a:b", &long] {
        let asked = Asked { action, ..Asked::default() };
        let allowed = asked.by_identity(r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}"#);
        assert_eq!(allowed, "implicitDeny", "{action}");
    }
}
