//! The layout of the tables, and how a record becomes numbers and names.
//!
//! Two files. `names.txt` has every text, a line each, ordered; a text that begins another shares its place. `tables.bin` is
//! the bytes `RWR1` (1 is the version of the layout), the place of the source's name, and nine sections, each a count of
//! records (32 bits) and the records. Numbers are little-endian and have 16 bits where nothing else is said.
//!
//! | section | record | bytes |
//! |---|---|---|
//! | services, by prefix | prefix, name; first action and the one after the last, the same of types; set of keys; 1 if RCPs apply (8 bits) | 19 |
//! | actions, by service and name | name; level (8); set of keys; list of resources | 9 |
//! | types, by service and name | name; ARN formats (long name); set of keys; two bits for each format: what its last placeholder may not hold, `/` and `:` (8) | 12 |
//! | keys, by name | name; type, + 8 if many values, + 128 if global (8); bytes before its placeholder, all without one (8), and after it (8) | 7 |
//! | templates | the key, one of those with a placeholder | 2 |
//! | bounds of sets | first member, the one after the last | 4 |
//! | members of sets | key | 2 |
//! | bounds of lists | first member, the one after the last | 4 |
//! | members of lists | type, + 2¹⁵ if required; set of keys | 4 |
//!
//! A name is place (24 bits) and length (8; 16 if long). Equal sets and lists are there once; number 0 is the empty one. A key
//! that services give different types is there once for each, first as the service whose prefix it has gives it.
//!
//! Guarantee: whatever the bytes, reading does not panic and ends. A record that makes no sense is not there, and neither is
//! one that only a record out of order leads to. Writer: `xtask/src/reference_tables.rs`, which checks the order and more.

/// Everything AWS's Service Authorization Reference says, borrowed from two files. [`AWS`](crate::AWS) is the one of this build.
#[derive(Debug)]
pub struct Reference<'a> {
    names: &'a str,
    source: Name,
    pub(crate) services: &'a [ServiceRecord],
    pub(crate) actions: &'a [ActionRecord],
    pub(crate) types: &'a [TypeRecord],
    pub(crate) keys: &'a [KeyRecord],
    pub(crate) templates: &'a [[u8; 2]],
    set_bounds: &'a [Bounds],
    set_members: &'a [[u8; 2]],
    list_bounds: &'a [Bounds],
    list_members: &'a [ResourceRecord],
}

pub(crate) type Name = [u8; 4];
type LongName = [u8; 5];
type Bounds = [u8; 4];
pub(crate) type ServiceRecord = [u8; 19];
pub(crate) type ActionRecord = [u8; 9];
pub(crate) type TypeRecord = [u8; 12];
pub(crate) type KeyRecord = [u8; 7];
pub(crate) type ResourceRecord = [u8; 4];

const MAGIC: u32 = u32::from_le_bytes(*b"RWR1");

impl<'a> Reference<'a> {
    /// The reference in the bytes of `tables.bin` and the text of `names.txt`. Looks at the sizes of the sections only, so its
    /// cost is constant.
    pub const fn read(tables: &'a [u8], names: &'a str) -> Option<Self> {
        let Some((magic, rest)) = tables.split_first_chunk() else { return None };
        if u32::from_le_bytes(*magic) != MAGIC {
            return None;
        }
        let Some((source, rest)) = rest.split_first_chunk() else { return None };
        let Some((services, rest)) = section(rest) else { return None };
        let Some((actions, rest)) = section(rest) else { return None };
        let Some((types, rest)) = section(rest) else { return None };
        let Some((keys, rest)) = section(rest) else { return None };
        let Some((templates, rest)) = section(rest) else { return None };
        let Some((set_bounds, rest)) = section(rest) else { return None };
        let Some((set_members, rest)) = section(rest) else { return None };
        let Some((list_bounds, rest)) = section(rest) else { return None };
        let Some((list_members, [])) = section(rest) else { return None };
        Some(Self {
            names,
            source: *source,
            services,
            actions,
            types,
            keys,
            templates,
            set_bounds,
            set_members,
            list_bounds,
            list_members,
        })
    }

    /// Name and version of the package that the data comes from.
    pub fn source(&self) -> &'a str {
        self.name(self.source)
    }

    /// Empty if there is no text at the place.
    pub(crate) fn name(&self, [a, b, c, length]: Name) -> &'a str {
        self.long_name([a, b, c, length, 0])
    }

    pub(crate) fn long_name(&self, [a, b, c, low, high]: LongName) -> &'a str {
        let start = u32::from_le_bytes([a, b, c, 0]) as usize;
        self.names.get(start..start + usize::from(u16::from_le_bytes([low, high]))).unwrap_or_default()
    }

    /// The keys of a set, as indexes.
    pub(crate) fn set(&self, number: u16) -> impl Iterator<Item = u16> + use<'a> {
        let members = slice(self.set_bounds.get(usize::from(number)), self.set_members);
        members.iter().map(|member| u16::from_le_bytes(*member))
    }

    pub(crate) fn list(&self, number: u16) -> &'a [ResourceRecord] {
        slice(self.list_bounds.get(usize::from(number)), self.list_members)
    }
}

/// A section, and the bytes after it.
const fn section<const N: usize>(bytes: &[u8]) -> Option<(&[[u8; N]], &[u8])> {
    let Some((count, rest)) = bytes.split_first_chunk() else { return None };
    let Some(size) = (u32::from_le_bytes(*count) as usize).checked_mul(N) else { return None };
    let Some((records, rest)) = rest.split_at_checked(size) else { return None };
    Some((records.as_chunks().0, rest))
}

fn slice<'a, T>(bounds: Option<&Bounds>, members: &'a [T]) -> &'a [T] {
    let Some([a, b, c, d]) = bounds else { return &[] };
    range(members, [*a, *b], [*c, *d])
}

/// The records from `start` to before `end`; none if there are not as many.
pub(crate) fn range<T>(records: &[T], start: [u8; 2], end: [u8; 2]) -> &[T] {
    let index = |bytes| usize::from(u16::from_le_bytes(bytes));
    records.get(index(start)..index(end)).unwrap_or_default()
}
