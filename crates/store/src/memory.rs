//! A store that lives as long as its process: for the sandbox and for tests.
//!
//! The same committer, limits and feed as any other backend; "durable" means applied.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::committer::{Backend, Committer};
use crate::{Change, Commit, Done, Revision, Sink, Store, StoreError, Turn, Visit, WatchId};

/// A store in memory.
pub struct Memory {
    rows: Rows,
    committer: Committer,
}

impl Memory {
    /// An empty store.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the system refuses a thread.
    pub fn new() -> Result<Self, StoreError> {
        let rows = Rows::default();
        let backend = MemoryBackend { rows: rows.clone() };
        Ok(Self { rows, committer: Committer::start(backend, 0)? })
    }
}

impl Store for Memory {
    fn load(&self, visit: &mut Visit<'_>) -> Result<Revision, StoreError> {
        let table = self.rows.read();
        for (key, (revision, value)) in &table.rows {
            visit(key, value, *revision);
        }
        Ok(table.revision)
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
    }
}

#[derive(Default)]
struct Table {
    revision: Revision,
    rows: BTreeMap<Vec<u8>, (Revision, Arc<[u8]>)>,
}

#[derive(Clone, Default)]
struct Rows(Arc<RwLock<Table>>);

impl Rows {
    // A visitor that panics while reading leaves the table whole, and nothing panics while writing.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

struct MemoryBackend {
    rows: Rows,
}

impl Backend for MemoryBackend {
    fn ready(&mut self) -> Result<Revision, String> {
        Ok(self.rows.read().revision)
    }

    fn row_revisions(&mut self, keys: &[&[u8]]) -> Result<Vec<Revision>, String> {
        let table = self.rows.read();
        Ok(keys.iter().map(|key| table.rows.get(*key).map_or(0, |(revision, _)| *revision)).collect())
    }

    fn persist(&mut self, changes: &[Change]) -> Result<(), String> {
        let mut table = self.rows.write();
        changes.iter().for_each(|change| table.apply(change));
        Ok(())
    }
}

impl Table {
    fn apply(&mut self, change: &Change) {
        self.revision = change.revision;
        for write in &change.writes {
            match &write.value {
                Some(value) => {
                    self.rows.insert(write.key.clone(), (change.revision, Arc::clone(value)));
                }
                None => {
                    self.rows.remove(&write.key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_conforms() {
        crate::conformance::run(|| Box::new(Memory::new().unwrap()));
    }
}
