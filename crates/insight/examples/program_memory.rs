//! Memory of compiled policies against their text: `program_memory CORPUS…` prints a JSON object by name of corpus.
//!
//! Counts what programs asked the allocator for and still hold; what the allocator rounds up to is in the resident memory
//! that `rootward decide --bench` measures.

use std::alloc::System;

use cap::Cap;
use rootward_insight::Input;
use rootward_policy::Program;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

fn main() -> std::io::Result<()> {
    let mut figures = serde_json::Map::new();
    for file in std::env::args().skip(1) {
        let input = Input::read(&std::fs::read_to_string(&file)?);
        let scenarios = input.scenarios.iter();
        let texts: Vec<&str> = scenarios
            .flat_map(|scenario| scenario.policies.documents().chain(&scenario.resource_policies))
            .map(|document| &*document.text)
            .collect();
        let mut programs = Vec::with_capacity(texts.len());
        let before = ALLOCATOR.allocated();
        programs.extend(texts.iter().map(|text| Program::of_stored(text)));
        let own = programs.len() * size_of::<Program>();
        let heap = ALLOCATOR.allocated() - before + own;
        let text: usize = texts.iter().map(|text| text.len()).sum();
        figures
            .insert(input.name.unwrap_or(file), serde_json::json!({"policyBytes": text, "heapBytes": heap}));
    }
    println!("{}", serde_json::Value::Object(figures));
    Ok(())
}
