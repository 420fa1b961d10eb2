//! Proof of the whole log: every record's hash, every head's seal, and an anchor kept elsewhere.
//!
//! Reads the table in stretches, so that a log of any length neither fills memory nor holds up its writer. What it proves
//! is the table: an index that was tampered with can hide a record from a look-up, not from here.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::{Connection, params};

use super::lock;
use super::read::{COLUMNS, Reader, Stored, stored};
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
    /// The first record that cannot be trusted.
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
    /// Its content, its place or a predecessor is not what was hashed.
    Changed,
    /// It is not there, but records behind it are.
    Missing,
    /// The log as it was anchored elsewhere had another record here.
    Rewritten,
    /// It is not there, though a head says it was: the end was cut off.
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
    /// that was cut off at the end of a batch looks whole. Takes about 3 s for a million records.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Shared`] when the log cannot be read now; damage is a fault in the report.
    pub fn verify(&self, anchor: Option<&Head>) -> Result<Report, Error> {
        let mut proof = Proof { seal: &self.seal, anchor, proven: Head::genesis(), sealed: 0 };
        let fault = proof.run(|walked| walked.stretch(&mut lock(&self.connection)))?;
        Ok(Report { proven: proof.proven, fault })
    }
}

struct Proof<'a> {
    seal: &'a Seal,
    anchor: Option<&'a Head>,
    proven: Head,
    /// The last record with a head that holds.
    sealed: u64,
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
        if let Some(fault) = self.anchor_fault() {
            return Ok(Some(fault));
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

    /// Walks the records behind what is proven, up to a bound; one snapshot, so that records and heads belong together.
    fn stretch(&mut self, connection: &mut Connection) -> Result<Stretch, Error> {
        let snapshot = connection.transaction()?;
        let heads = heads(&snapshot, self.proven.seq)?;
        let mut statement = snapshot.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM events WHERE seq > ?1 ORDER BY seq LIMIT {STRETCH_RECORDS}"
        ))?;
        let mut rows = statement.query([self.proven.seq])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            if let Some(fault) = self.record(&stored(row)?, &heads) {
                return Ok(Stretch::Fault(fault));
            }
        }
        if count == STRETCH_RECORDS {
            return Ok(Stretch::More);
        }
        Ok(self.end(&heads).map_or(Stretch::End, Stretch::Fault))
    }

    fn record(&mut self, row: &Stored, heads: &BTreeMap<u64, Sealed>) -> Option<Fault> {
        if row.seq != self.proven.seq + 1 {
            return Some(self.fault_behind(Break::Missing));
        }
        let next = self.proven.next(&row.entry);
        if next.hash != row.hash {
            return Some(self.fault_behind(Break::Changed));
        }
        if let Some(sealed) = heads.get(&next.seq) {
            if sealed.hash != next.hash || !self.seal.holds(&next, &sealed.mac) {
                return Some(Fault { seq: self.sealed + 1, cause: Break::Unsealed });
            }
            self.sealed = next.seq;
        }
        self.proven = next;
        self.anchor_fault()
    }

    fn anchor_fault(&self) -> Option<Fault> {
        let anchor = self.anchor.filter(|anchor| anchor.seq == self.proven.seq)?;
        (*anchor != self.proven).then_some(Fault { seq: anchor.seq, cause: Break::Rewritten })
    }

    fn end(&self, heads: &BTreeMap<u64, Sealed>) -> Option<Fault> {
        let last = self.proven.seq;
        let ahead =
            heads.range(last + 1..).next().is_some() || self.anchor.is_some_and(|anchor| anchor.seq > last);
        if ahead {
            return Some(self.fault_behind(Break::Truncated));
        }
        (self.sealed != last).then_some(Fault { seq: self.sealed + 1, cause: Break::Unsealed })
    }

    fn fault_behind(&self, cause: Break) -> Fault {
        Fault { seq: self.proven.seq + 1, cause }
    }
}

/// A head row as it stands.
struct Sealed {
    hash: [u8; 32],
    mac: Vec<u8>,
}

/// The heads behind record `seq`, as far as a stretch can need them: it ends before the last of them, or has seen all.
fn heads(snapshot: &Connection, seq: u64) -> Result<BTreeMap<u64, Sealed>, Error> {
    let mut statement =
        snapshot.prepare_cached("SELECT seq, hash, mac FROM heads WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let rows = statement.query_map(params![seq, STRETCH_RECORDS + 1], |row| {
        Ok((row.get(0)?, Sealed { hash: row.get(1)?, mac: row.get(2)? }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Records read at a time.
const STRETCH_RECORDS: usize = 5_000;
