//! Proof of the whole log: every batch's hash, every head's seal, and an anchor kept elsewhere.
//!
//! Reads the table in stretches, so that a log of any length neither fills memory nor holds up its writer. What it proves
//! is the batches: an index that was tampered with can hide a record from a look-up, not from here.

use std::fmt;

use rusqlite::Connection;

use super::batch::records;
use super::lock;
use super::read::{COLUMNS, Reader, Row, STRETCH_BYTES};
use crate::{Error, Head, Seal};

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Up to where the log is proven: its head when it is whole.
    pub proven: Head,
    /// The first thing that is wrong.
    pub fault: Option<Fault>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.fault.is_none()
    }
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The first record that cannot be trusted: the first of a batch, because one hash covers all of it.
    pub seq: u64,
    /// Why.
    pub cause: Break,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}: {}", self.seq, self.cause)
    }
}

/// Why a record cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Break {
    /// Its batch's content, its place or a predecessor is not what was hashed.
    Changed,
    /// It is not there, but records behind it are.
    Missing,
    /// The log as it was anchored elsewhere had another record here.
    Rewritten,
    /// It is not there, though the anchor says it was: the end was cut off.
    Truncated,
    /// It cannot be read.
    Unreadable(String),
    /// Its head is not sealed with our key.
    Unsealed,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "it was changed, moved or put in",
            Self::Missing => "it was removed",
            Self::Rewritten => "it is not the one that the state store vouches for",
            Self::Truncated => "it and all behind it were cut off",
            Self::Unreadable(why) => return write!(f, "it cannot be read: {why}"),
            Self::Unsealed => "it is not sealed with this key",
        })
    }
}

impl Reader {
    /// Proves the log from its first record to its last, and that it still holds what `anchor` says it held.
    ///
    /// The anchor must be a head that was on disk: one that came with durable records (see
    /// [`Writer`](crate::Writer)); a head of plain records may lie ahead of what a power cut left. Without an anchor, a log
    /// that was cut off at the end of a batch looks whole. Takes about a second for a million records.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Shared`] when the log cannot be read now; damage is a fault in the report.
    pub fn verify(&self, anchor: Option<&Head>) -> Result<Report, Error> {
        let mut proof = Proof { seal: &self.seal, anchor, proven: Head::genesis(), batch: i64::MIN };
        let fault = proof.run(|walked| walked.stretch(&lock(&self.connection)))?;
        Ok(Report { proven: proof.proven, fault })
    }
}

struct Proof<'a> {
    seal: &'a Seal,
    anchor: Option<&'a Head>,
    proven: Head,
    /// The key of the last batch that was looked at. Not what is proven: nothing may hide between two batches.
    batch: i64,
}

/// How the look at one stretch ended.
enum Stretch {
    End,
    Fault(Fault),
    More,
}

impl Proof<'_> {
    fn run(
        &mut self,
        mut stretch: impl FnMut(&mut Self) -> Result<Stretch, Error>,
    ) -> Result<Option<Fault>, Error> {
        if self.anchor.is_some_and(|anchor| anchor.seq == 0 && *anchor != self.proven) {
            return Ok(Some(Fault { seq: 0, cause: Break::Rewritten }));
        }
        loop {
            match stretch(self) {
                Ok(Stretch::More) => {}
                Ok(Stretch::End) => return Ok(None),
                Ok(Stretch::Fault(fault)) => return Ok(Some(fault)),
                Err(Error::Damaged(why)) => return Ok(Some(self.fault_behind(Break::Unreadable(why)))),
                Err(error) => return Err(error),
            }
        }
    }

    /// Walks the batches behind the last one, up to a bound.
    fn stretch(&mut self, connection: &Connection) -> Result<Stretch, Error> {
        let mut statement = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM batches WHERE first > ?1 ORDER BY first"))?;
        let mut rows = statement.query([self.batch])?;
        let mut bytes = 0;
        while bytes < STRETCH_BYTES {
            let Some(row) = rows.next()? else {
                return Ok(self.end().map_or(Stretch::End, Stretch::Fault));
            };
            self.batch = row.get(0)?;
            let row = Row::of(row)?;
            if let Some(cause) = self.batch(&row) {
                return Ok(Stretch::Fault(self.fault_behind(cause)));
            }
            bytes += row.records.len();
        }
        Ok(Stretch::More)
    }

    /// Proves the next batch, or says why not.
    fn batch(&mut self, row: &Row<'_>) -> Option<Break> {
        let bounds = &row.bounds;
        if bounds.first > self.proven.seq + 1 {
            return Some(Break::Missing);
        }
        let next = self.proven.next(bounds, row.records);
        // The last two say what a writer of ours never did, but who has the key could.
        if next.hash != row.hash
            || bounds.first <= self.proven.seq
            || records(row.records).count() != bounds.count()
        {
            return Some(Break::Changed);
        }
        if !self.seal.holds(&next, row.mac) {
            return Some(Break::Unsealed);
        }
        let within = |anchor: &&Head| (bounds.first..=bounds.last).contains(&anchor.seq);
        if self.anchor.filter(within).is_some_and(|anchor| *anchor != next) {
            return Some(Break::Rewritten);
        }
        self.proven = next;
        None
    }

    fn end(&self) -> Option<Fault> {
        let ahead = self.anchor.is_some_and(|anchor| anchor.seq > self.proven.seq);
        ahead.then(|| self.fault_behind(Break::Truncated))
    }

    fn fault_behind(&self, cause: Break) -> Fault {
        Fault { seq: self.proven.seq + 1, cause }
    }
}
