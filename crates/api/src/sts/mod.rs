//! Security Token Service.

mod generated;

pub use generated::*;
