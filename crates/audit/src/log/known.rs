//! Which durable entries the log has already: an entry that comes again after a crash or a failed append is passed over.
//!
//! Nearly every entry is new, and must be found to be so for next to nothing. Ids begin with their time, so the ids
//! of the newest records are kept in memory, and below them a *horizon*: an id beyond it that is not among those kept
//! is in no record. Only the others are looked for in the log, all of a batch together, by their text.

use std::collections::{BTreeSet, HashSet};

use rusqlite::{OptionalExtension, Transaction};

use super::Lane;
use super::batch::records;
use super::block::Block;
use crate::{Entry, Error, EventId};

/// INVARIANT: every id in the log whose span is beyond `horizon` is in `newest`. There may be others in it: those of
/// appends that failed.
#[derive(Debug)]
pub(super) struct Known {
    horizon: i64,
    /// Ascending.
    newest: Vec<EventId>,
}

impl Known {
    /// For a log whose blocks hold no ids beyond this span; [`Block::load`] notes those of the batches behind them.
    pub(super) fn beyond(horizon: i64) -> Self {
        Self { horizon, newest: Vec::new() }
    }

    /// Takes note of an id that is in the log or will be; whether it certainly was not yet.
    pub(super) fn note(&mut self, id: EventId) -> bool {
        // Mostly the newest comes last.
        let place = match self.newest.last() {
            Some(last) if *last >= id => self.newest.binary_search(&id),
            _ => Err(self.newest.len()),
        };
        let Err(place) = place else { return false };
        if id.span() <= self.horizon {
            return false;
        }
        self.newest.insert(place, id);
        if self.newest.len() > 2 * IDS_KEPT {
            let forgotten = self.newest.drain(..IDS_KEPT).next_back();
            self.horizon = forgotten.map_or(self.horizon, EventId::span);
        }
        true
    }

    /// The places of the durable entries that the log, or this batch before them, has already.
    pub(super) fn among(
        &mut self,
        transaction: &Transaction<'_>,
        block: &Block,
        entries: &[(Lane, Entry)],
    ) -> Result<HashSet<usize>, Error> {
        let mut suspects = Vec::new();
        for (place, (lane, entry)) in entries.iter().enumerate() {
            // Plain ones are noted too: whatever is in the log is known to be there.
            if !self.note(entry.id()) && *lane == Lane::Durable {
                suspects.push((place, entry));
            }
        }
        if suspects.is_empty() {
            return Ok(HashSet::new());
        }
        let held = held(transaction, block, &suspects)?;
        let before = |place: usize, entry: &Entry| {
            let mut earlier = entries.iter().take(place);
            earlier.any(|(_, other)| other.id() == entry.id() && other.json() == entry.json())
        };
        let known = suspects
            .into_iter()
            .filter(|(place, entry)| held.contains(entry.json()) || before(*place, entry));
        Ok(known.map(|(place, _)| place).collect())
    }
}

/// The texts of those entries that are in the log; each batch where some may be is read once.
fn held<'e>(
    transaction: &Transaction<'_>,
    block: &Block,
    entries: &[(usize, &'e Entry)],
) -> Result<HashSet<&'e str>, Error> {
    let texts: HashSet<&str> = entries.iter().map(|(_, entry)| entry.json()).collect();
    let spans: BTreeSet<i64> = entries.iter().map(|(_, entry)| entry.id().span()).collect();
    let mut batches = BTreeSet::new();
    let mut by_span = transaction.prepare_cached("SELECT batch FROM spans WHERE span = ?1")?;
    for span in spans {
        batches.extend(block.with_span(span));
        for batch in by_span.query_map([span], |row| row.get::<_, u64>(0))? {
            batches.insert(batch?);
        }
    }
    let mut held = HashSet::new();
    let mut read = transaction.prepare_cached("SELECT records FROM batches WHERE first = ?1")?;
    for batch in batches {
        let found = |row: &rusqlite::Row<'_>| {
            let lines = records(row.get_ref(0)?.as_str()?);
            Ok(lines.filter_map(|line| texts.get(line).copied()).collect::<Vec<_>>())
        };
        held.extend(read.query_row([batch], found).optional()?.into_iter().flatten());
    }
    Ok(held)
}

/// Half as many ids as are kept at most: some seconds of a busy server, in 512 KiB.
const IDS_KEPT: usize = 16_384;
