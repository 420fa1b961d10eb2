//! The writer: a thread that gathers entries from any number of senders and appends them to the log in batches.
//!
//! A batch goes when it is full or its first entry has waited for the linger time. Senders never wait: an entry that
//! finds its lane full comes back ([`Backlogged`]) and its sender decides. When an append fails, the batch stays and is
//! tried again, ever less often up to a bound, until it succeeds; [`Writer::is_healthy`] says so meanwhile. Each lane
//! has its own bound, so that a flood of reads cannot keep the records of writes out.
//!
//! What was appended is told in a callback, with the head it is under and the ids of durable entries, which are on disk then:
//! the moment to delete their outbox rows, to keep the head as an anchor, and to wake whoever follows the log.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::{Entry, Error, EventId, Head, Lane, Log};

/// Bounds and times of a writer.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Entries that may wait in each lane.
    pub lane_records_max: usize,
    /// Bytes that may wait in each lane; the entry that reaches the bound is still taken.
    pub lane_bytes_max: usize,
    /// Entries in a batch.
    pub batch_records_max: usize,
    /// How long the first entry of a batch waits for others.
    pub linger: Duration,
    /// Pause after a failed append, doubled after each further one.
    pub retry_min: Duration,
    /// The longest pause.
    pub retry_max: Duration,
}

impl Default for Limits {
    /// 50,000 entries and 32 MiB a lane; batches of 5,000 or 100 ms; retries after 100 ms to 5 s.
    fn default() -> Self {
        Self {
            lane_records_max: 50_000,
            lane_bytes_max: 32 * 1_024 * 1_024,
            batch_records_max: 5_000,
            linger: Duration::from_millis(100),
            retry_min: Duration::from_millis(100),
            retry_max: Duration::from_secs(5),
        }
    }
}

/// The lane is full: the entry comes back.
#[derive(Debug, thiserror::Error)]
#[error("the audit log does not keep up")]
pub struct Backlogged {
    /// The entry that was not taken.
    pub entry: Box<Entry>,
}

/// Not everything that was sent is in the log.
#[derive(Debug, thiserror::Error)]
#[error("audit records are not written yet: {reason}")]
pub struct Unwritten {
    /// The last failure, or that time ran out.
    pub reason: String,
}

/// What a writer has done and what it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records appended.
    pub appended: u64,
    /// Durable entries that were in the log already.
    pub known: u64,
    /// Batches appended.
    pub batches: u64,
    /// Appends that failed.
    pub failures: u64,
    /// Entries sent back.
    pub refused: u64,
    /// Entries given up when the writer was closed while the log could not be written.
    pub lost: u64,
    /// Entries waiting, in both lanes.
    pub waiting_records: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Why the last append failed; none once one has succeeded again.
    pub failing: Option<String>,
}

/// Told of each batch, on the writer's thread: which durable entries in it are on disk now, and the head it is under.
pub type OnAppended = Box<dyn FnMut(&[EventId], Head) + Send>;

/// A running writer. Dropping it appends what it holds, once, and ends the thread.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    log: Arc<Log>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    queue: Mutex<Queue>,
    /// Wakes the thread: a first entry, a full batch, a flush, the end.
    work: Condvar,
    /// Wakes flushes: a batch was settled.
    settled: Condvar,
    healthy: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Lane, Entry)>,
    /// When the first of `waiting` came.
    since: Option<Instant>,
    /// Waiting and in the batch at work.
    durable: Load,
    plain: Load,
    /// Entries taken and entries done with, ever.
    sent: u64,
    settled: u64,
    /// Do not linger before this many entries are settled.
    hurry: u64,
    closed: bool,
    /// The thread has ended.
    ended: bool,
    stats: Stats,
}

#[derive(Debug, Default, Clone, Copy)]
struct Load {
    records: usize,
    bytes: usize,
}

