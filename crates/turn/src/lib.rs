#![doc = include_str!("../README.md")]

pub mod attribute;
pub mod channel_data;
mod client;
mod config;
mod crypto;
mod ephemeral;
mod error;
mod event;
mod peers;
mod server;
pub mod stream;

pub use client::{
    AllocateOptions, Client, ClientConfig, ClientEnd, ClientEvent, Failure, Families, FromPeer, RelayPort,
};
pub use config::{Quota, ServerConfig};
pub use ephemeral::password_for;
pub use error::{ConfigError, Error};
pub use event::{
    ConnectError, EndReason, Event, FiveTuple, PortRequest, RelayError, RelayId, RelayTransport,
};
pub use peers::{Network, PeerPolicy, special_purpose};
pub use server::{Counters, Drops, MAX_REQUEST_LEN, Server, ToPeer, Traffic};
