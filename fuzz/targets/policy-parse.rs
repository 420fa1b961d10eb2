//! Policies: whatever is saved can be read again as the same policy, and whatever is refused is refused with words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rootward_policy::{Policy, PolicyKind};

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

fuzz_target!(|text: &str| {
    let stored = Policy::read_stored(text);
    for kind in KINDS {
        match Policy::parse(text, kind) {
            Ok(policy) => assert_eq!(stored.as_ref(), Ok(&policy), "saved, then read as another"),
            Err(problems) => {
                assert!(problems.iter().next().is_some_and(|problem| !problem.message.is_empty()));
                assert!(!problems.aws_message().is_empty());
            }
        }
    }
    if let Ok(policy) = stored {
        let printed = policy.to_string();
        let again = Policy::read_stored(&printed).expect("what is printed can be read");
        assert_eq!(again.to_string(), printed);
    }
    assert_eq!(Policy::map_principals(text, &mut |_| None), text);
});
