//! Time and randomness, as requests and sign-ins are given them. Nothing below reads a clock or draws a number but from here.

use rootward_names::{Random, Time};

/// Time and randomness for requests. One is shared by all of them.
pub trait Source: Send + Sync {
    /// Now, by the machine's clock: what signatures are held against.
    fn machine_now(&self) -> Time;
    /// Now, as entities, sessions and records show it.
    fn now(&self) -> Time;
    /// The same, for what runs by the machine's time and not by a request: where readings move the clock, this one does not. Random
    /// bytes that such a run draws are drawn from the same source, all the same.
    fn glance(&self) -> Time {
        self.now()
    }
    /// Fills `bytes` with random ones.
    fn fill(&self, bytes: &mut [u8]);
}

/// Draws from a shared source.
pub struct Draw<'a>(pub &'a dyn Source);

impl Random for Draw<'_> {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}
