//! The chain: every row's hash covers the row and the hash before it; every batch's last hash is sealed.
//!
//! `hash(n) = SHA-256(hash(n - 1) ‖ canonical bytes of row n)`, `hash(0) = SHA-256(GENESIS)`.
//! Canonical bytes: seq and time (seconds) as 8 bytes big-endian, the 16 bytes of the event id, `readOnly` as one byte,
//! then event name, event source, account, user name, access key id, error code and record, each as a length of 4
//! bytes and its bytes, or `ff ff ff ff` when null.
//! Seal of a head: `MAC(SEAL_LABEL ‖ seq ‖ hash)`.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Entry;

/// The end of a log: the sequence number and the hash of its last record.
///
/// Kept somewhere else, it proves later that nothing up to it was cut off or rewritten.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Records up to here; 0 for an empty log.
    pub seq: u64,
    /// The hash of record `seq`.
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

    /// The head after `entry` follows.
    pub(crate) fn next(&self, entry: &Entry) -> Self {
        let seq = self.seq + 1;
        Self { seq, hash: row_hash(&self.hash, seq, entry) }
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

fn row_hash(previous: &[u8; 32], seq: u64, entry: &Entry) -> [u8; 32] {
    let account = entry.account.map(|account| account.to_string());
    let mut sha = Sha256::new_with_prefix(previous);
    sha.update(seq.to_be_bytes());
    sha.update(entry.time.seconds().to_be_bytes());
    sha.update(entry.id.to_bytes());
    sha.update([u8::from(entry.read_only)]);
    let columns = [
        Some(entry.event_name()),
        Some(entry.event_source()),
        account.as_deref(),
        entry.user_name(),
        entry.access_key_id(),
        entry.error_code(),
        Some(entry.json()),
    ];
    for column in columns {
        // Texts are far below 4 GiB; the marker of a null is no length that occurs.
        let length = column.map_or(u32::MAX, |text| u32::try_from(text.len()).unwrap_or(u32::MAX - 1));
        sha.update(length.to_be_bytes());
        sha.update(column.unwrap_or_default());
    }
    sha.finalize().into()
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
    use crate::entry::tests::sample;

    #[test]
    fn head_reads_back_from_its_bytes() {
        let head = Head::genesis().next(&sample(0));
        assert_eq!(Head::from_bytes(&head.to_bytes()), Some(head));
        assert_eq!(Head::from_bytes(&[0; 39]), None);
    }

    #[test]
    fn hash_covers_every_column() {
        let (base, start) = (sample(0), Head::genesis());
        let mut changed = vec![base.clone(); 10];
        changed[0].id = sample(1).id;
        changed[1].time = base.time.plus_seconds(1);
        changed[2].event_name = "DeleteUser".into();
        changed[3].event_source = "sts.amazonaws.com".into();
        changed[4].account = None;
        changed[5].user_name = Some("".into());
        changed[6].access_key_id = None;
        changed[7].read_only = !base.read_only;
        changed[8].error_code = Some("".into());
        changed[9].record = "{}".into();
        for entry in changed {
            assert_ne!(start.next(&entry), start.next(&base), "{entry:?}");
        }
    }
}
