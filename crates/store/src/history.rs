//! The newest part of the feed, in memory, for whoever begins to watch a little late.

use std::collections::VecDeque;

use crate::{Change, HISTORY_BYTES_MAX, HISTORY_REVISIONS, Revision, StoreError, Write};

/// Changes up to the newest revision, without a gap.
#[derive(Default)]
pub(crate) struct History {
    newest: Revision,
    changes: VecDeque<Change>,
    bytes: usize,
}

impl History {
    /// Of a store that is at `newest`: what came before is not known.
    pub(crate) fn after(newest: Revision) -> Self {
        Self { newest, ..Self::default() }
    }

    pub(crate) fn newest(&self) -> Revision {
        self.newest
    }

    /// Adds the changes that follow the newest revision, and drops the oldest that are too many.
    pub(crate) fn extend(&mut self, changes: Vec<Change>) {
        self.newest = changes.last().map_or(self.newest, |change| change.revision);
        self.bytes += changes.iter().map(bytes_of).sum::<usize>();
        self.changes.extend(changes);
        while self.changes.len() as u64 > HISTORY_REVISIONS || self.bytes > HISTORY_BYTES_MAX {
            let Some(oldest) = self.changes.pop_front() else { return };
            self.bytes -= bytes_of(&oldest);
        }
    }

    /// The changes after `from`, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Ahead`], [`StoreError::Compacted`].
    pub(crate) fn since(&mut self, from: Revision) -> Result<&[Change], StoreError> {
        let newest = self.newest;
        let missed = newest.checked_sub(from).ok_or(StoreError::Ahead { from, newest })?;
        let held = self.changes.len();
        let skip = usize::try_from(missed).ok().and_then(|missed| held.checked_sub(missed));
        let skip = skip.ok_or(StoreError::Compacted { oldest: newest - held as u64 })?;
        Ok(self.changes.make_contiguous().get(skip..).unwrap_or_default())
    }
}

fn bytes_of(change: &Change) -> usize {
    change.writes.iter().map(Write::bytes).sum()
}
