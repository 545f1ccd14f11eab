//! Which pair of NATs connects by which candidates: ICE, STUN and TURN together on a simulated network.
//!
//! ```text
//!   Peer ── its Surroundings (NAT, firewall) ──┐
//!                                              ├── the Internet ── Service: STUN and TURN, and Server: ICE-lite
//!   Peer ── its Surroundings ──────────────────┘
//! ```
//!
//! Candidates trickle by a signalling that takes no time. The table is in `tests/it/table.rs`.

mod node;
mod peer;
mod reached;
pub mod real;
mod relay;
mod server;
mod service;
mod surroundings;
mod world;

pub use node::Node;
pub use peer::Peer;
pub use reached::Reached;
pub use server::Server;
pub use service::Service;
pub use surroundings::Surroundings;
pub use world::{FIRST, LATENCY, SECOND, World};
