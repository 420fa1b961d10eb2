//! The data folder: what must be there, what is made on the first start, and what is refused.
//!
//! State and audit log know of each other: the state how far the log once reached, the log that there was a state. A folder in
//! which one of them is gone, cut off or put back from an old copy is refused, and never begun anew.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rootward_audit::{Entry, Head, Log};
use rootward_names::Random;
use rootward_state::Db;
use rootward_store::vault::{Key, KeyFile};
use serde_json::Value;

use super::StartError;
use crate::Location;

/// How many of the oldest records are looked at: a log begins with the opening of the first account, or with attempts at it.
const FIRST_RECORDS: usize = 100;

/// Reads the key file, or makes folder and key file on the first start.
pub(super) fn open_key(location: &Location, random: &mut dyn Random) -> Result<Key, StartError> {
    let (data, key_file) = (location.data(), location.key_file());
    let folder = DirBuilder::new().recursive(true).mode(0o700).create(data);
    folder.map_err(|error| folder_error(location, "make", &error))?;
    if has_state(location)? {
        return Ok(KeyFile::read(key_file)?);
    }
    if exists(location, key_file)? {
        let key = KeyFile::read(key_file)?;
        // The first start may have been interrupted; or the folder is not the one that it was, and nobody would notice.
        eprintln!(
            "rootward: the key file `{}` was there and the data folder `{}` has no state: beginning with an empty one",
            key_file.display(),
            data.display()
        );
        return Ok(key);
    }
    let key = KeyFile::create(key_file, random)?;
    eprintln!(
        "rootward: made the key file `{}`: back it up apart from the data folder; without it no secret can be read again",
        key_file.display()
    );
    Ok(key)
}

/// Refuses a folder that holds no state, and makes none.
pub(crate) fn require_state(location: &Location) -> Result<(), StartError> {
    if has_state(location)? {
        Ok(())
    } else {
        let cause = "it holds no state; `--data` names another, and a sandbox has none";
        Err(folder_error(location, "use", &cause))
    }
}

/// Whether the folder holds a state, be it a damaged one. A log without one proves nothing: only the state knows how far it must reach.
pub(super) fn has_state(location: &Location) -> Result<bool, StartError> {
    let (state, trail) = (exists(location, &location.state())?, exists(location, &location.trail())?);
    if trail && !state {
        let cause = "it has an audit log and no state; restore `state.redb` from a backup";
        return Err(folder_error(location, "use", &cause));
    }
    Ok(state)
}

pub(super) fn exists(location: &Location, path: &Path) -> Result<bool, StartError> {
    path.try_exists().map_err(|error| folder_error(location, "read", &error))
}

fn folder_error(location: &Location, what: &str, error: &dyn std::fmt::Display) -> StartError {
    StartError::Folder(format!("cannot {what} the data folder `{}`: {error}", location.shown()))
}

/// The state knows how far the log once reached: a log that ends earlier was cut off or put back from an old copy.
pub(super) fn check_trail_reaches(log: &Log, db: &Db) -> Result<(), StartError> {
    let Some(anchor) = db.snapshot().trail_head().and_then(Head::from_bytes) else { return Ok(()) };
    if log.reader().holds(&anchor)? {
        return Ok(());
    }
    Err(StartError::Folder(format!(
        "the audit log ends before record {}, which it is known to have held: records were removed, or an older copy was \
         restored; put back the newest `trail.sqlite`",
        anchor.seq
    )))
}

/// The log knows that there was a state: nothing can have succeeded on one that has never been written.
pub(super) fn check_state_holds(log: &Log, db: &Db) -> Result<(), StartError> {
    if db.snapshot().revision() > 0 {
        return Ok(());
    }
    let first = log.reader().after(0, FIRST_RECORDS)?;
    if first.iter().all(|stored| is_refusal(&stored.entry)) {
        return Ok(());
    }
    Err(StartError::Folder(
        "the state is empty, but the audit log holds records of what was in it; restore `state.redb` from a backup"
            .into(),
    ))
}

/// Whether this records a call or a command that did nothing.
fn is_refusal(entry: &Entry) -> bool {
    serde_json::from_str::<Value>(entry.json()).is_ok_and(|record| record.get("errorCode").is_some())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rootward_pipeline::Draw;
    use rootward_store::Embedded;
    use rootward_store::vault::Vault;

    use super::*;
    use crate::front::Face;
    use crate::node::Node;
    use crate::source::Source;

    fn location(folder: &tempfile::TempDir) -> Location {
        Location::new(folder.path().join("data"), None)
    }

    /// The folder of a node that has stopped, with an account in it.
    fn used() -> (tempfile::TempDir, Location) {
        let folder = tempfile::tempdir().unwrap();
        let location = location(&folder);
        let node = Node::open(&location, &Face::none()).unwrap();
        node.create_account("name", "name@example.com", Some("quiet-Otter+27-lanterns"), None).ok().unwrap();
        node.close();
        (folder, location)
    }

    fn refusal(location: &Location) -> String {
        Node::open(location, &Face::none()).err().unwrap().to_string()
    }

    #[test]
    fn empty_state_file_is_refused_with_and_without_an_audit_log() {
        let (_folder, location) = used();
        fs::write(location.state(), b"").unwrap();
        assert!(refusal(&location).contains("state.redb"));
        fs::remove_file(location.trail()).unwrap();
        assert!(refusal(&location).contains("state.redb"));
        assert_eq!(fs::metadata(location.state()).unwrap().len(), 0);
    }

    #[test]
    fn removed_state_file_is_refused() {
        let (_folder, location) = used();
        fs::remove_file(location.state()).unwrap();
        assert!(refusal(&location).contains("state.redb"));
        assert!(!location.state().exists());
    }

    #[test]
    fn state_of_a_first_start_beside_a_log_with_records_is_refused() {
        let (_folder, location) = used();
        fs::remove_file(location.state()).unwrap();
        let vault = Vault::new(&KeyFile::read(location.key_file()).unwrap());
        drop(Embedded::open(&location.state(), vault.key_id(), &mut Draw(&Source::Machine)).unwrap());
        for _ in 0..2 {
            assert!(refusal(&location).contains("audit log holds records"));
        }
    }

    #[test]
    fn log_of_refused_commands_alone_needs_no_state() {
        let folder = tempfile::tempdir().unwrap();
        let location = location(&folder);
        let node = Node::open(&location, &Face::none()).unwrap();
        assert!(node.create_account("name", "no address", Some("quiet-Otter+27-lanterns"), None).is_err());
        node.close();
        assert_eq!(Node::open(&location, &Face::none()).ok().unwrap().trail_length()["records"], 1);
    }

    /// What is on disk after each step of the first start.
    #[test]
    fn first_start_that_was_interrupted_begins_again() {
        let (_folder, whole) = used();
        let half = fs::read(whole.state()).unwrap();
        let half = &half[..half.len() / 2];
        for unfinished in [None, Some(b"".as_slice()), Some(half)] {
            let folder = tempfile::tempdir().unwrap();
            let location = location(&folder);
            fs::create_dir(location.data()).unwrap();
            KeyFile::create(location.key_file(), &mut Draw(&Source::Machine)).unwrap();
            if let Some(unfinished) = unfinished {
                fs::write(location.data().join("state.redb.new"), unfinished).unwrap();
            }
            let node = Node::open(&location, &Face::none()).unwrap();
            assert_eq!(node.accounts(), 0);
            node.close();
        }
    }
}
