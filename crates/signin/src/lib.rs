#![doc = include_str!("../README.md")]
//!
//! - [`SignInService`] is the steps from the password to the session; [`Next`] says what comes next, [`Refused`] why not.
//! - A root user's forgotten password is recovered by mail (`recovery`), which opens no session.
//! - [`Live`] is a session in use and says who acts in it.
//! - [`Browser`] ties the steps to one browser.
//!
//! Who guesses is slowed down by source and by name, and nobody is locked out (`lanes`). Nothing is stored while a sign-in is
//! under way (`step`). Every end of a sign-in is on record (`record`).
#![warn(missing_docs)]

mod browser;
mod lanes;
mod record;
mod recovery;
mod service;
mod session;
mod step;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod visitor;

pub use browser::Browser;
pub use recovery::{Asked, LINK_SECONDS, Unrecovered};
pub use rootward_auth::guard::REASON_CHARS_MAX;
pub use service::{Next, PasskeyOptions, Refused, Setup, SignInService, Welcome};
pub use session::Live;
pub use visitor::{Door, Visitor};
