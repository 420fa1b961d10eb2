//! Delivery: one thread a target follows the log from the target's cursor.
//!
//! A thread sleeps until the log has grown behind its cursor ([`Bell`]), sifts what came, and sends each alert until the
//! target takes it. The cursor in the state follows: after each stretch of the log in which something was delivered, at
//! least once a second while deliveries go on, before a thread waits for a target that fails, now and then while nothing is
//! worth an alert, and at the end. What was delivered since is delivered again after a crash.
//!
//! INVARIANT: a cursor is written after the log was flushed to disk up to it. The log may lose its last records of reads and
//! refusals in a power cut; the numbers are then given to other records, which no cursor may have passed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rootward_audit::{Log, Stored};
use rootward_names::Time;
use rootward_state::alerts::{AlertCursor, AlertTarget};
use rootward_state::{ATTEMPTS_MAX, CommitError, Db, NameKey, RowKey};
use rootward_store::vault::Vault;

use crate::alert::Alert;
use crate::classify::{classify, may_matter};
use crate::route::{Failure, Route};

/// The clock and the randomness of deliveries.
pub trait Source: Send + Sync {
    /// Now.
    fn now(&self) -> Time;
    /// Any number.
    fn number(&self) -> u64;
}

/// What deliveries need.
pub struct Setup {
    /// Targets and cursors.
    pub db: Arc<Db>,
    /// What is followed.
    pub log: Arc<Log>,
    /// Opens targets' secrets.
    pub vault: Arc<Vault>,
    /// Rung when the log has grown.
    pub bell: Arc<Bell>,
    /// Clock and randomness.
    pub source: Arc<dyn Source>,
}

/// Wakes deliverers: rung by the log's writer.
#[derive(Debug, Default)]
pub struct Bell {
    /// The number of the log's last record.
    last: Mutex<u64>,
    rung: Condvar,
}

impl Bell {
    /// The log has grown to this record. Takes no more than a short lock.
    pub fn ring(&self, last: u64) {
        let mut known = self.lock();
        *known = last.max(*known);
        drop(known);
        self.rung.notify_all();
    }

    /// Lets everybody look whether it is time to stop. Under the lock, or one who has just looked would miss it.
    fn wake(&self) {
        let known = self.lock();
        self.rung.notify_all();
        drop(known);
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is more than `seq` in the log; false when it is time to stop.
    fn wait_behind(&self, seq: u64, stop: &AtomicBool) -> bool {
        let idle = |last: &mut u64| *last <= seq && !stop.load(Ordering::Acquire);
        drop(self.rung.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner));
        !stop.load(Ordering::Acquire)
    }

    /// Waits for a time; false when it is time to stop.
    fn pause(&self, time: Duration, stop: &AtomicBool) -> bool {
        let idle = |_: &mut u64| !stop.load(Ordering::Acquire);
        drop(self.rung.wait_timeout_while(self.lock(), time, idle).unwrap_or_else(PoisonError::into_inner));
        !stop.load(Ordering::Acquire)
    }
}

/// Running deliveries. Dropping it stops them.
pub struct Alerts {
    setup: Arc<Setup>,
    running: Mutex<BTreeMap<NameKey, Running>>,
    totals: Arc<Counters>,
}

struct Running {
    target: Arc<AlertTarget>,
    stop: Arc<AtomicBool>,
    status: Arc<Mutex<Delivery>>,
    thread: JoinHandle<()>,
}

/// How a target's deliveries go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Records behind this one have not been looked at.
    pub seq: u64,
    /// When something was last delivered.
    pub delivered: Option<Time>,
    /// The last failure since then, and when it was.
    pub failure: Option<(Time, Failure)>,
    /// When the alert that the target does not take happened.
    pub waiting_since: Option<Time>,
}

/// Deliveries and failures since the start, of all targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Alerts that a target took.
    pub delivered: u64,
    /// Attempts that failed.
    pub failures: u64,
}

#[derive(Default)]
struct Counters {
    delivered: AtomicU64,
    failures: AtomicU64,
}

impl Alerts {
    /// Starts a thread for each target.
    pub fn start(setup: Setup) -> Self {
        setup.bell.ring(setup.log.head().seq);
        let alerts = Self { setup: Arc::new(setup), running: Mutex::default(), totals: Arc::default() };
        alerts.reload();
        alerts
    }

    /// Follows a change of the targets: starts threads for new ones, ends those of removed ones.
    pub fn reload(&self) {
        let mut running = self.lock();
        // Under the lock: what another call has seen meanwhile must not be undone.
        let world = self.setup.db.snapshot();
        running.retain(|_, running| {
            let stays = world.alert_target(&running.target.name) == Some(&running.target);
            if !stays {
                running.stop.store(true, Ordering::Release);
            }
            stays
        });
        for target in world.alert_targets() {
            let key = NameKey::new(&target.name);
            if !running.contains_key(&key)
                && let Some(started) = self.run(target, world.alert_cursor(&target.name).map(|row| **row))
            {
                running.insert(key, started);
            }
        }
        drop(running);
        self.setup.bell.wake();
    }

