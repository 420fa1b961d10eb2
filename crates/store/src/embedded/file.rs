//! The file itself: how it is made, its tables, and the state between a failure and the next opening.
//!
//! INVARIANT: a file that has its name is whole. It is made under another name and renamed when everything in it is on the
//! disk, so a file that is empty or has no tables is not one whose making was interrupted: it has lost what it held.
//!
//! Tables: `rows` (key → revision, 8 bytes big-endian, and value) and `meta`: `schema`, `store-id`, `key-id` and
//! `last-deletion`, the newest revision that put no row.
//!
//! INVARIANT: the newest revision is on a row or is `last-deletion`. So it needs no row of its own, which would be another
//! page to write with every commit: opening, which reads the whole file anyway, looks for it.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError,
};
use rootward_names::Random;

use super::{CACHE_BYTES, SCHEMA};
use crate::vault::KeyId;
use crate::{CLOSED, Change, Revision, StoreError, Visit};

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

const LAST_DELETION: &str = "last-deletion";

/// Opens or makes the database at a path.
pub(super) type Opener = Box<dyn Fn(&Path) -> Result<Database, DatabaseError> + Send + Sync>;

pub(super) struct File {
    path: PathBuf,
    opener: Opener,
    key: KeyId,
    store_id: String,
    slot: RwLock<Slot>,
    /// Of the open file: nobody else writes it.
    revision: AtomicU64,
}

enum Slot {
    Open(Database),
    /// An operation failed; the file must be opened again before the next one.
    Failed,
    Closed,
}

/// What a failed operation of the open file means.
#[derive(Debug)]
pub(super) enum Fault {
    Redb(redb::Error),
    Damaged(String),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// Makes the file at `path`, unless there is one.
pub(super) fn make(path: &Path, key: KeyId, random: &mut dyn Random) -> Result<(), StoreError> {
    make_unless_there(path, key, random).map_err(|fault| describe(path, fault))
}

fn make_unless_there(path: &Path, key: KeyId, random: &mut dyn Random) -> Result<(), Fault> {
    let folder = fs::File::open(crate::folder_of(path))?;
    // Of two processes that start at once one makes the file, and the other finds it.
    folder.lock()?;
    // A link that leads nowhere is there: what it should lead to must not be made anew.
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        let unfinished = unfinished(path);
        make_database(&unfinished, key, random)?;
        fs::rename(&unfinished, path)?;
    }
    // Also for a file that was there: its maker may have been killed right after it had renamed it.
    folder.sync_all()?;
    Ok(())
}

fn make_database(path: &Path, key: KeyId, random: &mut dyn Random) -> Result<(), Fault> {
    let mut options = OpenOptions::new();
    // What an interrupted start has left is overwritten.
    let file = options.read(true).write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let database = builder().create_with_backend(redb::backends::FileBackend::new(file)?)?;
    fill(&database, key, random)?;
    database.close()?;
    Ok(())
}

/// Where the file at `path` is until it is whole.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Writes the tables of a new store.
pub(super) fn fill(database: &Database, key: KeyId, random: &mut dyn Random) -> Result<(), Fault> {
    let mut store_id = [0; 16];
    random.fill(&mut store_id);
    let transaction = database.begin_write()?;
    transaction.open_table(ROWS)?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert("schema", SCHEMA.to_be_bytes().as_slice())?;
        meta.insert("store-id", store_id.as_slice())?;
        meta.insert("key-id", key.as_bytes().as_slice())?;
    }
    transaction.commit()?;
    Ok(())
}

/// The production [`Opener`]. Unlike most of redb's, it makes nothing out of an empty file.
pub(super) fn open_database(path: &Path) -> Result<Database, DatabaseError> {
    builder().open(path)
}

pub(super) fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

impl File {
    pub(super) fn open(path: &Path, opener: Opener, key: KeyId) -> Result<(Self, Revision), StoreError> {
        let mut file = Self {
            path: path.to_owned(),
            opener,
            key,
            store_id: String::new(),
            slot: RwLock::new(Slot::Failed),
            revision: AtomicU64::new(0),
        };
        let database = file.open_database()?;
        let (store_id, revision) = file.check(&database)?;
        file.store_id = store_id;
        file.slot = RwLock::new(Slot::Open(database));
        file.revision = AtomicU64::new(revision);
        Ok((file, revision))
    }

    pub(super) fn store_id(&self) -> &str {
        &self.store_id
    }

