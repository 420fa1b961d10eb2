//! The Security Token Service: who am I, and temporary credentials.
//!
//! Source: STS API Reference; IAM User Guide, "Temporary security credentials in IAM".

mod assume_role;
mod failures;
mod identity;
mod session_token;

use rootward_pipeline::Handler;

/// Every operation that is implemented.
pub(crate) static OPERATIONS: &[&dyn Handler] = &[
    &assume_role::ASSUME_ROLE,
    &identity::GET_ACCESS_KEY_INFO,
    &identity::GET_CALLER_IDENTITY,
    &session_token::GET_SESSION_TOKEN,
];
