//! One binary for all tests of the crate.

mod auth;
mod client;
mod connections;
mod errors;
mod expiry;
mod families;
mod happy;
mod hostile;
mod mobility;
mod network;
mod peers;
mod properties;
mod quotas;
mod relays;
mod together;
mod world;
