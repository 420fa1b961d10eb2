//! Decisions: the engine and the oracle give the same outcome, and name the same layer, in any world.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rootward_oracle::{disagreement, generate, shrink};

fuzz_target!(|bytes: &[u8]| {
    let world = generate(bytes);
    if disagreement(&world).is_some() {
        let world = shrink(world, |world| disagreement(world).is_some());
        panic!("{:?}\n{}", disagreement(&world), serde_json::to_string_pretty(&world).unwrap());
    }
});
