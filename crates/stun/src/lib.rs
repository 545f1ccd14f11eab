#![doc = include_str!("../README.md")]

pub mod attribute;
mod builder;
mod challenge;
mod client;
mod credentials;
mod datagram;
mod error;
mod integrity;
mod long_term;
mod message;
mod method;
mod nonce_cookie;
mod responder;
mod retransmission;
mod transaction_id;
mod uri;

pub use attribute::{Attribute, AttributeType, RawAttribute};
pub use builder::{MessageBuilder, ProtectedBuilder};
pub use challenge::{Challenge, Claim, User};
pub use client::{Client, ClientConfig, Event};
pub use credentials::{Key, userhash};
pub use datagram::{Datagram, Transmit, Transport};
pub use error::{ConfigError, Error, ParseError};
pub use long_term::{Attempt, LongTerm, Refusal, Verdict};
pub use message::{HEADER_LEN, MAGIC_COOKIE, Message};
pub use method::{Class, Method};
pub use nonce_cookie::SecurityFeatures;
pub use responder::respond;
pub use retransmission::{Due, Retransmission};
pub use transaction_id::TransactionId;
pub use uri::{Uri, UriError, UriHost, UriScheme};
