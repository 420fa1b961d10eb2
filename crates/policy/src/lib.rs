#![doc = include_str!("../README.md")]
//!
//! ```text
//! document (JSON text) → Policy (parsed, with places) → Program (compiled, shared) → Decision (with its reason)
//! ```
//!
//! [`decide`] allocates nothing on the common path and takes no lock.
//!
//! Source: AWS IAM User Guide and Organizations User Guide; where those are silent, the choice is a comment at the place.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod check;
mod condition;
mod context;
mod decide;
mod decision;
mod diagnostic;
mod edit;
mod explain;
mod hash;
mod index;
mod json;
mod merge;
mod operator;
mod outlook;
mod pattern;
mod policy;
mod principal;
mod program;
mod read;
mod remedy;
mod span;
mod value;

pub use context::{Context, Many, Value};
pub use decide::{Attached, Policies, Request, ResourceKind, ResourcePolicy, decide};
pub use decision::{Cause, Decision, Layer, Outcome, Owner, Source};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use explain::{
    ConditionTrace, Explanation, LayerTrace, Level, StatementTrace, Verdict, explain, explain_knowing,
};
pub use json::{DEPTH_MAX, DOCUMENT_BYTES_MAX};
pub use merge::{merged_rcps, merged_scps};
pub use outlook::Outlook;
pub use policy::{
    ConditionEntry, Effect, Listed, ListedPrincipal, Policy, PolicyKind, PrincipalType, Principals,
    Statement, Version,
};
pub use principal::{Principal, PrincipalKind};
pub use program::Program;
pub use remedy::Change;
pub use span::{Place, Position, Span, Spanned};
pub use value::ValueType;
