//! A second opinion on decisions: the AWS policy language evaluated slowly and obviously, for tests only.
//!
//! ```text
//! bytes ── generate ──▶ World ──▶ decide      (this crate: strings, lists, one rule after the other)
//!                         └─────▶ engine      (rootward_policy: compiled, indexed, merged, allocation-free)
//! ```
//!
//! Guarantee sought: for every [`World`] both give the same outcome and name the same layer ([`disagreement`]).
//!
//! What is shared is the reader of documents (`rootward_policy::Policy`); everything after it is written anew from the public
//! documentation, which each rule names: *IAM* is the IAM User Guide, *Organizations* the Organizations User Guide, with
//! the title of the page. Where these are silent the rule is Rootward's own, and says so: what cannot be read or evaluated
//! never helps an Allow and never excuses a Deny.
//!
//! No product crate may depend on this one (`xtask check-deps`), and nothing here is meant to be fast.

mod condition;
mod context;
mod decide;
mod engine;
mod generate;
mod number;
mod principal;
mod shrink;
mod statement;
mod text;
mod world;

pub use decide::{Answer, decide};
pub use engine::{engine, merged, outlook};
pub use generate::generate;
pub use shrink::shrink;
pub use world::{Asked, Caller, CallerKind, World};

/// What both say, if they differ: the engine by the levels of organizations as they are, and merged.
pub fn disagreement(world: &World) -> Option<(Answer, Answer)> {
    let oracle = decide(world);
    [engine(world), merged(world)].into_iter().find(|engine| *engine != oracle).map(|engine| (oracle, engine))
}
