//! Look-ups: one account's records by time and one attribute, page by page, the last appended first.
//!
//! The order is that of the log, not of the records' times: records of concurrent calls, and those that a crash held back in
//! the outbox, may be some places apart from where their times would put them. It makes paging exact while records
//! arrive.
//!
//! Within the newest batches, which no block holds yet, every record is looked at; behind them, those of the batches that
//! the index leads to. In a batch only records whose text has the value in it are parsed and compared.
//!
//! Source: CloudTrail API Reference, `LookupEvents`. Its attributes `ResourceType` and `ResourceName` have no column
//! in this format.

use memchr::memchr;
use memchr::memmem::Finder;
use rootward_names::{AccountId, Time};
use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::batch::{Bounds, records};
use super::block::{Term, batches};
use super::lock;
use super::read::{Reader, Row, Stored, stored};
use crate::{Entry, Error, EventId};

/// Which records to look up.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// In this account's log.
    pub account: AccountId,
    /// Not before this time.
    pub from: Option<Time>,
    /// Not after this time (both in whole seconds).
    pub until: Option<Time>,
    /// With this attribute.
    pub attribute: Option<Attribute<'a>>,
}

/// The attribute to look up by.
#[derive(Debug, Clone, Copy)]
pub enum Attribute<'a> {
    /// `AccessKeyId`.
    AccessKeyId(&'a str),
    /// `EventId`.
    EventId(EventId),
    /// `EventName`.
    EventName(&'a str),
    /// `EventSource`.
    EventSource(&'a str),
    /// `ReadOnly`.
    ReadOnly(bool),
    /// `Username`.
    UserName(&'a str),
}

/// One page of a look-up.
#[derive(Debug)]
pub struct Page {
    /// The last appended first.
    pub events: Vec<Stored>,
    /// Leads to the next page of the same query; none on the last.
    pub next: Option<String>,
}

impl Reader {
    /// At most `count` (1 to [`EVENTS_PER_PAGE_MAX`], others are moved there) records, newest first, behind the page that
    /// gave `token`.
    ///
    /// # Errors
    /// [`Error::Token`] when another query gave the token; [`Error::Io`], [`Error::Damaged`].
    pub fn lookup(&self, query: &Query<'_>, count: usize, token: Option<&str>) -> Result<Page, Error> {
        let count = count.clamp(1, EVENTS_PER_PAGE_MAX);
        let before = token.map(|token| query.place(token).ok_or(Error::Token)).transpose()?;
        let search = Search {
            account: Some(query.account),
            attributes: query.attribute.into_iter().collect(),
            failures: false,
            before: before.unwrap_or(u64::MAX),
            // The log knows whole seconds: one that has begun before `from` is before it.
            from: query.from.map_or(i64::MIN, |from| from.millis().saturating_add(999).div_euclid(1_000)),
            until: query.until.map_or(i64::MAX, Time::seconds),
        };
        let mut events = self.newest(&search, count + 1)?;
        let more = events.len() > count;
        events.truncate(count);
        let next = events.last().filter(|_| more).map(|last| query.token(last));
        Ok(Page { events, next })
    }

    /// At most `count` records that satisfy the search, the last appended first.
    pub(super) fn newest(&self, search: &Search<'_>, count: usize) -> Result<Vec<Stored>, Error> {
        let mut hits = Hits::new(search, count);
        let Some(terms) = search.terms() else {
            // Across accounts no index leads.
            self.walk(0, &mut hits)?;
            return Ok(hits.found);
        };
        // Blocks only ever take batches that were open before: one that closes meanwhile is not passed over.
        let closed = self.closed()?;
        self.walk(closed, &mut hits)?;
        if let Some(id) = search.id() {
            self.led_by_span(id.span(), closed, &mut hits)?;
        } else {
            self.led_by_terms(&terms, closed, &mut hits)?;
        }
        Ok(hits.found)
    }

    /// The last record that is in a block.
    fn closed(&self) -> Result<u64, Error> {
        let connection = lock(&self.connection);
        let mut statement =
            connection.prepare_cached("SELECT last FROM blocks ORDER BY first DESC LIMIT 1")?;
        Ok(statement.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
    }

    fn led_by_span(&self, span: i64, closed: u64, hits: &mut Hits<'_>) -> Result<(), Error> {
        let batches: Vec<u64> = {
            let connection = lock(&self.connection);
            let mut statement = connection.prepare_cached(
                "SELECT batch FROM spans WHERE span = ?1 AND batch <= ?2 ORDER BY batch DESC",
            )?;
            let rows = statement.query_map(params![span, closed], |row| row.get(0))?;
            rows.collect::<Result<_, _>>()?
        };
        self.show_all(batches, hits)
    }

    /// Block by block, each under a lock of its own: a long search holds nobody up.
    fn led_by_terms(&self, terms: &[i64], closed: u64, hits: &mut Hits<'_>) -> Result<(), Error> {
        let mut before = hits.before().min(closed.saturating_add(1));
        loop {
            let blocks = self.blocks(before, hits.search)?;
            let Some(&last) = blocks.last() else { return Ok(()) };
            for block in blocks {
                if hits.enough() {
                    return Ok(());
                }
                self.show_all(self.batches_with(block, terms)?, hits)?;
            }
            before = last;
        }
    }

    /// Some blocks that begin before record `before` and have records within the times, newest first.
    fn blocks(&self, before: u64, search: &Search<'_>) -> Result<Vec<u64>, Error> {
        let connection = lock(&self.connection);
        let mut statement = connection.prepare_cached(
            "SELECT first FROM blocks WHERE first < ?1 AND time_max >= ?2 AND time_min <= ?3 \
             ORDER BY first DESC LIMIT ?4",
        )?;
        let rows = statement
            .query_map(params![before, search.from, search.until, STRETCH_BLOCKS], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The batches of a block that have all of the terms, newest first.
    fn batches_with(&self, block: u64, terms: &[i64]) -> Result<Vec<u64>, Error> {
        let connection = lock(&self.connection);
        let mut statement =
            connection.prepare_cached("SELECT places FROM terms WHERE block = ?1 AND term = ?2")?;
        let mut common: Option<Vec<u64>> = None;
        for term in terms {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(batches(block, row.get_ref(0)?.as_blob()?).rev().collect::<Vec<u64>>())
            };
            let found = statement.query_row(params![block, term], read).optional()?.unwrap_or_default();
            common = Some(match common {
                None => found,
                Some(common) => common.into_iter().filter(|batch| found.contains(batch)).collect(),
            });
        }
        Ok(common.unwrap_or_default())
    }

    fn show_all(&self, batches: Vec<u64>, hits: &mut Hits<'_>) -> Result<(), Error> {
        for batch in batches {
            if hits.enough() {
                break;
            }
            if batch < hits.before() {
                self.show(batch, hits)?;
            }
        }
        Ok(())
    }
}

/// What to look for; all conditions must hold.
#[derive(Debug)]
pub(super) struct Search<'a> {
    pub(super) account: Option<AccountId>,
    pub(super) attributes: Vec<Attribute<'a>>,
    pub(super) failures: bool,
    /// Seconds.
    pub(super) from: i64,
    pub(super) until: i64,
    /// Only records with a smaller number.
    pub(super) before: u64,
}

impl Default for Search<'_> {
    /// Everything.
    fn default() -> Self {
        let (from, until, before) = (i64::MIN, i64::MAX, u64::MAX);
        Self { account: None, attributes: Vec::new(), failures: false, from, until, before }
    }
}

impl Search<'_> {
    fn holds(&self, entry: &Entry) -> bool {
        (self.account.is_none() || self.account == entry.account())
            && (self.from..=self.until).contains(&entry.time().seconds())
            && (!self.failures || entry.error_code().is_some())
            && self.attributes.iter().all(|attribute| attribute.holds(entry))
    }

    fn id(&self) -> Option<EventId> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::EventId(id) => Some(*id),
            _ => None,
        })
    }

    /// The terms that lead to it; none when no account is given.
    fn terms(&self) -> Option<Vec<i64>> {
        let account = self.account?;
        let attributes = self.attributes.iter().filter_map(|attribute| attribute.term());
        let mut terms: Vec<_> = attributes.chain(self.failures.then_some(Term::Failure)).collect();
        if terms.is_empty() {
            terms.push(Term::Account);
        }
        Some(terms.into_iter().map(|term| term.hash(account)).collect())
    }

    /// What the text of each such record has in it, unless it has something escaped.
    fn needles(&self) -> Vec<String> {
        let attributes = self.attributes.iter().filter_map(|attribute| attribute.needle());
        let failure = self.failures.then(|| "\"errorCode\"".to_owned());
        attributes.chain(failure).chain(self.account.map(|account| account.to_string())).collect()
    }
}

