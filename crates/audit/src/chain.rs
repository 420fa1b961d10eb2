//! The chain: every batch's hash covers the batch and the hash before it, and is sealed.
//!
//! `hash(n) = SHA-256(hash(n - 1) ‖ canonical bytes of batch n)`, `hash(0) = SHA-256(GENESIS)`.
//! Canonical bytes: the numbers of the first and the last record, the earliest and the latest time (seconds), each as 8
//! bytes big-endian, then the text of the records to its end.
//! Seal of a head: `MAC(SEAL_LABEL ‖ seq ‖ hash)`.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::log::Bounds;

/// The end of a log: the number of its last record, and the hash of the batch that ends with it.
///
/// Kept somewhere else, it proves later that nothing up to it was cut off or rewritten.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Records up to here; 0 for an empty log.
    pub seq: u64,
    /// The hash of the batch that ends with record `seq`.
    pub hash: [u8; 32],
}

impl Head {
    /// The head of a log without records.
    pub fn genesis() -> Self {
        Self { seq: 0, hash: Sha256::digest(GENESIS).into() }
    }

    /// Forty bytes: the number, big-endian, and the hash.
    pub fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let (seq, hash) = bytes.split_at_mut(8);
        seq.copy_from_slice(&self.seq.to_be_bytes());
        hash.copy_from_slice(&self.hash);
        bytes
    }

    /// What [`Head::to_bytes`] made; none for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seq, hash) = bytes.split_first_chunk::<8>()?;
        Some(Self { seq: u64::from_be_bytes(*seq), hash: hash.try_into().ok()? })
    }

    /// The head after this batch follows.
    pub(crate) fn next(&self, bounds: &Bounds, records: &str) -> Self {
        let Bounds { first, last, time_min, time_max } = *bounds;
        let mut sha = Sha256::new_with_prefix(self.hash);
        sha.update(first.to_be_bytes());
        sha.update(last.to_be_bytes());
        sha.update(time_min.to_be_bytes());
        sha.update(time_max.to_be_bytes());
        sha.update(records);
        Self { seq: last, hash: sha.finalize().into() }
    }
}

/// Number, colon, hash in hexadecimal.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.seq)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Makes and checks the codes that only the holder of a key can make: `message → MAC`, 32 bytes.
#[derive(Clone)]
pub struct Seal(Arc<Mac>);

type Mac = dyn Fn(&[u8]) -> [u8; 32] + Send + Sync;

impl Seal {
    /// A seal by this function, which must be a MAC under a key used for nothing else.
    pub fn new(mac: impl Fn(&[u8]) -> [u8; 32] + Send + Sync + 'static) -> Self {
        Self(Arc::new(mac))
    }

    pub(crate) fn make(&self, head: &Head) -> [u8; 32] {
        (self.0)(&[SEAL_LABEL, &head.to_bytes()[..]].concat())
    }

    pub(crate) fn holds(&self, head: &Head, mac: &[u8]) -> bool {
        self.make(head).ct_eq(mac).into()
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(..)")
    }
}

const GENESIS: &[u8] = b"rootward audit log, format 1";
const SEAL_LABEL: &[u8] = b"rootward audit head, format 1";

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { first: 1, last: 2, time_min: 3, time_max: 4 };

    #[test]
    fn head_reads_back_from_its_bytes() {
        let head = Head::genesis().next(&BOUNDS, "[]");
        assert_eq!(Head::from_bytes(&head.to_bytes()), Some(head));
        assert_eq!(Head::from_bytes(&[0; 39]), None);
    }

    #[test]
    fn hash_covers_every_column_and_what_came_before() {
        let start = Head::genesis();
        let base = start.next(&BOUNDS, "[{}]");
        for changed in [
            start.next(&Bounds { first: 0, ..BOUNDS }, "[{}]"),
            start.next(&Bounds { last: 3, ..BOUNDS }, "[{}]"),
            start.next(&Bounds { time_min: -3, ..BOUNDS }, "[{}]"),
            start.next(&Bounds { time_max: 5, ..BOUNDS }, "[{}]"),
            start.next(&BOUNDS, "[{} ]"),
            base.next(&BOUNDS, "[{}]"),
        ] {
            assert_ne!(changed.hash, base.hash);
        }
    }
}
