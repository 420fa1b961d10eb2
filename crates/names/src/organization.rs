//! Ids of organizations and of what is in them: a prefix, a hyphen, and lower-case letters and digits by chance.
//!
//! Source: Organizations API Reference, the patterns of the types; the lengths that are made are those that AWS makes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{InvalidId, Random};

macro_rules! text_ids {
    ($($(#[$doc:meta])* $id:ident = $is_valid:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $id(Arc<str>);

        impl $id {
            /// The id as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $id {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(text) { Ok(Self(text.into())) } else { Err(InvalidId) }
            }
        }

        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Box::<str>::deserialize(deserializer)?;
                text.parse().map_err(|_| serde::de::Error::custom(concat!("no ", stringify!($id))))
            }
        }
    )*};
}

text_ids! {
    /// `car-…`: of a request to open an account.
    AccountRequestId = |text| is_tail(text.strip_prefix("car-"), 8..=32);
    /// `h-…`: of a handshake.
    HandshakeId = |text| is_tail(text.strip_prefix("h-"), 8..=32);
    /// `r-…` or `ou-…`: of the root or an organizational unit of an organization. A unit's carries that of its root.
    NodeId = is_node;
    /// `o-…`: of an organization.
    OrganizationId = |text| is_tail(text.strip_prefix("o-"), 10..=32);
    /// `p-…`: of a policy of an organization, or of one that AWS attaches to all of them (`p-FullAWSAccess`).
    OrganizationPolicyId = is_policy;
    /// `rp-…`: of an organization's resource policy.
    ResourcePolicyId = |text| is_tail(text.strip_prefix("rp-"), 4..=128);
    /// `rt-…`: of a responsibility that one organization transfers to another.
    ResponsibilityTransferId = |text| is_tail(text.strip_prefix("rt-"), 8..=32);
}

impl AccountRequestId {
    /// A fresh one.
    pub fn random(random: &mut dyn Random) -> Self {
        Self(format!("car-{}", tail(random, 32)).into())
    }
}

impl HandshakeId {
    /// A fresh one.
    pub fn random(random: &mut dyn Random) -> Self {
        Self(format!("h-{}", tail(random, 32)).into())
    }
}

impl NodeId {
    /// A fresh one for the root of an organization.
    pub fn random_root(random: &mut dyn Random) -> Self {
        Self(format!("r-{}", tail(random, 4)).into())
    }

    /// A fresh one for a unit somewhere under `root`.
    pub fn random_unit(root: &Self, random: &mut dyn Random) -> Self {
        let root = root.0.strip_prefix("r-").unwrap_or(&root.0);
        Self(format!("ou-{root}-{}", tail(random, 8)).into())
    }

    /// Whether it is a root's, and not a unit's.
    pub fn is_root(&self) -> bool {
        self.0.starts_with("r-")
    }
}

impl OrganizationId {
    /// A fresh one.
    pub fn random(random: &mut dyn Random) -> Self {
        Self(format!("o-{}", tail(random, 10)).into())
    }
}

impl OrganizationPolicyId {
    /// A fresh one.
    pub fn random(random: &mut dyn Random) -> Self {
        Self(format!("p-{}", tail(random, 10)).into())
    }
}

impl ResourcePolicyId {
    /// A fresh one.
    pub fn random(random: &mut dyn Random) -> Self {
        Self(format!("rp-{}", tail(random, 8)).into())
    }
}

impl ResponsibilityTransferId {
    /// A fresh one.
    pub fn random(random: &mut dyn Random) -> Self {
        Self(format!("rt-{}", tail(random, 32)).into())
    }
}

fn is_node(text: &str) -> bool {
    if let Some(unit) = text.strip_prefix("ou-") {
        return unit
            .split_once('-')
            .is_some_and(|(root, own)| is_tail(Some(root), 4..=32) && is_tail(Some(own), 8..=32));
    }
    is_tail(text.strip_prefix("r-"), 4..=32)
}

fn is_policy(text: &str) -> bool {
    let is_part = |tail: &str| tail.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    text.strip_prefix("p-").is_some_and(|tail| (8..=128).contains(&tail.len()) && is_part(tail))
}

fn is_tail(tail: Option<&str>, length: std::ops::RangeInclusive<usize>) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    tail.is_some_and(|tail| length.contains(&tail.len()) && tail.bytes().all(is_part))
}

/// `length` letters and digits, each as likely as the others.
fn tail(random: &mut dyn Random, length: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut tail = String::with_capacity(length);
    while tail.len() < length {
        let mut byte = [0];
        random.fill(&mut byte);
        // 252 is the largest multiple of 36 in a byte.
        if byte[0] < 252
            && let Some(&digit) = DIGITS.get(usize::from(byte[0] % 36))
        {
            tail.push(char::from(digit));
        }
    }
    tail
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(u8);
    impl Random for Counter {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0 = self.0.wrapping_mul(167).wrapping_add(13);
                *byte = self.0;
            }
        }
    }

    #[test]
    fn fresh_ids_read_back() {
        let random = &mut Counter(1);
        let root = NodeId::random_root(random);
        let unit = NodeId::random_unit(&root, random);
        assert!(unit.as_str().starts_with(&format!("ou-{}-", root.as_str().trim_start_matches("r-"))));
        assert!(root.is_root() && !unit.is_root());
        for node in [root, unit] {
            assert_eq!(node.as_str().parse(), Ok(node));
        }
        let organization = OrganizationId::random(random);
        assert_eq!(organization.as_str().parse(), Ok(organization));
        let policy = OrganizationPolicyId::random(random);
        assert_eq!(policy.as_str().parse(), Ok(policy));
        let handshake = HandshakeId::random(random);
        assert_eq!(handshake.as_str().parse(), Ok(handshake));
        let request = AccountRequestId::random(random);
        assert_eq!(request.as_str().parse(), Ok(request));
        let resource_policy = ResourcePolicyId::random(random);
        assert_eq!(resource_policy.as_str().parse(), Ok(resource_policy));
        let transfer = ResponsibilityTransferId::random(random);
        assert_eq!(transfer.as_str().parse(), Ok(transfer));
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in ["", "o-", "o-abc", "O-abcdefghij", "o-abcdefghiJ", "o-abcdefghi/", "x-abcdefghij"] {
            assert!(text.parse::<OrganizationId>().is_err(), "{text}");
        }
        for text in ["r-abc", "ou-abcd", "ou-abcd-1234567", "ou--12345678", "ou-abcd-12345678-", "r-ab/d"] {
            assert!(text.parse::<NodeId>().is_err(), "{text}");
        }
        for text in ["p-abcdefg", "p-abc defgh", "p-abcdefgh-"] {
            assert!(text.parse::<OrganizationPolicyId>().is_err(), "{text}");
        }
        assert!("p-FullAWSAccess".parse::<OrganizationPolicyId>().is_ok());
    }
}
