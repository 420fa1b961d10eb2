//! Randomness as an argument, so that every function that makes ids or secrets runs reproducibly in a test.

/// A source of random bytes. Production hands out a generator that the operating system seeds; tests and `--seed` a
/// reproducible one.
pub trait Random {
    /// Fills `bytes` completely.
    fn fill(&mut self, bytes: &mut [u8]);

    /// Eight random bytes as a number.
    fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}
