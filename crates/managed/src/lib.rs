#![doc = include_str!("../README.md")]
//!
//! Shape: a sorted table in the binary's read-only data, and the documents beside it, compressed in blocks of about
//! 64 KiB of text.
//!
//! DIFFERENCE: AWS's managed policies come without descriptions and without AWS's unique ids, which the data lacks. Ids are
//! derived from the names: of the usual form and the same everywhere.
//!
//! Source and licence of the data: `data/NOTICE`. Refresh: `xtask fetch-managed-policies`, then `xtask managed-policies`.
#![warn(missing_docs)]

#[rustfmt::skip]
mod generated;

use std::fmt;
use std::io::Read;
use std::sync::OnceLock;

use flate2::read::DeflateDecoder;
use rootward_names::{Partition, Time, UniqueId};
use rootward_policy::Program;

pub use generated::SOURCE;

/// One of AWS's managed policies.
#[derive(Debug)]
pub struct ManagedPolicy {
    /// Unique among AWS's policies.
    pub name: &'static str,
    /// `/`, `/job-function/`, `/service-role/`, …
    pub path: &'static str,
    /// Derived from the name; see the module.
    pub id: UniqueId,
    /// The version in force; its document is the only one at hand.
    pub default_version: VersionId,
    /// When AWS made the policy.
    pub created: Time,
    /// When AWS made the version in force.
    pub updated: Time,
    /// The place in [`all`].
    pub index: usize,
    place: Place,
}

/// The number of a version; shown as `v3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(pub u32);

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// Where a document is: the block's bytes in the file, the document's bytes in the decompressed block.
#[derive(Debug)]
struct Place {
    block_start: u32,
    block_end: u32,
    start: u32,
    end: u32,
}

/// The policy of that name, which is case-sensitive as in ARNs.
///
/// ```
/// let policy = rootward_managed::get("AdministratorAccess").unwrap();
/// assert_eq!(policy.arn(rootward_names::Partition::Aws), "arn:aws:iam::aws:policy/AdministratorAccess");
/// assert!(policy.document().contains(r#""Action":"*""#));
/// ```
pub fn get(name: &str) -> Option<&'static ManagedPolicy> {
    let index = all().binary_search_by(|policy| policy.name.cmp(name)).ok()?;
    all().get(index)
}

/// Every policy, ordered by the bytes of the name.
pub fn all() -> &'static [ManagedPolicy] {
    &generated::POLICIES
}

/// [`all`], one by one.
pub fn iter() -> std::slice::Iter<'static, ManagedPolicy> {
    all().iter()
}

/// How many there are.
pub fn len() -> usize {
    all().len()
}

impl ManagedPolicy {
    /// The ARN that the policy has in every account of `partition`.
    pub fn arn(&self, partition: Partition) -> String {
        format!("arn:{}:iam::aws:policy{}{}", partition.as_str(), self.path, self.name)
    }

    /// The document of the version in force. Decompresses it anew each time.
    pub fn document(&self) -> String {
        // A test reads every document, so only a damaged binary comes to the default: a text that is no policy.
        self.read_document().unwrap_or_default()
    }

    /// The document compiled, by the first caller and kept for ever; for the others, one atomic load.
    pub fn program(&self) -> &'static Program {
        let compiled = || Box::new(Program::of_stored(&self.document()));
        match PROGRAMS.get(self.index) {
            Some(place) => place.get_or_init(compiled),
            // Cannot be: the places are as many as the policies. Denies everything, like any text that is no policy.
            None => UNREADABLE.get_or_init(|| Box::new(Program::of_stored(""))),
        }
    }

    fn read_document(&self) -> Option<String> {
        let Place { block_start, block_end, start, end } = self.place;
        let block = DOCUMENTS.get(block_start as usize..block_end as usize)?;
        let mut text = vec![0; end as usize];
        // Stops at the end of this document, not of the block.
        DeflateDecoder::new(block).read_exact(&mut text).ok()?;
        String::from_utf8(text.split_off(start as usize)).ok()
    }
}

/// Blocks of raw deflate, one after the other.
static DOCUMENTS: &[u8] = include_bytes!("../data/documents.bin");

/// By index. Boxed, because an empty place takes as much of the binary as a full one.
static PROGRAMS: [OnceLock<Box<Program>>; generated::POLICIES.len()] =
    [const { OnceLock::new() }; generated::POLICIES.len()];
static UNREADABLE: OnceLock<Box<Program>> = OnceLock::new();

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn administrator_access_allows_everything() {
        let policy = get("AdministratorAccess").unwrap();
        let expected =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        assert_eq!(policy.document(), expected);
        assert_eq!(policy.default_version.to_string(), "v1");
        assert_eq!(policy.created.to_string(), "2015-02-06T18:39:46Z");
    }

    #[test]
    fn arn_has_the_path_and_the_partition() {
        let arn = |name| get(name).unwrap().arn(Partition::AwsCn);
        assert_eq!(arn("ViewOnlyAccess"), "arn:aws-cn:iam::aws:policy/job-function/ViewOnlyAccess");
        assert_eq!(arn("IAMReadOnlyAccess"), "arn:aws-cn:iam::aws:policy/IAMReadOnlyAccess");
    }

    #[test]
    fn name_in_other_case_or_unknown_is_not_found() {
        assert!(get("administratoraccess").is_none());
        assert!(get("").is_none());
        assert!(get("zzz").is_none());
    }

    #[test]
    fn every_policy_is_found_in_order_under_its_name_and_index() {
        assert!(len() > 1_500);
        assert!(all().is_sorted_by(|a, b| a.name < b.name));
        for (index, policy) in iter().enumerate() {
            assert_eq!(policy.index, index);
            assert!(std::ptr::eq(get(policy.name).unwrap(), policy));
            assert!(policy.path.starts_with('/') && policy.path.ends_with('/'));
            assert!(policy.created <= policy.updated, "{}", policy.name);
        }
    }

    #[test]
    fn names_ignoring_case_and_ids_are_unique() {
        let names: HashSet<_> = iter().map(|policy| policy.name.to_lowercase()).collect();
        let ids: HashSet<_> = iter().map(|policy| policy.id).collect();
        assert_eq!((names.len(), ids.len()), (len(), len()));
    }

    #[test]
    fn every_document_is_the_one_of_the_data() {
        let data = include_str!("../data/policies.jsonl");
        let mut seen = 0;
        for line in data.lines().skip(1) {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let name = row["arn"].as_str().unwrap().rsplit('/').next().unwrap();
            let document: serde_json::Value = serde_json::from_str(&get(name).unwrap().document()).unwrap();
            assert_eq!(document, row["document"], "{name}");
            assert!(document["Statement"].is_array() || document["Statement"].is_object(), "{name}");
            seen += 1;
        }
        assert_eq!(seen, len());
    }

    #[test]
    fn every_document_compiles_to_a_readable_program_once() {
        for policy in iter() {
            assert!(policy.program().is_readable(), "{}", policy.name);
            assert!(std::ptr::eq(policy.program(), policy.program()));
        }
    }

    #[test]
    fn table_and_documents_stay_small() {
        let table = std::mem::size_of_val(all());
        let names: usize = iter().map(|policy| policy.name.len()).sum();
        assert!(DOCUMENTS.len() + table + names < 640 * 1024, "{} {table} {names}", DOCUMENTS.len());
    }
}
