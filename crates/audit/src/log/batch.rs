//! Batches: the rows of the log. Records one behind the other as one text, and what is known of them together.
//!
//! The text is a JSON array with a record on each line: `[`, the records joined by `,` and a line feed, `]`. A record is
//! one line of JSON (see [`Entry`]), so that splitting at line feeds is exact and needs no parser, and SQL's JSON
//! functions read the same text.

use crate::{Entry, Head};

/// Numbers and times (whole seconds) of the records of a batch or a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) time_min: i64,
    pub(crate) time_max: i64,
}

impl Bounds {
    /// Of the nothing that will stand behind record `last`.
    pub(super) fn behind(last: u64) -> Self {
        Self { first: last + 1, last, time_min: i64::MAX, time_max: i64::MIN }
    }

    pub(super) fn count(&self) -> usize {
        usize::try_from((self.last + 1).saturating_sub(self.first)).unwrap_or(usize::MAX)
    }

    /// With what follows immediately.
    pub(super) fn join(&mut self, next: &Self) {
        self.last = next.last;
        self.time_min = self.time_min.min(next.time_min);
        self.time_max = self.time_max.max(next.time_max);
    }
}

/// A batch that is being put together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) bounds: Bounds,
    text: String,
}

impl Batch {
    /// An empty one behind this head.
    pub(super) fn behind(head: &Head) -> Self {
        Self { bounds: Bounds::behind(head.seq), text: String::new() }
    }

    /// Begins the next one behind this head, in the same memory.
    pub(super) fn restart(&mut self, head: &Head) {
        self.bounds = Bounds::behind(head.seq);
        self.text.clear();
    }

    pub(super) fn push(&mut self, entry: &Entry) {
        self.text.push_str(if self.text.is_empty() { OPEN } else { BETWEEN });
        self.text.push_str(entry.json());
        let (seq, time) = (self.bounds.last + 1, entry.time().seconds());
        self.bounds.join(&Bounds { first: seq, last: seq, time_min: time, time_max: time });
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The text, complete.
    pub(super) fn close(&mut self) -> &str {
        self.text.push_str(CLOSE);
        &self.text
    }
}

/// The records of a batch's text, which is as [`Batch`] made it or says nothing.
pub(super) fn records(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    let inside = text.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(CLOSE)).unwrap_or_default();
    inside.split('\n').map(|line| line.strip_suffix(',').unwrap_or(line))
}

const OPEN: &str = "[";
const BETWEEN: &str = ",\n";
const CLOSE: &str = "]";