    fn run(&self, target: &Arc<AlertTarget>, cursor: Option<AlertCursor>) -> Option<Running> {
        let (stop, head) = (Arc::new(AtomicBool::new(false)), self.setup.log.head().seq);
        // A target is written with its cursor; without one it begins now. One that points behind the log, which only somebody
        // who puts files back can bring about, would pass over what comes.
        let mut cursor = cursor.unwrap_or(AlertCursor { seq: head, delivered: None });
        cursor.seq = cursor.seq.min(head);
        let status = Delivery { seq: cursor.seq, delivered: cursor.delivered, ..Delivery::default() };
        let status = Arc::new(Mutex::new(status));
        let worker = Worker {
            setup: Arc::clone(&self.setup),
            route: Route::open(target, &self.setup.vault),
            target: Arc::clone(target),
            stop: Arc::clone(&stop),
            status: Arc::clone(&status),
            totals: Arc::clone(&self.totals),
            cursor,
            saved: cursor,
            saved_at: Instant::now(),
            unsaved: false,
            failed_in_a_row: 0,
        };
        let thread = thread::Builder::new().name("alerts".into()).spawn(move || worker.run());
        match thread {
            Ok(thread) => Some(Running { target: Arc::clone(target), stop, status, thread }),
            Err(error) => {
                tracing::error!(%error, target = &*target.name, "no thread for a target of alerts");
                None
            }
        }
    }

