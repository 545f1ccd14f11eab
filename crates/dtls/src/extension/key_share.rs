//! Key shares of DTLS 1.3 (RFC 8446 §4.2.8).
//!
//! ```text
//! ClientHello         | length (16) | { group (16) | length (16) | key } ... |
//! ServerHello         | group (16) | length (16) | key |
//! HelloRetryRequest   | group (16) |
//! ```

use super::supported_groups::NamedGroup;
use crate::ParseError;
use crate::wire::{Reader, put_u16, put_vec};

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
            KeyShare::take(&mut reader)?;
        }
        Ok(Self { shares })
    }

    /// The shares, in the client's order of preference.
    pub fn iter(&self) -> impl Iterator<Item = KeyShare<'a>> + use<'a> {
        let mut reader = Reader::new(self.shares);
        std::iter::from_fn(move || KeyShare::take(&mut reader).ok())
    }

    /// Writes the content.
    pub fn emit<'k>(shares: impl Iterator<Item = KeyShare<'k>>, out: &mut Vec<u8>) {
        put_vec(out, 2, |out| shares.for_each(|share| share.emit(out)));
    }
}

/// One share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyShare<'a> {
    /// The group.
    pub group: NamedGroup,
    /// A public key in the group's own form.
    pub key: &'a [u8],
}

impl<'a> KeyShare<'a> {
    /// A share of our own.
    #[must_use]
    pub fn new(group: NamedGroup, key: &'a [u8]) -> Self {
        Self { group, key }
    }

    /// Reads the content as it stands in a ServerHello.
    ///
    /// # Errors
    /// [`ParseError`] if a length is wrong or the key is empty.
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(data);
        let share = Self::take(&mut reader)?;
        reader.finish()?;
        Ok(share)
    }

    /// Writes the content as it stands in a ServerHello.
    pub fn emit(&self, out: &mut Vec<u8>) {
        put_u16(out, self.group.0);
        put_vec(out, 2, |out| out.extend_from_slice(self.key));
    }

    fn take(reader: &mut Reader<'a>) -> Result<Self, ParseError> {
        let share = Self { group: NamedGroup(reader.u16()?), key: reader.vec16()? };
        if share.key.is_empty() { Err(ParseError::BadLength) } else { Ok(share) }
    }
}

/// Reads the content as it stands in a HelloRetryRequest.
///
/// # Errors
/// [`ParseError`] unless it is one number.
pub fn parse_retry(data: &[u8]) -> Result<NamedGroup, ParseError> {
    let mut reader = Reader::new(data);
    let group = NamedGroup(reader.u16()?);
    reader.finish()?;
    Ok(group)
}

/// Writes the content as it stands in a HelloRetryRequest.
pub fn emit_retry(group: NamedGroup, out: &mut Vec<u8>) {
    put_u16(out, group.0);
}
