//! Sources of time and randomness: the machine's, or reproducible ones for a seeded sandbox.
//!
//! This is the one place that reads them; everything below takes what it needs as an argument.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use rand::Rng;
use rootward_names::{Random, Time};
use rootward_pipeline::Draw;
use sha2::{Digest, Sha256};

/// Where time and randomness come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// The machine's clock and the operating system's random bytes.
    Machine,
    /// Reproducible: the same seed and the same requests in the same order give the same ids, secrets and times.
    Seeded(Mutex<Stream>),
}

/// When a seeded sandbox begins; every reading of its clock is one second later.
const SEEDED_START_SECONDS: i64 = 1_767_225_600;

/// A reproducible stream of bytes and a clock that only readings move.
#[derive(Debug)]
pub(crate) struct Stream {
    seed: u64,
    drawn: u64,
    readings: i64,
}

impl rootward_pipeline::Source for Source {
    fn machine_now(&self) -> Time {
        machine_time()
    }

    fn now(&self) -> Time {
        Self::now(self)
    }

    fn glance(&self) -> Time {
        match self {
            Self::Machine => machine_time(),
            Self::Seeded(stream) => stream.lock().unwrap_or_else(PoisonError::into_inner).time(),
        }
    }

    fn fill(&self, bytes: &mut [u8]) {
        match self {
            Self::Machine => machine_random(bytes),
            Self::Seeded(stream) => stream.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes),
        }
    }
}

impl rootward_alerts::Source for Source {
    fn now(&self) -> Time {
        Self::now(self)
    }

    fn number(&self) -> u64 {
        Draw(self).number()
    }
}

impl Source {
    /// A reproducible source.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded(Mutex::new(Stream { seed, drawn: 0, readings: 0 }))
    }

    /// Now, as entities, sessions and records show it.
    pub(crate) fn now(&self) -> Time {
        match self {
            Self::Machine => machine_time(),
            Self::Seeded(stream) => {
                let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
                stream.readings += 1;
                stream.time()
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn machine_time() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A generator of this thread's own (ChaCha, seeded and reseeded by the operating system): request and event ids are drawn
/// on every call, and asking the kernel each time costs more than the signature check.
#[expect(clippy::disallowed_methods, reason = "the one place that draws from the machine")]
fn machine_random(bytes: &mut [u8]) {
    rand::rng().fill_bytes(bytes);
}

impl Stream {
    fn time(&self) -> Time {
        Time::from_seconds(SEEDED_START_SECONDS + self.readings)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let mut hash = Sha256::new();
            hash.update(self.seed.to_le_bytes());
            hash.update(self.drawn.to_le_bytes());
            self.drawn += 1;
            chunk.iter_mut().zip(hash.finalize()).for_each(|(byte, drawn)| *byte = drawn);
        }
    }
}

#[cfg(test)]
mod tests {
    use rootward_pipeline::Source as _;

    use super::*;

    #[test]
    fn same_seed_gives_the_same_bytes_and_times() {
        let draw = |seed| {
            let source = Source::seeded(seed);
            let mut bytes = [0; 40];
            Draw(&source).fill(&mut bytes);
            (bytes, source.now(), source.now())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7).0, draw(8).0);
        assert!(draw(7).1 < draw(7).2);
    }

    #[test]
    fn glances_do_not_move_the_clock_of_a_seed() {
        let source = Source::seeded(7);
        let now = source.now();
        assert_eq!((source.glance(), source.glance()), (now, now));
        assert_eq!(source.now(), now.plus_seconds(1));
    }
}
