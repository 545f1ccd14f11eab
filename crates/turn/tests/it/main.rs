//! Behaviour through the public interface.

mod client;
