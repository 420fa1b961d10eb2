//! Look-ups: one account's records by time and one attribute, page by page, the last appended first.
//!
//! The order is that of the log, not of the records' times: records of concurrent calls, and those that a crash held back in
//! the outbox, may be some places apart from where their times would put them. It makes paging exact while records
//! arrive.
//!
//! Source: CloudTrail API Reference, `LookupEvents`. Its attributes `ResourceType` and `ResourceName` have no column
//! in this format.

use rootward_names::{AccountId, Time};
use rusqlite::params_from_iter;
use rusqlite::types::Value;
use sha2::{Digest, Sha256};

use super::lock;
use super::read::{Reader, Stored};
use crate::{Error, EventId};

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
        let mut search = Search::of(query.account);
        if let Some(attribute) = query.attribute {
            attribute.narrow(&mut search);
        }
        search.before = before.unwrap_or(i64::MAX);
        // The log knows whole seconds: one that has begun before `from` is before it.
        search.from =
            query.from.map_or(i64::MIN, |from| (from.millis().saturating_add(999)).div_euclid(1_000));
        search.until = query.until.map_or(i64::MAX, Time::seconds);
        let mut events = self.newest(&search, count + 1)?;
        let more = events.len() > count;
        events.truncate(count);
        let next = events.last().filter(|_| more).map(|last| query.token(last));
        Ok(Page { events, next })
    }

    /// At most `count` records that satisfy the search, the last appended first.
    pub(super) fn newest(&self, search: &Search, count: usize) -> Result<Vec<Stored>, Error> {
        if !search.index.in_blocks() {
            return self.select(&search.sql(), search.values(None, count));
        }
        let last = self.number("SELECT max(seq) FROM events", &[])?.unwrap_or(0);
        let mut found = Vec::new();
        // One block at a time, each under a lock of its own: a long search holds nobody up.
        for block in (0..=last.min(search.before) >> BLOCK_BITS).rev() {
            if search.meets(self, block)? {
                found.extend(self.select(&search.sql(), search.values(Some(block), count - found.len()))?);
            }
            if found.len() >= count {
                break;
            }
        }
        Ok(found)
    }

    fn number(&self, sql: &str, values: &[i64]) -> Result<Option<i64>, Error> {
        let connection = lock(&self.connection);
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.query_row(params_from_iter(values), |row| row.get(0))?)
    }
}

/// What to look for, and by which index.
pub(super) struct Search {
    index: Index,
    conditions: Vec<&'static str>,
    values: Vec<Value>,
    from: i64,
    until: i64,
    /// Only records with a smaller number.
    before: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Index {
    Account,
    Id,
    Key,
    Name,
    User,
}

impl Index {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "events_by_account",
            Self::Id => "events_by_id",
            Self::Key => "events_by_key",
            Self::Name => "events_by_name",
            Self::User => "events_by_user",
        }
    }

    fn in_blocks(self) -> bool {
        self != Self::Id
    }
}

impl Search {
    /// Everything in one account's log.
    pub(super) fn of(account: AccountId) -> Self {
        let (conditions, values) = (vec!["account = ?"], vec![Value::Text(account.to_string())]);
        Self { index: Index::Account, conditions, values, from: i64::MIN, until: i64::MAX, before: i64::MAX }
    }

    pub(super) fn event_name(&mut self, name: &str) {
        self.require("event_name = ?", Value::Text(name.to_owned()), Index::Name);
    }

    pub(super) fn user_name(&mut self, name: &str) {
        self.require("user_name = ?", Value::Text(name.to_owned()), Index::User);
    }

    pub(super) fn failures(&mut self) {
        self.conditions.push("error_code IS NOT NULL");
    }

    /// The last condition's index is the one used.
    fn require(&mut self, condition: &'static str, value: Value, index: Index) {
        self.conditions.push(condition);
        self.values.push(value);
        self.index = index;
    }

    /// Whether the block has records within the times; asked only when there are bounds.
    fn meets(&self, reader: &Reader, block: i64) -> Result<bool, Error> {
        if self.from == i64::MIN && self.until == i64::MAX {
            return Ok(true);
        }
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM events INDEXED BY events_by_time \
             WHERE seq >> {BLOCK_BITS} = ? AND time BETWEEN ? AND ?)"
        );
        Ok(reader.number(&sql, &[block, self.from, self.until])? == Some(1))
    }

    fn sql(&self) -> String {
        let block =
            if self.index.in_blocks() { format!("seq >> {BLOCK_BITS} = ? AND ") } else { String::new() };
        format!(
            "INDEXED BY {} WHERE {block}{} AND seq < ? AND time BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?",
            self.index.as_str(),
            self.conditions.join(" AND "),
        )
    }

    fn values(&self, block: Option<i64>, count: usize) -> Vec<Value> {
        let bounds = [self.before, self.from, self.until, i64::try_from(count).unwrap_or(i64::MAX)];
        let block = block.map(Value::Integer).into_iter();
        block.chain(self.values.iter().cloned()).chain(bounds.map(Value::Integer)).collect()
    }
}

impl Attribute<'_> {
    fn narrow(self, search: &mut Search) {
        let text = |text: &str| Value::Text(text.to_owned());
        match self {
            Self::AccessKeyId(id) => search.require("access_key_id = ?", text(id), Index::Key),
            Self::EventId(id) => {
                search.require("event_id = ?", Value::Blob(id.to_bytes().to_vec()), Index::Id)
            }
            Self::EventName(name) => search.event_name(name),
            Self::EventSource(source) => search.require("event_source = ?", text(source), Index::Account),
            Self::ReadOnly(read_only) => {
                search.require("read_only = ?", Value::Integer(i64::from(read_only)), Index::Account);
            }
            Self::UserName(name) => search.user_name(name),
        }
    }
}

impl Query<'_> {
    /// `SEQ-QUERY` in hexadecimal: behind which record the next page begins, and a digest of the query it belongs to. It
    /// opens nothing that the query would not show, so it is not sealed.
    fn token(&self, last: &Stored) -> String {
        format!("{:x}-{}", last.seq, self.digest())
    }

    fn place(&self, token: &str) -> Option<i64> {
        let (seq, digest) = token.split_once('-')?;
        i64::from_str_radix(seq, 16).ok().filter(|&seq| seq > 0 && digest == self.digest())
    }

    fn digest(&self) -> String {
        let digest = Sha256::digest(format!("{self:?}"));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The longest page of a look-up.
pub const EVENTS_PER_PAGE_MAX: usize = 1_000;
/// Of a record's number, the bits below its block's; `schema` has the same number.
const BLOCK_BITS: u32 = 14;
