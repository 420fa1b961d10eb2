//! Events of a service's own that go into the outbox with what a call writes, beside the record of the call itself.

use rootward_audit::{Entry, EventType, Record};
use rootward_state::Txn;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// Puts the event into the outbox.
pub(crate) fn put(txn: &mut Txn, record: Record<'_>) {
    let entry = Entry::new(&Record { event_type: EventType::AwsServiceEvent, ..record });
    txn.put_outbox(entry.id().to_bytes(), entry.json().as_bytes());
}

/// What an event tells, as records take it. Values made of texts alone always have a text.
pub(crate) fn told(value: &Value) -> Option<Box<RawValue>> {
    to_raw_value(value).ok()
}