    /// How the deliveries to a target go; none for one that is not followed.
    pub fn delivery(&self, target: &str) -> Option<Delivery> {
        let running = self.lock();
        let running = running.get(&NameKey::new(target)).filter(|running| !running.thread.is_finished())?;
        Some(running.status.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// How many targets do not take what they are sent.
    pub fn failing(&self) -> usize {
        let running = self.lock();
        let fails = |running: &Running| {
            running.thread.is_finished()
                || running.status.lock().unwrap_or_else(PoisonError::into_inner).waiting_since.is_some()
        };
        running.values().filter(|running| fails(running)).count()
    }

    /// Deliveries and failures since the start.
    pub fn totals(&self) -> Totals {
        Totals {
            delivered: self.totals.delivered.load(Ordering::Relaxed),
            failures: self.totals.failures.load(Ordering::Relaxed),
        }
    }

    /// Ends all threads, waiting a little for what they are sending. What is not delivered is after the next start.
    pub fn stop(&self) {
        let running = std::mem::take(&mut *self.lock());
        running.values().for_each(|running| running.stop.store(true, Ordering::Release));
        self.setup.bell.wake();
        let began = Instant::now();
        while running.values().any(|running| !running.thread.is_finished()) {
            if began.elapsed() > STOP_TIME_MAX {
                tracing::warn!(
                    "a target of alerts is slow: what it was being sent is sent again after the next start"
                );
                return;
            }
            thread::sleep(STOP_PAUSE);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NameKey, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Alerts {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One target's thread.
struct Worker {
    setup: Arc<Setup>,
    target: Arc<AlertTarget>,
    route: Result<Route, Failure>,
    stop: Arc<AtomicBool>,
    status: Arc<Mutex<Delivery>>,
    totals: Arc<Counters>,
    cursor: AlertCursor,
    /// The cursor as it is in the state, and when it was written there.
    saved: AlertCursor,
    saved_at: Instant,
    /// Something was delivered since.
    unsaved: bool,
    failed_in_a_row: u32,
}

impl Worker {
    fn run(mut self) {
        while self.setup.bell.wait_behind(self.cursor.seq, &self.stop) {
            match self.setup.log.reader().sift(self.cursor.seq, STRETCH_RECORDS, may_matter) {
                Ok((found, last)) => {
                    self.failed_in_a_row = 0;
                    if !found.iter().all(|stored| self.pass(stored)) {
                        break;
                    }
                    self.move_to(last);
                    self.save_if(self.unsaved || self.is_far_ahead());
                }
                Err(error) => {
                    if !self.failed(&Failure::new(&format!("the audit log cannot be read: {error}")), None) {
                        break;
                    }
                }
            }
        }
        self.save_if(self.cursor != self.saved);
    }

    /// Delivers what there is to tell of a record, however often it takes; false when it is time to stop.
    fn pass(&mut self, stored: &Stored) -> bool {
        if let Some(alert) = self.wanted(stored) {
            if self.stop.load(Ordering::Acquire) {
                return false;
            }
            while let Err(failure) = self.send(&alert) {
                if !self.failed(&failure, Some(alert.time)) {
                    return false;
                }
            }
            self.delivered(stored.seq);
        }
        self.move_to(stored.seq);
        true
    }

    fn wanted(&self, stored: &Stored) -> Option<Alert> {
        let target = &self.target;
        classify(stored.entry.json()).filter(|alert| {
            alert.severity >= target.severity && (target.account.is_none() || target.account == alert.account)
        })
    }

    fn send(&mut self, alert: &Alert) -> Result<(), Failure> {
        // What kept it from being opened may have been mended: the machine's certificates, for example.
        if self.route.is_err() {
            self.route = Route::open(&self.target, &self.setup.vault);
        }
        let now = self.setup.source.now();
        self.route.as_ref().map_err(Clone::clone).and_then(|route| route.send(alert, now))
    }

    fn delivered(&mut self, seq: u64) {
        self.failed_in_a_row = 0;
        self.totals.delivered.fetch_add(1, Ordering::Relaxed);
        let now = self.setup.source.now();
        (self.cursor, self.unsaved) = (AlertCursor { seq, delivered: Some(now) }, true);
        let mut status = self.status();
        if status.failure.take().is_some() {
            tracing::info!(target = &*self.target.name, "a target takes alerts again");
        }
        (status.delivered, status.waiting_since) = (Some(now), None);
        drop(status);
        self.save_if(self.saved_at.elapsed() >= SAVE_TIME);
    }

    /// Notes a failure and waits, longer each time; false when it is time to stop.
    fn failed(&mut self, failure: &Failure, since: Option<Time>) -> bool {
        self.totals.failures.fetch_add(1, Ordering::Relaxed);
        let now = self.setup.source.now();
        let mut status = self.status();
        if status.failure.replace((now, failure.clone())).is_none() {
            tracing::warn!(target = &*self.target.name, %failure, "a target does not take an alert: trying on");
        }
        status.waiting_since = since;
        drop(status);
        self.save_if(self.unsaved);
        let pause = pause(self.failed_in_a_row, self.setup.source.number());
        self.failed_in_a_row = self.failed_in_a_row.saturating_add(1);
        self.setup.bell.pause(pause, &self.stop)
    }

    fn move_to(&mut self, seq: u64) {
        self.cursor.seq = seq;
        self.status().seq = seq;
    }

    /// So that the next start does not sift the same records for long.
    fn is_far_ahead(&self) -> bool {
        self.cursor.seq - self.saved.seq >= AHEAD_RECORDS_MAX
    }

    fn save_if(&mut self, needed: bool) {
        if !needed {
            return;
        }
        match self.save() {
            Ok(()) => (self.saved, self.unsaved) = (self.cursor, false),
            // What is told twice is known by its id.
            Err(error) => {
                tracing::warn!(error, target = &*self.target.name, "a cursor of alerts was not written")
            }
        }
        self.saved_at = Instant::now();
    }

    /// Writes the cursor, unless the target is gone: another one may have its name by now.
    fn save(&self) -> Result<(), String> {
        self.setup.log.sync().map_err(|error| error.to_string())?;
        let key = NameKey::new(&self.target.name);
        for _ in 0..ATTEMPTS_MAX {
            let mut txn = self.setup.db.begin();
            if txn.get::<AlertTarget>(RowKey::AlertTarget(key.clone())).as_ref() != Some(&self.target) {
                return Ok(());
            }
            txn.put(RowKey::AlertCursor(key.clone()), self.cursor);
            match self.setup.db.commit_wait(txn) {
                Ok(_) => return Ok(()),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Err("too many other changes at the same time".to_owned())
    }

    fn status(&self) -> MutexGuard<'_, Delivery> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pause after this many failures before: doubled each time up to a bound, and half of it by chance, so that targets of one
/// receiver do not come back all at once.
fn pause(failures: u32, chance: u64) -> Duration {
    let longest = PAUSE_MIN.saturating_mul(1 << failures.min(16)).min(PAUSE_MAX);
    let half = longest / 2;
    let millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    half + Duration::from_millis(chance % millis.max(1))
}

/// Records looked at between two looks at the clock and the cursor.
const STRETCH_RECORDS: usize = 1_024;
/// Records that a start sifts again, at most, when nothing was worth an alert.
const AHEAD_RECORDS_MAX: u64 = 50_000;
/// The cursor follows deliveries by this time.
const SAVE_TIME: Duration = Duration::from_secs(1);
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long a node that stops waits for a target that is being sent something.
const STOP_TIME_MAX: Duration = Duration::from_secs(2);
const STOP_PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_half_of_each_is_chance() {
        for (failures, least, most) in
            [(0, 250, 500), (1, 500, 1_000), (4, 4_000, 8_000), (7, 30_000, 60_000)]
        {
            for failures in [failures, if failures == 7 { u32::MAX } else { failures }] {
                for chance in [0, 1, u64::MAX / 3, u64::MAX] {
                    let pause = pause(failures, chance).as_millis();
                    assert!((least..most).contains(&pause), "{failures} failures: {pause} ms");
                }
            }
        }
    }
}
