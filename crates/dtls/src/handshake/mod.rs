//! What the handshakes of both versions and both roles share; the folders `handshake12` and `handshake13` build on it.

pub(crate) mod accept;
pub(crate) mod body;
pub(crate) mod choice;
pub(crate) mod exchange;
pub(crate) mod flight;
pub(crate) mod offer;
pub(crate) mod ranges;
pub(crate) mod reassembly;
pub(crate) mod side;
pub(crate) mod transcript;

use crate::event::Connected;
use crate::exporter::Exporter;
use crate::handshake13::schedule::Traffic;
use crate::message::HandshakeType;
use crate::wire::{Reader, put_u16, put_u24};
use crate::{Error, ParseError, Refusal};

/// The length of a handshake header.
pub const HEADER_LEN: usize = 12;

/// The longest message that we put together. A browser's hello with a post-quantum share has 1.5 kB, a certificate
/// chain rarely more than 4 kB.
pub const MAX_MESSAGE: usize = 16 * 1024;

/// A piece of a handshake message (RFC 6347 §4.2.2, RFC 9147 §5.2).
///
/// ```text
/// | type (8) | length (24) | message sequence (16) | fragment offset (24) | fragment length (24) | fragment |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fragment<'a> {
    /// Of the whole message.
    pub kind: HandshakeType,
    /// Of the whole body, at most [`MAX_MESSAGE`].
    pub length: usize,
    /// Counts messages in one direction.
    pub message_seq: u16,
    /// Where in the body this piece belongs.
    pub offset: usize,
    /// The piece; inside of the body.
    pub data: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Takes the first fragment off a handshake record's content.
    ///
    /// # Errors
    /// [`ParseError`] if it is cut off, reaches beyond its message, or the message is over [`MAX_MESSAGE`].
    pub fn parse(content: &mut &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(content);
        let kind = HandshakeType(reader.u8()?);
        let length = reader.u24()? as usize;
        let message_seq = reader.u16()?;
        let offset = reader.u24()? as usize;
        let data = reader.vec24()?;
        if length > MAX_MESSAGE || offset + data.len() > length {
            return Err(ParseError::BadLength);
        }
        *content = reader.rest();
        Ok(Self { kind, length, message_seq, offset, data })
    }

    /// Appends the fragment.
    pub fn emit(&self, out: &mut Vec<u8>) {
        Self::emit_header(self.kind, self.length, self.message_seq, self.offset, self.data.len(), out);
        out.extend_from_slice(self.data);
    }

    pub(crate) fn emit_header(
        kind: HandshakeType,
        length: usize,
        message_seq: u16,
        offset: usize,
        len: usize,
        out: &mut Vec<u8>,
    ) {
        out.push(kind.0);
        put_u24(out, length as u32);
        put_u16(out, message_seq);
        put_u24(out, offset as u32);
        put_u24(out, len as u32);
    }

    /// A fragment of our own.
    #[must_use]
    pub fn new(kind: HandshakeType, length: usize, message_seq: u16, offset: usize, data: &'a [u8]) -> Self {
        Self { kind, length, message_seq, offset, data }
    }
}

/// A whole handshake message that arrived.
pub(crate) struct Message {
    pub(crate) kind: HandshakeType,
    pub(crate) message_seq: u16,
    pub(crate) body: Vec<u8>,
}

/// What a message brought about.
pub(crate) enum Progress {
    Continue,
    Done(Box<Established>),
}

/// The end of a handshake.
pub(crate) struct Established {
    pub(crate) connected: Connected,
    pub(crate) exporter: Exporter,
    /// DTLS 1.3.
    pub(crate) traffic: Option<Traffic>,
}

/// Why a message brought nothing about.
pub(crate) enum Failure {
    /// Forget it and wait for a better one: anybody could have sent it.
    Discard(Error),
    /// End the handshake.
    Fatal(Refusal),
}

impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Self {
        Self::Discard(error.into())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Fatal(refusal)
    }
}

impl From<crate::crypto::CryptoFailure> for Failure {
    fn from(_: crate::crypto::CryptoFailure) -> Self {
        Self::Fatal(Refusal::Internal)
    }
}

/// A refusal of something that anybody could have sent: noted, but a better message may still come.
pub(crate) fn doubt(refusal: Refusal) -> Failure {
    Failure::Discard(Error::Refused(refusal))
}
