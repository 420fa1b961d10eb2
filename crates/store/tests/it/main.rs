//! The store from outside: against a model, and killed at random moments.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod model;

#[cfg(test)]
/// The same numbers on every run for the same seed.
struct Seeded(u64);

#[cfg(test)]
impl rootward_names::Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (self.0 >> 56) as u8;
        }
    }
}
