#![doc = include_str!("../README.md")]

pub mod alert;
mod certificate;
mod config;
mod connection;
pub mod cookie;
mod crypto;
mod error;
mod event;
mod exporter;
pub mod extension;
pub mod handshake;
mod handshake12;
mod handshake13;
pub mod message;
pub mod record;
mod suite;
mod wire;

pub use certificate::{Certificate, Fingerprint, HashAlgorithm};
pub use config::{Config, Role};
pub use connection::{Connection, Transmit};
pub use error::{CertificateError, ConfigError, Error, ParseError, Refusal};
pub use event::{CloseReason, Connected, Event, Version};
pub use exporter::SrtpKeys;
