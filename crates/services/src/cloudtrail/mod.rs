//! CloudTrail: what was recorded in the caller's account. There is one audit log and nothing to configure, so that of the
//! service only the look-up is here.
//!
//! Source: CloudTrail API Reference; Service Authorization Reference, "AWS CloudTrail".

mod events;
mod failures;
mod token;

use rootward_pipeline::Handler;

/// Every operation that is implemented.
pub(crate) static OPERATIONS: &[&dyn Handler] = events::OPERATIONS;
