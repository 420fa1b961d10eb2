//! The tables against the data that they are made of.

use std::collections::HashSet;
use std::sync::LazyLock;

use rootward_reference::{AWS, AccessLevel, ConditionKey, Service};
use serde_json::Value;

static ROWS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    include_str!("../../data/reference.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
});

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Each row with the service that it belongs to.
fn rows(kind: &str) -> impl Iterator<Item = (Service<'static>, &'static Value)> {
    let mut service = None;
    ROWS.iter().filter_map(move |row| {
        if let Some(row) = row.get("service") {
            service = Some(AWS.service(text(&row["prefix"])).unwrap());
        }
        Some((service?, row.get(kind)?))
    })
}

#[track_caller]
fn assert_same_keys<'a>(keys: impl Iterator<Item = ConditionKey<'a>>, row: &Value) {
    let found: Vec<_> = keys.map(ConditionKey::name).collect();
    assert!(found.is_sorted_by_key(|name| name.to_ascii_lowercase()));
    let found: HashSet<_> = found.into_iter().collect();
    assert_eq!(found, row["keys"].as_array().into_iter().flatten().map(text).collect());
}

#[test]
fn counts_are_those_of_the_data_and_plenty() {
    let head = &ROWS[0]["head"];
    let (services, actions) = (AWS.services().count(), AWS.actions_matching("*").count());
    assert_eq!(
        (Some(services as u64), Some(actions as u64)),
        (head["services"].as_u64(), head["actions"].as_u64())
    );
    assert!(services >= 450 && actions >= 20_000);
    assert!(AWS.condition_keys().count() > 1_500);
    assert_eq!(AWS.source(), text(&head["source"]));
}

#[test]
fn names_are_sorted_and_unique_ignoring_case() {
    let in_order = |names: Vec<&str>| {
        names.iter().map(|name| name.to_ascii_lowercase()).collect::<Vec<_>>().is_sorted_by(|a, b| a < b)
    };
    assert!(in_order(AWS.services().map(Service::prefix).collect()));
    for service in AWS.services() {
        assert!(in_order(service.actions().map(|action| action.name()).collect()), "{service}");
        assert!(in_order(service.resource_types().map(|kind| kind.name()).collect()), "{service}");
        assert!(in_order(service.condition_keys().map(ConditionKey::name).collect()), "{service}");
    }
    let keys: Vec<_> =
        AWS.condition_keys().map(|key| (key.name().to_ascii_lowercase(), key.kind())).collect();
    assert!(keys.is_sorted_by(|a, b| a.0 <= b.0));
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
}

#[test]
fn every_service_is_as_in_the_data() {
    let mut seen = 0;
    for (service, row) in rows("service") {
        assert_eq!((service.prefix(), service.name()), (text(&row["prefix"]), text(&row["name"])));
        assert_eq!(service.supports_rcps(), row.get("rcp").is_some());
        seen += 1;
    }
    assert_eq!(seen, AWS.services().count());
}

#[test]
fn every_action_is_as_in_the_data_and_its_types_are_the_services() {
    for (service, row) in rows("action") {
        let action = service.action(text(&row["name"])).unwrap();
        assert_eq!(action.name(), text(&row["name"]));
        let level = match text(&row["level"]) {
            "List" => AccessLevel::List,
            "Read" => AccessLevel::Read,
            "Write" => AccessLevel::Write,
            "Tagging, Write" => AccessLevel::Tagging,
            "Permissions management, Write" => AccessLevel::PermissionsManagement,
            other => panic!("{other}"),
        };
        assert_eq!(action.level(), level);
        assert_same_keys(action.condition_keys(), row);
        let expected: Vec<_> = row["resources"].as_array().into_iter().flatten().collect();
        assert_eq!(action.resources().count(), expected.len(), "{action}");
        for row in expected {
            let kind = service.resource_type(text(&row["type"])).unwrap();
            let found = action.resources().find(|resource| resource.kind().name() == kind.name()).unwrap();
            assert_eq!(found.is_required(), row.get("required").is_some());
            assert_same_keys(found.condition_keys(), row);
        }
    }
}

#[test]
fn every_resource_type_is_as_in_the_data_and_overlaps_its_own_format() {
    for (service, row) in rows("type") {
        let kind = service.resource_type(text(&row["name"])).unwrap();
        assert_eq!(kind.name(), text(&row["name"]));
        assert_eq!(kind.arn_formats().collect::<Vec<_>>().join(", "), text(&row["arn"]));
        assert_same_keys(kind.condition_keys(), row);
        for format in kind.arn_formats() {
            assert!(kind.overlaps(format) && kind.overlaps("*"), "{kind:?}");
            let arn: String = format
                .split("${")
                .map(|part| part.split_once('}').map_or(part, |p| p.1))
                .collect::<Vec<_>>()
                .join("x");
            assert!(kind.fits(&arn) && kind.overlaps(&arn), "{kind:?} {arn}");
        }
    }
}

#[test]
fn every_key_is_found_with_its_type_under_its_name_in_any_case() {
    for (service, row) in rows("key") {
        let name = text(&row["name"]);
        let own = service.condition_keys().find(|key| key.name() == name).unwrap();
        assert_eq!(own.kind().to_string(), text(&row["type"]));
        for name in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
            assert_eq!(AWS.condition_key(&name).unwrap().name(), own.name());
        }
    }
    for row in ROWS.iter().filter_map(|row| row.get("global")) {
        let key = AWS.condition_key(text(&row["name"])).unwrap();
        assert!(key.is_global());
        assert_eq!(key.kind().to_string(), text(&row["type"]));
    }
}

#[test]
fn every_action_is_found_in_any_case_and_by_the_pattern_that_it_is() {
    let mixed = |text: &str| -> String {
        let flip = |(index, c): (usize, char)| {
            if index % 2 == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
        };
        text.chars().enumerate().map(flip).collect()
    };
    for action in AWS.actions_matching("*:*") {
        let full = action.to_string();
        for name in [full.to_lowercase(), full.to_uppercase(), mixed(&full), full.clone()] {
            assert_eq!(AWS.action(&name).unwrap().to_string(), full);
        }
    }
    for action in AWS.service("iam").unwrap().actions() {
        let found: Vec<_> =
            AWS.actions_matching(&action.to_string()).map(|action| action.to_string()).collect();
        assert_eq!(found, [action.to_string()]);
    }
}

#[test]
fn files_stay_small() {
    let bytes = include_bytes!("../../data/tables.bin").len() + include_str!("../../data/names.txt").len();
    assert!(bytes < 1200 * 1024, "{bytes}");
}

#[test]
fn text_says_that_it_is_generated() {
    assert!(include_str!("../../data/names.txt").starts_with("Generated by `xtask service-reference`"));
    let version = AWS.source();
    assert!(include_str!("../../data/NOTICE").contains(version));
}
