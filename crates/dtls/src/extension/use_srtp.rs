//! SRTP profiles (RFC 5764 §4.1.1): | length (16) | profile (16) ... | length (8) | MKI |

use crate::ParseError;
use crate::wire::{Reader, check_u16_list, put_u16, put_vec, u16_list};

/// The profiles offered by a client, or the one chosen by a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseSrtp<'a> {
    profiles: &'a [u8],
    mki: &'a [u8],
}

impl<'a> UseSrtp<'a> {
    /// Reads the extension's content.
    ///
    /// # Errors
    /// [`ParseError`] if a length is wrong or the list is empty.
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(data);
        let profiles = reader.vec16()?;
        let mki = reader.vec8()?;
        reader.finish()?;
        check_u16_list(profiles)?;
        if profiles.is_empty() {
            return Err(ParseError::BadLength);
        }
        Ok(Self { profiles, mki })
    }

    /// Profile numbers, best first.
    pub fn profiles(&self) -> impl Iterator<Item = u16> + use<'a> {
        u16_list(self.profiles)
    }

    /// The master key identifier; browsers send none, and we never use one.
    #[must_use]
    pub fn mki(&self) -> &'a [u8] {
        self.mki
    }

    /// Writes the content, without an MKI.
    pub fn emit(profiles: &[u16], out: &mut Vec<u8>) {
        put_vec(out, 2, |out| profiles.iter().for_each(|profile| put_u16(out, *profile)));
        out.push(0);
    }
}
