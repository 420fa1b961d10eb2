//! Reading the log beside its writer: its head, its newest records, records from a number on.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rootward_names::{AccountId, Time};
use rusqlite::types::{Type, Value};
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::lookup::Search;
use super::{connect, lock, schema};
use crate::{Entry, Error, EventId, Head, Seal};

/// A log open for reading. A file's reader has a connection of its own and never holds up the writer.
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Arc<Mutex<Connection>>,
    pub(super) seal: Seal,
}

/// A record in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its number, from 1.
    pub seq: u64,
    /// The record.
    pub entry: Entry,
    /// Its hash in the chain.
    pub hash: [u8; 32],
}

/// Which records to show; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this account's log.
    pub account: Option<AccountId>,
    /// With this `eventName`.
    pub event_name: Option<String>,
    /// By this user or session.
    pub user_name: Option<String>,
    /// Only calls that failed.
    pub failures: bool,
}

impl Reader {
    /// Opens the log in this file for reading, without looking at its end: damaged or altered logs open too.
    ///
    /// # Errors
    /// [`Error::Newer`], [`Error::Foreign`], [`Error::Damaged`] when not even the header can be read, [`Error::Io`].
    pub fn open(path: &Path, seal: Seal) -> Result<Self, Error> {
        let connection = connect(path)?;
        connection.pragma_update(None, "query_only", true)?;
        schema::check(&connection)?;
        Ok(Self::on(Arc::new(Mutex::new(connection)), seal))
    }

    pub(super) fn on(connection: Arc<Mutex<Connection>>, seal: Seal) -> Self {
        Self { connection, seal }
    }

    /// The head as written, checked against the last record and the seal.
    pub(super) fn checked_head(&self) -> Result<Head, Error> {
        let connection = lock(&self.connection);
        let read = |row: &Row<'_>| Ok(Head { seq: row.get(0)?, hash: row.get(1)? });
        let last = connection
            .query_row("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1", [], read)
            .optional()?;
        let sealed = connection
            .query_row("SELECT seq, hash, mac FROM heads ORDER BY seq DESC LIMIT 1", [], |row| {
                Ok((read(row)?, row.get::<_, Vec<u8>>(2)?))
            })
            .optional()?;
        match (last, sealed) {
            (None, None) => Ok(Head::genesis()),
            (Some(last), Some((head, mac))) if last == head && self.seal.holds(&head, &mac) => Ok(head),
            (Some(last), Some((head, _))) if last == head => {
                Err(Error::Altered(format!("the seal of record {} does not hold", head.seq)))
            }
            (last, sealed) => {
                let (last, head) = (last.map_or(0, |head| head.seq), sealed.map_or(0, |(head, _)| head.seq));
                Err(Error::Altered(format!(
                    "the last record is number {last}, the last seal is of number {head}"
                )))
            }
        }
    }

    /// Whether the log still holds what it held when its head was `head`. Looks at one record.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn holds(&self, head: &Head) -> Result<bool, Error> {
        if head.seq == 0 {
            return Ok(*head == Head::genesis());
        }
        let connection = lock(&self.connection);
        let hash = connection
            .prepare_cached("SELECT hash FROM events WHERE seq = ?1")?
            .query_row([head.seq], |row| row.get::<_, [u8; 32]>(0))
            .optional()?;
        Ok(hash == Some(head.hash))
    }

    /// The newest `count` records that pass, oldest first.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn tail(&self, count: usize, filter: &Filter) -> Result<Vec<Stored>, Error> {
        let mut found = match filter.account {
            Some(account) => self.newest(&filter.search(account), count)?,
            None => self.newest_of_all(count, filter)?,
        };
        found.reverse();
        Ok(found)
    }

    /// Across accounts no index leads: walks the log from its end.
    fn newest_of_all(&self, count: usize, filter: &Filter) -> Result<Vec<Stored>, Error> {
        let (mut conditions, mut values) = (vec!["1"], Vec::new());
        for (condition, value) in
            [("event_name = ?", &filter.event_name), ("user_name = ?", &filter.user_name)]
        {
            if let Some(value) = value {
                conditions.push(condition);
                values.push(Value::Text(value.clone()));
            }
        }
        if filter.failures {
            conditions.push("error_code IS NOT NULL");
        }
        values.push(Value::Integer(i64::try_from(count).unwrap_or(i64::MAX)));
        let conditions = conditions.join(" AND ");
        self.select(&format!("NOT INDEXED WHERE {conditions} ORDER BY seq DESC LIMIT ?"), values)
    }

    /// At most `count` records behind number `seq`, in order: for copying the log elsewhere, and for following it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn after(&self, seq: u64, count: usize) -> Result<Vec<Stored>, Error> {
        let number = |number| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.select("WHERE seq > ? ORDER BY seq LIMIT ?", vec![number(seq), number(count)])
    }

    /// The records that satisfy `rest`: what follows the table in SQL of ours, with a `?` for each value.
    pub(super) fn select(&self, rest: &str, values: Vec<Value>) -> Result<Vec<Stored>, Error> {
        let connection = lock(&self.connection);
        let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM events {rest}"))?;
        let rows = statement.query_map(params_from_iter(values), stored)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Filter {
    fn search(&self, account: AccountId) -> Search {
        let mut search = Search::of(account);
        if let Some(name) = &self.event_name {
            search.event_name(name);
        }
        if let Some(name) = &self.user_name {
            search.user_name(name);
        }
        if self.failures {
            search.failures();
        }
        search
    }
}

/// A record from a row of [`COLUMNS`].
pub(super) fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let account = row.get::<_, Option<String>>(5)?.map(|text| text.parse::<AccountId>()).transpose();
    let entry = Entry {
        time: Time::from_seconds(row.get(1)?),
        id: EventId::from_bytes(row.get(2)?),
        event_name: row.get(3)?,
        event_source: row.get(4)?,
        account: account.map_err(|error| malformed(5, error))?,
        user_name: row.get(6)?,
        access_key_id: row.get(7)?,
        read_only: flag(row, 8)?,
        error_code: row.get(9)?,
        record: row.get(10)?,
    };
    Ok(Stored { seq: row.get(0)?, entry, hash: row.get(11)? })
}

/// 0 or 1 and nothing else: any other number would pass the hash as `true`.
fn flag(row: &Row<'_>, column: usize) -> rusqlite::Result<bool> {
    match row.get::<_, i64>(column)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(rusqlite::Error::IntegralValueOutOfRange(column, other)),
    }
}

fn malformed(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

pub(super) const COLUMNS: &str = "seq, time, event_id, event_name, event_source, account, user_name, access_key_id, \
                                  read_only, error_code, record, hash";
