//! What one password costs: the hash that every sign-in computes, alone.
//!
//! `cargo run --release -p rootward-auth --example hash_cost [COUNT]` prints the median in milliseconds, as a bare number.

use std::error::Error;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::time::Instant;

use rootward_auth::password::{Asker, Hasher, Password, Who};

fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = std::env::args().nth(1).map_or(Ok(51), |text| text.parse())?;
    let hasher = Hasher::new(NonZeroUsize::MIN, 0)?;
    let password = Password::new("quiet-Otter+27-lanterns");
    let asker = Asker { source: Ipv4Addr::LOCALHOST.into(), who: Who::Name([0; 32]) };
    let mut waits = Vec::new();
    for _ in 0..count.max(1) {
        let permit = hasher.permit(asker)?;
        let begun = Instant::now();
        // Who does not exist costs what everybody costs.
        let _ = black_box(permit.verify(&password, None));
        waits.push(begun.elapsed());
    }
    waits.sort_unstable();
    let median = waits.get(waits.len() / 2).ok_or("nothing was measured")?;
    println!("{:.3}", median.as_secs_f64() * 1e3);
    Ok(())
}
