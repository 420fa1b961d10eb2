//! How the feed's log keeps the writes of one commit: version, then for each write key and value with their lengths.
//!
//! Lengths are big-endian `u32`; a value's length is one more than it is, 0 means deleted.

use std::sync::Arc;

use crate::Write;

const VERSION: u8 = 1;

pub(super) fn encode(writes: &[Write]) -> Vec<u8> {
    let bytes: usize = writes.iter().map(|write| 8 + write.bytes()).sum();
    let mut out = Vec::with_capacity(1 + bytes);
    out.push(VERSION);
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

/// `None` for anything [`encode`] does not write.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Write>> {
    let (version, mut rest) = bytes.split_first()?;
    if *version != VERSION {
        return None;
    }
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
        fn writes_read_back(rows: Vec<(Vec<u8>, Option<Vec<u8>>)>) {
            let writes: Vec<Write> =
                rows.into_iter().map(|(key, value)| Write { key, value: value.map(Arc::from) }).collect();
            let encoded = encode(&writes);
            prop_assert_eq!(decode(&encoded), Some(writes));
        }

        #[test]
        fn any_bytes_are_refused_or_read_back(bytes: Vec<u8>) {
            if let Some(writes) = decode(&bytes) {
                prop_assert_eq!(encode(&writes), bytes);
            }
        }
    }
}
