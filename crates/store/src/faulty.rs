//! A store that fails on demand, around any other: for tests of what happens when a commit cannot be made durable.

use std::sync::Mutex;
use std::sync::PoisonError;

use crate::{Commit, CommitError, Done, Revision, Sink, Store, StoreError, Visit, WatchId};

/// Passes everything to the store inside, except the commits it was told to fail; those change nothing.
pub struct Faulty<S> {
    inner: S,
    plan: Mutex<Plan>,
}

#[derive(Default)]
struct Plan {
    submitted: u64,
    failing: Vec<u64>,
    disk_full: bool,
}

impl<S: Store> Faulty<S> {
    /// `inner`, without faults so far.
    pub fn new(inner: S) -> Self {
        Self { inner, plan: Mutex::default() }
    }

    /// Fails the `n`-th commit from now, counting from 1, with an I/O error.
    pub fn fail_commit(&self, n: u64) {
        let mut plan = self.plan();
        let at = plan.submitted + n;
        plan.failing.push(at);
    }

    /// Fails every commit that writes, until the disk has room again.
    pub fn set_disk_full(&self, full: bool) {
        self.plan().disk_full = full;
    }

    /// The store inside.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why this commit fails, if it does.
    fn fault(&self, commit: &Commit) -> Option<&'static str> {
        let mut plan = self.plan();
        plan.submitted += 1;
        let now = plan.submitted;
        if plan.failing.contains(&now) {
            return Some("the change could not be written: injected I/O error");
        }
        (plan.disk_full && !commit.writes.is_empty())
            .then_some("the change could not be written: no space left on device")
    }
}

impl<S: Store> Store for Faulty<S> {
    fn load(&self, visit: &mut Visit<'_>) -> Result<Revision, StoreError> {
        self.inner.load(visit)
    }

    fn submit(&self, commit: Commit, done: Done) {
        match self.fault(&commit) {
            Some(reason) => done(Err(CommitError::Unavailable(reason.to_owned()))),
            None => self.inner.submit(commit, done),
        }
    }

    fn watch(&self, from: Revision, sink: Sink) -> Result<WatchId, StoreError> {
        self.inner.watch(from, sink)
    }

    fn unwatch(&self, id: WatchId) {
        self.inner.unwatch(id);
    }

    fn close(&self) {
        self.inner.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Memory, Write};

    fn put(store: &impl Store) -> Result<Revision, CommitError> {
        store.commit(Commit { guards: Vec::new(), writes: vec![Write::put(*b"row", *b"value")] })
    }

    #[test]
    fn second_commit_fails_and_leaves_nothing() {
        let store = Faulty::new(Memory::new().unwrap());
        store.fail_commit(2);
        assert_eq!(put(&store), Ok(1));
        assert!(matches!(put(&store), Err(CommitError::Unavailable(_))));
        assert_eq!(put(&store), Ok(2));
    }

    #[test]
    fn full_disk_refuses_writes_until_there_is_room() {
        let store = Faulty::new(Memory::new().unwrap());
        store.set_disk_full(true);
        assert!(matches!(put(&store), Err(CommitError::Unavailable(text)) if text.contains("no space")));
        assert_eq!(store.commit(Commit::default()), Ok(0));
        assert_eq!(store.inner().load(&mut |_, _, _| ()), Ok(0));
        store.set_disk_full(false);
        assert_eq!(put(&store), Ok(1));
    }
}
