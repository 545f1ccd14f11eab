//! One binary for all tests of the crate.

mod client;
mod happy;
mod network;
mod world;
