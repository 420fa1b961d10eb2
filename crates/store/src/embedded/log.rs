//! How the feed's log keeps the writes of one commit: version, where the entry begins, then for each write key and value
//! with their lengths.
//!
//! An entry begins where the one before it ends, in bytes (`u64`) from the first entry the log ever had: so the first and
//! the last entry say how many bytes the log holds. Lengths are `u32`; a value's length is one more than it is, 0 means
//! deleted. Numbers are big-endian.

use std::ops::Range;
use std::sync::Arc;

use crate::Write;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 9;

pub(super) fn encode(writes: &[Write], start: u64) -> Vec<u8> {
    let bytes: usize = writes.iter().map(|write| 8 + write.bytes()).sum();
    let mut out = Vec::with_capacity(HEADER_BYTES + bytes);
    out.push(VERSION);
    out.extend_from_slice(&start.to_be_bytes());
    for write in writes {
        out.extend_from_slice(&length(write.key.len()));
        out.extend_from_slice(&write.key);
        match &write.value {
            Some(value) => {
                out.extend_from_slice(&length(value.len() + 1));
                out.extend_from_slice(value);
            }
            None => out.extend_from_slice(&length(0)),
        }
    }
    out
}

/// Where an entry begins and ends; `None` for anything [`encode`] does not write.
pub(super) fn place(bytes: &[u8]) -> Option<Range<u64>> {
    let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let [VERSION, start @ ..] = *header else { return None };
    let start = u64::from_be_bytes(start);
    Some(start..start.checked_add(bytes.len() as u64)?)
}

/// `None` for anything [`encode`] does not write.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Write>> {
    place(bytes)?;
    let (_, mut rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let mut writes = Vec::new();
    while !rest.is_empty() {
        let key = take_length(&mut rest)?;
        let key = take(&mut rest, key)?.to_vec();
        let value = match take_length(&mut rest)?.checked_sub(1) {
            Some(bytes) => Some(Arc::from(take(&mut rest, bytes)?)),
            None => None,
        };
        writes.push(Write { key, value });
    }
    Some(writes)
}

/// Far below `u32::MAX`: commits are limited to a mebibyte.
fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    usize::try_from(u32::from_be_bytes(*length)).ok()
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn writes_read_back(rows: Vec<(Vec<u8>, Option<Vec<u8>>)>, start in 0..u64::MAX / 2) {
            let writes: Vec<Write> =
                rows.into_iter().map(|(key, value)| Write { key, value: value.map(Arc::from) }).collect();
            let encoded = encode(&writes, start);
            prop_assert_eq!(place(&encoded), Some(start..start + encoded.len() as u64));
            prop_assert_eq!(decode(&encoded), Some(writes));
        }

        #[test]
        fn any_bytes_are_refused_or_read_back(bytes: Vec<u8>) {
            if let (Some(writes), Some(place)) = (decode(&bytes), place(&bytes)) {
                prop_assert_eq!(encode(&writes, place.start), bytes);
            }
        }
    }
}
