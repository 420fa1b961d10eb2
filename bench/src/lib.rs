//! What the benchmark programs share: signing requests ahead of time, sending them, and counting what came back.

pub mod client;
pub mod plan;
pub mod sign;
pub mod tally;

/// Anything that stops a benchmark; its text is for the person who runs it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
