//! Reading the log beside its writer: its head, its newest records, records from a number on.

use std::path::Path;
use std::sync::{Arc, Mutex};

use rootward_names::AccountId;
use rusqlite::{Connection, OptionalExtension, params};

use super::batch::{Bounds, records};
use super::lookup::{Attribute, Hits, Search};
use super::{connect, lock, schema};
use crate::{Entry, Error, Head, Seal};

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

    /// The head as written, checked against the last batch and the seal.
    pub(super) fn checked_head(&self) -> Result<Head, Error> {
        let connection = lock(&self.connection);
        let last = connection
            .query_row(&format!("SELECT {COLUMNS} FROM batches ORDER BY first DESC LIMIT 1"), [], |row| {
                let row = Row::of(row)?;
                let head = Head { seq: row.bounds.last, hash: row.hash };
                Ok((row.bounds, row.records.to_owned(), head, row.mac.to_owned()))
            })
            .optional()?;
        let Some((bounds, records, head, mac)) = last else { return Ok(Head::genesis()) };
        let before = connection
            .query_row(
                "SELECT last, hash FROM batches WHERE first < ?1 ORDER BY first DESC LIMIT 1",
                [bounds.first],
                |row| Ok(Head { seq: row.get(0)?, hash: row.get(1)? }),
            )
            .optional()?
            .unwrap_or_else(Head::genesis);
        if before.seq + 1 != bounds.first || before.next(&bounds, &records) != head {
            let Bounds { first, last, .. } = bounds;
            return Err(Error::Altered(format!("records {first} to {last} are not those that were hashed")));
        }
        if !self.seal.holds(&head, &mac) {
            return Err(Error::Altered(format!("the seal of record {} does not hold", head.seq)));
        }
        Ok(head)
    }

    /// The last span of ids that a block knows of.
    pub(super) fn last_span(&self) -> Result<i64, Error> {
        let connection = lock(&self.connection);
        let last: Option<i64> = connection.query_row("SELECT max(span) FROM spans", [], |row| row.get(0))?;
        Ok(last.unwrap_or(i64::MIN))
    }

    /// Whether the log still holds what it held when its head was `head`. Looks at one batch's hash.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn holds(&self, head: &Head) -> Result<bool, Error> {
        if head.seq == 0 {
            return Ok(*head == Head::genesis());
        }
        let connection = lock(&self.connection);
        let found = connection
            .prepare_cached("SELECT last, hash FROM batches WHERE first <= ?1 ORDER BY first DESC LIMIT 1")?
            .query_row([head.seq], |row| Ok(Head { seq: row.get(0)?, hash: row.get(1)? }))
            .optional()?;
        Ok(found == Some(*head))
    }

    /// The newest `count` records that pass, oldest first.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn tail(&self, count: usize, filter: &Filter) -> Result<Vec<Stored>, Error> {
        let mut found = self.newest(&filter.search(), count)?;
        found.reverse();
        Ok(found)
    }

    /// At most `count` records behind number `seq`, in order: for copying the log elsewhere, and for following it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn after(&self, seq: u64, count: usize) -> Result<Vec<Stored>, Error> {
        let mut found = Vec::new();
        self.walk_behind(seq, count, |number, record| {
            found.push(stored(number, record)?);
            Ok(())
        })?;
        Ok(found)
    }

    /// Of the `count` records behind number `seq` those whose text `wanted` says yes to, in order, and the number of the
    /// last one looked at: for following a log of which little matters, without parsing the rest.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn sift(
        &self,
        seq: u64,
        count: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(Vec<Stored>, u64), Error> {
        let (mut found, mut last) = (Vec::new(), seq);
        self.walk_behind(seq, count, |number, record| {
            last = number;
            if wanted(record) {
                found.push(stored(number, record)?);
            }
            Ok(())
        })?;
        Ok((found, last))
    }

    fn walk_behind(
        &self,
        seq: u64,
        count: usize,
        mut each: impl FnMut(u64, &str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let connection = lock(&self.connection);
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM batches WHERE first >= \
             coalesce((SELECT max(first) FROM batches WHERE first <= ?1), 0) ORDER BY first"
        ))?;
        let mut rows = statement.query([seq.saturating_add(1)])?;
        let mut left = count;
        while left > 0
            && let Some(row) = rows.next()?
        {
            let row = Row::of(row)?;
            let numbered = (row.bounds.first..).zip(records(row.records)).filter(|(number, _)| *number > seq);
            for (number, record) in numbered.take(left) {
                each(number, record)?;
                left -= 1;
            }
        }
        Ok(())
    }

    /// Shows the batches behind record `behind`, newest first, until there are hits enough. Some MiB at a time, each
    /// under a lock of its own: a long search holds nobody up.
    pub(super) fn walk(&self, behind: u64, hits: &mut Hits<'_>) -> Result<(), Error> {
        let mut before = hits.before();
        loop {
            let connection = lock(&self.connection);
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM batches WHERE first > ?1 AND first < ?2 ORDER BY first DESC"
            ))?;
            let mut rows = statement.query([behind, before])?;
            let mut bytes = 0;
            while bytes < STRETCH_BYTES {
                let Some(row) = rows.next()? else { return Ok(()) };
                let row = Row::of(row)?;
                hits.look_at(&row)?;
                if hits.enough() {
                    return Ok(());
                }
                before = row.bounds.first;
                bytes += row.records.len();
            }
        }
    }

    /// Shows one batch.
    pub(super) fn show(&self, batch: u64, hits: &mut Hits<'_>) -> Result<(), Error> {
        let connection = lock(&self.connection);
        let mut statement =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM batches WHERE first = ?1"))?;
        let mut rows = statement.query(params![batch])?;
        rows.next()?.map_or(Ok(()), |row| hits.look_at(&Row::of(row)?))
    }
}

impl Filter {
    fn search(&self) -> Search<'_> {
        let name = self.event_name.as_deref().map(Attribute::EventName);
        let user = self.user_name.as_deref().map(Attribute::UserName);
        Search {
            account: self.account,
            attributes: name.into_iter().chain(user).collect(),
            failures: self.failures,
            ..Search::default()
        }
    }
}

/// A row of [`COLUMNS`], read in place.
pub(super) struct Row<'a> {
    pub(super) bounds: Bounds,
    pub(super) hash: [u8; 32],
    pub(super) mac: &'a [u8],
    pub(super) records: &'a str,
}

impl<'a> Row<'a> {
    pub(super) fn of(row: &'a rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let (first, last, time_min, time_max) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(Self {
            bounds: Bounds { first, last, time_min, time_max },
            hash: row.get(4)?,
            mac: row.get_ref(5)?.as_blob()?,
            records: row.get_ref(6)?.as_str()?,
        })
    }
}

/// Record number `seq`, of this text.
pub(super) fn stored(seq: u64, record: &str) -> Result<Stored, Error> {
    match Entry::parse(record.as_bytes()) {
        Ok(entry) => Ok(Stored { seq, entry }),
        Err(error) => Err(Error::Damaged(format!("record {seq}: {error}"))),
    }
}

pub(super) const COLUMNS: &str = "first, last, time_min, time_max, hash, mac, records";
/// Read under one lock, and one batch more.
pub(super) const STRETCH_BYTES: usize = 4 * 1_024 * 1_024;
