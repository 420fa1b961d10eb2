#![doc = include_str!("../README.md")]
//!
//! Shape: a row is key → value with the [`Revision`] of the commit that last wrote it. One counter numbers the commits of
//! the whole store, without gaps. A [`Commit`] names what it depends on ([`Guard`]) and what it changes ([`Write`]).
//!
//! Commits that arrive while another is being made durable share the next flush: see [`GROUP_COMMITS_MAX`].
#![warn(missing_docs)]

mod committer;
pub mod conformance;
pub mod embedded;
pub mod faulty;
mod history;
mod memory;
pub mod vault;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, mpsc};

pub use committer::Turn;
pub use embedded::Embedded;
pub use faulty::Faulty;
pub use memory::Memory;

/// The number of a commit, from 1; 0 is the empty store and, in a guard, the absent row.
pub type Revision = u64;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 1_024;

/// Largest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 512 * 1024;

/// Largest commit, in bytes: its keys (of guards too) and values. Chosen so that one commit fits one request of the
/// usual cluster stores, which stop at 1.5 MiB.
pub const COMMIT_BYTES_MAX: usize = 1024 * 1024;

/// Most commits made durable by one flush.
pub const GROUP_COMMITS_MAX: usize = 256;

/// A group takes no further commit once it holds this many bytes.
pub const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Commits beyond this many waiting bytes are refused, so that a stalled disk costs bounded memory.
pub const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The feed can be followed from at least this many revisions back, unless they hold more than [`HISTORY_BYTES_MAX`] or the
/// store was opened since.
pub const HISTORY_REVISIONS: u64 = 1_000;

/// The feed reaches back less far than [`HISTORY_REVISIONS`] when they hold more than this many bytes.
pub const HISTORY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A row a commit depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The row.
    pub key: Vec<u8>,
    /// The revision the row must still have; 0 when it must be absent.
    pub seen: Revision,
}

/// One row changed.
#[derive(Clone, PartialEq, Eq)]
pub struct Write {
    /// The row.
    pub key: Vec<u8>,
    /// Its new value; `None` deletes it, which is no error when it is absent.
    pub value: Option<Arc<[u8]>>,
}

/// Values are other crates' business and may be personal: only their length is shown.
impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.escape_ascii();
        match &self.value {
            Some(value) => write!(f, "put {key} ({} bytes)", value.len()),
            None => write!(f, "delete {key}"),
        }
    }
}

/// What is applied whole or not at all.
///
/// A commit without writes only checks its guards and takes no revision. When a key is written twice, the last counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// All must hold.
    pub guards: Vec<Guard>,
    /// All are applied.
    pub writes: Vec<Write>,
}

/// One commit as the feed shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its revision, which its rows have now.
    pub revision: Revision,
    /// Its writes, each key once.
    pub writes: Vec<Write>,
}

/// Why a commit was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A guard did not hold: read again and decide again.
    #[error("a row has changed since it was read")]
    Conflict,
    /// A limit of this module is exceeded; trying again does not help.
    #[error("{what} of {bytes} bytes is too large, the limit is {bytes_max}")]
    TooLarge {
        /// `key`, `value` or `commit`.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Disk full, I/O error, overload or closed; the text says which. Nothing was written as far as the store can tell.
    ///
    /// When a disk fails in the middle of a flush *and* the file cannot be read back at once, the store cannot
    /// tell; should the commit turn out to be on the disk later, it is delivered through the feed like any other.
    #[error("{0}")]
    Unavailable(String),
}

/// Why a store could not be opened, read or followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The feed no longer reaches back that far: load everything again.
    #[error("the change feed starts at revision {oldest}, load the rows again")]
    Compacted {
        /// The earliest `from` that [`Store::watch`] accepts now.
        oldest: Revision,
    },
    /// The reader knows revisions that the store has never had: the store was replaced by an older copy.
    #[error("revision {from} is ahead of the store, which is at {newest}: it was replaced by an older copy")]
    Ahead {
        /// What was asked for.
        from: Revision,
        /// The newest revision there is.
        newest: Revision,
    },
    /// Another process has it.
    #[error("`{0}` is in use by another process")]
    InUse(String),
    /// It was written by a newer version.
    #[error(
        "`{path}` has schema version {found}, this version of rootward knows up to {known}: \
         run the rootward that wrote it or a newer one"
    )]
    NewerSchema {
        /// The file.
        path: String,
        /// What the file says.
        found: u32,
        /// What this version writes.
        known: u32,
    },
    /// It belongs to another key file.
    #[error(
        "`{path}` is sealed with key {expected}, but the key file given holds key {given}: \
         give the key file that was made with this data, or its backup"
    )]
    WrongKey {
        /// The file.
        path: String,
        /// The id of the key it was made with.
        expected: String,
        /// The id of the key given.
        given: String,
    },
    /// The content is not what this store writes.
    #[error("`{path}` is damaged: {reason}; restore it from a backup")]
    Corrupt {
        /// The file.
        path: String,
        /// What was found.
        reason: String,
    },
    /// Closed, or an I/O error; the text says which.
    #[error("{0}")]
    Unavailable(String),
}

