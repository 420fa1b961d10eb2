//! Condition keys: names, some with a placeholder, and types.

use std::fmt;

use crate::Reference;
use crate::glob::compare;
use crate::tables::KeyRecord;

/// A condition key; shown as its name.
#[derive(Clone, Copy)]
pub struct ConditionKey<'a> {
    name: &'a str,
    kind: KeyType,
    global: bool,
    /// Bytes before the placeholder; all of them if there is none.
    before: usize,
    /// Bytes after the placeholder.
    after: usize,
}

/// The type of a condition key; shown as AWS writes it: `ArrayOfString`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyType {
    /// What each value is.
    pub value: ValueType,
    /// Whether a request may have several values: such a key needs `ForAllValues` or `ForAnyValue`.
    pub multivalued: bool,
}

/// What a value of a condition key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// `ARN`
    Arn,
    /// `Bool`
    Bool,
    /// `Date`; `aws:EpochTime` is a number as well.
    Date,
    /// `IPAddress`
    IpAddress,
    /// `Numeric`
    Numeric,
    /// `String`
    String,
}

impl<'a> Reference<'a> {
    /// The condition key of this full name, in any letter case. A name that only a placeholder explains, such as
    /// `aws:RequestTag/team`, finds the key with it, `aws:RequestTag/${TagKey}`; of several the most specific.
    ///
    /// Where services give a key different types, the one of the service whose prefix the key has.
    pub fn condition_key(&'a self, name: &str) -> Option<ConditionKey<'a>> {
        let start =
            self.keys.partition_point(|record| compare(ConditionKey::name_of(self, record), name).is_lt());
        let exact = self.keys.get(start).and_then(|record| ConditionKey::read(self, record));
        exact.filter(|key| key.name.eq_ignore_ascii_case(name)).or_else(|| {
            let templates = self.templates.iter().filter_map(|index| self.key(u16::from_le_bytes(*index)));
            templates.filter(|key| key.is(name)).max_by_key(|key| key.before + key.after)
        })
    }

    /// Every condition key, global ones included, ordered by name ignoring case. One that services give different types is
    /// there once for each.
    pub fn condition_keys(&'a self) -> impl Iterator<Item = ConditionKey<'a>> {
        self.keys.iter().filter_map(|record| ConditionKey::read(self, record))
    }

    fn key(&'a self, index: u16) -> Option<ConditionKey<'a>> {
        ConditionKey::read(self, self.keys.get(usize::from(index))?)
    }
}

impl<'a> ConditionKey<'a> {
    pub(crate) fn of_set(reference: &'a Reference<'a>, set: u16) -> impl Iterator<Item = Self> + use<'a> {
        reference.set(set).filter_map(|index| reference.key(index))
    }

    fn name_of(reference: &Reference<'a>, record: &KeyRecord) -> &'a str {
        let [a, b, c, d, ..] = *record;
        reference.name([a, b, c, d])
    }

    fn read(reference: &Reference<'a>, record: &KeyRecord) -> Option<Self> {
        let [.., bits, before, after] = *record;
        let value = match bits & !(MANY | GLOBAL) {
            0 => ValueType::Arn,
            1 => ValueType::Bool,
            2 => ValueType::Date,
            3 => ValueType::IpAddress,
            4 => ValueType::Numeric,
            5 => ValueType::String,
            _ => return None,
        };
        let name = Self::name_of(reference, record);
        let kind = KeyType { value, multivalued: bits & MANY != 0 };
        let (global, before, after) = (bits & GLOBAL != 0, usize::from(before), usize::from(after));
        (!name.is_empty()).then_some(Self { name, kind, global, before, after })
    }

    /// With prefix, and placeholder if it has one: `s3:ExistingObjectTag/<key>`.
    pub fn name(self) -> &'a str {
        self.name
    }

    /// The type of its values.
    pub fn kind(self) -> KeyType {
        self.kind
    }

    /// Whether a request may carry it whatever its action is. The keys of tags (`aws:RequestTag`, …) are not global in this
    /// sense: they are there if the action lists them.
    pub fn is_global(self) -> bool {
        self.global
    }

    /// Whether `name` is this key's, in any letter case. A placeholder stands for one or more characters.
    pub fn is(self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
            || self.placeholder().is_some_and(|(before, after)| {
                let (start, end) = (before.len(), name.len().saturating_sub(after.len()));
                start < end
                    && name.get(..start).is_some_and(|text| text.eq_ignore_ascii_case(before))
                    && name.get(end..).is_some_and(|text| text.eq_ignore_ascii_case(after))
            })
    }

    /// What is before and after the placeholder, if the key has one.
    fn placeholder(self) -> Option<(&'a str, &'a str)> {
        let end = self.name.len().checked_sub(self.after)?;
        (self.before < end).then_some((self.name.get(..self.before)?, self.name.get(end..)?))
    }
}

impl fmt::Debug for ConditionKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConditionKey({}: {})", self.name, self.kind)
    }
}

impl fmt::Display for ConditionKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match self.value {
            ValueType::Arn => "ARN",
            ValueType::Bool => "Bool",
            ValueType::Date => "Date",
            ValueType::IpAddress => "IPAddress",
            ValueType::Numeric => "Numeric",
            ValueType::String => "String",
        };
        write!(f, "{}{value}", if self.multivalued { "ArrayOf" } else { "" })
    }
}

const MANY: u8 = 1 << 3;
const GLOBAL: u8 = 1 << 7;
