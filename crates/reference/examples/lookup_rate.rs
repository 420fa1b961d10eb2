//! Look-ups per second on one core, and the size of the reference.
//!
//! `cargo run --release -p rootward-reference --example lookup_rate`. Every action, in an order without locality and in lower
//! case; every condition key; the ARN of an object against all resource types of S3.

use std::hint::black_box;
use std::time::Instant;

use rootward_reference::AWS;

const ROUNDS: usize = 50;

fn main() {
    let size = include_bytes!("../data/tables.bin").len() + include_str!("../data/names.txt").len();
    let mut actions: Vec<String> =
        AWS.actions_matching("*").map(|action| action.to_string().to_lowercase()).collect();
    // By their ends: neighbours are of different services.
    actions.sort_by_cached_key(|name| name.chars().rev().collect::<String>());
    let keys: Vec<String> = AWS.condition_keys().map(|key| key.name().to_lowercase()).collect();
    println!(
        "size: {size} bytes; {} services, {} actions, {} keys",
        AWS.services().count(),
        actions.len(),
        keys.len()
    );

    measure("actions looked up", actions.len(), || {
        actions.iter().filter_map(|name| AWS.action(name)).count()
    });
    measure("condition keys looked up", keys.len(), || {
        keys.iter().filter_map(|name| AWS.condition_key(name)).count()
    });
    measure("condition keys with a placeholder looked up", 1_000, || {
        (0..1_000).filter_map(|_| AWS.condition_key(black_box("aws:RequestTag/team"))).count()
    });
    measure("`*:List*` expanded", 1, || AWS.actions_matching(black_box("*:List*")).count());
    measure("`s3:Get*` expanded", 1, || AWS.actions_matching(black_box("s3:Get*")).count());
    let Some(s3) = AWS.service("s3") else { return };
    let types = s3.resource_types().count();
    measure("ARN against a resource type", types, || {
        s3.resource_types().filter(|kind| kind.fits(black_box("arn:aws:s3:::docs/plans/2027.txt"))).count()
    });
    measure("pattern against a resource type", types, || {
        s3.resource_types()
            .filter(|kind| kind.overlaps(black_box("arn:aws:s3:::docs*/${aws:username}/*")))
            .count()
    });
}

/// Prints how many a second; the best of some rounds, since others work on the machine too.
fn measure(what: &str, count: usize, round: impl Fn() -> usize) {
    let seconds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        black_box(round());
        start.elapsed().as_secs_f64()
    });
    let best = seconds.fold(f64::INFINITY, f64::min);
    let count = u32::try_from(count).map_or(f64::NAN, f64::from);
    println!("{what}: {:.0} /s ({:.0} ns each)", count / best, best / count * 1e9);
}
