#![doc = include_str!("../README.md")]

pub mod attribute;
pub mod channel_data;
mod config;
mod error;
mod event;
mod peers;
mod server;
pub mod stream;

pub use config::{Quota, ServerConfig};
pub use error::{ConfigError, Error};
pub use event::{
    ConnectError, EndReason, Event, FiveTuple, PortRequest, RelayError, RelayId, RelayTransport,
};
pub use peers::{Network, PeerPolicy, special_purpose};
pub use server::{Server, ToPeer};