/// What a search has found so far.
pub(super) struct Hits<'a> {
    search: &'a Search<'a>,
    needles: Vec<Finder<'static>>,
    count: usize,
    found: Vec<Stored>,
}

impl<'a> Hits<'a> {
    fn new(search: &'a Search<'a>, count: usize) -> Self {
        let needles = search.needles().iter().map(|needle| Finder::new(needle).into_owned()).collect();
        Self { search, needles, count, found: Vec::new() }
    }

    /// Only batches that begin before this record can have more.
    pub(super) fn before(&self) -> u64 {
        // The database's numbers have a sign.
        self.search.before.min(i64::MAX.cast_unsigned())
    }

    pub(super) fn enough(&self) -> bool {
        self.found.len() >= self.count
    }

    /// Takes the batch's records that satisfy the search, last first, until there are enough.
    pub(super) fn look_at(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let Bounds { first, last, time_min, time_max } = row.bounds;
        if self.search.until < time_min || self.search.from > time_max {
            return Ok(());
        }
        for (seq, record) in (first..=last).rev().zip(records(row.records).rev()) {
            if self.enough() {
                break;
            }
            if seq >= self.search.before || !self.may_hold(record) {
                continue;
            }
            let stored = stored(seq, record)?;
            if self.search.holds(&stored.entry) {
                self.found.push(stored);
            }
        }
        Ok(())
    }

