//! ServerHello (RFC 5246 §7.4.1.3, RFC 8446 §4.1.3), which is HelloRetryRequest, too.
//!
//! ```text
//! | version (16) | random (32 bytes) | length (8) | session id | cipher suite (16) | compression (8) | extensions |
//! ```

use super::RANDOM_LEN;
use crate::ParseError;
use crate::extension::Extensions;
use crate::record::ProtocolVersion;
use crate::wire::{Reader, put_u16, put_vec};

/// The random that makes it a HelloRetryRequest: SHA-256 of "HelloRetryRequest" (RFC 8446 §4.1.3).
pub const RETRY_REQUEST_RANDOM: [u8; RANDOM_LEN] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91, 0xC2,
    0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];

/// How the random ends in a ServerHello of DTLS 1.2 from a server that speaks 1.3 (RFC 8446 §4.1.3).
const DOWNGRADED: [u8; 8] = *b"DOWNGRD\x01";
/// And in one of a still older version, from a server that speaks 1.2: a client has to look for both.
const DOWNGRADED_FURTHER: [u8; 8] = *b"DOWNGRD\x00";

/// Whether a server that did not choose DTLS 1.3 would rather have spoken a newer version than it chose.
#[must_use]
pub fn is_downgraded(random: &[u8; RANDOM_LEN]) -> bool {
    random.ends_with(&DOWNGRADED) || random.ends_with(&DOWNGRADED_FURTHER)
}

/// Says in a random that we would rather have spoken 1.3.
pub(crate) fn mark_downgraded(random: &mut [u8; RANDOM_LEN]) {
    random[RANDOM_LEN - DOWNGRADED.len()..].copy_from_slice(&DOWNGRADED);
}

/// A checked ServerHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerHello<'a> {
    /// The version chosen, when it is below 1.3.
    pub version: ProtocolVersion,
    /// The server's random.
    pub random: [u8; RANDOM_LEN],
    /// For resumption.
    pub session_id: &'a [u8],
    /// The suite chosen.
    pub cipher_suite: u16,
    /// The compression chosen.
    pub compression: u8,
    /// Extensions.
    pub extensions: Extensions<'a>,
}

impl<'a> ServerHello<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ParseError`] if a length is wrong.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(body);
        let version = ProtocolVersion(reader.u16()?);
        let random = reader.array()?;
        let session_id = reader.vec8()?;
        if session_id.len() > 32 {
            return Err(ParseError::BadLength);
        }
        let cipher_suite = reader.u16()?;
        let compression = reader.u8()?;
        let extensions = Extensions::parse(reader.rest())?;
        Ok(Self { version, random, session_id, cipher_suite, compression, extensions })
    }

    /// Whether it is a HelloRetryRequest (RFC 8446 §4.1.3).
    #[must_use]
    pub fn is_retry_request(&self) -> bool {
        self.random == RETRY_REQUEST_RANDOM
    }

    /// Appends a hello with an empty session id; `extensions` writes the extensions.
    pub fn emit(
        random: &[u8; RANDOM_LEN],
        cipher_suite: u16,
        extensions: impl FnOnce(&mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        put_u16(out, ProtocolVersion::DTLS_1_2.0);
        out.extend_from_slice(random);
        out.push(0);
        put_u16(out, cipher_suite);
        out.push(0);
        put_vec(out, 2, extensions);
    }
}
