//! The same peers and the same service on real sockets, behind the kernel's own NAT.
//!
//! `nat_peer world FIRST SECOND` runs inside a network namespace of its own, is the Internet there, and makes a
//! namespace for each router and each home. Its children `nat_peer peer` and `nat_peer service` do what peers and the
//! service do on the simulated network. Signalling goes through their pipes.

mod house;
mod sides;
mod sockets;

pub use house::{INTERNET, in_namespaces, put_behind, world, world_command};
pub use sides::{peer, service};
