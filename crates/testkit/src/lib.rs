#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
#![expect(
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "only tests call this, and what cannot be is a test that fails"
)]

mod security_key;

use rootward_names::Random;

pub use security_key::{Held, SecurityKey};

/// A random source that gives the same in every run, and something else for each seed.
#[derive(Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// The source of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}
