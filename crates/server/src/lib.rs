//! A running node: listeners, TLS, limits, operator socket, metrics, and the wiring of everything below.
//!
//! This is the only library crate that reads a clock, a random source or the file system on its own behalf; what it
//! reads it hands down.
#![warn(missing_docs)]

pub mod listen;
pub mod tls;
