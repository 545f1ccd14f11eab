//! ClientHello (RFC 6347 §4.3.2).
//!
//! ```text
//! | version (16) | random (32 bytes) | length (8) | session id | length (8) | cookie |
//! | length (16) | cipher suite (16) ... | length (8) | compression (8) ... | extensions |
//! ```

use super::RANDOM_LEN;
use crate::ParseError;
use crate::extension::Extensions;
use crate::record::ProtocolVersion;
use crate::wire::{Reader, check_u16_list, put_u16, put_vec, u16_list};

/// A checked ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientHello<'a> {
    /// The newest version below 1.3; the extension `supported_versions` overrides it.
    pub version: ProtocolVersion,
    /// The client's random.
    pub random: [u8; RANDOM_LEN],
    /// For resumption, which we don't do.
    pub session_id: &'a [u8],
    /// The cookie of a HelloVerifyRequest, or empty.
    pub cookie: &'a [u8],
    /// Extensions.
    pub extensions: Extensions<'a>,
    cipher_suites: &'a [u8],
    compression: &'a [u8],
}

impl<'a> ClientHello<'a> {
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
        let cookie = reader.vec8()?;
        let cipher_suites = reader.vec16()?;
        check_u16_list(cipher_suites)?;
        let compression = reader.vec8()?;
        let extensions = Extensions::parse(reader.rest())?;
        Ok(Self { version, random, session_id, cookie, extensions, cipher_suites, compression })
    }

    /// Cipher suites by number, best first.
    pub fn cipher_suites(&self) -> impl Iterator<Item = u16> + use<'a> {
        u16_list(self.cipher_suites)
    }

    /// Compression methods by number.
    pub(crate) fn compression(&self) -> &'a [u8] {
        self.compression
    }

    /// Whether the client can do without compression, as everybody must.
    #[must_use]
    pub fn offers_null_compression(&self) -> bool {
        self.compression.contains(&0)
    }

    /// Whether it offers nothing but null compression, as a hello of DTLS 1.3 has to (RFC 8446 §4.1.2).
    #[must_use]
    pub fn offers_only_null_compression(&self) -> bool {
        self.compression == [0]
    }

    /// Appends a hello without session id; `extensions` writes the extensions.
    pub fn emit(
        random: &[u8; RANDOM_LEN],
        cookie: &[u8],
        cipher_suites: &[u16],
        extensions: impl FnOnce(&mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        put_u16(out, ProtocolVersion::DTLS_1_2.0);
        out.extend_from_slice(random);
        out.push(0);
        put_vec(out, 1, |out| out.extend_from_slice(cookie));
        put_vec(out, 2, |out| cipher_suites.iter().for_each(|suite| put_u16(out, *suite)));
        put_vec(out, 1, |out| out.push(0));
        put_vec(out, 2, extensions);
    }
}
