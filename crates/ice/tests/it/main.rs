//! Behaviour of both agents over a simulated network, through the public API only.

mod connect;
mod peer;
