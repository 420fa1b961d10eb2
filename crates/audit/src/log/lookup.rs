//! Look-ups: one account's records by time and one attribute, page by page, the last appended first.
//!
//! The order is that of the log, not of the records' times: records of concurrent calls, and those that a crash held back in
//! the outbox, may be some places apart from where their times would put them. It makes paging exact while records
//! arrive.
//!
//! Within the newest batches, which no block holds yet, every record is looked at; behind them, those of the batches that
//! the index leads to. In a batch only records whose text has the value in it are parsed and compared.
//!
//! A page ends when it has its records, or when it has cost [`COST_MAX`]: so a page may have fewer records than asked for, or
//! none, and more may follow.
//!
//! Every record is a management event: whoever begins to record others has to keep them out of here.
//!
//! Source: CloudTrail API Reference, `LookupEvents`.

use memchr::memchr;
use memchr::memmem::Finder;
use rootward_names::{AccountId, Time};
use rusqlite::{OptionalExtension, params};

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
    /// `ResourceName`.
    ResourceName(&'a str),
    /// `ResourceType`.
    ResourceType(&'a str),
    /// `Username`.
    UserName(&'a str),
}

/// One page of a look-up.
#[derive(Debug)]
pub struct Page {
    /// The last appended first.
    pub events: Vec<Stored>,
    /// The record before which the next page of the same query begins; none on the last.
    pub next: Option<u64>,
}

impl Reader {
    /// At most `count` (1 to [`EVENTS_PER_PAGE_MAX`], others are moved there) records, newest first, from those before record
    /// `before` on.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`].
    pub fn lookup(&self, query: &Query<'_>, count: usize, before: Option<u64>) -> Result<Page, Error> {
        self.lookup_within(query, count, before, COST_MAX)
    }

    /// The same at another cost.
    pub(super) fn lookup_within(
        &self,
        query: &Query<'_>,
        count: usize,
        before: Option<u64>,
        cost_max: usize,
    ) -> Result<Page, Error> {
        let count = count.clamp(1, EVENTS_PER_PAGE_MAX);
        let search = Search {
            account: Some(query.account),
            attributes: query.attribute.into_iter().collect(),
            failures: false,
            before: before.unwrap_or(u64::MAX),
            // The log knows whole seconds: one that has begun before `from` is before it.
            from: query.from.map_or(i64::MIN, |from| from.millis().saturating_add(999).div_euclid(1_000)),
            until: query.until.map_or(i64::MAX, Time::seconds),
        };
        let mut hits = Hits::new(&search, count + 1, cost_max);
        self.gather(&search, &mut hits)?;
        let mut events = hits.found;
        let next = if events.len() > count {
            events.truncate(count);
            events.last().map(|last| last.seq)
        } else {
            Some(hits.reached).filter(|reached| hits.is_spent && *reached > 1)
        };
        Ok(Page { events, next })
    }

    /// At most `count` records that satisfy the search, the last appended first.
    pub(super) fn newest(&self, search: &Search<'_>, count: usize) -> Result<Vec<Stored>, Error> {
        let mut hits = Hits::new(search, count, usize::MAX);
        self.gather(search, &mut hits)?;
        Ok(hits.found)
    }

    fn gather(&self, search: &Search<'_>, hits: &mut Hits<'_>) -> Result<(), Error> {
        let Some(terms) = search.terms() else {
            // Across accounts no index leads.
            return self.walk(0, hits);
        };
        // Blocks only ever take batches that were open before: one that closes meanwhile is not passed over.
        let closed = self.closed()?;
        self.walk(closed, hits)?;
        match search.id() {
            Some(id) => self.led_by_span(id.span(), closed, hits),
            None => self.led_by_terms(&terms, closed, hits),
        }
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
            let blocks = self.blocks(before)?;
            let Some(last) = blocks.last().map(|block| block.first) else { return Ok(()) };
            for block in blocks {
                if hits.enough() {
                    return Ok(());
                }
                if hits.may_be_within(&block) {
                    self.show_all(self.batches_with(block.first, terms)?, hits)?;
                    hits.pay(BLOCK_COST, block.first);
                } else {
                    hits.pay(PASSED_BLOCK_COST, block.first);
                }
            }
            before = last;
        }
    }

    /// Some blocks that begin before record `before`, newest first.
    fn blocks(&self, before: u64) -> Result<Vec<Bounds>, Error> {
        let connection = lock(&self.connection);
        let mut statement = connection.prepare_cached(
            "SELECT first, last, time_min, time_max FROM blocks WHERE first < ?1 ORDER BY first DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![before, STRETCH_BLOCKS], |row| {
            Ok(Bounds { first: row.get(0)?, last: row.get(1)?, time_min: row.get(2)?, time_max: row.get(3)? })
        })?;
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
    /// What may still be spent, see [`COST_MAX`].
    left: usize,
    /// The search ended before its end.
    is_spent: bool,
    /// All records from this one on have been looked at, or need not be.
    reached: u64,
}

impl<'a> Hits<'a> {
    fn new(search: &'a Search<'a>, count: usize, left: usize) -> Self {
        let needles = search.needles().iter().map(|needle| Finder::new(needle).into_owned()).collect();
        let (found, reached) = (Vec::new(), search.before);
        Self { search, needles, count, found, left, is_spent: false, reached }
    }

    /// Only batches that begin before this record can have more.
    pub(super) fn before(&self) -> u64 {
        // The database's numbers have a sign.
        self.search.before.min(i64::MAX.cast_unsigned())
    }

    pub(super) fn enough(&self) -> bool {
        self.found.len() >= self.count || self.is_spent
    }

    /// What it cost to be done with all records from `reached` on.
    fn pay(&mut self, cost: usize, reached: u64) {
        if self.enough() {
            return;
        }
        self.reached = reached;
        self.left = self.left.saturating_sub(cost);
        self.is_spent = self.left == 0;
    }

    fn may_be_within(&self, bounds: &Bounds) -> bool {
        self.search.until >= bounds.time_min && self.search.from <= bounds.time_max
    }

    /// Takes the batch's records that satisfy the search, last first, until there are enough.
    pub(super) fn look_at(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let Bounds { first, last, .. } = row.bounds;
        if self.may_be_within(&row.bounds) {
            for (seq, record) in (first..=last).rev().zip(records(row.records).rev()) {
                if self.enough() {
                    return Ok(());
                }
                if seq < self.search.before && self.may_hold(record) {
                    self.compare(stored(seq, record)?);
                }
            }
        }
        self.pay(row.records.len(), first);
        Ok(())
    }

    fn compare(&mut self, stored: Stored) {
        if self.search.holds(&stored.entry) {
            self.pay(stored.entry.json().len().saturating_mul(FOUND_COST), stored.seq);
            self.found.push(stored);
        }
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
            Self::ResourceName(name) => entry.resources().iter().any(|resource| resource.name == name),
            Self::ResourceType(kind) => {
                entry.resources().iter().any(|resource| resource.kind.as_deref() == Some(kind))
            }
            Self::UserName(name) => entry.user_name() == Some(name),
        }
    }

    fn term(&self) -> Option<Term<'a>> {
        match *self {
            Self::AccessKeyId(id) => Some(Term::Key(id)),
            Self::EventName(name) => Some(Term::EventName(name)),
            Self::EventSource(source) => Some(Term::EventSource(source)),
            Self::ReadOnly(false) => Some(Term::Write),
            Self::ResourceName(name) => Some(Term::ResourceName(name)),
            Self::ResourceType(kind) => Some(Term::ResourceType(kind)),
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
            | Self::ResourceName(text)
            | Self::ResourceType(text)
            | Self::UserName(text) => Some(text.to_owned()),
            Self::EventId(id) => Some(id.to_string()),
            Self::ReadOnly(read_only) => Some(read_only.to_string()),
        }
    }
}

/// The longest page of a look-up.
pub const EVENTS_PER_PAGE_MAX: usize = 1_000;
/// Blocks listed under one lock.
const STRETCH_BLOCKS: usize = 256;
/// What a page may cost, in bytes of the log that are read: some 50 ms of work at the most. More than all batches that are
/// in no block, so that the newest records never take two pages to get through.
const COST_MAX: usize = 16 * 1_024 * 1_024;
/// What it costs to ask a block for its batches with a term.
const BLOCK_COST: usize = 8 * 1_024;
/// What it costs to pass a block over by its times.
const PASSED_BLOCK_COST: usize = 64;
/// How much more a record costs that is found: it is kept, copied and shown. This bounds the memory for a page.
const FOUND_COST: usize = 4;
