//! A store in one file, owned by one process.
//!
//! Guarantee: a commit is acknowledged after its group has been flushed to the disk with one `fsync`; a crash at any
//! moment leaves every acknowledged commit and no part of any other.
//! Limits: one process a file (a second one is refused); [`CACHE_BYTES`] of cache; a commit that fails pauses writing for
//! at least [`PAUSE`].
//!
//! The file is redb's: copy-on-write trees with a checksum on every page. What we choose there, and why:
//! - One-phase commit. Its single flush covers pages and header; after a crash the newer of two headers whose pages all
//!   match their checksums counts. Two phases cost a second flush and protect against somebody who writes rows, orders
//!   page flushes and crashes the machine, all at once: such a person owns the disk.
//! - No quick repair. It would write the allocator's state with every commit so that opening after a crash need not read
//!   the whole file, but [`Store::load`] reads every row anyway.
//! - Every opening checks the whole file, also after a clean shutdown: a damaged disk is found at the start, in words,
//!   and not as a wrong decision later.
//!
//! When a flush fails, nobody knows what is on the disk, redb neither: it refuses all work until the file is opened
//! again. So we do that at once and let the file tell. If the group is not in it, the group is refused. If it is, the group
//! is written again, because a page that failed to flush once may be in the system's cache only, and then acknowledged.
//! If the file cannot be opened either, the group is refused and a later opening decides; should the group be there,
//! the feed delivers it. Memory and file never differ.

mod file;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rootward_names::Random;

use self::file::{File, open_database};
use crate::committer::{Backend, Committer};
use crate::vault::KeyId;
use crate::{Change, Commit, Done, Revision, Sink, Store, StoreError, Turn, Visit, WatchId};

/// Memory for pages, in bytes; the system's own cache holds the rest.
pub const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// How long writes are refused after one failed, at least: finding out what is on the disk reads the whole file, and a
/// full disk should not be read all the time. Ten times what the reading took, if that is longer.
pub const PAUSE: Duration = Duration::from_millis(250);

/// The version of the file's layout that this crate writes.
pub const SCHEMA: u32 = 1;

/// A store in a file.
pub struct Embedded {
    file: Arc<File>,
    committer: Committer,
}

impl Embedded {
    /// Opens the store in the file at `path`, or makes it, readable by its owner only, in a folder that exists.
    ///
    /// `key` names the key that seals secrets in this store; a file made with another one is refused. Reads the whole
    /// file once. `random` is used for the id of a new store.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::NewerSchema`], [`StoreError::WrongKey`], [`StoreError::Corrupt`],
    /// [`StoreError::Unavailable`].
    pub fn open(path: &Path, key: KeyId, random: &mut dyn Random) -> Result<Self, StoreError> {
        file::make(path, key, random)?;
        Self::open_with(path, Box::new(open_database), key)
    }

    fn open_with(path: &Path, opener: file::Opener, key: KeyId) -> Result<Self, StoreError> {
        let (file, revision) = File::open(path, opener, key)?;
        let file = Arc::new(file);
        let backend = FileBackend { file: Arc::clone(&file), paused: None };
        Ok(Self { file, committer: Committer::start(backend, revision)? })
    }

    /// The id given to this store when it was made: 16 random bytes, in hexadecimal digits.
    pub fn store_id(&self) -> &str {
        self.file.store_id()
    }
}

impl Store for Embedded {
    fn load(&self, visit: &mut Visit<'_>) -> Result<Revision, StoreError> {
        self.file.load(visit)
    }

    fn submit(&self, commit: Commit, done: Done) {
        self.committer.submit(commit, done);
    }

    fn turn(&self) -> Option<Turn<'_>> {
        self.committer.turn()
    }

    fn watch(&self, from: Revision, sink: Sink) -> Result<WatchId, StoreError> {
        self.committer.watch(from, sink)
    }

    fn unwatch(&self, id: WatchId) {
        self.committer.unwatch(id);
    }

    fn close(&self) {
        self.committer.close();
        self.file.close();
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

struct FileBackend {
    file: Arc<File>,
    paused: Option<Paused>,
}

struct Paused {
    reason: String,
    until: Instant,
}

impl Backend for FileBackend {
    fn ready(&mut self) -> Result<Revision, String> {
        if let Some(paused) = &self.paused
            && Instant::now() < paused.until
        {
            return Err(paused.reason.clone());
        }
        self.paused = None;
        let started = Instant::now();
        self.file.reopen().map_err(|error| self.pause(started, error.to_string()))
    }

    fn row_revisions(&mut self, keys: &[&[u8]]) -> Result<Vec<Revision>, String> {
        self.file.row_revisions(keys).map_err(|error| error.to_string())
    }

    fn persist(&mut self, changes: &[Change]) -> Result<(), String> {
        let Err(error) = self.file.write(changes) else { return Ok(()) };
        tracing::error!(%error, "a commit failed, reading the data file again");
        let started = Instant::now();
        let found = self.file.reopen();
        let newest = changes.last().map_or(0, |change| change.revision);
        if found.is_ok_and(|revision| revision >= newest) && self.file.write(changes).is_ok() {
            return Ok(());
        }
        Err(self.pause(started, error.to_string()))
    }
}

impl FileBackend {
    /// Refuses writes with `reason` for a while that grows with what the last recovery, begun at `started`, has cost.
    fn pause(&mut self, started: Instant, reason: String) -> String {
        let until = Instant::now() + PAUSE.max(started.elapsed() * 10);
        self.paused = Some(Paused { reason: reason.clone(), until });
        reason
    }
}

#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod tests;
