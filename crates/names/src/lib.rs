#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod account;
mod arn;
mod fold;
mod handle;
mod id;
mod organization;
mod partition;
mod random;
mod time;

pub use account::{AccountId, InvalidAccountId};
pub use arn::{Arn, InvalidArn};
pub use fold::{TagKey, folded, same_folded};
pub use handle::Handle;
pub use id::{AccessKeyId, AccessKeyKind, EntityKind, InvalidId, UniqueId};
pub use organization::{
    AccountRequestId, HandshakeId, NodeId, OrganizationId, OrganizationPolicyId, ResourcePolicyId,
    ResponsibilityTransferId,
};
pub use partition::Partition;
pub use random::Random;
pub use time::{InvalidTime, Time};
