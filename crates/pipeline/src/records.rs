//! The audit log as operations see it: a place to look up what was recorded.

use rootward_audit::{Page, Query};

/// Looks up in the audit log.
pub trait Records: Send + Sync {
    /// At most `count` records, newest first, from those before record `before` on; see
    /// [`Reader::lookup`](rootward_audit::Reader::lookup). Blocks, for some tens of milliseconds at most.
    ///
    /// # Errors
    /// [`Unread`].
    fn look_up(&self, query: &Query<'_>, count: usize, before: Option<u64>) -> Result<Page, Unread>;
}

/// Why nothing was looked up.
#[derive(Debug)]
pub enum Unread {
    /// Too many look-ups are under way.
    Busy,
    /// The log cannot be read.
    Failed(rootward_audit::Error),
}
