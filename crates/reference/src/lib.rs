//! AWS's Service Authorization Reference: which actions, resource types and condition keys each service has.
//!
//! For words about policies: completion, findings, expansion of patterns. A decision never depends on it: the reference is
//! older than the services, and what it lacks may well exist.
//!
//! ```
//! use rootward_reference::{AWS, AccessLevel};
//!
//! let action = AWS.action("s3:getobject").unwrap();
//! assert_eq!((action.to_string().as_str(), action.level()), ("s3:GetObject", AccessLevel::Read));
//! let object = action.resources().find(|resource| resource.kind().name() == "object").unwrap().kind();
//! assert!(object.fits("arn:aws:s3:::docs/plan.txt") && !object.fits("arn:aws:s3:::docs"));
//! assert!(action.accepts_key("s3:ExistingObjectTag/team") && !action.accepts_key("s3:prefix"));
//! assert_eq!(AWS.condition_key("aws:RequestTag/team").unwrap().name(), "aws:RequestTag/${TagKey}");
//! assert!(AWS.actions_matching("iam:List*").all(|action| action.name().starts_with("List")));
//! ```
//!
//! Shape: sorted tables in the binary's read-only data, see [`Reference`]. Nothing is read, allocated or sorted at start, and
//! no look-up allocates: names are borrowed from the text they are in, found by binary search.
//! Names of services, actions, resource types and condition keys ignore (ASCII) case; ARNs do not.
//!
//! Left out: descriptions; which resource types the scenarios of a few actions need together. Not in the data: dependent
//! actions (`iam:PassRole` for `ec2:RunInstances`).
//!
//! Source and licence of the data: `data/NOTICE`. Refresh: `xtask fetch-service-reference`, then `xtask service-reference`.
#![warn(missing_docs)]

mod action;
mod format;
mod glob;
mod key;
mod resource;
mod service;
mod tables;

pub use action::{AccessLevel, Action, ActionResource};
pub use key::{ConditionKey, KeyType, ValueType};
pub use resource::ResourceType;
pub use service::Service;
pub use tables::Reference;

/// The reference as it was when the data was fetched; see [`Reference::source`].
pub static AWS: Reference<'static> =
    match Reference::read(include_bytes!("../data/tables.bin"), include_str!("../data/names.txt")) {
        Some(reference) => reference,
        // While compiling: tables of another layout are never linked.
        None => panic!("data/tables.bin is not of this layout: run `xtask service-reference`"),
    };

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
