#![doc = include_str!("../README.md")]
//!
//! - [`SignInService`] is the steps from the password to the session; [`Next`] says what comes next, [`Refused`] why not.
//! - [`SignInService::signin_token`] and [`SignInService::enter`] are the way in with temporary credentials; [`NotFederated`] says why not.
//! - A root user's forgotten password is recovered by mail (`recovery`), which opens no session.
//! - [`Live`] is a session in use and says who acts in it; [`SignInService::switch`] makes that a role.
//! - [`Browser`] ties the steps to one browser.
//!
//! Who guesses is slowed down by source and by name, and nobody is locked out (`lanes`). Nothing is stored while a sign-in is
//! under way (`step`). Every end of a sign-in is on record (`record`).
#![warn(missing_docs)]

mod act;
mod browser;
mod federation;
mod lanes;
mod outcome;
mod record;
mod recovery;
mod service;
mod session;
mod step;
mod sweep;
mod switch;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod visitor;

pub use browser::Browser;
pub use federation::{NotFederated, Shown};
pub use outcome::{Next, PasskeyOptions, Refused, Welcome};
pub use recovery::{Asked, LINK_SECONDS, Unrecovered};
pub use rootward_auth::guard::REASON_CHARS_MAX;
pub use service::{Attempt, Setup, SignInService};
pub use session::Live;
pub use switch::Switched;
pub use visitor::{Door, Visitor};
