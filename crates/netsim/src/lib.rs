#![doc = include_str!("../README.md")]

mod endpoint;
mod link;
mod nat;
mod network;
mod pcap;
mod random;
mod wire;

pub use endpoint::{Endpoint, Transmit};
pub use link::Link;
pub use nat::{Behaviour, Nat, NatId};
pub use network::{
    Counters, Datagram, EndpointId, FIRST, FIRST_ADDRESS, Network, SECOND, SECOND_ADDRESS, Verdict,
};
