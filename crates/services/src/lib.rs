//! The services: every operation that is implemented, as a declaration beside its function, and opening accounts.
//!
//! Functions are synchronous and see an [`OpContext`](rootward_pipeline::OpContext), a transaction and typed input;
//! they know neither HTTP nor clocks. One service never uses another.
#![warn(missing_docs)]

pub mod accounts;
mod iam;
mod sts;
#[cfg(test)]
mod testing;

use rootward_pipeline::Handler;

/// Every operation that is implemented, service by service.
pub fn operations() -> impl Iterator<Item = &'static dyn Handler> {
    iam::operations().chain(sts::OPERATIONS.iter().copied())
}
