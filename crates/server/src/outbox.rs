//! The way of a write's record from the outbox to the audit log.
//!
//! The record commits with its write. The store's feed shows it here, the log's writer appends it and calls back once it
//! is on disk, and then its outbox row is deleted, many at a time, together with a note of how far the log reaches. A crash
//! anywhere in between sends the record again at the next start; the log knows its event id and keeps one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rootward_audit::{Backlogged, Entry, EventId, Head, Lane, Writer};
use rootward_state::{Db, OutboxId, OutboxRow, RowKey};

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
    stopping: Arc<AtomicBool>,
    stop: Sender<Step>,
    thread: JoinHandle<()>,
}

enum Step {
    Move(OutboxRow),
    Stop,
}

/// Rows whose record is in the log, and how far the log reaches with them.
#[derive(Clone, Default)]
pub(crate) struct Moved(Arc<Mutex<(Vec<OutboxId>, Option<Head>)>>);

impl Moved {
    /// What the log's writer is to tell.
    pub(crate) fn note(&self, ids: &[EventId], head: Head) {
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
        let (send, receive) = channel();
        let stop = send.clone();
        left.into_iter().for_each(|row| drop(send.send(Step::Move(row))));
        db.follow_outbox(move |row| drop(send.send(Step::Move(row)))).map_err(|error| error.to_string())?;
        let stopping = Arc::new(AtomicBool::new(false));
        let worker = Worker { db, writer, moved, stopping: Arc::clone(&stopping) };
        let thread = std::thread::Builder::new()
            .name("outbox".into())
            .spawn(move || worker.run(&receive))
            .map_err(|error| error.to_string())?;
        Ok(Self { stopping, stop, thread })
    }

    /// Moves and sweeps what is there, then stops. Call it when nothing writes any more.
    pub(crate) fn stop(self) {
        self.stopping.store(true, Ordering::Release);
        let _ = self.stop.send(Step::Stop);
        let _ = self.thread.join();
    }
}

struct Worker {
    db: Arc<Db>,
    writer: Arc<Writer>,
    moved: Moved,
    stopping: Arc<AtomicBool>,
}

impl Worker {
    fn run(&self, steps: &Receiver<Step>) {
        loop {
            match steps.recv_timeout(SWEEP_TIME_MAX) {
                Ok(Step::Move(row)) => self.move_row(&row),
                Err(RecvTimeoutError::Timeout) => drop(self.sweep(1)),
                Ok(Step::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
            self.sweep(SWEEP_ROWS_MAX);
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
            if self.stopping.load(Ordering::Acquire) {
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
