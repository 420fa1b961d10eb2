//! Look-ups in the audit log by operations: a bounded number of them at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rootward_audit::{Log, Page, Query};
use rootward_pipeline::{Records, Unread};

/// How many may be under way. They take turns at one connection, so that the last one waits about a second when the log is
/// large and finds are rare; more of them would only keep threads waiting.
const UNDER_WAY_MAX: usize = 16;

/// The log, for operations.
pub(crate) struct LookUps {
    log: Arc<Log>,
    under_way: AtomicUsize,
}

impl LookUps {
    /// In this log.
    pub(crate) fn new(log: Arc<Log>) -> Self {
        Self { log, under_way: AtomicUsize::new(0) }
    }
}

impl Records for LookUps {
    fn look_up(&self, query: &Query<'_>, count: usize, before: Option<u64>) -> Result<Page, Unread> {
        let before_us = self.under_way.fetch_add(1, Ordering::Relaxed);
        let _ended = Ended(&self.under_way);
        if before_us >= UNDER_WAY_MAX {
            return Err(Unread::Busy);
        }
        self.log.reader().lookup(query, count, before).map_err(Unread::Failed)
    }
}

struct Ended<'a>(&'a AtomicUsize);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use rootward_audit::Seal;
    use rootward_names::AccountId;

    use super::*;

    #[test]
    fn one_look_up_too_many_is_sent_away_and_the_next_is_served() {
        let look_ups = LookUps::new(Arc::new(Log::in_memory(Seal::new(|_| [0; 32])).unwrap()));
        let query = Query { account: AccountId::SANDBOX, from: None, until: None, attribute: None };
        look_ups.under_way.store(UNDER_WAY_MAX, Ordering::Relaxed);
        assert!(matches!(look_ups.look_up(&query, 1, None), Err(Unread::Busy)));
        look_ups.under_way.store(UNDER_WAY_MAX - 1, Ordering::Relaxed);
        assert!(look_ups.look_up(&query, 1, None).unwrap().events.is_empty());
        assert_eq!(look_ups.under_way.load(Ordering::Relaxed), UNDER_WAY_MAX - 1);
    }
}
