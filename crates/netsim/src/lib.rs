#![doc = include_str!("../README.md")]

mod datagram;
mod endpoint;
mod link;
mod nat;
mod network;
mod patience;
mod pcap;
mod random;
mod wire;

pub use datagram::{Counters, Datagram, Verdict};
pub use endpoint::{Endpoint, Transmit};
pub use link::Link;
pub use nat::{Behaviour, Nat, NatId};
pub use network::{EndpointId, FIRST, FIRST_ADDRESS, Network, SECOND, SECOND_ADDRESS};
