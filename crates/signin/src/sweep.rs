//! What is over is taken away.

use rootward_services::session_end::{End, Why, record_end};
use rootward_state::RowKey;
use rootward_state::entities::{RootAccess, RootGuard, Seal, SignInSession};

use crate::SignInService;
use crate::record::root_resealed;
use crate::step::STEPS_SECONDS_MAX;

/// How long a decided or expired request stays to be looked at.
const REQUEST_KEPT_SECONDS: i64 = 86_400;

impl SignInService {
    /// Removes sessions and requests that are over, and says of a seal that was broken for a while that it has closed.
    pub fn sweep(&self) {
        let (world, now) = (self.setup.db.snapshot(), self.setup.source.glance());
        for state in world.accounts() {
            let (account, partition) = (state.account().id, state.account().partition);
            let mut txn = self.setup.db.begin();
            for (id, row) in state.sessions().iter().filter(|(_, row)| row.expires <= now) {
                let key = RowKey::Session(account, *id);
                if row.created.plus_seconds(STEPS_SECONDS_MAX) <= now {
                    txn.delete(key);
                } else if row.reason.is_some() {
                    txn.put(key, SignInSession { reason: None, ..SignInSession::clone(row) });
                }
                let end = End { why: Why::Expired, source_ip: None, now };
                record_end(&mut txn, account, (*id, row), &end, &mut self.draw());
            }
            let is_old = |row: &RootAccess| row.expires.plus_seconds(REQUEST_KEPT_SECONDS) <= now;
            for (id, _) in state.root_accesses().iter().filter(|(_, row)| is_old(row)) {
                txn.delete(RowKey::RootAccess(account, *id));
            }
            // Guarded: who breaks the seal again meanwhile is not overwritten.
            let is_broken = matches!(state.root_guard().seal, Seal::Open { .. });
            let guard = is_broken.then(|| txn.get::<RootGuard>(RowKey::RootGuard(account))).flatten();
            if let Some(guard) = guard
                && matches!(guard.seal, Seal::Open { until, .. } if until <= now)
            {
                let entry = root_resealed(account, partition, &guard.seal, now, &mut self.draw());
                txn.put_outbox(entry.id().to_bytes(), entry.json().as_bytes());
                let guard = RootGuard { seal: Seal::Closed, ..RootGuard::clone(&guard) };
                txn.put(RowKey::RootGuard(account), guard);
            }
            if !txn.is_read_only()
                && let Err(error) = self.setup.db.commit_wait(txn)
            {
                tracing::debug!(%account, %error, "what is over was not removed");
            }
        }
    }
}
