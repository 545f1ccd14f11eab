//! HelloVerifyRequest (RFC 6347 §4.2.1): | version (16) | length (8) | cookie |

use crate::ParseError;
use crate::record::ProtocolVersion;
use crate::wire::{Reader, put_u16, put_vec};

/// A checked HelloVerifyRequest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HelloVerifyRequest<'a> {
    /// Says nothing about what will be negotiated (RFC 6347 §4.2.1).
    pub version: ProtocolVersion,
    /// To be returned in the next ClientHello.
    pub cookie: &'a [u8],
}

impl<'a> HelloVerifyRequest<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ParseError`] if a length is wrong.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(body);
        let version = ProtocolVersion(reader.u16()?);
        let cookie = reader.vec8()?;
        reader.finish()?;
        Ok(Self { version, cookie })
    }

    /// Appends a body. The version is that of DTLS 1.0, as RFC 6347 §4.2.1 asks of servers.
    pub fn emit(cookie: &[u8], out: &mut Vec<u8>) {
        put_u16(out, ProtocolVersion::DTLS_1_0.0);
        put_vec(out, 1, |out| out.extend_from_slice(cookie));
    }
}
