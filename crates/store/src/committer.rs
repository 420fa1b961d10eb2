//! The one thread that changes a store: takes what is queued as a group, checks guards, has the backend make the group
//! durable, then tells the feed and the submitters.
//!
//! INVARIANT: a revision is shown to nobody before the backend has said it is durable, and sinks see every revision
//! once and in order. `State::delivered` is the last one they saw.
//!
//! When the backend cannot make a group durable, every commit of the group is refused, those with a conflict too:
//! the row they lost against may be one that was never written.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use crate::{
    CLOSED, Change, Commit, CommitError, Done, GROUP_BYTES_MAX, GROUP_COMMITS_MAX, Guard, QUEUE_BYTES_MAX,
    Revision, Sink, StoreError, WatchId, Write,
};

/// What a backend does for the committer; called on its thread only.
pub(crate) trait Backend: Send {
    /// Makes the backend usable again if it failed before; returns the revision it holds, which is the last delivered
    /// one unless a commit given up for lost turns out to have reached the disk.
    fn ready(&mut self) -> Result<Revision, String>;

    /// The present revision of each of `keys`, 0 for an absent row.
    fn row_revisions(&mut self, keys: &[&[u8]]) -> Result<Vec<Revision>, String>;

    /// Applies all `changes` durably, or none.
    fn persist(&mut self, changes: &[Change]) -> Result<(), String>;

    /// Shows the changes after `from`, oldest first, in portions.
    fn changes_after(&mut self, from: Revision, visit: &mut dyn FnMut(&[Change])) -> Result<(), StoreError>;
}

/// The queue and its thread.
pub(crate) struct Committer {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
    thread_id: ThreadId,
}

enum Job {
    Commit(Pending),
    Watch(Revision, Sink, SyncSender<Result<WatchId, StoreError>>),
    Unwatch(WatchId, SyncSender<()>),
}

struct Pending {
    commit: Commit,
    bytes: usize,
    done: Done,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    bytes: usize,
    closed: bool,
}

impl Committer {
    /// Starts the thread over a backend that is at `revision`.
    pub(crate) fn start(backend: impl Backend + 'static, revision: Revision) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue::default());
        let state = State { backend: Box::new(backend), delivered: revision, sinks: Vec::new(), watches: 0 };
        let of_thread = Arc::clone(&queue);
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || state.run(&of_thread))
            .map_err(|error| StoreError::Unavailable(format!("the store's thread cannot start: {error}")))?;
        let thread_id = thread.thread().id();
        Ok(Self { queue, thread: Mutex::new(Some(thread)), thread_id })
    }

    pub(crate) fn submit(&self, commit: Commit, done: Done) {
        if let Err(refused) = commit.check_limits() {
            return done(Err(refused));
        }
        let bytes = commit.bytes();
        if let Err((done, reason)) = self.queue.offer(Pending { commit, bytes, done }) {
            done(Err(CommitError::Unavailable(reason.to_owned())));
        }
    }

    pub(crate) fn watch(&self, from: Revision, sink: Sink) -> Result<WatchId, StoreError> {
        self.ask(|answer| Job::Watch(from, sink, answer))
            .unwrap_or_else(|reason| Err(StoreError::Unavailable(reason)))
    }

    pub(crate) fn unwatch(&self, id: WatchId) {
        // A closed store has no sinks left.
        let _ = self.ask(|answer| Job::Unwatch(id, answer));
    }

    /// Queues a job and waits for its answer.
    fn ask<A>(&self, job: impl FnOnce(SyncSender<A>) -> Job) -> Result<A, String> {
        if thread::current().id() == self.thread_id {
            return Err("a sink or `done` must not wait for the store".to_owned());
        }
        let (send, receive) = sync_channel(1);
        {
            let mut waiting = self.queue.lock();
            if waiting.closed {
                return Err(CLOSED.to_owned());
            }
            waiting.jobs.push_back(job(send));
        }
        self.queue.changed.notify_one();
        receive.recv().map_err(|_| CLOSED.to_owned())
    }

    /// Lets the thread finish what is queued and end.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_one();
        // The last owner may be dropped inside a `done`: the thread cannot wait for itself, it ends right after.
        if thread::current().id() == self.thread_id {
            return;
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of a sink has been reported by the panic hook; the queue is closed either way.
            let _ = thread.join();
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while holding it, so a poisoned lock still guards a whole value.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, pending: Pending) -> Result<(), (Done, &'static str)> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err((pending.done, CLOSED));
        }
        if waiting.bytes + pending.bytes > QUEUE_BYTES_MAX {
            return Err((pending.done, "too many changes are waiting for the disk"));
        }
        waiting.bytes += pending.bytes;
        waiting.jobs.push_back(Job::Commit(pending));
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for work; `None` once closed and empty.
    fn next(&self) -> Option<Work> {
        let mut waiting = self.lock();
        while waiting.jobs.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        Some(waiting.take())
    }
}

