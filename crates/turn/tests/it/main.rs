//! One binary for all tests of the crate.

mod client;
mod errors;
mod expiry;
mod families;
mod happy;
mod network;
mod peers;
mod quotas;
mod relays;
mod world;
