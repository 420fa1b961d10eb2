//! What AWS offers in its console alone, and what only Rootward has: protection of the root user, sessions, billing access.

mod generated;

pub use generated::*;