/// Names a watch, for [`Store::unwatch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchId(u64);

/// Hears the outcome of one commit.
pub type Done = Box<dyn FnOnce(Result<Revision, CommitError>) + Send>;

/// Hears changes, one call per group of commits.
pub type Sink = Box<dyn FnMut(&[Change]) + Send>;

/// Is shown a row: its key, its value, its revision.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8], Revision) + 'a;

/// A store of rows.
///
/// Sinks and `done`s run on the thread that commits, the store's own or one that has the [`Turn`], and hold it up: they hand
/// over and return. They may call [`submit`](Store::submit) but must not wait for the store: [`watch`](Store::watch) and
/// [`unwatch`](Store::unwatch) refuse to work there, [`commit`](Store::commit) would never return. A panic in one of
/// them closes the store; the `done`s of that group are then dropped without a call.
pub trait Store: Send + Sync {
    /// Shows every row, in key order, with the row's revision, as of one moment; returns the store's revision then.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`]; rows already shown then mean nothing.
    fn load(&self, visit: &mut Visit<'_>) -> Result<Revision, StoreError>;

    /// Queues a commit. `done` runs on the store's thread once it is durable and the feed has delivered it, or once it
    /// is refused; on the caller's, before this returns, when the commit is not even queued (too large, overload, closed).
    ///
    /// Outcomes are heard in the order of submission by one thread.
    fn submit(&self, commit: Commit, done: Done);

    /// Delivers every change after revision `from`, in order: first those that happened already, then each group as it
    /// becomes durable, before the `done`s of its commits.
    ///
    /// # Errors
    /// [`StoreError::Compacted`], [`StoreError::Ahead`], [`StoreError::Unavailable`].
    fn watch(&self, from: Revision, sink: Sink) -> Result<WatchId, StoreError>;

    /// Ends a watch; its sink is dropped and not called again once this returns. Unknown ids are ignored.
    fn unwatch(&self, id: WatchId);

    /// Finishes what is queued, refuses what comes after and releases everything held. Dropping a store does the same.
    fn close(&self);

    /// The right to commit on this thread, if nothing is queued or under way: the fastest way for one who may block for as
    /// long as the disk takes. A store whose commits are made elsewhere gives none.
    fn turn(&self) -> Option<Turn<'_>> {
        None
    }

    /// Commits on this thread or submits and waits.
    ///
    /// # Errors
    /// As the commit's outcome.
    fn commit(&self, commit: Commit) -> Result<Revision, CommitError> {
        if let Some(turn) = self.turn() {
            return turn.commit(commit);
        }
        let (send, receive) = mpsc::sync_channel(1);
        // The receiver may only be gone when this thread is.
        self.submit(commit, Box::new(move |outcome| drop(send.send(outcome))));
        receive.recv().unwrap_or_else(|_| Err(CommitError::Unavailable(CLOSED.to_owned())))
    }
}

/// Makes the name of a new file durable: syncs the folder it is in.
fn sync_folder(path: &Path) -> io::Result<()> {
    std::fs::File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

const CLOSED: &str = "the store is closed";

impl Write {
    /// Sets `key` to `value`.
    pub fn put(key: impl Into<Vec<u8>>, value: impl Into<Arc<[u8]>>) -> Self {
        Self { key: key.into(), value: Some(value.into()) }
    }

    /// Removes `key`.
    pub fn delete(key: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), value: None }
    }

    fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, |value| value.len())
    }
}

impl Guard {
    /// `key` must still have the revision `seen`; 0 when it must be absent.
    pub fn new(key: impl Into<Vec<u8>>, seen: Revision) -> Self {
        Self { key: key.into(), seen }
    }
}

impl Commit {
    /// Keys and values together.
    fn bytes(&self) -> usize {
        let guards: usize = self.guards.iter().map(|guard| guard.key.len()).sum();
        guards + self.writes.iter().map(Write::bytes).sum::<usize>()
    }

    fn check_limits(&self) -> Result<(), CommitError> {
        let within = |what, bytes: usize, bytes_max| {
            if bytes > bytes_max { Err(CommitError::TooLarge { what, bytes, bytes_max }) } else { Ok(()) }
        };
        for key in
            self.guards.iter().map(|guard| &guard.key).chain(self.writes.iter().map(|write| &write.key))
        {
            within("key", key.len(), KEY_BYTES_MAX)?;
        }
        for value in self.writes.iter().filter_map(|write| write.value.as_ref()) {
            within("value", value.len(), VALUE_BYTES_MAX)?;
        }
        within("commit", self.bytes(), COMMIT_BYTES_MAX)
    }
}
