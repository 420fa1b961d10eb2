//! Identity and Access Management.

mod generated;

pub use generated::*;
