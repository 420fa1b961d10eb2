//! The audit log of a node: how far it reaches, and the host commands that read and prove it.
//!
//! Before the log is looked at, records on their way reach it: whoever was answered finds their call.
//!
//! **The anchor.** The state notes how far the log reached when the node last stopped, so that no end of the log can be cut off
//! unseen. Proving the log holds it against that note, also where no server has the folder open: a node would refuse to start on
//! a log that is not whole.

use std::sync::Arc;

use rootward_audit::{Filter, Head, Log, Reader, Stored};
use rootward_names::AccountId;
use rootward_pipeline::Draw;
use rootward_state::Db;
use rootward_store::Embedded;
use rootward_store::vault::{KeyFile, Vault};
use serde_json::{Value, json};

use super::folder::{exists, has_state};
use super::{FLUSH_TIME_MAX, Node, StartError, seal};
use crate::Location;
use crate::operator::OperatorError;
use crate::source::Source;

impl Node {
    /// The newest records, oldest first.
    pub(crate) fn tail_trail(
        &self,
        lines: usize,
        account: Option<AccountId>,
    ) -> Result<Value, OperatorError> {
        self.catch_up();
        let filter = Filter { account, ..Filter::default() };
        Ok(json!({ "records": shown(&self.log.reader().tail(lines, &filter).map_err(failed)?)? }))
    }

    /// The records behind number `after`, in order, with the number of the last one.
    pub(crate) fn read_trail(&self, after: u64, count: usize) -> Result<Value, OperatorError> {
        let stored = self.log.reader().after(after, count).map_err(failed)?;
        let last = stored.last().map_or(after, |stored| stored.seq);
        Ok(json!({ "records": shown(&stored)?, "last": last }))
    }

    /// How many records there are, those on their way included.
    pub(crate) fn trail_length(&self) -> Value {
        self.catch_up();
        json!({ "records": self.log.head().seq })
    }

    /// Proves the whole log, also that it reaches as far as the state says.
    pub(crate) fn verify_trail(&self) -> Result<Value, OperatorError> {
        self.catch_up();
        let anchor = self.db.snapshot().trail_head().and_then(Head::from_bytes);
        verify(self.log.reader(), anchor)
    }

    /// Lets records on their way reach the log before somebody looks at it.
    pub(super) fn catch_up(&self) {
        self.mover.catch_up(FLUSH_TIME_MAX);
        if let Err(error) = self.writer.flush(FLUSH_TIME_MAX) {
            tracing::warn!(%error, "the newest records are not in the audit log yet");
        }
    }

    /// Writes down how far the log reaches, all of it on disk: until the next start no end of it can be cut off unseen.
    pub(super) fn anchor_trail(&self) {
        let head = self.log.head().to_bytes();
        if self.db.snapshot().trail_head() == Some(head.as_slice()) {
            return;
        }
        let mut txn = self.db.begin();
        txn.put_trail_head(&head);
        if let Err(error) = self.db.commit_wait(txn) {
            tracing::warn!(%error, "how far the audit log reaches was not written down");
        }
    }
}

/// Proves the log of a folder that no server has open, in place: no node starts on a log that is not whole.
pub(crate) fn verify_folder(location: &Location) -> Result<Value, OperatorError> {
    let vault = Vault::new(&KeyFile::read(location.key_file()).map_err(StartError::from)?);
    let (seal, anchor) = (seal(&vault), anchor(location, &vault)?);
    // A log that is gone is one of which every record was cut off.
    if !exists(location, &location.trail())? {
        let nothing = Log::in_memory(seal).map_err(StartError::from)?;
        return verify(nothing.reader(), anchor);
    }
    verify(&Reader::open(&location.trail(), seal).map_err(StartError::from)?, anchor)
}

/// How far the log is known to have reached. Does not make a state where there is none.
fn anchor(location: &Location, vault: &Vault) -> Result<Option<Head>, StartError> {
    if !has_state(location)? {
        return Ok(None);
    }
    let store = Arc::new(Embedded::open(&location.state(), vault.key_id(), &mut Draw(&Source::Machine))?);
    Ok(Db::open(store)?.db.snapshot().trail_head().and_then(Head::from_bytes))
}

fn verify(log: &Reader, anchor: Option<Head>) -> Result<Value, OperatorError> {
    let report = log.verify(anchor.as_ref()).map_err(|error| OperatorError::Failed(error.to_string()))?;
    let fault =
        report.fault.as_ref().map(|fault| json!({ "record": fault.seq, "cause": fault.cause.to_string() }));
    Ok(json!({ "whole": report.is_whole(), "records": report.proven.seq, "fault": fault }))
}

fn failed(error: rootward_audit::Error) -> OperatorError {
    OperatorError::Failed(error.to_string())
}

fn shown(stored: &[Stored]) -> Result<Vec<Value>, OperatorError> {
    let records = stored.iter().map(|stored| serde_json::from_str(stored.entry.json()));
    records.collect::<Result<_, _>>().map_err(|error| {
        OperatorError::Failed(format!("the audit log holds a record that is no JSON: {error}"))
    })
}