enum Work {
    Group(Vec<Pending>),
    Other(Job),
}

impl Waiting {
    /// The commits at the head of the queue up to the bounds of a group, or the one other job there.
    fn take(&mut self) -> Work {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while group.len() < GROUP_COMMITS_MAX && bytes < GROUP_BYTES_MAX {
            match self.jobs.pop_front() {
                Some(Job::Commit(pending)) => {
                    bytes += pending.bytes;
                    group.push(pending);
                }
                Some(other) if group.is_empty() => return Work::Other(other),
                Some(other) => {
                    self.jobs.push_front(other);
                    break;
                }
                None => break,
            }
        }
        self.bytes -= bytes;
        Work::Group(group)
    }
}

struct State {
    backend: Box<dyn Backend>,
    delivered: Revision,
    sinks: Vec<(WatchId, Sink)>,
    watches: u64,
}

/// Closes the queue when the thread ends in whatever way, so that nobody waits for it in vain.
struct CloseOnExit<'a>(&'a Queue);

impl Drop for CloseOnExit<'_> {
    fn drop(&mut self) {
        let left = {
            let mut waiting = self.0.lock();
            waiting.closed = true;
            waiting.bytes = 0;
            std::mem::take(&mut waiting.jobs)
        };
        for job in left {
            if let Job::Commit(pending) = job {
                (pending.done)(Err(CommitError::Unavailable(CLOSED.to_owned())));
            }
        }
    }
}

impl State {
    fn run(mut self, queue: &Queue) {
        let _close = CloseOnExit(queue);
        while let Some(work) = queue.next() {
            match work {
                Work::Group(group) => self.commit(group),
                Work::Other(Job::Watch(from, sink, answer)) => {
                    let outcome = self.watch(from, sink);
                    let _ = answer.send(outcome);
                }
                Work::Other(Job::Unwatch(id, answer)) => {
                    self.sinks.retain(|(other, _)| *other != id);
                    let _ = answer.send(());
                }
                Work::Other(Job::Commit(pending)) => self.commit(vec![pending]),
            }
        }
    }

