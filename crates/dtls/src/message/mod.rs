//! Bodies of handshake messages (RFC 5246 §7.4, RFC 6347 §4.2, RFC 8422 §5; RFC 8446 §4), one file each. Where the
//! versions' forms differ, DTLS 1.3's stands in the same file.
//!
//! `parse` takes a whole body, without the handshake header; `emit` appends one.

pub mod certificate;
pub mod certificate_request;
pub mod certificate_verify;
pub mod client_hello;
pub mod client_key_exchange;
pub mod encrypted_extensions;
pub mod finished;
pub mod hello_verify_request;
pub mod key_update;
pub mod server_hello;
pub mod server_key_exchange;

/// A handshake message's type (RFC 5246 §7.4, RFC 8446 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandshakeType(pub u8);

#[allow(missing_docs)] // the RFCs' own names
impl HandshakeType {
    pub const HELLO_REQUEST: Self = Self(0);
    pub const CLIENT_HELLO: Self = Self(1);
    pub const SERVER_HELLO: Self = Self(2);
    pub const HELLO_VERIFY_REQUEST: Self = Self(3);
    pub const NEW_SESSION_TICKET: Self = Self(4);
    pub const ENCRYPTED_EXTENSIONS: Self = Self(8);
    pub const CERTIFICATE: Self = Self(11);
    pub const SERVER_KEY_EXCHANGE: Self = Self(12);
    pub const CERTIFICATE_REQUEST: Self = Self(13);
    pub const SERVER_HELLO_DONE: Self = Self(14);
    pub const CERTIFICATE_VERIFY: Self = Self(15);
    pub const CLIENT_KEY_EXCHANGE: Self = Self(16);
    pub const FINISHED: Self = Self(20);
    pub const KEY_UPDATE: Self = Self(24);
    pub const MESSAGE_HASH: Self = Self(254);
}

/// The length of a hello's random.
pub const RANDOM_LEN: usize = 32;
