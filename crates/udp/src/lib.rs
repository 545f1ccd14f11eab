#![doc = include_str!("../README.md")]

mod batch;
mod bursts;
#[cfg(target_os = "linux")]
mod linux;
mod peers;
mod prefetch;
mod socket;

pub use batch::{Batch, Received};
pub use peers::{PeerBatch, PeerSocket, Unreachable, raise_file_limit};
pub use prefetch::prefetch;
pub use socket::{Options, Outgoing, Socket, steer_by_address};
