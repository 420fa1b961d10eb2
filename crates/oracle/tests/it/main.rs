//! The evaluator against the documented cases, and against the engine.
// Marked so that the helpers count as tests for the lints, too.
#![cfg(test)]

mod cases;
mod twin;