    /// Opens the file again if an operation has failed since; returns the revision it holds.
    pub(super) fn reopen(&self) -> Result<Revision, StoreError> {
        if let Slot::Open(_) = &*self.slot() {
            return Ok(self.revision.load(Ordering::Acquire));
        }
        let mut slot = self.slot_mut();
        match &*slot {
            Slot::Closed => return Err(StoreError::Unavailable(CLOSED.to_owned())),
            Slot::Open(_) => {}
            Slot::Failed => {
                let database = self.open_database()?;
                let (_, revision) = self.check(&database)?;
                *slot = Slot::Open(database);
                self.revision.store(revision, Ordering::Release);
            }
        }
        Ok(self.revision.load(Ordering::Acquire))
    }

    pub(super) fn close(&self) {
        let slot = std::mem::replace(&mut *self.slot_mut(), Slot::Closed);
        if let Slot::Open(database) = slot
            && let Err(error) = database.close()
        {
            // Every commit is durable already; the next opening checks the file as it always does.
            tracing::warn!(%error, "the data file was not closed cleanly");
        }
    }

    pub(super) fn load(&self, visit: &mut Visit<'_>) -> Result<Revision, StoreError> {
        self.reopen()?;
        self.with(|database| read_rows(database, visit))
    }

    pub(super) fn row_revisions(&self, keys: &[&[u8]]) -> Result<Vec<Revision>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.with(|database| {
            let rows = database.begin_read()?.open_table(ROWS)?;
            let revision = |key: &&[u8]| match rows.get(*key)? {
                Some(row) => split_row(row.value()).map(|(revision, _)| revision),
                None => Ok(0),
            };
            keys.iter().map(revision).collect()
        })
    }

    /// Applies `changes`, whose rows may be there already, and flushes.
    pub(super) fn write(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.with(|database| {
            // redb promises errors; should a damaged page make it panic, the group is refused like after any other.
            let revision = catch_unwind(AssertUnwindSafe(|| write_group(database, changes)))
                .unwrap_or_else(|_| Err(Fault::Damaged("a page cannot be used".to_owned())))?;
            self.revision.fetch_max(revision, Ordering::AcqRel);
            Ok(())
        })
    }

    /// Runs `work` on the open file; after a failure the file counts as closed until it is opened again.
    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, Fault>) -> Result<T, StoreError> {
        let outcome = match &*self.slot() {
            Slot::Open(database) => work(database),
            Slot::Failed => {
                return Err(unavailable(&self.path, "an earlier operation failed"));
            }
            Slot::Closed => return Err(StoreError::Unavailable(CLOSED.to_owned())),
        };
        outcome.map_err(|fault| {
            let mut slot = self.slot_mut();
            if matches!(*slot, Slot::Open(_)) {
                *slot = Slot::Failed;
            }
            self.describe(fault)
        })
    }

    // A visitor that panics while it is shown a row leaves the slot whole.
    fn slot(&self) -> RwLockReadGuard<'_, Slot> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot_mut(&self) -> RwLockWriteGuard<'_, Slot> {
        self.slot.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_database(&self) -> Result<Database, StoreError> {
        match catch_unwind(AssertUnwindSafe(|| (self.opener)(&self.path))) {
            Ok(Ok(database)) => Ok(database),
            Ok(Err(error)) => Err(self.describe(error.into())),
            Err(_) => Err(self.corrupt("its structure cannot be followed".to_owned())),
        }
    }

    /// Checks that the database is ours, of our version and of our key; returns the store's id and revision.
    fn check(&self, database: &Database) -> Result<(String, Revision), StoreError> {
        let row = |name| read_meta(database, name).map_err(|fault| self.describe(fault));
        let bad = |name: &str| self.corrupt(format!("its `{name}` cannot be read"));
        let schema = u32::from_be_bytes(row("schema")?.try_into().map_err(|_| bad("schema"))?);
        if schema > SCHEMA {
            return Err(StoreError::NewerSchema { path: self.shown_path(), found: schema, known: SCHEMA });
        }
        if schema < SCHEMA {
            return Err(self.corrupt(format!("no rootward has written schema version {schema}")));
        }
        let key = KeyId::from_bytes(row("key-id")?.try_into().map_err(|_| bad("key-id"))?);
        if key != self.key {
            return Err(StoreError::WrongKey {
                path: self.shown_path(),
                expected: key.to_string(),
                given: self.key.to_string(),
            });
        }
        let revision = read_rows(database, &mut |_, _, _| ()).map_err(|fault| self.describe(fault))?;
        let store_id = row("store-id")?.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((store_id, revision))
    }

    fn shown_path(&self) -> String {
        self.path.display().to_string()
    }

    fn corrupt(&self, reason: String) -> StoreError {
        corrupt(&self.path, reason)
    }

    fn describe(&self, fault: Fault) -> StoreError {
        describe(&self.path, fault)
    }
}

