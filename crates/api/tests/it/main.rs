//! The generated shapes through every codec.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "helpers of tests stand outside of `#[test]` functions"
)]

mod frames;
mod requests;
mod responses;
mod round_trip;
mod values;
