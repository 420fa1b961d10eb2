//! The path from outside: which error comes first, lost races, what cannot be recorded, and our own failures.

mod bench;
mod ours;
mod refusals;
mod writes;
