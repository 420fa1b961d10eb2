#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod account;
pub mod accounts;
pub mod hardware_tokens;
mod iam;
mod own;
pub mod root_guard;
pub mod root_only;
pub mod root_report;
pub mod root_user;
mod rootward;
mod shapes;
pub mod sign_ins;
mod sts;
mod tag_keys;
#[cfg(test)]
mod testing;

use rootward_pipeline::Handler;

/// Every operation that is implemented, service by service.
pub fn operations() -> impl Iterator<Item = &'static dyn Handler> {
    account::operations()
        .chain(iam::operations())
        .chain(rootward::operations())
        .chain(sts::OPERATIONS.iter().copied())
}
