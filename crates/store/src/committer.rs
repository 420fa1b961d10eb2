//! What changes a store, one thread at a time: takes what is queued as a group, checks guards, has the backend make the
//! group durable, then tells the feed and the submitters.
//!
//! That is the store's own thread, or, while nothing is queued, whoever asked for a [`Turn`]: a lone submitter then waits for
//! the disk only and not for two threads to wake each other. What is submitted meanwhile is the thread's next group.
//!
//! INVARIANT: a revision is shown to nobody before the backend has said it is durable, and sinks see every revision
//! once and in order. The history ends with the last one they saw.
//!
//! INVARIANT: only the thread that `Waiting::at_work` names locks the [`State`], and the store's own when it ends, so nobody
//! ever waits for that lock.
//!
//! When the backend cannot make a group durable, every commit of the group is refused, those with a conflict too:
//! the row they lost against may be one that was never written.

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use crate::history::History;
use crate::{
    CLOSED, Change, Commit, CommitError, Done, GROUP_BYTES_MAX, GROUP_COMMITS_MAX, Guard, QUEUE_BYTES_MAX,
    Revision, Sink, StoreError, WatchId, Write,
};

/// What a backend does for the committer; called by one thread at a time.
pub(crate) trait Backend: Send {
    /// Makes the backend usable again if it failed before; returns the revision it holds, which is the last delivered
    /// one unless a group given up for lost turns out to have reached the disk.
    fn ready(&mut self) -> Result<Revision, String>;

    /// The present revision of each of `keys`, 0 for an absent row.
    fn row_revisions(&mut self, keys: &[&[u8]]) -> Result<Vec<Revision>, String>;

    /// Applies all `changes` durably, or none.
    fn persist(&mut self, changes: &[Change]) -> Result<(), String>;
}

/// The queue and its thread.
pub(crate) struct Committer {
    queue: Arc<Queue>,
    state: Arc<Mutex<State>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The right to commit on one's own thread, given by [`Store::turn`](crate::Store::turn) while nothing else is queued or under
/// way. Others queue until it is used or dropped.
pub struct Turn<'a> {
    queue: &'a Queue,
    state: &'a Mutex<State>,
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
    /// Who has the state now.
    at_work: Option<ThreadId>,
    closed: bool,
}

impl Committer {
    /// Starts the thread over a backend that is at `revision`.
    pub(crate) fn start(backend: impl Backend + 'static, revision: Revision) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue::default());
        let state = State {
            backend: Box::new(backend),
            history: History::after(revision),
            in_doubt: Vec::new(),
            sinks: Vec::new(),
            watches: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let of_thread = (Arc::clone(&queue), Arc::clone(&state));
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || run(&of_thread.0, &of_thread.1))
            .map_err(|error| StoreError::Unavailable(format!("the store's thread cannot start: {error}")))?;
        Ok(Self { queue, state, thread: Mutex::new(Some(thread)) })
    }

