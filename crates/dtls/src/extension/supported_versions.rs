//! Versions (RFC 8446 §4.2.1). A client lists those that it speaks: | length (8) | version (16) ... |; a server that
//! chose DTLS 1.3 says so: | version (16) |

use crate::ParseError;
use crate::record::ProtocolVersion;
use crate::wire::{Reader, check_u16_list, put_u16, put_vec, u16_list};

/// A list of versions, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupportedVersions<'a> {
    list: &'a [u8],
}

impl<'a> SupportedVersions<'a> {
    /// Reads the content as it stands in a ClientHello.
    ///
    /// # Errors
    /// [`ParseError`] if it is not a list of 16-bit numbers.
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(data);
        let list = reader.vec8()?;
        reader.finish()?;
        check_u16_list(list)?;
        Ok(Self { list })
    }

    /// The versions. Firefox adds a stray 0x0303 (TLS 1.2): what we don't know is stepped over.
    pub fn iter(&self) -> impl Iterator<Item = ProtocolVersion> + use<'a> {
        u16_list(self.list).map(ProtocolVersion)
    }

    /// Writes the content as it stands in a ClientHello.
    pub fn emit(versions: &[ProtocolVersion], out: &mut Vec<u8>) {
        put_vec(out, 1, |out| versions.iter().for_each(|version| put_u16(out, version.0)));
    }
}

/// Reads the content as it stands in a ServerHello or HelloRetryRequest.
///
/// # Errors
/// [`ParseError`] unless it is one number.
pub fn parse_selected(data: &[u8]) -> Result<ProtocolVersion, ParseError> {
    let mut reader = Reader::new(data);
    let version = ProtocolVersion(reader.u16()?);
    reader.finish()?;
    Ok(version)
}

/// Writes the content as it stands in a ServerHello or HelloRetryRequest.
pub fn emit_selected(version: ProtocolVersion, out: &mut Vec<u8>) {
    put_u16(out, version.0);
}
