//! Sign-In.

mod generated;

pub use generated::*;
