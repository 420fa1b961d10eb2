//! The log: one SQLite file, appended to by one process, read by any.
//!
//! Tables: `events`, one row a record, with the columns it is found by, its text and its hash; `heads`, one row a batch:
//! the number and hash of the batch's last record under a [`Seal`]. A batch is one transaction, so that a log that was
//! interrupted at any instant ends with a whole batch and its head. Triggers refuse to change or delete rows: against
//! accidents, not attackers, whom the chain is for.
//!
//! Durability: WAL with `synchronous = NORMAL` for plain batches (a power cut may take the last of them, a killed
//! process none) and `FULL` for durable ones: the WAL is flushed before [`Log::append`] returns, and every earlier batch
//! with it.
//!
//! Indexes, because each costs time and bytes for every record: see [`schema`].

mod lookup;
mod read;
mod schema;
mod verify;

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use crate::{Entry, Error, Head, Seal};

pub use lookup::{Attribute, EVENTS_PER_PAGE_MAX, Page, Query};
pub use read::{Filter, Reader, Stored};
pub use verify::{Break, Fault, Report};

/// What an entry needs of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// On disk before it counts as appended, and never twice: it has an outbox row that is deleted then.
    Durable,
    /// In order, soon.
    Plain,
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The log's head after it.
    pub head: Head,
    /// Entries that became records.
    pub records: u64,
    /// Durable entries that the log had already.
    pub known: u64,
}

/// A log open for appending.
#[derive(Debug)]
pub struct Log {
    reader: Reader,
    tail: Mutex<Tail>,
}

/// Where the next record goes.
#[derive(Debug)]
struct Tail {
    connection: Arc<Mutex<Connection>>,
    seal: Seal,
    head: Head,
    /// Plain batches have been appended since the last flush to disk.
    unsynced: bool,
    synchronous: &'static str,
}

impl Log {
    /// Opens the log in this file, or begins one; the file is readable by its owner alone.
    ///
    /// Checks the end of the log (its last record, its head, the head's seal), not the rest: that is
    /// [`Reader::verify`]'s.
    ///
    /// # Errors
    /// [`Error::Altered`] when the end is not what was last written; [`Error::Newer`], [`Error::Foreign`],
    /// [`Error::Damaged`], [`Error::Io`], [`Error::Full`].
    pub fn open(path: &Path, seal: Seal) -> Result<Self, Error> {
        let create = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match create {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(Error::Io(format!("{}: {error}", path.display())));
            }
            Err(_) | Ok(_) => {}
        }
        let connection = connect(path)?;
        schema::prepare(&connection)?;
        let reader = Reader::open(path, seal.clone())?;
        Self::with(Arc::new(Mutex::new(connection)), reader, seal)
    }

    /// A log in memory, gone with the process.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no memory.
    pub fn in_memory(seal: Seal) -> Result<Self, Error> {
        let connection = Connection::open_in_memory()?;
        schema::prepare(&connection)?;
        let connection = Arc::new(Mutex::new(connection));
        let reader = Reader::on(Arc::clone(&connection), seal.clone());
        Self::with(connection, reader, seal)
    }

    fn with(connection: Arc<Mutex<Connection>>, reader: Reader, seal: Seal) -> Result<Self, Error> {
        let head = reader.checked_head()?;
        let tail = Tail { connection, seal, head, unsynced: false, synchronous: NORMAL };
        Ok(Self { reader, tail: Mutex::new(tail) })
    }

    /// The way to read this log while it grows.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The number and hash of the last record.
    pub fn head(&self) -> Head {
        lock(&self.tail).head
    }

    /// Lets the file grow to about `bytes` and no further; appends fail with [`Error::Full`] there.
    ///
    /// # Errors
    /// [`Error::Io`] when the database does not take the limit.
    pub fn limit_bytes(&self, bytes: u64) -> Result<(), Error> {
        let tail = lock(&self.tail);
        let connection = lock(&tail.connection);
        let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = (bytes / page.max(1)).max(1);
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        Ok(())
    }

    /// Appends entries as one batch: all of them, or none when it fails.
    ///
    /// With a durable entry among them, the batch and everything before it is on disk when this returns; durable entries
    /// that the log has already are passed over.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`], [`Error::Shared`] or [`Error::Damaged`]; the log is as it was, and the same batch
    /// can be tried again.
    pub fn append(&self, entries: &[(Lane, Entry)]) -> Result<Appended, Error> {
        lock(&self.tail).append(entries)
    }

    /// Flushes to disk what was appended before.
    ///
    /// # Errors
    /// As for [`Log::append`].
    pub fn sync(&self) -> Result<(), Error> {
        lock(&self.tail).sync()
    }
}