    /// See [`Store::turn`](crate::Store::turn).
    pub(crate) fn turn(&self) -> Option<Turn<'_>> {
        let mut waiting = self.queue.lock();
        if waiting.closed || waiting.at_work.is_some() || !waiting.jobs.is_empty() {
            return None;
        }
        waiting.at_work = Some(thread::current().id());
        drop(waiting);
        Some(Turn { queue: &self.queue, state: &self.state })
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
        let (send, receive) = sync_channel(1);
        {
            let mut waiting = self.queue.lock();
            if waiting.is_at_work_here() {
                return Err("a sink or `done` must not wait for the store".to_owned());
            }
            if waiting.closed {
                return Err(CLOSED.to_owned());
            }
            waiting.jobs.push_back(job(send));
            self.queue.wake(&waiting);
        }
        receive.recv().map_err(|_| CLOSED.to_owned())
    }

    /// Lets the thread finish what is queued and end.
    pub(crate) fn close(&self) {
        {
            let mut waiting = self.queue.lock();
            waiting.closed = true;
            self.queue.wake(&waiting);
            // The last owner may be dropped inside a `done`: nobody can wait there, the thread ends right after.
            if waiting.is_at_work_here() {
                return;
            }
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
        self.wake(&waiting);
        Ok(())
    }

    /// Wakes the thread if it is its turn; whoever is at work looks at the queue afterwards.
    fn wake(&self, waiting: &Waiting) {
        if waiting.at_work.is_none() {
            self.changed.notify_one();
        }
    }

    /// Waits for work for the store's thread; `None` once closed and empty.
    fn next(&self) -> Option<Work> {
        let mut waiting = self.lock();
        while waiting.at_work.is_some() || (waiting.jobs.is_empty() && !waiting.closed) {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.jobs.is_empty() {
            return None;
        }
        waiting.at_work = Some(thread::current().id());
        Some(waiting.take())
    }

    /// Ends the work of whoever is at work.
    fn release(&self) {
        let mut waiting = self.lock();
        waiting.at_work = None;
        if waiting.closed || !waiting.jobs.is_empty() {
            self.changed.notify_one();
        }
    }

    /// Closes the queue and refuses what is in it.
    fn abandon(&self) {
        let left = {
            let mut waiting = self.lock();
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

enum Work {
    Group(Vec<Pending>),
    Watch(Revision, Sink, SyncSender<Result<WatchId, StoreError>>),
    Unwatch(WatchId, SyncSender<()>),
}

impl Waiting {
    fn is_at_work_here(&self) -> bool {
        self.at_work == Some(thread::current().id())
    }

    /// The commits at the head of the queue up to the bounds of a group, or the one other job there.
    fn take(&mut self) -> Work {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while group.len() < GROUP_COMMITS_MAX && bytes < GROUP_BYTES_MAX {
            match self.jobs.pop_front() {
                Some(Job::Commit(pending)) => {
                    bytes += pending.bytes;
                    group.push(pending);
                }
                Some(Job::Watch(from, sink, answer)) if group.is_empty() => {
                    return Work::Watch(from, sink, answer);
                }
                Some(Job::Unwatch(id, answer)) if group.is_empty() => return Work::Unwatch(id, answer),
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
    history: History,
    /// The group that failed last: it may have reached the disk nevertheless.
    in_doubt: Vec<Change>,
    sinks: Vec<(WatchId, Sink)>,
    watches: u64,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // After a panic of a sink only the thread locks it again, to drop the sinks.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The store's thread.
fn run(queue: &Queue, state: &Mutex<State>) {
    let _exit = Exit { queue, state };
    while let Some(work) = queue.next() {
        lock(state).work(work);
        queue.release();
    }
}

/// Closes the queue when the thread ends in whatever way, so that nobody waits for it in vain.
struct Exit<'a> {
    queue: &'a Queue,
    state: &'a Mutex<State>,
}

impl Drop for Exit<'_> {
    fn drop(&mut self) {
        self.queue.abandon();
        let sinks = std::mem::take(&mut lock(self.state).sinks);
        drop(sinks);
    }
}

impl Turn<'_> {
    /// Commits; what [`Store::commit`](crate::Store::commit) says holds here too. Sinks run on this thread.
    ///
    /// # Errors
    /// As the commit's outcome.
    pub fn commit(self, commit: Commit) -> Result<Revision, CommitError> {
        commit.check_limits()?;
        let committed = catch_unwind(AssertUnwindSafe(|| lock(self.state).commit(vec![commit])));
        let outcome = committed.unwrap_or_else(|_| {
            // A sink has panicked: as on the store's own thread, that closes the store.
            self.queue.abandon();
            Vec::new()
        });
        outcome.into_iter().next().unwrap_or_else(|| Err(CommitError::Unavailable(CLOSED.to_owned())))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.queue.release();
    }
}

impl State {
    fn work(&mut self, work: Work) {
        match work {
            Work::Group(group) => {
                let (commits, dones): (Vec<_>, Vec<_>) =
                    group.into_iter().map(|pending| (pending.commit, pending.done)).unzip();
                let outcomes = self.commit(commits);
                dones.into_iter().zip(outcomes).for_each(|(done, outcome)| done(outcome));
            }
            Work::Watch(from, sink, answer) => {
                let outcome = self.watch(from, sink);
                let _ = answer.send(outcome);
            }
            Work::Unwatch(id, answer) => {
                self.sinks.retain(|(other, _)| *other != id);
                let _ = answer.send(());
            }
        }
    }

    /// Commits a group and tells the feed; one outcome a commit, in their order.
    fn commit(&mut self, commits: Vec<Commit>) -> Vec<Result<Revision, CommitError>> {
        let count = commits.len();
        match self.apply(commits) {
            Ok((changes, outcomes)) => {
                self.deliver(changes);
                outcomes
            }
            Err(reason) => vec![Err(CommitError::Unavailable(reason)); count],
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
        let mut revision = self.history.newest();
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
        if !changes.is_empty()
            && let Err(reason) = self.backend.persist(&changes)
        {
            self.in_doubt = changes;
            return Err(reason);
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
        let in_doubt = std::mem::take(&mut self.in_doubt);
        if held == self.history.newest() {
            return Ok(());
        }
        if in_doubt.last().is_none_or(|change| change.revision != held) {
            return Err(format!(
                "the store is at revision {held}, and {} was the last known: somebody else has changed it",
                self.history.newest()
            ));
        }
        self.deliver(in_doubt);
        Ok(())
    }

    fn deliver(&mut self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        for (_, sink) in &mut self.sinks {
            sink(&changes);
        }
        self.history.extend(changes);
    }

    fn watch(&mut self, from: Revision, mut sink: Sink) -> Result<WatchId, StoreError> {
        self.catch_up().map_err(StoreError::Unavailable)?;
        let missed = self.history.since(from)?;
        if !missed.is_empty() {
            sink(missed);
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
        assert!(store.turn().is_none());
        store.close();
    }

    #[test]
    fn panic_of_a_sink_on_the_stores_thread_closes_the_store_too() {
        let store = Memory::new().unwrap();
        store.watch(0, Box::new(|_| panic!("a sink of the test panics"))).unwrap();
        let (send, receive) = mpsc::channel::<()>();
        store.submit(put(1), Box::new(move |_| send.send(()).unwrap()));
        assert!(receive.recv().is_err(), "the outcome of a commit whose sink panicked is not told");
        store.close();
        assert!(matches!(store.commit(put(1)), Err(CommitError::Unavailable(_))));
    }

    #[test]
    fn store_closed_by_a_sink_on_the_thread_that_has_the_turn_ends() {
        let store = std::sync::Arc::new(Memory::new().unwrap());
        let inner = std::sync::Arc::clone(&store);
        store.watch(0, Box::new(move |_| inner.close())).unwrap();
        // The thread may still be at work on what it has just answered.
        let turn = std::iter::repeat_with(|| store.turn()).flatten().next().unwrap();
        assert_eq!(turn.commit(put(1)), Ok(1));
        assert!(matches!(store.commit(put(1)), Err(CommitError::Unavailable(_))));
        store.close();
    }
}
