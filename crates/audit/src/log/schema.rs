//! Tables, the view and their version.
//!
//! `batches` begins with what is small, so that it can be read without the text behind it, and its key is the number of
//! the first record: whoever appends to the same log meets the other's next batch there ([`Error::Shared`]).
//!
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
CREATE TABLE batches (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    time_min INTEGER NOT NULL,
    time_max INTEGER NOT NULL,
    hash BLOB NOT NULL,
    mac BLOB NOT NULL,
    records TEXT NOT NULL
) STRICT;
CREATE TABLE blocks (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    time_min INTEGER NOT NULL,
    time_max INTEGER NOT NULL
) STRICT;
CREATE TABLE terms (
    block INTEGER NOT NULL,
    term INTEGER NOT NULL,
    places BLOB NOT NULL,
    PRIMARY KEY (block, term)
) STRICT, WITHOUT ROWID;
CREATE TABLE spans (
    span INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    PRIMARY KEY (span, batch)
) STRICT, WITHOUT ROWID;
CREATE VIEW events AS SELECT
    first AS batch,
    first + key AS seq,
    CAST(strftime('%s', json_extract(value, '$.eventTime')) AS INTEGER) AS time,
    json_extract(value, '$.eventID') AS event_id,
    json_extract(value, '$.eventName') AS event_name,
    json_extract(value, '$.eventSource') AS event_source,
    json_extract(value, '$.recipientAccountId') AS account,
    CASE json_extract(value, '$.userIdentity.type')
        WHEN 'Root' THEN 'root'
        WHEN 'AssumedRole' THEN substr(json_extract(value, '$.userIdentity.principalId'),
            nullif(instr(json_extract(value, '$.userIdentity.principalId'), ':'), 0) + 1)
        WHEN 'FederatedUser' THEN substr(json_extract(value, '$.userIdentity.principalId'),
            nullif(instr(json_extract(value, '$.userIdentity.principalId'), ':'), 0) + 1)
        ELSE json_extract(value, '$.userIdentity.userName')
    END AS user_name,
    json_extract(value, '$.userIdentity.accessKeyId') AS access_key_id,
    json_extract(value, '$.readOnly') AS read_only,
    json_extract(value, '$.errorCode') AS error_code,
    value AS record
FROM batches, json_each(batches.records);
CREATE TRIGGER batches_stay BEFORE DELETE ON batches BEGIN SELECT RAISE(ABORT, 'audit records cannot be deleted'); END;
CREATE TRIGGER batches_hold BEFORE UPDATE ON batches BEGIN SELECT RAISE(ABORT, 'audit records cannot be changed'); END;
CREATE TRIGGER blocks_stay BEFORE DELETE ON blocks BEGIN SELECT RAISE(ABORT, 'audit indexes cannot be deleted'); END;
CREATE TRIGGER blocks_hold BEFORE UPDATE ON blocks BEGIN SELECT RAISE(ABORT, 'audit indexes cannot be changed'); END;
CREATE TRIGGER terms_stay BEFORE DELETE ON terms BEGIN SELECT RAISE(ABORT, 'audit indexes cannot be deleted'); END;
CREATE TRIGGER terms_hold BEFORE UPDATE ON terms BEGIN SELECT RAISE(ABORT, 'audit indexes cannot be changed'); END;
CREATE TRIGGER spans_stay BEFORE DELETE ON spans BEGIN SELECT RAISE(ABORT, 'audit indexes cannot be deleted'); END;
CREATE TRIGGER spans_hold BEFORE UPDATE ON spans BEGIN SELECT RAISE(ABORT, 'audit indexes cannot be changed'); END;
PRAGMA application_id = 1381458276;
PRAGMA user_version = 1;
COMMIT;
";

/// `RWad` in the file's header.
const APPLICATION: i64 = 0x5257_6164;
const FORMAT: i64 = 1;
/// Large ones: a batch is one long text, and each page of it is written twice, to the WAL and from there. A record costs a
/// quarter less of the processor than with 8 KiB; a lone record rewrites one or two pages.
const PAGE_BYTES: i64 = 32 * 1_024;
const CHECKPOINT_PAGES: i64 = 500;
const WAL_BYTES_KEPT: i64 = 32 * 1_024 * 1_024;
const CACHE_KIB: i64 = 8_192;
