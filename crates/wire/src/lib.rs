//! The AWS wire protocols, driven by generated shape descriptors: this crate knows protocols and no service.
//!
//! A request goes from bytes to a validated [`Value`] and from there to the typed input of an operation; an output goes
//! straight from its typed structure to bytes. See [`schema`](Schema) for the descriptors.
#![warn(missing_docs)]

mod pattern;
mod schema;
mod sensitive;
mod shape;
mod value;

pub use pattern::Pattern;
pub use schema::{
    ErrorSchema, Fault, Kind, List, Location, Map, Member, OperationSchema, Protocol, Range, Schema,
    ServiceSchema, TimestampFormat,
};
pub use sensitive::{Sensitive, SensitiveBlob};
pub use shape::Operation;
pub use value::{EMPTY, Empty, Entries, Items, Key, Mismatch, Record, Ref, Shape, Structure, Value};
