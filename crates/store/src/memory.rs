//! A store that lives as long as its process: for the sandbox and for tests.
//!
//! The same committer, limits and feed as any other backend; "durable" means applied.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::committer::{Backend, Committer};
use crate::{
    Change, Commit, Done, GROUP_COMMITS_MAX, LOG_BYTES_MAX, LOG_REVISIONS, Revision, Sink, Store, StoreError,
    Turn, Visit, WatchId, Write,
};

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
        let backend = MemoryBackend { rows: rows.clone(), log: VecDeque::new(), log_bytes: 0 };
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
    log: VecDeque<Change>,
    log_bytes: u64,
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
        for change in changes {
            table.apply(change);
            self.log_bytes += bytes_of(change);
            self.log.push_back(change.clone());
        }
        drop(table);
        self.compact();
        Ok(())
    }

    fn changes_after(&mut self, from: Revision, visit: &mut dyn FnMut(&[Change])) -> Result<(), StoreError> {
        let oldest = self.log.front().map_or_else(|| self.rows.read().revision, |change| change.revision - 1);
        if from < oldest {
            return Err(StoreError::Compacted { oldest });
        }
        let skip = self.log.partition_point(|change| change.revision <= from);
        let changes: Vec<Change> = self.log.iter().skip(skip).cloned().collect();
        changes.chunks(GROUP_COMMITS_MAX).for_each(visit);
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

impl MemoryBackend {
    fn compact(&mut self) {
        while self.log.len() as u64 > LOG_REVISIONS || self.log_bytes > LOG_BYTES_MAX {
            let Some(oldest) = self.log.pop_front() else { return };
            self.log_bytes -= bytes_of(&oldest);
        }
    }
}

fn bytes_of(change: &Change) -> u64 {
    change.writes.iter().map(Write::bytes).sum::<usize>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_conforms() {
        crate::conformance::run(|| Box::new(Memory::new().unwrap()));
    }
}
