#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod descriptors;
mod front;
mod listen;
mod location;
mod look_ups;
mod metrics;
mod node;
pub mod operator;
mod outbox;
mod places;
mod postman;
mod proxies;
pub mod questions;
mod serve;
mod source;
mod tls;

use rootward_services::root_only;

pub use listen::Limits;
pub use location::Location;
pub use node::StartError;
pub use proxies::{InvalidProxy, TrustedProxy};
pub use rootward_alerts::{InvalidServer, MailServer};
pub use rootward_services::is_known_region;
pub use rootward_services::root_only::Who;
pub use serve::{Options, State, serve};
pub use tls::TlsFiles;

/// Service and name of every operation that is implemented, in order, and who can be allowed to call it.
pub fn operations() -> Vec<(&'static str, &'static str, Who)> {
    let mut operations: Vec<_> = rootward_services::operations()
        .map(|handler| (handler.schema().service.name, handler.schema().name))
        .map(|(service, name)| (service, name, root_only::who(service, name)))
        .collect();
    operations.sort_unstable_by_key(|(service, name, _)| (*service, *name));
    operations
}
