//! Last use: when, where and for what access keys and roles were last used.
//!
//! Noted in memory on every request and written to the state in batches: a commit for each request would cost more
//! than the request. What is not yet written when a node dies is lost, which AWS's own delay (hours) makes invisible.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rootward_auth::{Credential, Identity, Principal};
use rootward_names::Time;
use rootward_state::entities::Usage;
use rootward_state::{RowKey, Txn};

/// Uses are written down no more often than this for one key or role, in seconds.
const GRAIN_SECONDS: i64 = 60;

/// Uses of keys and roles that are not written down yet.
#[derive(Default)]
pub struct UsageTracker {
    pending: Mutex<HashMap<Used, Usage>>,
}

/// What was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Used {
    Key(rootward_names::AccessKeyId),
    Role(rootward_names::AccountId, rootward_names::UniqueId),
}

impl UsageTracker {
    /// Notes that `principal` has called `service` in `region`.
    pub(crate) fn note(&self, principal: &Principal, now: Time, service: &str, region: &str) {
        let used = match (&principal.credential, &principal.identity) {
            (Credential::LongTerm(key), _) => Used::Key(*key),
            (_, Identity::RoleSession(session)) => Used::Role(principal.account, session.role.id),
            _ => return,
        };
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match pending.get_mut(&used) {
            Some(usage) if &*usage.service == service && &*usage.region == region => usage.time = now,
            _ => {
                pending.insert(used, Usage { time: now, service: service.into(), region: region.into() });
            }
        }
    }

    /// Takes what is worth writing down into `txn`: uses that differ from the last written one by the grain or more.
    /// Keys and roles that are gone are dropped.
    pub fn flush(&self, txn: &mut Txn) {
        let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        for (used, usage) in pending {
            let Some(key) = worth_writing(txn, used, &usage) else { continue };
            txn.put(key, usage);
        }
    }
}

fn worth_writing(txn: &Txn, used: Used, usage: &Usage) -> Option<RowKey> {
    let (key, known) = match used {
        Used::Key(id) => {
            let state = txn.world().account(id.account()?)?;
            state.access_key(id)?;
            (RowKey::KeyUsage(id), state.key_usage(id))
        }
        Used::Role(account, id) => {
            let state = txn.world().account(account)?;
            state.by_id::<rootward_state::entities::Role>(id)?;
            (RowKey::RoleUsage(account, id), state.role_usage(id))
        }
    };
    let fresh = known.is_none_or(|known| {
        usage.time.seconds() - known.time.seconds() >= GRAIN_SECONDS
            || known.service != usage.service
            || known.region != usage.region
    });
    fresh.then_some(key)
}
