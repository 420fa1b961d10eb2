#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod account;
pub mod accounts;
mod central_root;
mod cloudtrail;
mod control_policies;
mod denied;
pub mod guard_policy;
pub mod hardware_tokens;
mod iam;
mod organizations;
mod own;
mod root_email;
pub mod root_guard;
pub mod root_only;
pub mod root_report;
pub mod root_user;
mod rootward;
mod service_events;
pub mod session_end;
mod shapes;
mod signin;
mod sts;
mod tag_keys;
#[cfg(test)]
mod testing;

pub use account::is_known_region;
pub use central_root::root_trust;
pub use organizations::{guardrail, standing_remark};
use rootward_pipeline::Handler;

/// Every operation that is implemented, service by service.
pub fn operations() -> impl Iterator<Item = &'static dyn Handler> {
    account::operations()
        .chain(cloudtrail::OPERATIONS.iter().copied())
        .chain(iam::operations())
        .chain(organizations::operations())
        .chain(rootward::operations())
        .chain(signin::OPERATIONS.iter().copied())
        .chain(sts::OPERATIONS.iter().copied())
}
