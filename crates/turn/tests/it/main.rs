//! Behaviour through the public interface.

mod client;
mod network;
