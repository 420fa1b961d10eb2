#![doc = include_str!("../README.md")]
//!
//! Shape: [`Record`] (borrowed facts of one call) → [`Entry`] (its JSON and the columns it is found by) →
//! [`Writer`] (a thread that gathers entries) → [`Log`] (SQLite, append-only) → [`Reader`] (tail, look-up, verify).
//!
//! Two lanes lead into the log. The *durable* lane carries records that committed together with a write and still
//! wait in the store's outbox: they are on disk before the caller is told to delete them there, and appending
//! one twice leaves one. The *plain* lane carries the records of reads and refusals, a fraction of a second behind the
//! call; a power cut may take those of the last moments, a killed process only those still in memory.
#![warn(missing_docs)]

mod chain;
mod encode;
mod entry;
mod error;
mod event_id;
mod log;
mod record;
mod writer;

pub use chain::{Head, Seal};
pub use encode::{EVENT_BYTES_MAX, TEXT_BYTES_MAX};
pub use entry::{Entry, InvalidRecord, Referenced};
pub use error::Error;
pub use event_id::EventId;
pub use log::{
    Appended, Attribute, Break, EVENTS_PER_PAGE_MAX, Fault, Filter, Lane, Log, Page, Query, Reader, Report,
    Stored,
};
pub use record::{
    Call, Category, EventType, Failure, Issuer, IssuerKind, Record, Resource, Session, TlsDetails,
    UserIdentity,
};
pub use writer::{Backlogged, Limits, OnAppended, Stats, Unwritten, Writer};
