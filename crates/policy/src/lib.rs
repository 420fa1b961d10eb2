#![doc = include_str!("../README.md")]
//!
//! ```text
//! document (JSON text) → Policy (parsed, with places) → Program (compiled, shared) → Decision (with its reason)
//! ```
//!
//! ```
//! use rootward_policy::{Attached, Context, Policies, Principal, PrincipalKind, Program, Request, Source, decide};
//!
//! let program = Program::of_stored(r#"{"Version": "2012-10-17", "Statement": [
//!     {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::docs/${aws:username}/*"}]}"#);
//! let account = Some("111111111111".parse().unwrap());
//! let user = PrincipalKind::User { arn: "arn:aws:iam::111111111111:user/ann", id: "AIDAEXAMPLE" };
//! let principal = Principal { kind: user, account, management_account: false };
//! let mut context = Context::new();
//! context.principal(&principal).bool("aws:SecureTransport", true);
//! let resource = "arn:aws:s3:::docs/ann/plan.txt";
//! let request = Request { principal: &principal, action: "s3:GetObject", resource, resource_account: None, context: &context };
//! let identity = [Attached { program: &program, source: Source::Unnamed }];
//! assert!(decide(&request, &Policies { identity: &identity, ..Policies::default() }).is_allowed());
//! ```
//!
//! [`decide`] allocates nothing on the common path and takes no lock.
//!
//! Source: AWS IAM User Guide and Organizations User Guide; where those are silent, the choice is a comment at the place.
#![warn(missing_docs)]

mod check;
mod condition;
mod context;
mod decide;
mod decision;
mod diagnostic;
mod edit;
mod explain;
mod index;
mod json;
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
pub use explain::{ConditionTrace, Explanation, LayerTrace, StatementTrace, Verdict, explain};
pub use json::{DEPTH_MAX, DOCUMENT_BYTES_MAX};
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
