//! The words every other crate shares: ARNs, account ids, unique ids, access key ids, partitions and instants.
//!
//! Everything here is pure: no I/O, no clock, no randomness of its own. A value that exists is well formed,
//! so nobody checks twice.
#![warn(missing_docs)]

mod account;
mod arn;
mod id;
mod partition;
mod random;
mod time;

pub use account::{AccountId, InvalidAccountId};
pub use arn::{Arn, InvalidArn};
pub use id::{AccessKeyId, AccessKeyKind, EntityKind, InvalidId, UniqueId};
pub use partition::Partition;
pub use random::Random;
pub use time::{InvalidTime, Time};
