#![doc = include_str!("../README.md")]

pub mod attribute;
mod builder;
mod client;
mod credentials;
mod datagram;
mod error;
mod integrity;
mod message;
mod method;
mod responder;
mod retransmission;
mod transaction_id;

pub use attribute::{Attribute, AttributeType, RawAttribute};
pub use builder::{MessageBuilder, ProtectedBuilder};
pub use client::{Client, ClientConfig, Event};
pub use credentials::{Key, userhash};
pub use datagram::{Datagram, Transmit, Transport};
pub use error::{ConfigError, Error, ParseError};
pub use message::{HEADER_LEN, MAGIC_COOKIE, Message};
pub use method::{Class, Method};
pub use responder::respond;
pub use retransmission::{Due, Retransmission};
pub use transaction_id::TransactionId;
