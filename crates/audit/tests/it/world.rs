//! Entries, seals and files that the tests share.

use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use rootward_audit::{Call, Entry, EventId, Failure, Lane, Log, Reader, Record, Seal, UserIdentity};
use rootward_names::{AccountId, Time};
use rusqlite::Connection;
use sha2::Sha256;
use tempfile::TempDir;

/// A folder with a log's path in it.
pub(crate) struct Place {
    _folder: TempDir,
    pub(crate) path: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.sqlite");
        Self { _folder: folder, path }
    }

    pub(crate) fn open(&self) -> Log {
        Log::open(&self.path, seal(1)).unwrap()
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::open(&self.path, seal(1)).unwrap()
    }

    /// Runs SQL as someone would who has the file and drops the triggers first.
    pub(crate) fn tamper(&self, sql: &str) {
        let connection = Connection::open(&self.path).unwrap();
        let mut statement =
            connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").unwrap();
        let triggers = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        for trigger in triggers.collect::<Result<Vec<_>, _>>().unwrap() {
            connection.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
        }
        connection.execute_batch(sql).unwrap();
    }
}

/// The seal under key `key`.
pub(crate) fn seal(key: u8) -> Seal {
    Seal::new(move |message| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&[key; 32]).unwrap();
        mac.update(message);
        mac.finalize().into_bytes().into()
    })
}

pub(crate) fn start() -> Time {
    Time::from_seconds(1_704_067_200)
}

pub(crate) fn account(number: u64) -> AccountId {
    AccountId::from_number(number).unwrap()
}

pub(crate) fn id(n: u64) -> EventId {
    EventId::from_bytes((u128::from(n) + 1).to_be_bytes())
}

/// Entry `n`: two a second, by `anna` or `bo` (odd), a `CreateUser` one in five and read-only otherwise, denied one in
/// seven; all in account 1.
pub(crate) fn entry(n: u64) -> Entry {
    let identity = UserIdentity::User {
        principal_id: "AIDAEXAMPLE",
        arn: "arn:aws:iam::000000000001:user/anna",
        account: account(1),
        access_key: Some(if n.is_multiple_of(2) { "AKIAANNA" } else { "AKIABO" }),
        name: if n.is_multiple_of(2) { "anna" } else { "bo" },
        session: None,
    };
    let call = Call {
        source: "iam.amazonaws.com",
        name: if n.is_multiple_of(5) { "CreateUser" } else { "GetUser" },
        region: "us-east-1",
        source_ip: "192.0.2.7",
    };
    let time = start().plus_seconds(i64::try_from(n / 2).unwrap());
    Entry::new(&Record {
        read_only: !n.is_multiple_of(5),
        failure: (n.is_multiple_of(7)).then_some(Failure { code: Some("AccessDenied"), message: "no" }),
        ..Record::new(id(n), time, call, identity)
    })
}

/// Entries `from..to`, all in one lane.
pub(crate) fn entries(lane: Lane, numbers: std::ops::Range<u64>) -> Vec<(Lane, Entry)> {
    numbers.map(|n| (lane, entry(n))).collect()
}

/// A log with entries 0..30 in three batches.
pub(crate) fn thirty(path: &Path) -> Log {
    let log = Log::open(path, seal(1)).unwrap();
    for batch in [0..10, 10..20, 20..30] {
        log.append(&entries(Lane::Plain, batch)).unwrap();
    }
    log
}
