#![doc = include_str!("../README.md")]
//!
//! ```text
//! bytes ─▶ frame ─▶ authenticate ─▶ decode ─▶ authorize ─▶ run ─▶ commit ─▶ record ─▶ encode ─▶ bytes
//! ```
#![warn(missing_docs)]

mod browser;
mod context;
mod declaration;
mod failure;
mod handler;
mod host;
mod mail;
mod path;
mod records;
mod source;
mod trail;
mod unsigned;
mod usage;

pub use browser::is_marked_by_browser;
pub use context::{OpContext, Tools};
pub use declaration::{Declaration, Effect, Key, Rule, Run, Scope, Target, always};
pub use failure::Failure;
pub use handler::{Allowed, Call, Handler, Output};
pub use host::host;
pub use mail::{Mail, Mailer, NOTICE_SECONDS, NoMailer};
pub use path::{Answered, Inside, OpenAccount, Origin, Pipeline, Setup};
pub use records::{Records, Unread};
pub use rootward_auth::authz::Callers;
pub use source::{Draw, Source};
pub use trail::{Names, TlsFacts, Trail};
pub use unsigned::{Knock, TurnedAway, Unsigned};
pub use usage::UsageTracker;
