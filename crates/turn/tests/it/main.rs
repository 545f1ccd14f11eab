//! One binary for all tests of the crate.

mod happy;
mod world;