impl Writer {
    /// Starts a writer to this log.
    ///
    /// # Errors
    /// [`Error::Io`] when the system has no thread for it.
    pub fn start(log: Arc<Log>, limits: Limits, on_appended: OnAppended) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            limits,
            queue: Mutex::default(),
            work: Condvar::new(),
            settled: Condvar::new(),
            healthy: AtomicBool::new(true),
        });
        let mut worker = Worker { shared: Arc::clone(&shared), log: Arc::clone(&log), on_appended };
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| Error::Io(format!("no thread for the audit log: {error}")))?;
        Ok(Self { shared, log, thread: Some(thread) })
    }

    /// Hands an entry over. Takes no more than a short lock; safe to call on an async executor.
    ///
    /// # Errors
    /// [`Backlogged`] when the lane is full or the writer has ended: try again in some milliseconds, or refuse the call.
    pub fn try_send(&self, lane: Lane, entry: Entry) -> Result<(), Backlogged> {
        let (shared, mut queue) = (&*self.shared, self.shared.lock());
        if queue.ended || queue.is_full(lane, &shared.limits) {
            queue.stats.refused += 1;
            return Err(Backlogged { entry: Box::new(entry) });
        }
        let bytes = entry.bytes();
        let load = queue.load(lane);
        load.records += 1;
        load.bytes += bytes;
        queue.waiting.push_back((lane, entry));
        queue.sent += 1;
        // The thread sleeps until the first entry, then until the batch is full or time is up.
        let wake = match queue.waiting.len() {
            1 => {
                queue.since = Some(Instant::now());
                true
            }
            length => length == shared.limits.batch_records_max,
        };
        shared.judge(&queue);
        drop(queue);
        if wake {
            shared.work.notify_one();
        }
        Ok(())
    }

    /// Whether records can be kept: the last append succeeded and the durable lane takes entries. Writes must stop while
    /// this is false. Costs one atomic load.
    pub fn is_healthy(&self) -> bool {
        self.shared.healthy.load(Ordering::Acquire)
    }

    /// Waits until everything sent before is on disk. Blocks: not for an async executor.
    ///
    /// # Errors
    /// [`Unwritten`] when that has not come to pass within `patience`.
    pub fn flush(&self, patience: Duration) -> Result<(), Unwritten> {
        let mut queue = self.shared.lock();
        let target = queue.sent;
        queue.hurry = target;
        self.shared.work.notify_one();
        let unsettled = |queue: &mut Queue| queue.settled < target && !queue.ended;
        queue = self
            .shared
            .settled
            .wait_timeout_while(queue, patience, unsettled)
            .map_or_else(|poisoned| poisoned.into_inner().0, |(queue, _)| queue);
        if queue.settled < target || queue.stats.lost > 0 {
            let reason = queue.stats.failing.clone().unwrap_or_else(|| "time ran out".to_owned());
            return Err(Unwritten { reason });
        }
        drop(queue);
        self.log.sync().map_err(|error| Unwritten { reason: error.to_string() })
    }

    /// What it has done so far.
    pub fn stats(&self) -> Stats {
        let queue = self.shared.lock();
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Stats {
            waiting_records: number(queue.durable.records + queue.plain.records),
            waiting_bytes: number(queue.durable.bytes + queue.plain.bytes),
            ..queue.stats.clone()
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the audit writer had panicked");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings `healthy` up to date with the queue.
    fn judge(&self, queue: &Queue) {
        let healthy =
            queue.stats.failing.is_none() && !queue.ended && !queue.is_full(Lane::Durable, &self.limits);
        self.healthy.store(healthy, Ordering::Release);
    }

    /// Sleeps until woken or for `pause`.
    fn doze<'q>(&self, queue: MutexGuard<'q, Queue>, pause: Duration) -> MutexGuard<'q, Queue> {
        self.work.wait_timeout(queue, pause).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Queue {
    fn load(&mut self, lane: Lane) -> &mut Load {
        match lane {
            Lane::Durable => &mut self.durable,
            Lane::Plain => &mut self.plain,
        }
    }

    fn is_full(&self, lane: Lane, limits: &Limits) -> bool {
        let load = match lane {
            Lane::Durable => self.durable,
            Lane::Plain => self.plain,
        };
        load.records >= limits.lane_records_max || load.bytes >= limits.lane_bytes_max
    }

    /// How long the batch that is gathering may still wait; zero when it must go.
    fn patience(&self, limits: &Limits) -> Duration {
        let full = self.waiting.len() >= limits.batch_records_max;
        if full || self.closed || self.settled < self.hurry {
            return Duration::ZERO;
        }
        limits.linger.saturating_sub(self.since.map_or(limits.linger, |since| since.elapsed()))
    }

    fn settle(&mut self, batch: &[(Lane, Entry)]) {
        for (lane, entry) in batch {
            let load = self.load(*lane);
            load.records -= 1;
            load.bytes -= entry.bytes();
        }
        self.settled += count(batch);
    }
}

struct Worker {
    shared: Arc<Shared>,
    log: Arc<Log>,
    on_appended: OnAppended,
}

impl Worker {
    fn run(&mut self) {
        while let Some(batch) = self.gather() {
            if !self.write(&batch) {
                break;
            }
        }
    }

    /// The next batch; none when the writer is closed and nothing waits.
    fn gather(&self) -> Option<Vec<(Lane, Entry)>> {
        let (shared, mut queue) = (&*self.shared, self.shared.lock());
        loop {
            if queue.waiting.is_empty() {
                if queue.closed {
                    return None;
                }
                queue = shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let patience = queue.patience(&shared.limits);
            if patience.is_zero() {
                break;
            }
            queue = shared.doze(queue, patience);
        }
        let count = queue.waiting.len().min(shared.limits.batch_records_max);
        let batch = queue.waiting.drain(..count).collect();
        queue.since = (!queue.waiting.is_empty()).then(Instant::now);
        Some(batch)
    }

    /// Appends the batch, however often it takes; false when it was given up because the writer was closed.
    fn write(&mut self, batch: &[(Lane, Entry)]) -> bool {
        let mut pause = self.shared.limits.retry_min;
        loop {
            // Read before the attempt: closing gets one attempt of its own.
            let closed = self.shared.lock().closed;
            match self.log.append(batch) {
                Ok(appended) => {
                    self.tell(batch, appended.head);
                    self.succeeded(batch, appended.records, appended.known);
                    return true;
                }
                Err(error) => self.failed(&error),
            }
            if closed {
                self.give_up();
                return false;
            }
            self.rest(pause);
            pause = (pause * 2).min(self.shared.limits.retry_max);
        }
    }

    fn tell(&mut self, batch: &[(Lane, Entry)], head: Head) {
        let durable = batch.iter().filter(|(lane, _)| *lane == Lane::Durable);
        let ids: Vec<EventId> = durable.map(|(_, entry)| entry.id()).collect();
        (self.on_appended)(&ids, head);
    }

    fn succeeded(&self, batch: &[(Lane, Entry)], records: u64, known: u64) {
        let mut queue = self.shared.lock();
        queue.settle(batch);
        let stats = &mut queue.stats;
        stats.appended += records;
        stats.known += known;
        stats.batches += 1;
        if stats.failing.take().is_some() {
            tracing::info!("the audit log can be written again");
        }
        self.shared.judge(&queue);
        self.shared.settled.notify_all();
    }

    fn failed(&self, error: &Error) {
        let mut queue = self.shared.lock();
        queue.stats.failures += 1;
        if queue.stats.failing.replace(error.to_string()).is_none() {
            tracing::error!(%error, "audit records cannot be written; calls that change something are refused");
        }
        self.shared.judge(&queue);
    }

    /// Sleeps between attempts; new entries do not end the sleep, closing does.
    fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut queue = self.shared.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || queue.closed {
                return;
            }
            queue = self.shared.doze(queue, left);
        }
    }

    fn give_up(&self) {
        let mut queue = self.shared.lock();
        queue.stats.lost = queue.sent - queue.settled;
        tracing::error!(
            records = queue.stats.lost,
            "audit records were given up; those of writes wait in the store"
        );
    }
}

/// However the thread ends, by a panic of the callback too, nobody goes on believing that it works.
impl Drop for Worker {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.ended = true;
        self.shared.judge(&queue);
        self.shared.settled.notify_all();
    }
}

fn count(batch: &[(Lane, Entry)]) -> u64 {
    u64::try_from(batch.len()).unwrap_or(u64::MAX)
}
