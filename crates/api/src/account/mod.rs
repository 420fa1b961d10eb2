//! Account Management.

mod generated;

pub use generated::*;
