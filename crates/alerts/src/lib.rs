#![doc = include_str!("../README.md")]
//!
//! ```text
//! Log (records, in order) ──sift──▶ classify ──▶ Alert ──▶ CloudEvent ──▶ webhook
//!      ▲                                           └─────▶ mail
//!      └── cursor (a row of the state), moved when the target has taken it
//! ```
//!
//! - [`classify`] is pure: one record in, an [`Alert`] or nothing out. [`may_matter`] is its cheap half, by the text alone.
//! - [`cloud_event`] writes an alert as CloudEvents 1.0.
//! - [`NewTarget::make`] checks and seals what an operator asks for; [`send_test`] tries a target.
//! - [`MailServer`] sends single letters: the node's own mail goes by the same library as alerts do.
//! - [`Alerts`] runs one thread a target, each with its own cursor.
#![warn(missing_docs)]

mod alert;
mod classify;
mod deliver;
mod event;
mod mail;
mod route;
mod smtp;
mod target;
mod webhook;

pub use alert::{Alert, Kind};
pub use classify::{classify, may_matter};
pub use deliver::{Alerts, Bell, Delivery, Setup, Source, Totals};
pub use event::{CONTENT_TYPE, cloud_event};
pub use route::{Failure, send_test, shown};
pub use smtp::{InvalidServer, Letter, MailServer, Unsent};
pub use target::{InvalidTarget, Made, NewRoute, NewTarget};
