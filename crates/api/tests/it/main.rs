//! The generated shapes through every codec.

mod frames;
mod requests;
mod responses;
mod round_trip;
mod values;
