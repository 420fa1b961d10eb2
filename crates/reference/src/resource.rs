//! Resource types: their ARNs and condition keys.

use std::fmt;

use crate::format::Format;
use crate::tables::TypeRecord;
use crate::{ConditionKey, Reference};

/// A type of resources, as a service's pages have it.
#[derive(Clone, Copy)]
pub struct ResourceType<'a> {
    pub(crate) reference: &'a Reference<'a>,
    name: &'a str,
    formats: &'a str,
    keys: u16,
    separators: u8,
}

impl<'a> ResourceType<'a> {
    pub(crate) fn name_of(reference: &Reference<'a>, record: &TypeRecord) -> &'a str {
        let [a, b, c, d, ..] = *record;
        reference.name([a, b, c, d])
    }

    pub(crate) fn read(reference: &'a Reference<'a>, record: &TypeRecord) -> Option<Self> {
        let [.., f0, f1, f2, f3, f4, k0, k1, separators] = *record;
        let name = Self::name_of(reference, record);
        let formats = reference.long_name([f0, f1, f2, f3, f4]);
        let keys = u16::from_le_bytes([k0, k1]);
        (!name.is_empty()).then_some(Self { reference, name, formats, keys, separators })
    }

    /// As in the rows of the actions: `object`.
    pub fn name(self) -> &'a str {
        self.name
    }

    /// The forms of its ARNs, mostly one: `arn:${Partition}:s3:::${BucketName}/${ObjectName}`.
    pub fn arn_formats(self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.formats.split(", ")
    }

    /// The condition keys of the type, ordered by name.
    pub fn condition_keys(self) -> impl Iterator<Item = ConditionKey<'a>> + use<'a> {
        ConditionKey::of_set(self.reference, self.keys)
    }

    /// Whether `arn` has one of the forms: every placeholder stands for one or more characters.
    ///
    /// A placeholder cannot stand for the `/` or `:` that comes next in the format, and the last one for none that follows it
    /// in a longer format of any service. So `arn:aws:s3:::docs/a` is an object and no bucket, and a secret's name may have
    /// slashes. Types whose formats differ in their placeholders only (a function's alias, its version) fit the same ARNs.
    pub fn fits(self, arn: &str) -> bool {
        self.parsed().any(|format| format.fits(arn))
    }

    /// Whether some ARN fits that `pattern`, the `Resource` element of a policy, matches too.
    ///
    /// `*` stands for any run of characters and `?` for one, in the first five parts for no colon; so do, as any run, policy
    /// variables (`${aws:username}`). Parts that `pattern` lacks at its end match anything. True may be too much, false is not.
    pub fn overlaps(self, pattern: &str) -> bool {
        // CloudWatch Logs writes the ARNs of log groups with `:*` at the end, which their format lacks.
        let shorter = pattern.strip_suffix(":*");
        self.parsed()
            .any(|format| format.overlaps(pattern) || shorter.is_some_and(|text| format.overlaps(text)))
    }

    fn parsed(self) -> impl Iterator<Item = Format> + use<'a> {
        let separators = move |at: usize| self.separators.checked_shr(2 * u32::try_from(at).ok()?);
        self.arn_formats()
            .enumerate()
            .filter_map(move |(at, text)| Format::parse(text, separators(at).unwrap_or_default()))
    }
}

impl fmt::Debug for ResourceType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceType({}: {})", self.name, self.formats)
    }
}
