//! Tables, indexes and their version.
//!
//! Indexes serve the questions asked after an incident: by event id (also the proof that a durable record is there
//! already) and, within an account, by user name, access key and event name; by account for everything else, with source,
//! `readOnly` and error code read from the rows, because they match so many that a page is found soon; by time, to pass
//! over what lies outside.
//!
//! An index that begins with the user name would have a growing place for each user: every batch would dirty thousands of
//! pages and write many times its own size. All indexes but the first therefore begin with the record's *block* (its number
//! without the low 14 bits), so that all growth happens within the newest block's few pages, which stay in the cache. A
//! look-up asks block after block, newest first: some microseconds for each block that holds nothing.
//! Measured cost: `examples/append_rate.rs`.

use rusqlite::Connection;

use crate::Error;

/// Makes an empty database a log, or checks that this is one we can append to.
pub(super) fn prepare(connection: &Connection) -> Result<(), Error> {
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    // In memory there is no WAL; the answer is the mode in force, not an error.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.query_row(&format!("PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}"), [], |_| Ok(()))?;
    connection.query_row(&format!("PRAGMA journal_size_limit = {WAL_BYTES_KEPT}"), [], |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    if is_empty(connection)? {
        connection.execute_batch(TABLES)?;
    }
    check(connection)
}

/// Checks that this is a log whose format we know.
pub(super) fn check(connection: &Connection) -> Result<(), Error> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    if number("application_id")? != APPLICATION {
        return Err(Error::Foreign);
    }
    let found = number("user_version")?;
    if found > FORMAT { Err(Error::Newer { found, known: FORMAT }) } else { Ok(()) }
}

fn is_empty(connection: &Connection) -> Result<bool, Error> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0)
}

const TABLES: &str = "
BEGIN IMMEDIATE;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    event_name TEXT NOT NULL,
    event_source TEXT NOT NULL,
    account TEXT,
    user_name TEXT,
    access_key_id TEXT,
    read_only INTEGER NOT NULL,
    error_code TEXT,
    record TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE TABLE heads (
    seq INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    mac BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_id ON events (event_id);
CREATE INDEX events_by_time ON events (seq >> 14, time);
CREATE INDEX events_by_account ON events (seq >> 14, account);
CREATE INDEX events_by_user ON events (seq >> 14, account, user_name);
CREATE INDEX events_by_key ON events (seq >> 14, account, access_key_id);
CREATE INDEX events_by_name ON events (seq >> 14, account, event_name);
CREATE TRIGGER events_stay BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'audit records cannot be deleted'); END;
CREATE TRIGGER events_hold BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'audit records cannot be changed'); END;
CREATE TRIGGER heads_stay BEFORE DELETE ON heads BEGIN SELECT RAISE(ABORT, 'audit heads cannot be deleted'); END;
CREATE TRIGGER heads_hold BEFORE UPDATE ON heads BEGIN SELECT RAISE(ABORT, 'audit heads cannot be changed'); END;
PRAGMA application_id = 1381458276;
PRAGMA user_version = 1;
COMMIT;
";

/// `RWad` in the file's header.
const APPLICATION: i64 = 0x5257_6164;
const FORMAT: i64 = 1;
const PAGE_BYTES: i64 = 8_192;
const CHECKPOINT_PAGES: i64 = 2_000;
const WAL_BYTES_KEPT: i64 = 32 * 1_024 * 1_024;
const CACHE_KIB: i64 = 8_192;
