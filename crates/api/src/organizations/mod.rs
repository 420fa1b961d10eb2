//! Organizations.

mod generated;

pub use generated::*;