    fn may_hold(&self, record: &str) -> bool {
        let record = record.as_bytes();
        self.needles.iter().all(|needle| needle.find(record).is_some()) || memchr(b'\\', record).is_some()
    }
}

impl<'a> Attribute<'a> {
    fn holds(&self, entry: &Entry) -> bool {
        match *self {
            Self::AccessKeyId(id) => entry.access_key_id() == Some(id),
            Self::EventId(id) => entry.id() == id,
            Self::EventName(name) => entry.event_name() == name,
            Self::EventSource(source) => entry.event_source() == source,
            Self::ReadOnly(read_only) => entry.read_only() == read_only,
            Self::UserName(name) => entry.user_name() == Some(name),
        }
    }

    fn term(&self) -> Option<Term<'a>> {
        match *self {
            Self::AccessKeyId(id) => Some(Term::Key(id)),
            Self::EventName(name) => Some(Term::EventName(name)),
            Self::EventSource(source) => Some(Term::EventSource(source)),
            Self::ReadOnly(false) => Some(Term::Write),
            Self::UserName(name) => Some(Term::User(name)),
            Self::EventId(_) | Self::ReadOnly(true) => None,
        }
    }

    fn needle(&self) -> Option<String> {
        match *self {
            // A root user's is not in the record, see `Entry::user_name`.
            Self::UserName("root") => None,
            Self::AccessKeyId(text)
            | Self::EventName(text)
            | Self::EventSource(text)
            | Self::UserName(text) => Some(text.to_owned()),
            Self::EventId(id) => Some(id.to_string()),
            Self::ReadOnly(read_only) => Some(read_only.to_string()),
        }
    }
}

impl Query<'_> {
    /// `SEQ-QUERY` in hexadecimal: behind which record the next page begins, and a digest of the query it belongs to. It
    /// opens nothing that the query would not show, so it is not sealed.
    fn token(&self, last: &Stored) -> String {
        format!("{:x}-{}", last.seq, self.digest())
    }

    fn place(&self, token: &str) -> Option<u64> {
        let (seq, digest) = token.split_once('-')?;
        u64::from_str_radix(seq, 16).ok().filter(|&seq| seq > 0 && digest == self.digest())
    }

    fn digest(&self) -> String {
        let digest = Sha256::digest(format!("{self:?}"));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The longest page of a look-up.
pub const EVENTS_PER_PAGE_MAX: usize = 1_000;
/// Blocks listed under one lock.
const STRETCH_BLOCKS: usize = 256;
