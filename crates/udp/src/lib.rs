#![doc = include_str!("../README.md")]

mod batch;
mod socket;

pub use batch::{Batch, Received};
pub use socket::{Options, Socket, Transmit};
