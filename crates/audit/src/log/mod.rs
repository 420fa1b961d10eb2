//! The log: one SQLite file, appended to by one process, read by any.
//!
//! Tables: `batches`, what is proven, one row a batch: its records as one text, their numbers and times, and the hash and
//! the seal of the head after it. `blocks`, `terms` and `spans`, what look-ups are led by, all of it derived from the
//! batches (see [`block`]). The view `events` shows each record as a row to whoever opens the file with SQL.
//!
//! Why a batch is one row: a row, an index entry and a hash each cost more than the record itself does, and a record is
//! written for every request but read hardly ever. The price is that a look-up reads the whole of each batch that has
//! what it looks for, so that batches have an upper bound: see [`Sizes`].
//!
//! What is given to [`Log::append`] is one transaction, so that a log that was interrupted at any instant ends with a whole
//! batch and its seal; above the bound it becomes several batches. Triggers refuse to change or delete rows: against
//! accidents, not attackers, whom the chain is for.
//!
//! Durability: WAL with `synchronous = NORMAL` for plain batches (a power cut may take the last of them, a killed
//! process none) and `FULL` for durable ones: the WAL is flushed before [`Log::append`] returns, and every earlier batch
//! with it.

mod batch;
mod block;
mod known;
mod lookup;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod verify;

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use self::batch::Batch;
use self::block::{Block, Leads};
use self::known::Known;
use crate::{Entry, Error, Head, Seal};

pub(crate) use batch::Bounds;

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

/// Bounds of batches and blocks. Whatever they were when a log was written, it can be read.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    /// Records in a batch.
    batch_records: usize,
    /// A batch that has reached this many bytes takes no more records.
    batch_bytes: usize,
    /// A block that has reached this many records takes no more batches; with one batch more, fewer than 65,536.
    block_records: usize,
    /// And one that has reached this many bytes.
    block_bytes: usize,
}

/// Where the next record goes.
#[derive(Debug)]
struct Tail {
    connection: Arc<Mutex<Connection>>,
    seal: Seal,
    sizes: Sizes,
    head: Head,
    known: Known,
    /// What no block holds yet; gathered from the log by the next append after opening, or after one that failed.
    block: Option<Block>,
    /// Plain batches have been appended since the last flush to disk.
    unsynced: bool,
    synchronous: &'static str,
}

impl Log {
    /// Opens the log in this file, or begins one; the file is readable by its owner alone.
    ///
    /// Checks the end of the log (its last batch, its hash, its seal), not the rest: that is [`Reader::verify`]'s.
    ///
    /// # Errors
    /// [`Error::Altered`] when the end is not what was last written; [`Error::Newer`], [`Error::Foreign`],
    /// [`Error::Damaged`], [`Error::Io`], [`Error::Full`].
    pub fn open(path: &Path, seal: Seal) -> Result<Self, Error> {
        Self::open_of(path, seal, SIZES)
    }

    fn open_of(path: &Path, seal: Seal, sizes: Sizes) -> Result<Self, Error> {
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
        Self::with(Arc::new(Mutex::new(connection)), reader, seal, sizes)
    }

    /// A log in memory, gone with the process.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no memory.
    pub fn in_memory(seal: Seal) -> Result<Self, Error> {
        Self::in_memory_of(seal, SIZES)
    }

    fn in_memory_of(seal: Seal, sizes: Sizes) -> Result<Self, Error> {
        let connection = Connection::open_in_memory()?;
        schema::prepare(&connection)?;
        let connection = Arc::new(Mutex::new(connection));
        let reader = Reader::on(Arc::clone(&connection), seal.clone());
        Self::with(connection, reader, seal, sizes)
    }

    fn with(
        connection: Arc<Mutex<Connection>>,
        reader: Reader,
        seal: Seal,
        sizes: Sizes,
    ) -> Result<Self, Error> {
        let head = reader.checked_head()?;
        let known = Known::beyond(reader.last_span()?);
        let tail =
            Tail { connection, seal, sizes, head, known, block: None, unsynced: false, synchronous: NORMAL };
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

    /// Appends entries as one batch (or, when they are many, several): all of them, or none when it fails.
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
        let block = match self.block.take() {
            Some(block) => block,
            None => Block::load(&transaction, &mut self.known)?,
        };
        let known = self.known.among(&transaction, &block, entries)?;
        let mut chain = Chain::new(&transaction, &self.seal, self.sizes, self.head, block);
        for (place, (_, entry)) in entries.iter().enumerate() {
            if !known.contains(&place) {
                chain.push(entry)?;
            }
        }
        let (head, block) = chain.end()?;
        transaction.commit()?;
        self.block = Some(block);
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

/// The chain as it grows within one transaction.
struct Chain<'a> {
    transaction: &'a Transaction<'a>,
    seal: &'a Seal,
    sizes: Sizes,
    head: Head,
    block: Block,
    batch: Batch,
    leads: Leads,
}

impl<'a> Chain<'a> {
    fn new(transaction: &'a Transaction<'a>, seal: &'a Seal, sizes: Sizes, head: Head, block: Block) -> Self {
        let (batch, leads) = (Batch::behind(&head), Leads::default());
        Self { transaction, seal, sizes, head, block, batch, leads }
    }

    fn push(&mut self, entry: &Entry) -> Result<(), Error> {
        self.batch.push(entry);
        self.leads.add(entry);
        let full = self.batch.bounds.count() >= self.sizes.batch_records
            || self.batch.bytes() >= self.sizes.batch_bytes;
        if full { self.close_batch() } else { Ok(()) }
    }

    fn close_batch(&mut self) -> Result<(), Error> {
        let (bounds, text) = (self.batch.bounds, self.batch.close());
        let head = self.head.next(&bounds, text);
        let Bounds { first, last, time_min, time_max } = bounds;
        self.transaction
            .prepare_cached(
                "INSERT INTO batches (first, last, time_min, time_max, hash, mac, records) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![first, last, time_min, time_max, head.hash, self.seal.make(&head), text])?;
        self.block.add(&bounds, text.len(), &mut self.leads);
        self.head = head;
        self.batch.restart(&head);
        self.leads.clear();
        if self.block.records() >= self.sizes.block_records || self.block.bytes() >= self.sizes.block_bytes {
            self.block.close(self.transaction)?;
        }
        Ok(())
    }

    fn end(mut self) -> Result<(Head, Block), Error> {
        if self.batch.bytes() > 0 {
            self.close_batch()?;
        }
        Ok((self.head, self.block))
    }
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

/// A look-up reads a batch within some milliseconds; a restart gathers a block's terms within some tens of them.
const SIZES: Sizes = Sizes {
    batch_records: 4_096,
    batch_bytes: 256 * 1_024,
    block_records: 8_192,
    block_bytes: 8 * 1_024 * 1_024,
};
const NORMAL: &str = "NORMAL";
const FULL: &str = "FULL";
const BUSY_PATIENCE: Duration = Duration::from_secs(1);
