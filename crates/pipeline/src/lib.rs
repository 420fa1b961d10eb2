//! The one path of every request.
//!
//! ```text
//! bytes ─▶ frame ─▶ authenticate ─▶ decode ─▶ authorize ─▶ run ─▶ commit ─▶ record ─▶ encode ─▶ bytes
//! ```
//!
//! Each step needs what only the step before it makes. When two errors apply, this order decides which one the
//! client sees. A write and its audit record commit together; reads and refusals are recorded on their way out.
#![warn(missing_docs)]

mod context;
mod declaration;
mod failure;
mod handler;
mod path;
mod trail;
mod usage;

pub use context::OpContext;
pub use declaration::{Declaration, Effect, Key, Rule, Run, Scope, Target, always};
pub use failure::Failure;
pub use handler::{Allowed, Call, Handler, Output};
pub use path::{Answered, OpenAccount, Origin, Pipeline, Setup, Source};
pub use trail::{TlsFacts, Trail};
pub use usage::UsageTracker;
