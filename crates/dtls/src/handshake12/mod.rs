//! The DTLS 1.2 handshake (RFC 6347, RFC 5246): its two roles, and its keys.

pub(crate) mod client;
pub(crate) mod keys;
pub(crate) mod server;
