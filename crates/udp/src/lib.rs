#![doc = include_str!("../README.md")]

mod batch;
#[cfg(target_os = "linux")]
mod linux;
mod socket;

pub use batch::{Batch, Received};
pub use socket::{Options, Outgoing, Socket};