fn describe(path: &Path, fault: Fault) -> StoreError {
    match fault {
        Fault::Damaged(reason) | Fault::Redb(redb::Error::Corrupted(reason)) => corrupt(path, reason),
        Fault::Redb(redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch) => {
            StoreError::InUse(path.display().to_string())
        }
        Fault::Redb(redb::Error::Io(error)) => match error.kind() {
            io::ErrorKind::InvalidData => corrupt(path, "it is empty or no data file of rootward".to_owned()),
            io::ErrorKind::UnexpectedEof => corrupt(path, "its end is missing".to_owned()),
            io::ErrorKind::StorageFull => unavailable(path, "no space left on device"),
            _ => unavailable(path, &error.to_string()),
        },
        Fault::Redb(other) => unavailable(path, &other.to_string()),
    }
}

fn corrupt(path: &Path, reason: String) -> StoreError {
    StoreError::Corrupt { path: path.display().to_string(), reason }
}

fn unavailable(path: &Path, reason: &str) -> StoreError {
    StoreError::Unavailable(format!("the data file `{}` cannot be used: {reason}", path.display()))
}

/// Shows every row; returns the revision the file was at.
fn read_rows(database: &Database, visit: &mut Visit<'_>) -> Result<Revision, Fault> {
    let transaction = database.begin_read()?;
    let mut newest = last_deletion(&transaction.open_table(META)?)?;
    for row in transaction.open_table(ROWS)?.iter()? {
        let (key, value) = row?;
        let (revision, value) = split_row(value.value())?;
        newest = newest.max(revision);
        visit(key.value(), value, revision);
    }
    Ok(newest)
}

fn last_deletion(meta: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<Revision, Fault> {
    let Some(row) = meta.get(LAST_DELETION)? else { return Ok(0) };
    let bytes = row
        .value()
        .try_into()
        .map_err(|_| Fault::Damaged(format!("its `{LAST_DELETION}` cannot be read")))?;
    Ok(u64::from_be_bytes(bytes))
}

/// One row of `meta`; a database without them is not ours.
fn read_meta(database: &Database, name: &'static str) -> Result<Vec<u8>, Fault> {
    let meta = match database.begin_read()?.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => {
            return Err(Fault::Damaged("it is a database of another program, or an empty one".to_owned()));
        }
    };
    let row = meta.get(name)?.ok_or_else(|| Fault::Damaged(format!("it has no `{name}`")))?;
    Ok(row.value().to_vec())
}

fn split_row(row: &[u8]) -> Result<(Revision, &[u8]), Fault> {
    let (revision, value) =
        row.split_first_chunk::<8>().ok_or_else(|| Fault::Damaged("a row has no revision".to_owned()))?;
    Ok((u64::from_be_bytes(*revision), value))
}

/// Returns the revision of the last of `changes`.
fn write_group(database: &Database, changes: &[Change]) -> Result<Revision, Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        let mut rows = transaction.open_table(ROWS)?;
        changes.iter().try_for_each(|change| write_rows(&mut rows, change))?;
    }
    let puts_nothing = |change: &&Change| change.writes.iter().all(|write| write.value.is_none());
    if let Some(change) = changes.iter().rev().find(puts_nothing) {
        transaction.open_table(META)?.insert(LAST_DELETION, change.revision.to_be_bytes().as_slice())?;
    }
    transaction.commit()?;
    Ok(changes.last().map_or(0, |change| change.revision))
}

fn write_rows(rows: &mut Table<'_, &'static [u8], &'static [u8]>, change: &Change) -> Result<(), Fault> {
    for write in &change.writes {
        let key = write.key.as_slice();
        match &write.value {
            Some(value) => {
                let row = [change.revision.to_be_bytes().as_slice(), value].concat();
                rows.insert(key, row.as_slice())?;
            }
            None => drop(rows.remove(key)?),
        }
    }
    Ok(())
}
