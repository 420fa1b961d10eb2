//! The database: a store, and the World that follows its feed.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use rootward_store::{Change, Revision, Store, StoreError, Write};

use crate::codec::CorruptRow;
use crate::world::Builder;
use crate::{OutboxId, RowKey, Txn, World};

pub use rootward_store::CommitError;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A row is damaged or newer than this version.
    #[error(transparent)]
    Corrupt(#[from] CorruptRow),
    /// The store itself failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An audit record that had not reached the log when the store was last closed.
#[derive(Debug, Clone)]
pub struct OutboxRow {
    /// The key to delete once it is in the log.
    pub id: OutboxId,
    /// The revision of the write it belongs to.
    pub revision: Revision,
    /// The record.
    pub record: Box<[u8]>,
}

/// What [`Db::open`] gives.
pub struct Opened {
    /// The database.
    pub db: Arc<Db>,
    /// Records still to be moved to the log, in the order of their commits.
    pub outbox: Vec<OutboxRow>,
}

/// A store and its World.
pub struct Db {
    store: Arc<dyn Store>,
    world: Arc<ArcSwap<World>>,
    fault: Arc<OnceLock<CorruptRow>>,
}

impl Db {
    /// Loads everything and follows the feed from there.
    ///
    /// # Errors
    /// [`OpenError`]: a row that cannot be read, or the store.
    pub fn open(store: Arc<dyn Store>) -> Result<Opened, OpenError> {
        let mut builder = Builder::new(World::default());
        let mut outbox = Vec::new();
        let mut corrupt = None;
        let revision = store.load(&mut |key, value, revision| {
            if let Ok(RowKey::Outbox(id)) = RowKey::decode(key) {
                outbox.push(OutboxRow { id, revision, record: value.into() });
            } else if let Err(error) = builder.write(key, Some(value), revision) {
                corrupt.get_or_insert(error);
            }
        })?;
        if let Some(error) = corrupt {
            return Err(error.into());
        }
        outbox.sort_by_key(|row| row.revision);
        let world = Arc::new(ArcSwap::from_pointee(builder.finish_at(revision)));
        let fault = Arc::new(OnceLock::new());
        follow(&*store, revision, &world, &fault)?;
        Ok(Opened { db: Arc::new(Self { store, world, fault }), outbox })
    }

    /// The newest World. Cheap: one atomic load and a reference count.
    pub fn snapshot(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// A transaction on the newest World.
    pub fn begin(&self) -> Txn {
        Txn::new(self.snapshot())
    }

    /// Hands every outbox row to `sink` as it commits, in order, on the store's thread.
    ///
    /// # Errors
    /// When the feed cannot be followed.
    pub fn follow_outbox(&self, mut sink: impl FnMut(OutboxRow) + Send + 'static) -> Result<(), StoreError> {
        let rows = move |changes: &[Change]| {
            for change in changes {
                change
                    .writes
                    .iter()
                    .filter_map(|write| outbox_row(write, change.revision))
                    .for_each(&mut sink);
            }
        };
        self.store.watch(self.world.load().revision(), Box::new(rows)).map(drop)
    }

    /// Stops the store: what is queued becomes durable first, what comes later is refused.
    pub fn close(&self) {
        self.store.close();
    }

    /// The right to commit on this thread, while no other commit is under way; see [`Store::turn`].
    pub fn turn(&self) -> Option<Turn<'_>> {
        // What cannot be followed is not written either; `commit` says so.
        self.fault.get().is_none().then(|| self.store.turn()).flatten().map(Turn)
    }

    /// Commits; `done` runs on the store's thread when the writes are durable and visible in [`Db::snapshot`], or
    /// when they are refused.
    pub fn commit(&self, txn: Txn, done: Box<dyn FnOnce(Result<Revision, CommitError>) + Send>) {
        match self.fault.get() {
            Some(fault) => done(Err(CommitError::Unavailable(fault.to_string()))),
            None => self.store.submit(txn.into_commit(), done),
        }
    }

    /// Why this node has stopped following the store, if it has: a row that another, newer node wrote and this one
    /// cannot read. What it serves is then the state before that row.
    pub fn fault(&self) -> Option<&CorruptRow> {
        self.fault.get()
    }

    /// Commits and waits: for start-up, host commands and tests, never on an executor's thread.
    ///
    /// # Errors
    /// [`CommitError`], as the store says.
    pub fn commit_wait(&self, txn: Txn) -> Result<Revision, CommitError> {
        if let Some(turn) = self.turn() {
            return turn.commit(txn);
        }
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        self.commit(txn, Box::new(move |result| drop(send.send(result))));
        receive.recv().unwrap_or_else(|_| Err(CommitError::Unavailable("the store has stopped".into())))
    }
}

/// The right to commit on one's own thread.
pub struct Turn<'a>(rootward_store::Turn<'a>);

impl Turn<'_> {
    /// Commits: durable and visible in [`Db::snapshot`] when this returns. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// [`CommitError`], as the store says.
    pub fn commit(self, txn: Txn) -> Result<Revision, CommitError> {
        self.0.commit(txn.into_commit())
    }
}

fn outbox_row(write: &Write, revision: Revision) -> Option<OutboxRow> {
    let RowKey::Outbox(id) = RowKey::decode(&write.key).ok()? else { return None };
    Some(OutboxRow { id, revision, record: write.value.as_deref()?.into() })
}

fn follow(
    store: &dyn Store,
    from: Revision,
    world: &Arc<ArcSwap<World>>,
    fault: &Arc<OnceLock<CorruptRow>>,
) -> Result<(), StoreError> {
    let (world, fault) = (Arc::clone(world), Arc::clone(fault));
    let next = move |changes: &[Change]| {
        // A World with a hole in it would decide wrongly: after a row that cannot be read, nothing more is applied.
        if fault.get().is_some() {
            return;
        }
        match world.load().after(changes) {
            Ok(next) => world.store(Arc::new(next)),
            Err(corrupt) => drop(fault.set(corrupt)),
        }
    };
    store.watch(from, Box::new(move |changes| next(changes))).map(drop)
}
