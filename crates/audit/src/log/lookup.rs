//! Look-ups: one account's records by time and one attribute, newest first, page by page.
//!
//! Source: CloudTrail API Reference, `LookupEvents`. Its attributes `ResourceType` and `ResourceName` have no column
//! in this format.

use rootward_names::{AccountId, Time};
use rusqlite::types::Value;
use sha2::{Digest, Sha256};

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
    /// Newest first.
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
        let (mut conditions, mut values) =
            (vec!["account = ?"], vec![Value::Text(query.account.to_string())]);
        let mut require = |condition, value| {
            conditions.push(condition);
            values.push(value);
        };
        if let Some(attribute) = query.attribute {
            let (condition, value) = attribute.condition();
            require(condition, value);
        }
        if let Some(from) = query.from {
            // The log knows whole seconds: one that has begun before `from` is before it.
            require(
                "time >= ?",
                Value::Integer(Time::from_millis(from.millis().saturating_add(999)).seconds()),
            );
        }
        if let Some(until) = query.until {
            require("time <= ?", Value::Integer(until.seconds()));
        }
        if let Some(token) = token {
            let (time, seq) = query.place(token).ok_or(Error::Token)?;
            require("(time, seq) < (?, ?)", Value::Integer(time));
            values.push(Value::Integer(seq));
        }
        values.push(Value::Integer(i64::try_from(count + 1).unwrap_or(i64::MAX)));
        let rest = format!("{} ORDER BY time DESC, seq DESC LIMIT ?", conditions.join(" AND "));
        let mut events = self.select(&rest, values)?;
        let more = events.len() > count;
        events.truncate(count);
        let next = events.last().filter(|_| more).map(|last| query.token(last));
        Ok(Page { events, next })
    }
}

impl Attribute<'_> {
    fn condition(self) -> (&'static str, Value) {
        let text = |text: &str| Value::Text(text.to_owned());
        match self {
            Self::AccessKeyId(id) => ("access_key_id = ?", text(id)),
            Self::EventId(id) => ("event_id = ?", Value::Blob(id.to_bytes().to_vec())),
            Self::EventName(name) => ("event_name = ?", text(name)),
            Self::EventSource(source) => ("event_source = ?", text(source)),
            Self::ReadOnly(read_only) => ("read_only = ?", Value::Integer(i64::from(read_only))),
            Self::UserName(name) => ("user_name = ?", text(name)),
        }
    }
}

impl Query<'_> {
    /// `TIME-SEQ-QUERY` in hexadecimal: where the next page begins, and a digest of the query it belongs to. It opens
    /// nothing that the query would not show, so it is not sealed.
    fn token(&self, last: &Stored) -> String {
        format!("{:016x}-{:016x}-{}", last.entry.time.seconds(), last.seq, self.digest())
    }

    fn place(&self, token: &str) -> Option<(i64, i64)> {
        let mut parts = token.split('-');
        let mut number = || i64::from_str_radix(parts.next()?, 16).ok();
        let place = (number()?, number()?);
        (parts.next()? == self.digest() && parts.next().is_none()).then_some(place)
    }

    fn digest(&self) -> String {
        let digest = Sha256::digest(format!("{self:?}"));
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The longest page of a look-up.
pub const EVENTS_PER_PAGE_MAX: usize = 1_000;
