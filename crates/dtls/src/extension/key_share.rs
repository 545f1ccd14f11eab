//! Key shares of a DTLS 1.3 hello (RFC 8446 §4.2.8): | length (16) | { group (16) | length (16) | key } ... |
//!
//! DTLS 1.2 does not use them; the room is here for the version that will.

use super::supported_groups::NamedGroup;
use crate::ParseError;
use crate::wire::Reader;

/// The shares of a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyShares<'a> {
    shares: &'a [u8],
}

impl<'a> KeyShares<'a> {
    /// Reads the extension's content.
    ///
    /// # Errors
    /// [`ParseError`] if a length is wrong or a key is empty.
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(data);
        let shares = reader.vec16()?;
        reader.finish()?;
        let mut reader = Reader::new(shares);
        while !reader.is_empty() {
            reader.u16()?;
            if reader.vec16()?.is_empty() {
                return Err(ParseError::BadLength);
            }
        }
        Ok(Self { shares })
    }

    /// Groups and keys, in the client's order of preference.
    pub fn iter(&self) -> impl Iterator<Item = (NamedGroup, &'a [u8])> + use<'a> {
        let mut reader = Reader::new(self.shares);
        std::iter::from_fn(move || {
            let group = reader.u16().ok()?;
            Some((NamedGroup(group), reader.vec16().ok()?))
        })
    }
}
