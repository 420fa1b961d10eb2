#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod descriptors;
mod front;
mod listen;
mod location;
mod metrics;
mod node;
pub mod operator;
mod outbox;
pub mod questions;
mod serve;
mod source;
mod tls;

pub use listen::Limits;
pub use location::Location;
pub use node::StartError;
pub use serve::{Options, State, serve};
pub use tls::TlsFiles;

/// Service and name of every operation that is implemented, in order.
pub fn operations() -> Vec<(&'static str, &'static str)> {
    let mut names: Vec<_> = rootward_services::operations()
        .map(|handler| (handler.schema().service.name, handler.schema().name))
        .collect();
    names.sort_unstable();
    names
}