    fn commit(&mut self, group: Vec<Pending>) {
        let (commits, dones): (Vec<_>, Vec<_>) =
            group.into_iter().map(|pending| (pending.commit, pending.done)).unzip();
        match self.apply(commits) {
            Ok((changes, outcomes)) => {
                self.deliver(&changes);
                drop(changes);
                for (done, outcome) in dones.into_iter().zip(outcomes) {
                    done(outcome);
                }
            }
            Err(reason) => {
                for done in dones {
                    done(Err(CommitError::Unavailable(reason.clone())));
                }
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "used once, a name for it says no more")]
    fn apply(
        &mut self,
        commits: Vec<Commit>,
    ) -> Result<(Vec<Change>, Vec<Result<Revision, CommitError>>), String> {
        self.catch_up()?;
        let mut rows = self.guarded_rows(&commits)?;
        let mut changes = Vec::new();
        let mut revision = self.delivered;
        let outcomes = commits
            .into_iter()
            .map(|commit| {
                if !commit.guards.iter().all(|guard| guard.holds(&rows)) {
                    return Err(CommitError::Conflict);
                }
                if !commit.writes.is_empty() {
                    revision += 1;
                    let writes = last_of_each_key(commit.writes);
                    for write in &writes {
                        rows.insert(write.key.clone(), write.value.as_ref().map_or(0, |_| revision));
                    }
                    changes.push(Change { revision, writes });
                }
                Ok(revision)
            })
            .collect();
        if !changes.is_empty() {
            self.backend.persist(&changes)?;
        }
        Ok((changes, outcomes))
    }

    /// The revisions of every row a guard of the group names.
    fn guarded_rows(&mut self, commits: &[Commit]) -> Result<HashMap<Vec<u8>, Revision>, String> {
        let keys: HashSet<&[u8]> =
            commits.iter().flat_map(|commit| &commit.guards).map(|guard| guard.key.as_slice()).collect();
        let keys: Vec<&[u8]> = keys.into_iter().collect();
        let revisions = self.backend.row_revisions(&keys)?;
        Ok(keys.into_iter().map(<[u8]>::to_vec).zip(revisions).collect())
    }

    /// Makes the backend ready and delivers what it holds beyond what was delivered.
    fn catch_up(&mut self) -> Result<(), String> {
        let held = self.backend.ready()?;
        if held == self.delivered {
            return Ok(());
        }
        let sinks = &mut self.sinks;
        self.backend
            .changes_after(self.delivered, &mut |changes| {
                for (_, sink) in sinks.iter_mut() {
                    sink(changes);
                }
            })
            .map_err(|error| error.to_string())?;
        self.delivered = held;
        Ok(())
    }

    fn deliver(&mut self, changes: &[Change]) {
        let Some(last) = changes.last() else { return };
        self.delivered = last.revision;
        for (_, sink) in &mut self.sinks {
            sink(changes);
        }
    }

    fn watch(&mut self, from: Revision, mut sink: Sink) -> Result<WatchId, StoreError> {
        self.catch_up().map_err(StoreError::Unavailable)?;
        if from > self.delivered {
            return Err(StoreError::Ahead { from, newest: self.delivered });
        }
        if from < self.delivered {
            self.backend.changes_after(from, &mut *sink)?;
        }
        self.watches += 1;
        let id = WatchId(self.watches);
        self.sinks.push((id, sink));
        Ok(id)
    }
}

impl Guard {
    fn holds(&self, rows: &HashMap<Vec<u8>, Revision>) -> bool {
        rows.get(&self.key).copied().unwrap_or(0) == self.seen
    }
}

/// Drops every write that a later one of the same key replaces.
fn last_of_each_key(mut writes: Vec<Write>) -> Vec<Write> {
    if writes.len() < 2 {
        return writes;
    }
    let last: HashMap<&[u8], usize> =
        writes.iter().enumerate().map(|(at, write)| (write.key.as_slice(), at)).collect();
    if last.len() == writes.len() {
        return writes;
    }
    let keep: HashSet<usize> = last.into_values().collect();
    let mut at = 0;
    writes.retain(|_| {
        at += 1;
        keep.contains(&(at - 1))
    });
    writes
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use crate::{
        COMMIT_BYTES_MAX, Commit, CommitError, Memory, QUEUE_BYTES_MAX, Store, StoreError, VALUE_BYTES_MAX,
        Write,
    };

    fn put(bytes: usize) -> Commit {
        let value: std::sync::Arc<[u8]> = vec![7; bytes].into();
        Commit { guards: Vec::new(), writes: vec![Write::put("a", value.clone()), Write::put("b", value)] }
    }

    #[test]
    fn stalled_store_refuses_what_exceeds_its_queue_and_takes_the_rest() {
        let store = Memory::new().unwrap();
        let (go_on, stalled) = mpsc::channel::<()>();
        let (stalling, stalls) = mpsc::channel();
        let stall = move |_| {
            stalling.send(()).unwrap();
            let _ = stalled.recv();
        };
        store.submit(put(1), Box::new(stall));
        // Before it stalls it would take what is queued with it.
        stalls.recv().unwrap();
        let (send, receive) = mpsc::channel();
        let fitting = QUEUE_BYTES_MAX / COMMIT_BYTES_MAX;
        for _ in 0..=fitting + 1 {
            let send = send.clone();
            store.submit(put(VALUE_BYTES_MAX - 1), Box::new(move |outcome| send.send(outcome).unwrap()));
        }
        drop(send);
        assert!(
            matches!(receive.recv(), Ok(Err(CommitError::Unavailable(text))) if text.contains("waiting"))
        );
        go_on.send(()).unwrap();
        let outcomes: Vec<_> = receive.iter().collect();
        assert!(outcomes.iter().filter(|outcome| outcome.is_ok()).count() >= fitting, "{outcomes:?}");
    }

    #[test]
    fn waiting_for_the_store_on_its_own_thread_is_refused() {
        let store = std::sync::Arc::new(Memory::new().unwrap());
        let (send, receive) = mpsc::channel();
        let inner = std::sync::Arc::clone(&store);
        store.submit(put(1), Box::new(move |_| send.send(inner.watch(0, Box::new(|_| ()))).unwrap()));
        assert!(matches!(receive.recv(), Ok(Err(StoreError::Unavailable(_)))));
    }

    #[test]
    fn store_dropped_by_its_own_thread_ends() {
        let store = std::sync::Arc::new(Memory::new().unwrap());
        let (send, receive) = mpsc::channel();
        let inner = std::sync::Arc::clone(&store);
        let (dropped, wait) = mpsc::channel::<()>();
        let done = move |_| {
            let _ = wait.recv();
            drop(inner);
            send.send(()).unwrap();
        };
        store.submit(put(1), Box::new(done));
        drop(store);
        drop(dropped);
        receive.recv().unwrap();
    }

    #[test]
    fn panic_of_a_sink_closes_the_store_and_leaves_nobody_waiting() {
        let store = Memory::new().unwrap();
        store.watch(0, Box::new(|_| panic!("a sink of the test panics"))).unwrap();
        assert!(matches!(store.commit(put(1)), Err(CommitError::Unavailable(_))));
        assert!(matches!(store.commit(put(1)), Err(CommitError::Unavailable(_))));
        store.close();
    }
}
