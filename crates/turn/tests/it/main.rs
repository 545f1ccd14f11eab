//! One binary for all tests of the crate.

mod errors;
mod expiry;
mod families;
mod happy;
mod peers;
mod quotas;
mod relays;
mod world;
