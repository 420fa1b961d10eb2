#![doc = include_str!("../README.md")]
//!
//! ```text
//! Store (rows of bytes) ──load, feed──▶ World (immutable) ──snapshot──▶ Txn ──commit──▶ Store
//! ```
//!
//! - [`entities`] are the rows: one aggregate a row (a user carries its inline policies, tags and memberships), so that
//!   one guard covers everything an operation on it depends on.
//! - [`alerts`] are rows of the whole server: whom it tells what happened.
//! - [`World`] is all rows plus the indexes derived from them, in persistent maps: a snapshot is one pointer, and
//!   the next one shares all that did not change. Reading takes no lock and does no I/O.
//! - [`Txn`] reads one snapshot, notes what it read, collects writes; [`Db::commit`] hands them to the store, which
//!   refuses them when a row read has changed since. The caller then runs again on a fresh snapshot.
//!
//! INVARIANT: the World changes only by the store's feed, in its order, so it never shows what is not durable.
#![warn(missing_docs)]

pub mod alerts;
mod codec;
mod db;
pub mod entities;
mod key;
mod organizations;
mod policies;
mod table;
mod txn;
mod world;

pub use codec::CorruptRow;
pub use db::{CommitError, Db, OpenError, Opened, OutboxRow, Turn};
pub use key::{NameKey, OutboxId, RowKey, UnknownKey};
pub use organizations::{BindingPolicy, Level, Merged, OrganizationState, Place, Recipient, Target};
pub use policies::AnyPolicy;
pub use table::{Entry, Table};
pub use txn::{ATTEMPTS_MAX, Stored, Txn};
pub use world::{AccountState, Tabled, World};
