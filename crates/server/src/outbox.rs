//! The way of a write's record from the outbox to the audit log.
//!
//! The record commits with its write. The store's feed shows it here, the log's writer appends it and calls back once it
//! is on disk, and then its outbox row is deleted, many at a time, together with a note of how far the log reaches. A crash
//! anywhere in between sends the record again at the next start; the log knows its event id and keeps one.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rootward_audit::{Backlogged, Entry, EventId, Head, Lane, Writer};
use rootward_state::{Db, OutboxId, OutboxRow, RowKey};

/// The first row that commits waits this long for others: who commits wakes the mover once in that time and not each time.
const LINGER: Duration = Duration::from_millis(20);
/// Rows are deleted this long after their record reached the log, at the latest.
const SWEEP_TIME_MAX: Duration = Duration::from_millis(200);
/// Rows deleted by one commit, at most.
const SWEEP_ROWS_MAX: usize = 256;

/// How long the last records may take to reach the log when the node stops.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(10);
/// Pause before a record is handed over again when the log does not keep up.
const BACKLOG_PAUSE: Duration = Duration::from_millis(5);

/// Moves records until it is stopped.
pub(crate) struct Mover {
    inbox: Arc<Inbox>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Rows that have committed and wait to be moved.
#[derive(Default)]
struct Inbox {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    handed_over: Condvar,
}

#[derive(Default)]
struct Waiting {
    rows: Vec<OutboxRow>,
    /// How many rows have come since the start.
    come: usize,
    /// How many of them are in the hands of the log's writer.
    moved: usize,
    /// How many of them somebody waits for: they do not wait for others.
    urgent: usize,
    stopping: bool,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, row: OutboxRow) {
        let mut waiting = self.lock();
        waiting.rows.push(row);
        waiting.come += 1;
        if waiting.rows.len() == 1 {
            self.changed.notify_one();
        }
    }

    fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_one();
        self.handed_over.notify_all();
    }

    fn hand_over(&self, rows: usize) {
        self.lock().moved += rows;
        self.handed_over.notify_all();
    }

    fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// What has come within the linger time after a first row; nothing when none comes for [`SWEEP_TIME_MAX`].
    fn take(&self) -> Vec<OutboxRow> {
        let first = self.wait(self.lock(), SWEEP_TIME_MAX, |waiting| waiting.rows.is_empty());
        if first.rows.is_empty() {
            return Vec::new();
        }
        let mut all = self.wait(first, LINGER, |waiting| waiting.urgent <= waiting.moved);
        std::mem::take(&mut all.rows)
    }

    /// Waits for at most `time` while `unready`, but not for anything once the node stops.
    fn wait<'w>(
        &self,
        waiting: MutexGuard<'w, Waiting>,
        time: Duration,
        unready: impl Fn(&Waiting) -> bool,
    ) -> MutexGuard<'w, Waiting> {
        let unready = |waiting: &mut Waiting| !waiting.stopping && unready(waiting);
        self.changed.wait_timeout_while(waiting, time, unready).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Rows whose record is in the log, and how far the log reaches with them.
#[derive(Clone, Default)]
pub(crate) struct Moved(Arc<Mutex<(Vec<OutboxId>, Option<Head>)>>);

impl Moved {
    /// What the log's writer is to tell. The head of a batch with nothing durable in it may not be on disk yet: no anchor.
    pub(crate) fn note(&self, ids: &[EventId], head: Head) {
        if ids.is_empty() {
            return;
        }
        let mut moved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        moved.0.extend(ids.iter().map(|id| id.to_bytes()));
        moved.1 = Some(head);
    }

    /// At least `least` rows, if there are that many; at most as many as one commit deletes.
    fn take(&self, least: usize) -> Option<(Vec<OutboxId>, Head)> {
        let mut moved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let head = moved.1.filter(|_| moved.0.len() >= least)?;
        let count = moved.0.len().min(SWEEP_ROWS_MAX);
        Some((moved.0.drain(..count).collect(), head))
    }
}

