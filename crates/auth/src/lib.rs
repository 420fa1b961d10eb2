#![doc = include_str!("../README.md")]
//!
//! ```text
//! signed request ──authn──▶ Principal ──authz──▶ decision with its reason
//! ```
//!
//! - [`authn`] finds the credential a request was signed with, proves the signature and resolves who holds it *now*:
//!   a deleted user's key or session is worth nothing.
//! - [`session`] are the self-contained tokens of temporary credentials: sealed, so that any node can open one
//!   without a look-up and nobody else can read or make one.
//! - [`password`]: which ones people may have, how they are kept and checked.
//! - [`second_factor`]: which device a code is of, and that it is used once; [`totp`]: the codes; [`qr`] shows their seeds
//!   to a phone. [`passkey`]: security keys and passkeys.
//! - [`command_line`]: codes and refresh tokens, by which a command line acts for who is signed in at a browser; [`dpop`]: that
//!   it holds the key which they were given for.
//! - [`sealed`]: texts that others keep for us, so that nothing is stored for who has not come in yet.
//! - [`root_task`]: what members' root users are assumed for.
//! - [`sources`]: which addresses belong to one another.
//! - [`gather`] finds the policies that apply to a principal.
//! - [`authz`] asks the policy engine.
#![warn(missing_docs)]

pub mod authn;
pub mod authz;
pub mod command_line;
pub mod dpop;
pub mod gather;
pub mod guard;
pub mod passkey;
pub mod password;
pub mod principal;
pub mod qr;
pub mod root_task;
pub mod sealed;
pub mod second_factor;
pub mod session;
pub mod sources;
pub mod totp;

pub use principal::{AssumedRoot, Credential, FederatedUser, Identity, Principal, RoleSession, SignIn};
