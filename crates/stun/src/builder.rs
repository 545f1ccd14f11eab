//! Writes a message to the end of a caller's buffer, attributes in legal order.

use std::net::SocketAddr;

use crate::attribute::{ErrorCode, Fingerprint, MessageIntegrity, MessageIntegritySha256, XorMappedAddress};
use crate::integrity::{self, SHA1_LEN, SHA256_LEN};
use crate::method;
use crate::{Attribute, AttributeType, Class, HEADER_LEN, Key, MAGIC_COOKIE, Message, Method, TransactionId};

/// Most bytes after the header: the largest multiple of 4 that the length field holds.
const MAX_BODY_LEN: usize = 0xFFFC;

/// Appends one message to a buffer.
///
/// The header's length is right after each step, so the message is complete whenever the building stops.
/// Order is kept by the types: plain attributes, then integrity, then FINGERPRINT.
#[must_use]
#[derive(Debug)]
pub struct MessageBuilder<'b> {
    buf: &'b mut Vec<u8>,
    start: usize,
    transaction_id: TransactionId,
}

/// A message with an integrity attribute: only integrity and FINGERPRINT may follow.
#[must_use]
#[derive(Debug)]
pub struct ProtectedBuilder<'b>(MessageBuilder<'b>);

impl<'b> MessageBuilder<'b> {
    /// Starts a request.
    pub fn request(method: Method, transaction_id: TransactionId, buf: &'b mut Vec<u8>) -> Self {
        Self::new(method, Class::Request, transaction_id, buf)
    }

    /// Starts an indication.
    pub fn indication(method: Method, transaction_id: TransactionId, buf: &'b mut Vec<u8>) -> Self {
        Self::new(method, Class::Indication, transaction_id, buf)
    }

    /// Starts the success response to `request`.
    pub fn success(request: &Message<'_>, buf: &'b mut Vec<u8>) -> Self {
        Self::new(request.method(), Class::Success, request.transaction_id(), buf)
    }

    /// Starts the error response to `request`, with its ERROR-CODE.
    pub fn error(request: &Message<'_>, code: &ErrorCode<'_>, buf: &'b mut Vec<u8>) -> Self {
        Self::new(request.method(), Class::Error, request.transaction_id(), buf).attribute(code)
    }

    /// Starts any message: for responses written later than their request was read.
    pub fn new(method: Method, class: Class, transaction_id: TransactionId, buf: &'b mut Vec<u8>) -> Self {
        let start = buf.len();
        buf.extend_from_slice(&method::encode(method, class).to_be_bytes());
        buf.extend_from_slice(&[0, 0]);
        buf.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
        buf.extend_from_slice(transaction_id.as_bytes());
        Self { buf, start, transaction_id }
    }

    /// Appends an attribute with its padding.
    ///
    /// A message holds 65,532 bytes of attributes; one that doesn't fit any more is left out as a whole.
    pub fn attribute<'a>(self, attribute: &impl Attribute<'a>) -> Self {
        let Self { buf, start, transaction_id } = self;
        let header = buf.len();
        buf.extend_from_slice(&[0; 4]);
        attribute.emit(&transaction_id, buf);
        let length = buf.len() - header - 4;
        buf.resize(header + 4 + length.next_multiple_of(4), 0);
        match u16::try_from(length) {
            Ok(length) if buf.len() - start - HEADER_LEN <= MAX_BODY_LEN => {
                let AttributeType(kind) = attribute.kind();
                buf[header..header + 2].copy_from_slice(&kind.to_be_bytes());
                buf[header + 2..header + 4].copy_from_slice(&length.to_be_bytes());
            }
            _ => buf.truncate(header),
        }
        let mut this = Self { buf, start, transaction_id };
        this.set_length(0);
        this
    }

    /// Appends XOR-MAPPED-ADDRESS: what each Binding response says.
    pub fn mapped(self, address: SocketAddr) -> Self {
        self.attribute(&XorMappedAddress(address))
    }

    /// Appends MESSAGE-INTEGRITY (HMAC-SHA1 over all before it).
    pub fn integrity(mut self, key: &Key) -> ProtectedBuilder<'b> {
        self.set_length(4 + SHA1_LEN);
        let (header, body) = self.buf[self.start..].split_at(HEADER_LEN);
        let mac = key.0.hmac_sha1(header, body);
        ProtectedBuilder(self.attribute(&MessageIntegrity(mac)))
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 alone, for peers known to speak RFC 8489. Browsers don't.
    pub fn integrity_sha256(mut self, key: &Key) -> ProtectedBuilder<'b> {
        self.set_length(4 + SHA256_LEN);
        let (header, body) = self.buf[self.start..].split_at(HEADER_LEN);
        let mac = key.0.hmac_sha256(header, body);
        ProtectedBuilder(self.attribute(&MessageIntegritySha256(mac)))
    }

    /// Goes on as if protected: what a client sends before the server has asked for proof.
    pub(crate) const fn unprotected(self) -> ProtectedBuilder<'b> {
        ProtectedBuilder(self)
    }

    /// Appends FINGERPRINT to a message without integrity, and returns the message's length.
    pub fn fingerprint(mut self) -> usize {
        self.set_length(8);
        let (header, body) = self.buf[self.start..].split_at(HEADER_LEN);
        let crc = integrity::fingerprint(header, body);
        self.attribute(&Fingerprint(crc)).finish()
    }

    /// Ends without FINGERPRINT, and returns the message's length.
    pub fn finish(self) -> usize {
        self.buf.len() - self.start
    }

    /// Sets the header's length to what is there plus `ahead` bytes that will come.
    fn set_length(&mut self, ahead: usize) {
        // Saturates only if an integrity attribute or FINGERPRINT has no room: `attribute` then leaves it out
        // and sets the length again.
        let length = (self.buf.len() - self.start - HEADER_LEN + ahead).min(MAX_BODY_LEN);
        let length = u16::try_from(length).expect("bounded by MAX_BODY_LEN");
        self.buf[self.start + 2..self.start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

impl ProtectedBuilder<'_> {
    /// Appends MESSAGE-INTEGRITY-SHA256 after MESSAGE-INTEGRITY, for a peer of unknown age (RFC 8489 §9.1.2).
    pub fn integrity_sha256(self, key: &Key) -> Self {
        self.0.integrity_sha256(key)
    }

    /// Appends FINGERPRINT, and returns the message's length.
    pub fn fingerprint(self) -> usize {
        self.0.fingerprint()
    }

    /// Ends without FINGERPRINT, and returns the message's length.
    pub fn finish(self) -> usize {
        self.0.finish()
    }
}
