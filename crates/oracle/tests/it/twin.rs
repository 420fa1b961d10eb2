//! The engine and the oracle over generated worlds.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rootward_oracle::{World, decide, disagreement, engine, generate, outlook, shrink};
use rootward_policy::{Layer, Outcome, Outlook};

fn worlds() -> impl Strategy<Value = World> {
    proptest::collection::vec(any::<u8>(), 0..900).prop_map(|bytes| generate(&bytes))
}

proptest! {
    // What failed once is kept as a case of tests/conformance, where it can be read.
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn engine_and_oracle_agree(world in worlds()) {
        if disagreement(&world).is_some() {
            let world = shrink(world, |world| disagreement(world).is_some());
            let (oracle, engine) = disagreement(&world).unwrap();
            let json = serde_json::to_string_pretty(&world).unwrap();
            prop_assert!(false, "oracle: {oracle:?}\nengine: {engine:?}\n{json}");
        }
    }
}

/// Keys that follow from the caller: those that a request overrides come back when it no longer does.
const OF_CALLER: [&str; 4] = ["aws:principal", "aws:user", "aws:assumedroot", "aws:via"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn outlook_without_some_keys_and_with_other_values_holds_with_all(
        world in worlds(),
        dropped in any::<u32>(),
        other in prop_oneof![Just(0_u32), any::<u32>()],
        known in any::<bool>(),
    ) {
        let mut reduced = world.clone();
        let mut at = 0;
        reduced.request.context.retain(|key, _| {
            at += 1;
            let kept = OF_CALLER.iter().any(|start| key.to_lowercase().starts_with(start));
            kept || dropped & (1 << (at % 32)) == 0
        });
        // Others have another value for now.
        let mut at = 0;
        let mut changed = Vec::new();
        for (key, value) in &mut reduced.request.context {
            at += 1;
            if other & (1 << (at % 32)) != 0 && !OF_CALLER.iter().any(|start| key.to_lowercase().starts_with(start)) {
                *value = "other".into();
                changed.push(key.to_lowercase());
            }
        }
        // Of the keys that no request of this world has, it may be known.
        let has = |name: &str| world.request.context.keys().any(|key| key.to_lowercase() == name.to_lowercase());
        let is_settled = |name: &str, is_present: bool| match is_present {
            true => !changed.contains(&name.to_lowercase()),
            false => known && !has(name),
        };
        let (with_all, without) = (engine(&world).outcome == Outcome::Allowed, outlook(&reduced, is_settled));
        let holds = match without {
            Outlook::Allowed => with_all,
            Outlook::Denied => !with_all,
            Outlook::Depends => true,
        };
        if !holds {
            let json = serde_json::to_string_pretty(&world).unwrap();
            prop_assert!(false, "{without:?} without, allowed {with_all} with: {:?} of\n{json}", reduced.request.context);
        }
    }
}

/// A generator of worlds in which nothing matches would agree about everything.
#[test]
fn generated_worlds_are_decided_by_every_layer() {
    use Layer::{Boundary, Endpoint, Free, Guard, Identity, Rcp, Resource, Root, Scp, Session, Trust};
    use Outcome::{Allowed, ExplicitDeny, ImplicitDeny};

    const WORLDS: usize = 4_000;
    let mut runner = TestRunner::deterministic();
    let mut outcomes = BTreeMap::<String, usize>::new();
    let mut answers = BTreeMap::<String, usize>::new();
    for _ in 0..WORLDS {
        let answer = decide(&worlds().new_tree(&mut runner).unwrap().current());
        *outcomes.entry(format!("{:?}", answer.outcome)).or_default() += 1;
        *answers.entry(format!("{:?} {:?}", answer.outcome, answer.layer)).or_default() += 1;
    }
    for outcome in [Allowed, ExplicitDeny, ImplicitDeny] {
        let count = outcomes.get(&format!("{outcome:?}")).copied().unwrap_or_default();
        assert!(count * 100 >= WORLDS * 15, "{outcome:?}: {count} of {WORLDS}");
    }
    let expected = [
        (Allowed, &[Free, Identity, Resource, Root, Trust][..]),
        (ExplicitDeny, &[Boundary, Endpoint, Guard, Identity, Rcp, Resource, Scp, Session, Trust]),
        (ImplicitDeny, &[Boundary, Endpoint, Identity, Resource, Scp, Session, Trust]),
    ];
    for (outcome, layers) in expected {
        for layer in layers {
            let count = answers.get(&format!("{outcome:?} {layer:?}")).copied().unwrap_or_default();
            // Half a percent.
            assert!(count * 200 >= WORLDS, "{outcome:?} {layer:?}: {count} of {WORLDS}");
        }
    }
}

#[test]
fn world_shrinks_to_what_matters() {
    let world = (0..=u8::MAX)
        .map(|seed| generate(&[seed.wrapping_mul(151), seed].repeat(200)))
        .find(|world| !world.identity_policies.is_empty() && world.resource_policy.is_some())
        .unwrap();
    let small = shrink(world, |world| !world.identity_policies.is_empty());
    assert_eq!(small.identity_policies.len(), 1);
    assert_eq!(small.identity_policies[0]["Statement"].as_array().unwrap().len(), 1);
    assert_eq!((small.resource_policy, small.scps, small.rcps), (None, None, None));
    assert!(small.request.context.is_empty());
}
