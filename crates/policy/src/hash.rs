//! The hash of short texts that each decision looks for: quick, and nothing depends on it but time.

/// Eight bytes at a time, each with the bits of `mask` set.
pub(crate) fn words(text: &[u8], mask: u64) -> u64 {
    let (words, rest) = text.as_chunks();
    let last = match text.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => rest.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)),
    };
    let words = words.iter().map(|word| u64::from_le_bytes(*word)).chain([last]);
    words.fold(text.len() as u64, |hash, word| (hash.rotate_left(23) ^ (word | mask)).wrapping_mul(ODD))
}

/// The golden ratio: its bits have no pattern.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
