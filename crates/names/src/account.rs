//! Account ids: twelve decimal digits, leading zeros significant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The id of an account. Shown as exactly twelve digits; held as a number below 10¹².
///
/// ```
/// use rootward_names::AccountId;
/// let id: AccountId = "000123456789".parse().unwrap();
/// assert_eq!(id.to_string(), "000123456789");
/// assert!("12345678901".parse::<AccountId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId(u64);

impl AccountId {
    /// The first there can be.
    pub const MIN: Self = Self(0);

    /// The last.
    pub const MAX: Self = Self(Self::COUNT - 1);

    const COUNT: u64 = 1_000_000_000_000;

    /// The account that a sandbox begins with: the one of AWS's own examples.
    pub const SANDBOX: Self = Self(123_456_789_012);

    /// The id with this numeric value, if it has at most twelve digits.
    pub const fn from_number(number: u64) -> Option<Self> {
        if number < Self::COUNT { Some(Self(number)) } else { None }
    }

    /// The numeric value, below 10¹².
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// A text that is not twelve decimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidAccountId;

impl fmt::Display for InvalidAccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an account id is exactly 12 decimal digits")
    }
}

impl std::error::Error for InvalidAccountId {}

impl FromStr for AccountId {
    type Err = InvalidAccountId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 12 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidAccountId);
        }
        text.parse().map(Self).map_err(|_| InvalidAccountId)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand: each decision writes several of them, and padding writes zero by zero.
        let mut digits = [b'0'; 12];
        let mut rest = self.0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        f.write_str(str::from_utf8(&digits).unwrap_or_default())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