impl Mover {
    /// Moves what was left over, then follows the feed.
    pub(crate) fn start(
        db: Arc<Db>,
        writer: Arc<Writer>,
        moved: Moved,
        left: Vec<OutboxRow>,
    ) -> Result<Self, String> {
        let inbox = Arc::new(Inbox {
            waiting: Mutex::new(Waiting { come: left.len(), rows: left, ..Waiting::default() }),
            ..Inbox::default()
        });
        let committed = Arc::clone(&inbox);
        db.follow_outbox(move |row| committed.add(row)).map_err(|error| error.to_string())?;
        let worker = Worker { db, writer, moved, inbox: Arc::clone(&inbox) };
        let thread = std::thread::Builder::new()
            .name("outbox".into())
            .spawn(move || worker.run())
            .map_err(|error| error.to_string())?;
        Ok(Self { inbox, thread: Mutex::new(Some(thread)) })
    }

    /// Waits until every record that has committed is in the hands of the log's writer, for at most `time`. Not once it stops.
    pub(crate) fn catch_up(&self, time: Duration) {
        let mut waiting = self.inbox.lock();
        let come = waiting.come;
        if waiting.moved >= come {
            return;
        }
        waiting.urgent = come;
        self.inbox.changed.notify_one();
        let is_behind = |waiting: &mut Waiting| !waiting.stopping && waiting.moved < come;
        drop(self.inbox.handed_over.wait_timeout_while(waiting, time, is_behind));
    }

    /// Moves and sweeps what is there, then stops. Call it when nothing writes any more.
    pub(crate) fn stop(&self) {
        self.inbox.stop();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

struct Worker {
    db: Arc<Db>,
    writer: Arc<Writer>,
    moved: Moved,
    inbox: Arc<Inbox>,
}

impl Worker {
    fn run(&self) {
        // What comes after the last look does so after everything that writes has stopped: nothing.
        let (mut stopping, mut swept) = (false, Instant::now());
        while !stopping {
            stopping = self.inbox.is_stopping();
            let rows = self.inbox.take();
            rows.iter().for_each(|row| self.move_row(row));
            self.inbox.hand_over(rows.len());
            // Also where rows never stop coming, be they ever so few at a time.
            let least = if swept.elapsed() >= SWEEP_TIME_MAX { 1 } else { SWEEP_ROWS_MAX };
            while self.sweep(least) {
                swept = Instant::now();
            }
        }
        if let Err(error) = self.writer.flush(FLUSH_TIME_MAX) {
            tracing::warn!(%error, "audit records stay in the outbox until the next start");
        }
        while self.sweep(1) {}
    }

    fn move_row(&self, row: &OutboxRow) {
        let mut entry = match Entry::parse(&row.record) {
            Ok(entry) => entry,
            Err(error) => {
                // Written by us and read by us: only a bug or a damaged store gets here. The row stays as evidence.
                tracing::error!(%error, "an outbox row is no audit record");
                return;
            }
        };
        // A log that cannot be written stops writes, so what waits here is bounded by what was under way then.
        while let Err(Backlogged { entry: back }) = self.writer.try_send(Lane::Durable, entry) {
            if self.inbox.is_stopping() {
                return;
            }
            entry = *back;
            std::thread::sleep(BACKLOG_PAUSE);
        }
    }

    /// Deletes rows whose records are in the log, if there are `least` of them. Returns whether it did.
    fn sweep(&self, least: usize) -> bool {
        let Some((ids, head)) = self.moved.take(least) else { return false };
        let mut txn = self.db.begin();
        ids.iter().for_each(|id| txn.delete(RowKey::Outbox(*id)));
        txn.put_trail_head(&head.to_bytes());
        if let Err(error) = self.db.commit_wait(txn) {
            // They are sent again at the next start, and the log knows them by their event ids.
            tracing::warn!(%error, "moved audit records stay in the outbox");
            return false;
        }
        true
    }
}