impl Tail {
    fn append(&mut self, entries: &[(Lane, Entry)]) -> Result<Appended, Error> {
        let durable = entries.iter().any(|(lane, _)| *lane == Lane::Durable);
        let mut connection = lock(&self.connection);
        let synchronous = if durable { FULL } else { NORMAL };
        if synchronous != self.synchronous {
            connection.pragma_update(None, "synchronous", synchronous)?;
            self.synchronous = synchronous;
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let head = insert(&transaction, self.head, entries)?;
        if head != self.head {
            put_head(&transaction, &head, &self.seal)?;
        }
        transaction.commit()?;
        let records = head.seq - self.head.seq;
        // A durable batch of nothing new commits nothing, so it flushes nothing either.
        self.unsynced = if records == 0 { self.unsynced } else { !durable };
        self.head = head;
        drop(connection);
        if durable && self.unsynced {
            self.sync()?;
        }
        let known = u64::try_from(entries.len()).unwrap_or(u64::MAX) - records;
        Ok(Appended { head, records, known })
    }

    fn sync(&mut self) -> Result<(), Error> {
        if self.unsynced {
            // A checkpoint flushes the WAL first, whatever it then finds to move.
            let connection = lock(&self.connection);
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
            self.unsynced = false;
        }
        Ok(())
    }
}

/// Inserts what is new and returns the head after it.
fn insert(transaction: &Transaction<'_>, mut head: Head, entries: &[(Lane, Entry)]) -> Result<Head, Error> {
    let mut known = transaction.prepare_cached("SELECT 1 FROM events WHERE event_id = ?1 AND record = ?2")?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO events (seq, time, event_id, event_name, event_source, account, user_name, access_key_id, \
         read_only, error_code, record, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    for (lane, entry) in entries {
        let id = entry.id.to_bytes();
        if *lane == Lane::Durable && known.exists(params![id, entry.json()])? {
            continue;
        }
        head = head.next(entry);
        insert.execute(params![
            head.seq,
            entry.time.seconds(),
            id,
            entry.event_name(),
            entry.event_source(),
            entry.account.map(|account| account.to_string()),
            entry.user_name(),
            entry.access_key_id(),
            entry.read_only,
            entry.error_code(),
            entry.json(),
            head.hash,
        ])?;
    }
    Ok(head)
}

fn put_head(transaction: &Transaction<'_>, head: &Head, seal: &Seal) -> Result<(), Error> {
    transaction
        .prepare_cached("INSERT INTO heads (seq, hash, mac) VALUES (?1, ?2, ?3)")?
        .execute(params![head.seq, head.hash, seal.make(head)])?;
    Ok(())
}

/// A connection to an existing file.
fn connect(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| Error::Io(format!("{}: {error}", path.display())))?;
    connection.busy_timeout(BUSY_PATIENCE)?;
    Ok(connection)
}

/// What a panicking holder left behind is whole: transactions roll back, heads move after commits.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const NORMAL: &str = "NORMAL";
const FULL: &str = "FULL";
const BUSY_PATIENCE: Duration = Duration::from_secs(1);
