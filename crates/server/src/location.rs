//! Where a node keeps things: the data folder, and the key file apart from it.

use std::path::{Path, PathBuf};

/// The data folder and the key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    data: PathBuf,
    key_file: PathBuf,
}

impl Location {
    /// The folder `data`, with its key file where it is said to be or beside the folder: `DIR.key`.
    pub fn new(data: PathBuf, key_file: Option<PathBuf>) -> Self {
        let key_file = key_file.unwrap_or_else(|| beside(&data));
        Self { data, key_file }
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The data folder as people are told of it: whole, because they may have meant another.
    pub fn shown(&self) -> String {
        std::path::absolute(&self.data).unwrap_or_else(|_| self.data.clone()).display().to_string()
    }

    /// The key file.
    pub fn key_file(&self) -> &Path {
        &self.key_file
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.data.join("state.redb")
    }

    pub(crate) fn trail(&self) -> PathBuf {
        self.data.join("trail.sqlite")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.data.join("operator.sock")
    }
}

/// A backup of the folder must not hold its own key, so the key is never inside.
fn beside(data: &Path) -> PathBuf {
    let mut name = data.file_name().map_or_else(|| "rootward".into(), std::ffi::OsStr::to_os_string);
    name.push(".key");
    data.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_file_lies_beside_the_folder_unless_said_otherwise() {
        let key = |data: &str| Location::new(data.into(), None).key_file;
        assert_eq!(key("./rootward-data"), Path::new("./rootward-data.key"));
        assert_eq!(key("/var/lib/rootward/"), Path::new("/var/lib/rootward.key"));
        assert_eq!(Location::new("d".into(), Some("k".into())).key_file, Path::new("k"));
    }
}
