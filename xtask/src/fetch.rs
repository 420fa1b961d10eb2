//! `fetch-models`: takes the service models out of the pinned package and keeps what the generator needs of them. A model
//! of our own is left alone.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use flate2::read::GzDecoder;

use crate::model::Model;
use crate::{SERVICES, root, run};

/// The package whose data files the models are. Its licence is in `models/README.md`.
const PACKAGE: &str = "botocore";
const VERSION: &str = "1.44.5";

/// Downloads the package with the machine's own pip settings and writes `models/<service>.json`.
pub(crate) fn fetch_models() -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let wheel = folder.path().join(format!("{PACKAGE}-{VERSION}-py3-none-any.whl"));
    run(Command::new("pip")
        .args(["download", "--quiet", "--no-deps", "--dest"])
        .arg(folder.path())
        .arg(format!("{PACKAGE}=={VERSION}")))?;
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder.path()))?;
    for service in SERVICES.iter().filter(|service| !service.is_ours) {
        let from = format!("{PACKAGE}/data/{}/{}/service-2.json.gz", service.name, service.version);
        let reduced = reduce(&folder.path().join(from))?;
        let to = root().join("models").join(format!("{}.json", service.name));
        fs::write(&to, reduced).map_err(|error| format!("{}: {error}", to.display()))?;
    }
    Ok(())
}

/// The model at `path` without its documentation.
fn reduce(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut model: Model = serde_json::from_reader(GzDecoder::new(file))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    model.source = format!("{PACKAGE} {VERSION}");
    let mut text = serde_json::to_string_pretty(&model).map_err(|error| error.to_string())?;
    text.push('\n');
    Ok(text)
}
