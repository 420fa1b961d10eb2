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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rootward_names::{AccessKeyId, AccessKeyKind, AccountId, Partition, Random};
    use rootward_state::Db;
    use rootward_state::entities::{AccessKey, Account, AccountStatus, CredentialOwner, RootUser};
    use rootward_store::Memory;

    use super::*;

    struct Sevens;

    impl Random for Sevens {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    /// An account with a root user's key, and who calls with it.
    fn world() -> (Arc<Db>, AccessKeyId, Principal) {
        let db = Db::open(Arc::new(Memory::new().unwrap())).unwrap().db;
        let id: AccountId = "123456789012".parse().unwrap();
        let key = AccessKeyId::random(AccessKeyKind::LongTerm, id, &mut Sevens);
        let created = Time::from_seconds(0);
        let account = Account {
            id,
            name: "Example".into(),
            email: "root@example.com".into(),
            canonical_id: "0".repeat(64).into(),
            created,
            status: AccountStatus::Active,
            partition: Partition::Aws,
            alias: None,
            root: RootUser::default(),
        };
        let row = AccessKey {
            partition: Partition::Aws,
            id: key,
            account: id,
            owner: CredentialOwner::Root,
            active: true,
            created,
            secret: Box::new([]),
        };
        let mut txn = db.begin();
        txn.put(RowKey::Account(id), account);
        txn.put(RowKey::AccessKey(key), row);
        db.commit_wait(txn).unwrap();
        let identity = Identity::Root;
        let credential = Credential::LongTerm(key);
        (db, key, Principal { account: id, partition: Partition::Aws, identity, credential })
    }

    /// Writes down what is worth it; whether anything was.
    fn flush(tracker: &UsageTracker, db: &Db) -> bool {
        let mut txn = db.begin();
        tracker.flush(&mut txn);
        let worth = !txn.is_read_only();
        if worth {
            db.commit_wait(txn).unwrap();
        }
        worth
    }

    #[test]
    fn last_of_several_uses_is_written_down_once() {
        let (db, key, who) = world();
        let tracker = UsageTracker::default();
        for seconds in [100, 130, 150] {
            tracker.note(&who, Time::from_seconds(seconds), "iam", "us-east-1");
        }
        assert!(flush(&tracker, &db));
        assert!(!flush(&tracker, &db));
        let world = db.snapshot();
        let usage = world.account(who.account).unwrap().key_usage(key).unwrap();
        assert_eq!(
            (usage.time, &*usage.service, &*usage.region),
            (Time::from_seconds(150), "iam", "us-east-1")
        );
    }

    #[test]
    fn use_within_a_minute_is_not_worth_writing_unless_service_or_region_differ() {
        let (db, _, who) = world();
        let tracker = UsageTracker::default();
        let used = |seconds, service, region| {
            tracker.note(&who, Time::from_seconds(seconds), service, region);
            flush(&tracker, &db)
        };
        assert!(used(100, "iam", "us-east-1"));
        assert!(!used(159, "iam", "us-east-1"));
        assert!(used(160, "iam", "us-east-1"));
        assert!(used(161, "sts", "us-east-1"));
        assert!(used(162, "sts", "eu-west-1"));
    }

    #[test]
    fn key_that_is_gone_or_was_never_issued_is_dropped() {
        let (db, key, mut who) = world();
        let tracker = UsageTracker::default();
        tracker.note(&who, Time::from_seconds(100), "iam", "us-east-1");
        let mut txn = db.begin();
        txn.delete(RowKey::AccessKey(key));
        db.commit_wait(txn).unwrap();
        assert!(!flush(&tracker, &db));
        who.credential = Credential::Foreign("AKIAIOSFODNN7EXAMPLE".into());
        tracker.note(&who, Time::from_seconds(200), "iam", "us-east-1");
        assert!(!flush(&tracker, &db));
    }
}
