#![doc = include_str!("../README.md")]
//!
//! The way in: [`Frame::read`] finds the operation, [`Frame::input`] decodes a [`Value`] tree and checks every constraint
//! of the model on it, [`typed`] makes the input type of the operation from it. The way out: [`success`] and [`failure`]
//! read the typed output in place. [`audit_json`] shows either for the audit record. [`Schema`] is the hub: types and
//! protocols meet only there.
#![warn(missing_docs)]

mod error;
mod frame;
mod json;
mod names;
mod params;
mod pattern;
mod percent;
mod query;
mod response;
mod rest;
mod route;
mod scalar;
mod schema;
mod sensitive;
mod shape;
mod timestamp;
mod validate;
mod value;
mod xml;

pub use error::{CommonError, Error, Members, members};
pub use frame::{BODY_BYTES_MAX, Frame, HttpRequest, typed};
pub use json::{HIDDEN, Secrets, audit_json, to_json};
pub use params::{PARAMS_MAX, SEGMENTS_MAX};
pub use pattern::Pattern;
pub use response::{Response, failure, success};
pub use schema::{
    Constraint, ConstraintError, ErrorSchema, Fault, Kind, List, Location, Map, Member, OperationSchema,
    Protocol, Range, Reason, Schema, ServiceSchema, TimestampFormat,
};
pub use sensitive::{Sensitive, SensitiveBlob};
pub use shape::Operation;
pub use validate::{ERRORS_MAX, validate};
pub use value::{EMPTY, Empty, Entries, Items, Key, Mismatch, Record, Ref, Shape, Structure, Value};
