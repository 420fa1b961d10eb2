//! Blocks: runs of batches whose look-up index was written together, an inverted index of the terms in them.
//!
//! A *term* is an attribute's value in an account, as a hash of 64 bits: FNV-1a of the account's number (8 bytes,
//! big-endian), the value and a byte for the attribute. Two values may share a term, which costs a look-up some reading
//! and nothing else, because it compares the records themselves. A block's row of a term lists the batches with it: how
//! far behind the block's first record each begins, 2 bytes, big-endian, ascending.
//!
//! The newest batches are in no block yet: look-ups read them through. When they are many or large enough, their terms
//! are written in one go, in the order of the table's key. So a term costs one row a block instead of one a batch, all
//! growth is at the tables' ends, and a batch of one record is one row in one table. Until then the terms wait in memory;
//! after a restart they are gathered again from the batches.
//!
//! Event ids are in no block's terms: one index over the log leads from the *span* of an id, the 64 ms that its time
//! is in, to the batches with such ids.

use std::hash::Hasher;

use fnv::FnvHasher;
use rootward_names::AccountId;
use rusqlite::{OptionalExtension, Transaction, params};

use super::batch::{Bounds, records};
use super::known::Known;
use crate::{Entry, Error};

/// What a look-up can be led by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Term<'a> {
    /// Any record of the account.
    Account,
    EventName(&'a str),
    EventSource(&'a str),
    /// It failed.
    Failure,
    Key(&'a str),
    ResourceName(&'a str),
    ResourceType(&'a str),
    User(&'a str),
    /// It is not read-only.
    Write,
}

impl Term<'_> {
    pub(super) fn hash(self, account: AccountId) -> i64 {
        let mut hasher = FnvHasher::default();
        hasher.write(&account.number().to_be_bytes());
        let (value, kind) = match self {
            Self::Account => ("", 0),
            Self::EventName(name) => (name, 1),
            Self::EventSource(source) => (source, 2),
            Self::Failure => ("", 3),
            Self::Key(id) => (id, 4),
            Self::User(name) => (name, 5),
            Self::Write => ("", 6),
            Self::ResourceName(name) => (name, 7),
            Self::ResourceType(kind) => (kind, 8),
        };
        hasher.write(value.as_bytes());
        hasher.write(&[kind]);
        hasher.finish().cast_signed()
    }
}

/// What leads to the records of a batch.
#[derive(Debug, Default)]
pub(super) struct Leads {
    terms: Vec<i64>,
    spans: Vec<i64>,
}

impl Leads {
    pub(super) fn clear(&mut self) {
        self.terms.clear();
        self.spans.clear();
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        let span = entry.id().span();
        if self.spans.last() != Some(&span) {
            self.spans.push(span);
        }
        // Records of no account are in nobody's log: no look-up asks for them.
        let Some(account) = entry.account() else { return };
        let mut add = |term: Term<'_>| self.terms.push(term.hash(account));
        add(Term::Account);
        add(Term::EventName(entry.event_name()));
        add(Term::EventSource(entry.event_source()));
        entry.error_code().map(|_| Term::Failure).map(&mut add);
        entry.access_key_id().map(Term::Key).map(&mut add);
        entry.user_name().map(Term::User).map(&mut add);
        (!entry.read_only()).then_some(Term::Write).map(&mut add);
        for resource in entry.resources() {
            add(Term::ResourceName(&resource.name));
            resource.kind.as_deref().map(Term::ResourceType).map(&mut add);
        }
    }
}

/// The batches behind the last block.
#[derive(Debug)]
pub(super) struct Block {
    bounds: Bounds,
    bytes: usize,
    /// Each with how far behind the block's first record a batch with it begins.
    terms: Vec<(i64, u16)>,
    /// Each with the first record of a batch with it.
    spans: Vec<(i64, u64)>,
}

impl Block {
    fn behind(last: u64) -> Self {
        Self { bounds: Bounds::behind(last), bytes: 0, terms: Vec::new(), spans: Vec::new() }
    }

    /// Gathers what is in the batches behind the last block. What cannot be read there is passed over: it is
    /// verification's to say so, and no reason to keep no more records.
    pub(super) fn load(transaction: &Transaction<'_>, known: &mut Known) -> Result<Self, Error> {
        let closed: Option<u64> = transaction
            .prepare_cached("SELECT last FROM blocks ORDER BY first DESC LIMIT 1")?
            .query_row([], |row| row.get(0))
            .optional()?;
        let mut block = Self::behind(closed.unwrap_or(0));
        let mut statement = transaction.prepare_cached(
            "SELECT first, last, time_min, time_max, records FROM batches WHERE first >= ?1 ORDER BY first",
        )?;
        let mut rows = statement.query([block.bounds.first])?;
        let mut leads = Leads::default();
        while let Some(row) = rows.next()? {
            let bounds = Bounds {
                first: row.get(0)?,
                last: row.get(1)?,
                time_min: row.get(2)?,
                time_max: row.get(3)?,
            };
            let text = row.get_ref(4)?.as_str().unwrap_or_default();
            leads.clear();
            for entry in records(text).filter_map(|record| Entry::parse(record.as_bytes()).ok()) {
                known.note(entry.id());
                leads.add(&entry);
            }
            block.add(&bounds, text.len(), &mut leads);
        }
        Ok(block)
    }

    /// Adds the next batch.
    pub(super) fn add(&mut self, batch: &Bounds, bytes: usize, leads: &mut Leads) {
        self.bounds.join(batch);
        self.bytes += bytes;
        let sorted = |values: &mut Vec<i64>| {
            values.sort_unstable();
            values.dedup();
        };
        sorted(&mut leads.terms);
        sorted(&mut leads.spans);
        // `Sizes` has blocks end long before.
        let place = u16::try_from(batch.first - self.bounds.first).unwrap_or(u16::MAX);
        self.terms.extend(leads.terms.iter().map(|&term| (term, place)));
        self.spans.extend(leads.spans.iter().map(|&span| (span, batch.first)));
    }

    pub(super) fn records(&self) -> usize {
        self.bounds.count()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The batches in it with ids of this span.
    pub(super) fn with_span(&self, span: i64) -> impl Iterator<Item = u64> {
        self.spans.iter().filter(move |(of, _)| *of == span).map(|&(_, batch)| batch)
    }

    /// Writes the index of its batches and begins the next block.
    pub(super) fn close(&mut self, transaction: &Transaction<'_>) -> Result<(), Error> {
        let Bounds { first, last, time_min, time_max } = self.bounds;
        transaction
            .prepare_cached("INSERT INTO blocks (first, last, time_min, time_max) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![first, last, time_min, time_max])?;
        let mut insert =
            transaction.prepare_cached("INSERT INTO terms (block, term, places) VALUES (?1, ?2, ?3)")?;
        self.terms.sort_unstable();
        let mut places = Vec::new();
        for same in self.terms.chunk_by(|one, other| one.0 == other.0) {
            places.clear();
            places.extend(same.iter().flat_map(|(_, place)| place.to_be_bytes()));
            insert.execute(params![first, same.first().map(|(term, _)| term), places])?;
        }
        let mut insert = transaction.prepare_cached("INSERT INTO spans (span, batch) VALUES (?1, ?2)")?;
        self.spans.sort_unstable();
        for (span, batch) in &self.spans {
            insert.execute(params![span, batch])?;
        }
        *self = Self::behind(last);
        Ok(())
    }
}

/// The batches that a row of `terms` lists, in the block that begins with record `block`.
pub(super) fn batches(block: u64, places: &[u8]) -> impl DoubleEndedIterator<Item = u64> {
    let (places, _) = places.as_chunks::<2>();
    places.iter().map(move |&place| block + u64::from(u16::from_be_bytes(place)))
}
