//! Event ids: GUIDs whose first 48 bits are the time.

use std::fmt;

use rootward_names::{Random, Time};

/// The `eventID` of a record: a UUID of version 7, lower case.
///
/// Time first, because the log then needs no index of every id: one of when ids were made leads to the few batches that
/// can hold one, and an id newer than all others is known to be new.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId([u8; 16]);

impl EventId {
    /// A fresh id for a call at `time`: 48 bits of milliseconds and 74 random ones.
    pub fn new(time: Time, random: &mut dyn Random) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        let [_, _, millis @ ..] = time.millis().to_be_bytes();
        for (byte, of_time) in bytes.iter_mut().zip(millis) {
            *byte = of_time;
        }
        let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
        *version = (*version & 0x0f) | 0x70;
        *variant = (*variant & 0x3f) | 0x80;
        Self(bytes)
    }

    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id: a key for its outbox row.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The 64 ms that the id's time is in, counted from 1970.
    pub(crate) fn span(self) -> i64 {
        let [a, b, c, d, e, f, ..] = self.0;
        i64::from_be_bytes([0, 0, a, b, c, d, e, f]) >> SPAN_BITS
    }

    /// Reads the form `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        let dashes_fit = text.bytes().enumerate().all(|(at, byte)| (byte == b'-') == DASHES.contains(&at));
        if text.len() != 36 || !dashes_fit {
            return None;
        }
        let mut digits = text.bytes().filter(|&byte| byte != b'-').map(digit);
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            *byte = digits.next()?? << 4 | digits.next()??;
        }
        Some(Self(bytes))
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from_be_bytes(self.0);
        let part = |shift: u32, bits: u32| (number >> shift) & ((1 << bits) - 1);
        write!(f, "{:08x}-{:04x}-{:04x}-", part(96, 32), part(80, 16), part(64, 16))?;
        write!(f, "{:04x}-{:012x}", part(48, 16), part(0, 48))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const SPAN_BITS: u32 = 6;
const DASHES: [usize; 4] = [8, 13, 18, 23];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Ones;

    impl Random for Ones {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(0xff);
        }
    }

    #[test]
    fn new_id_begins_with_its_time_and_says_version_7() {
        let id = EventId::new(Time::from_millis(0x0123_4567_89ab), &mut Ones);
        assert_eq!(id.to_string(), "01234567-89ab-7fff-bfff-ffffffffffff");
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in ["", "01234567-89ab-7fff-bfff-fffffffffff", "0123456789ab-7fff-bfff-fffffffffffff", "é"]
        {
            assert_eq!(EventId::parse(text), None, "{text}");
        }
        assert_eq!(EventId::parse("g1234567-89ab-7fff-bfff-ffffffffffff"), None);
    }

    proptest! {
        #[test]
        fn shown_id_reads_back(bytes: [u8; 16]) {
            let id = EventId::from_bytes(bytes);
            prop_assert_eq!(EventId::parse(&id.to_string()), Some(id));
        }
    }
}
