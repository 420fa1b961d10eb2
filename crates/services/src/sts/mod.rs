//! The Security Token Service: who am I, and temporary credentials.
//!
//! One file an operation. What they share: [`failures`] (every text), [`session`] (policies, tags and credentials),
//! [`second_factor`] (a code shown with the request).
//!
//! Source: STS API Reference; IAM User Guide, "Temporary security credentials in IAM".

mod assume_role;
mod assume_root;
mod failures;
mod federation_token;
mod identity;
mod second_factor;
mod session;
mod session_token;

use rootward_pipeline::Handler;

/// Every operation that is implemented.
pub(crate) static OPERATIONS: &[&dyn Handler] = &[
    &assume_role::ASSUME_ROLE,
    &assume_root::ASSUME_ROOT,
    &identity::GET_ACCESS_KEY_INFO,
    &identity::GET_CALLER_IDENTITY,
    &federation_token::GET_FEDERATION_TOKEN,
    &session_token::GET_SESSION_TOKEN,
];
