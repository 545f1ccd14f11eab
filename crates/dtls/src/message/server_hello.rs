//! ServerHello (RFC 5246 §7.4.1.3).
//!
//! ```text
//! | version (16) | random (32 bytes) | length (8) | session id | cipher suite (16) | compression (8) | extensions |
//! ```

use super::RANDOM_LEN;
use crate::ParseError;
use crate::extension::Extensions;
use crate::record::ProtocolVersion;
use crate::wire::{Reader, put_u16, put_vec};

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

    /// Appends a DTLS 1.2 hello with an empty session id; `extensions` writes the extensions.
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
