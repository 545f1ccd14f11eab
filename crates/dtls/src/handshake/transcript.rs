//! The hash over all handshake messages (RFC 5246 §7.4.9), each as if it had come in one fragment (RFC 6347 §4.2.6).

use super::{Fragment, HEADER_LEN};
use crate::crypto::hash::Sha256;
use crate::message::HandshakeType;

/// The hash, and the bytes themselves for as long as a CertificateVerify may have to be made or checked
/// (the crypto backend hashes what it signs by itself).
///
/// Boxed: it goes when the handshake is done, and its hash is the largest part of a connection.
pub(crate) struct Transcript {
    hash: Option<Box<Sha256>>,
    bytes: Option<Vec<u8>>,
}

impl Transcript {
    pub(crate) fn new() -> Self {
        Self { hash: None, bytes: Some(Vec::new()) }
    }

    pub(crate) fn add(&mut self, kind: HandshakeType, message_seq: u16, body: &[u8]) {
        let mut header = Vec::with_capacity(HEADER_LEN + body.len());
        Fragment::new(kind, body.len(), message_seq, 0, body).emit(&mut header);
        self.hash.get_or_insert_with(|| Box::new(Sha256::new())).update(&header);
        if let Some(bytes) = &mut self.bytes {
            bytes.extend_from_slice(&header);
        }
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        self.hash.as_deref().cloned().unwrap_or_else(Sha256::new).finish()
    }

    /// Hands out the bytes so far, and keeps none from now on.
    pub(crate) fn take_bytes(&mut self) -> Vec<u8> {
        self.bytes.take().unwrap_or_default()
    }
}
