//! Operations that come without a signature: their input says who calls, and proves it.
//!
//! ```text
//! frame ─▶ decode ─▶ caller (the input's own proof) ─▶ authorize ─▶ run ─▶ …
//! ```
//!
//! From the caller on they are like every other operation. Who is turned away before is on record only where the proof has told whose
//! account it is about: else anybody could fill anybody's trail.

use rootward_auth::authn::Authenticated;
use rootward_auth::dpop::{Replays, Target};
use rootward_auth::session::Tokens;
use rootward_names::Time;
use rootward_state::World;
use rootward_store::vault::Vault;
use rootward_wire::{Error, Operation};

use crate::{Declaration, Failure};

/// One operation without a signature.
pub struct Unsigned<O: Operation> {
    /// What there is to know of it as of every operation.
    pub declaration: Declaration<O>,
    /// Finds out who calls. On a snapshot: what must be used once is used up by the operation, under guard.
    pub caller: fn(&Knock<'_>, &O::Input) -> Result<Authenticated, TurnedAway>,
    /// Gives an error what the service's model gives its own besides code and message.
    pub complete: fn(Error) -> Error,
}

/// What a caller is found out by, besides the input.
pub struct Knock<'a> {
    /// The state.
    pub world: &'a World,
    /// When, by which sessions expire.
    pub now: Time,
    /// When, by the machine's clock.
    pub machine_now: Time,
    /// The request that a proof must be for.
    pub target: Target<'a>,
    /// Opens what was sealed.
    pub vault: &'a Vault,
    /// Opens session tokens.
    pub tokens: &'a Tokens,
    /// The proofs that were shown before.
    pub replays: &'a Replays,
}

/// Somebody whose proof does not hold.
#[derive(Debug)]
pub struct TurnedAway {
    /// What they are told.
    pub failure: Failure,
    /// In whose name it is on record, if that is known.
    pub of: Option<Box<Authenticated>>,
}

impl From<Failure> for TurnedAway {
    fn from(failure: Failure) -> Self {
        Self { failure, of: None }
    }
}
