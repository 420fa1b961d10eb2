//! `check-deps`: the direction of dependencies between our crates, as data.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Deserialize;

use crate::{pure, root, run};

/// Crate → the crates of ours it may name in `[dependencies]`. Dev-dependencies are free: tests may reach anywhere.
const ALLOWED: &[(&str, &[&str])] = &[
    ("names", &[]),
    ("policy", &["names"]),
    ("sigv4", &["names"]),
    ("wire", &["names"]),
    ("api", &["names", "wire"]),
    ("managed", &["names", "policy"]),
    ("reference", &[]),
    ("store", &["names"]),
    ("state", &["managed", "names", "policy", "store"]),
    ("audit", &["names"]),
    ("alerts", &["audit", "names", "state", "store"]),
    ("insight", &["names", "policy", "reference"]),
    ("guardrails", &[]),
    ("auth", &["managed", "names", "policy", "sigv4", "state", "store"]),
    ("pipeline", &["api", "audit", "auth", "managed", "names", "policy", "sigv4", "state", "store", "wire"]),
    (
        "services",
        &[
            "api",
            "audit",
            "auth",
            "managed",
            "names",
            "pipeline",
            "policy",
            "reference",
            "sigv4",
            "state",
            "store",
            "wire",
        ],
    ),
    ("signin", &["audit", "auth", "names", "pipeline", "services", "state", "store"]),
    (
        "console",
        &["api", "auth", "insight", "names", "pipeline", "policy", "signin", "state", "store", "wire"],
    ),
    (
        "server",
        &[
            "alerts",
            "api",
            "audit",
            "auth",
            "console",
            "guardrails",
            "insight",
            "managed",
            "names",
            "pipeline",
            "policy",
            "services",
            "signin",
            "sigv4",
            "state",
            "store",
            "wire",
        ],
    ),
    (
        "rootward",
        &[
            "api",
            "audit",
            "auth",
            "guardrails",
            "insight",
            "managed",
            "names",
            "pipeline",
            "policy",
            "server",
            "services",
            "sigv4",
            "state",
            "store",
            "wire",
        ],
    ),
    // Only tests may name these: they stand on no other line.
    ("oracle", &["policy"]),
    ("testkit", &["names"]),
    ("xtask", &["managed", "names", "policy"]),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<String>,
}

/// Fails naming every edge that the table does not allow and every crate that it does not know.
pub(crate) fn check_deps() -> Result<(), String> {
    let json = run(Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root()))?;
    let metadata: Metadata = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let mut offences = offences(&metadata, &ALLOWED.iter().copied().collect());
    offences.extend(foreign(&metadata, pure::PURE));
    offences.extend(pure::offences()?);
    if offences.is_empty() { Ok(()) } else { Err(offences.join("\n")) }
}

fn offences(metadata: &Metadata, allowed: &BTreeMap<&str, &[&str]>) -> Vec<String> {
    let mut found = Vec::new();
    for package in &metadata.packages {
        let name = short(&package.name);
        let Some(allowed) = allowed.get(name) else {
            found.push(format!("`{name}` is not in the table of xtask/src/deps.rs"));
            continue;
        };
        let ours = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
        for dependency in ours.filter(|dependency| dependency.kind.as_deref() != Some("dev")) {
            let target = short(&dependency.name);
            if !allowed.contains(&target) {
                found.push(format!("`{name}` must not depend on `{target}`"));
            }
        }
    }
    found
}

/// Pure crates depend on few crates of others.
fn foreign(metadata: &Metadata, pure: &[(&str, &[&str])]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, allowed) in pure {
        let packages = metadata.packages.iter().filter(|package| short(&package.name) == *name);
        let others = packages.flat_map(|package| &package.dependencies).filter(|dependency| {
            dependency.path.is_none()
                && dependency.kind.as_deref() != Some("dev")
                && !allowed.contains(&&*dependency.name)
        });
        found.extend(others.map(|dependency| format!("`{name}` must not depend on `{}`", dependency.name)));
    }
    found
}

fn short(package: &str) -> &str {
    package.strip_prefix("rootward-").unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offences_of(json: &str) -> Vec<String> {
        let metadata: Metadata = serde_json::from_str(json).unwrap();
        let allowed: [(&str, &[&str]); 2] = [("names", &[]), ("wire", &["names"])];
        offences(&metadata, &allowed.into_iter().collect())
    }

    #[test]
    fn edge_outside_the_table_is_named() {
        let json = r#"{"packages": [
            {"name": "rootward-names", "dependencies": [{"name": "rootward-wire", "kind": null, "path": "/w"}]},
            {"name": "rootward-wire", "dependencies": [{"name": "rootward-names", "kind": null, "path": "/n"}]}]}"#;
        assert_eq!(offences_of(json), ["`names` must not depend on `wire`"]);
    }

    #[test]
    fn dev_and_foreign_dependencies_are_free() {
        let json = r#"{"packages": [{"name": "rootward-names", "dependencies": [
            {"name": "rootward-wire", "kind": "dev", "path": "/w"}, {"name": "serde", "kind": null}]}]}"#;
        assert!(offences_of(json).is_empty());
    }

    #[test]
    fn foreign_crate_of_a_pure_one_is_named() {
        let json = r#"{"packages": [{"name": "rootward-policy", "dependencies": [
            {"name": "tokio", "kind": null}, {"name": "memchr", "kind": "build"}, {"name": "proptest", "kind": "dev"}]}]}"#;
        let metadata: Metadata = serde_json::from_str(json).unwrap();
        let expected = ["`policy` must not depend on `tokio`"];
        assert_eq!(foreign(&metadata, &[("policy", &["memchr"])]), expected);
    }

    #[test]
    fn unknown_crate_is_named() {
        let json = r#"{"packages": [{"name": "rootward-new", "dependencies": []}]}"#;
        assert_eq!(offences_of(json), ["`new` is not in the table of xtask/src/deps.rs"]);
    }
}
