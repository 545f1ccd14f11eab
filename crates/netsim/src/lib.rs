#![doc = include_str!("../README.md")]

mod datagram;
mod endpoint;
mod filters;
mod link;
mod nat;
mod network;
mod patience;
mod pcap;
mod random;
mod stream;
mod topology;
mod translator;
mod wire;

pub use datagram::{Counters, Datagram, Transport, Verdict};
pub use endpoint::{Endpoint, Outgoing, StreamClosed, StreamEvent, Transmit};
pub use link::Link;
pub use nat::{Behaviour, Firewall, Hairpinning, Nat, NatId, Outbound};
pub use network::{EndpointId, FIRST, FIRST_ADDRESS, Network, SECOND, SECOND_ADDRESS};
