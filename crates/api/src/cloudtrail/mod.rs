//! CloudTrail.

mod generated;

pub use generated::*;
