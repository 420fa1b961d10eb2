//! Unique ids (`AIDA…`, `AROA…`) and access key ids (`AKIA…`, `ASIA…`), the latter with their account inside.
//!
//! An access key id is four letters and sixteen base32 characters (80 bits): one set bit, forty bits of account
//! number, and 39 random bits. This is the layout that public decoders of real key ids read, so that tools which
//! extract the account keep working, and a request finds its account without any look-up.
//! Source: IAM User Guide, "IAM identifiers", unique ids; the bit layout is public knowledge since 2023.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Random};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What a unique id names; its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EntityKind {
    /// `AGPA`
    Group,
    /// `AIPA`
    InstanceProfile,
    /// `ANPA`
    Policy,
    /// `AROA`
    Role,
    /// `AIDA`
    User,
}

impl EntityKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Group => "AGPA",
            Self::InstanceProfile => "AIPA",
            Self::Policy => "ANPA",
            Self::Role => "AROA",
            Self::User => "AIDA",
        }
    }
}

/// The id that names an entity for ever, also after it is renamed or deleted: prefix and 17 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UniqueId {
    kind: EntityKind,
    /// 85 random bits (17 base32 digits) in the low end; bytes, so that a million ids stay small.
    bits: [u8; 11],
}

const UNIQUE_DIGITS: u32 = 17;

impl UniqueId {
    /// A fresh id.
    pub fn random(kind: EntityKind, random: &mut dyn Random) -> Self {
        let bits = (u128::from(random.number()) << 64) | u128::from(random.number());
        Self { kind, bits: to_bytes(bits & ((1 << (5 * UNIQUE_DIGITS)) - 1)) }
    }

    /// The id whose 17 base32 digits are the low 85 bits of `number`; the others are ignored. For ids known beforehand.
    pub const fn from_number(kind: EntityKind, number: u128) -> Self {
        let [_, _, _, _, _, bits @ ..] = (number & ((1 << (5 * UNIQUE_DIGITS)) - 1)).to_be_bytes();
        Self { kind, bits }
    }

    /// What it names.
    pub const fn kind(self) -> EntityKind {
        self.kind
    }
}

/// A text that is no id of the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a four-letter prefix and base32 characters")
    }
}

impl std::error::Error for InvalidId {}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.prefix())?;
        write_base32(f, to_number(self.bits), UNIQUE_DIGITS)
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for UniqueId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (prefix, digits) = text.split_at_checked(4).ok_or(InvalidId)?;
        let kind = match prefix {
            "AGPA" => EntityKind::Group,
            "AIPA" => EntityKind::InstanceProfile,
            "ANPA" => EntityKind::Policy,
            "AROA" => EntityKind::Role,
            "AIDA" => EntityKind::User,
            _ => return Err(InvalidId),
        };
        Ok(Self { kind, bits: to_bytes(read_base32(digits, UNIQUE_DIGITS)?) })
    }
}

/// Whether a key lives until it is deleted or until it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AccessKeyKind {
    /// `AKIA`: of a user or of the root user.
    LongTerm,
    /// `ASIA`: of a session, needs its session token.
    Temporary,
}

/// The id of an access key; carries its account.
///
/// ```
/// use rootward_names::{AccessKeyId, AccountId};
/// let key: AccessKeyId = "ASIAY34FZKBOKMUTVV7A".parse().unwrap();
/// assert_eq!(key.account(), "609629065308".parse::<AccountId>().ok());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccessKeyId {
    kind: AccessKeyKind,
    bits: [u8; 10],
}

const KEY_DIGITS: u32 = 16;
const ACCOUNT_SHIFT: u32 = 39;

impl AccessKeyId {
    /// A fresh id that carries `account`.
    pub fn random(kind: AccessKeyKind, account: AccountId, random: &mut dyn Random) -> Self {
        let noise = u128::from(random.number()) & ((1 << ACCOUNT_SHIFT) - 1);
        Self { kind, bits: to_bytes((1 << 79) | (u128::from(account.number()) << ACCOUNT_SHIFT) | noise) }
    }

    /// Long-term or temporary.
    pub const fn kind(self) -> AccessKeyKind {
        self.kind
    }

    /// The account inside; `None` when those bits are no account number, which no issued key has.
    pub fn account(self) -> Option<AccountId> {
        u64::try_from((to_number(self.bits) >> ACCOUNT_SHIFT) & ((1 << 40) - 1))
            .ok()
            .and_then(AccountId::from_number)
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            AccessKeyKind::LongTerm => "AKIA",
            AccessKeyKind::Temporary => "ASIA",
        })?;
        write_base32(f, to_number(self.bits), KEY_DIGITS)
    }
}

impl fmt::Debug for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AccessKeyId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (prefix, digits) = text.split_at_checked(4).ok_or(InvalidId)?;
        let kind = match prefix {
            "AKIA" => AccessKeyKind::LongTerm,
            "ASIA" => AccessKeyKind::Temporary,
            _ => return Err(InvalidId),
        };
        Ok(Self { kind, bits: to_bytes(read_base32(digits, KEY_DIGITS)?) })
    }
}

/// The low `N` bytes of `number`, big-endian, so that derived ordering is numeric.
fn to_bytes<const N: usize>(number: u128) -> [u8; N] {
    let mut bytes = [0; N];
    for (byte, wide) in bytes.iter_mut().rev().zip(number.to_le_bytes()) {
        *byte = wide;
    }
    bytes
}

fn to_number<const N: usize>(bytes: [u8; N]) -> u128 {
    bytes.iter().fold(0, |number, byte| (number << 8) | u128::from(*byte))
}

fn write_base32(f: &mut fmt::Formatter<'_>, bits: u128, digits: u32) -> fmt::Result {
    use fmt::Write;
    for place in (0..digits).rev() {
        // `% 32` keeps the index inside the alphabet.
        let digit = BASE32.get((bits >> (5 * place)) as usize % 32).copied().unwrap_or(b'A');
        f.write_char(char::from(digit))?;
    }
    Ok(())
}

fn read_base32(text: &str, digits: u32) -> Result<u128, InvalidId> {
    if text.len() != digits as usize {
        return Err(InvalidId);
    }
    text.bytes().try_fold(0u128, |bits, byte| {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return Err(InvalidId),
        };
        Ok((bits << 5) | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Counter(u64);
    impl Random for Counter {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (self.0 >> 56) as u8;
            }
        }
    }

    proptest! {
        #[test]
        fn key_carries_its_account(number in 0u64..1_000_000_000_000, seed: u64) {
            let account = AccountId::from_number(number).unwrap();
            let key = AccessKeyId::random(AccessKeyKind::LongTerm, account, &mut Counter(seed));
            prop_assert_eq!(key.account(), Some(account));
            prop_assert_eq!(key.to_string().parse(), Ok(key));
            prop_assert_eq!(key.to_string().len(), 20);
        }

        #[test]
        fn unique_id_reads_back(seed: u64) {
            let id = UniqueId::random(EntityKind::Role, &mut Counter(seed));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(id.to_string().len(), 21);
        }

        #[test]
        fn unique_id_of_a_number_is_its_low_digits(number: u128) {
            let id = UniqueId::from_number(EntityKind::Policy, number);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(id, UniqueId::from_number(EntityKind::Policy, number | (1 << 85)));
        }

        #[test]
        fn any_text_is_refused_or_reads_back(text in ".{0,24}") {
            if let Ok(id) = text.parse::<AccessKeyId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
