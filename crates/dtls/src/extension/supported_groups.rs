//! Key exchange groups (RFC 8422 §5.1.1): | length (16) | group (16) ... |

use crate::ParseError;
use crate::wire::{Reader, check_u16_list, put_u16, put_vec, u16_list};

/// A group's IANA number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NamedGroup(pub u16);

#[allow(missing_docs)] // the RFCs' own names
impl NamedGroup {
    pub const SECP256R1: Self = Self(23);
    pub const SECP384R1: Self = Self(24);
    pub const X25519: Self = Self(29);
    pub const X25519MLKEM768: Self = Self(0x11EC);

    /// Those that we speak, best first.
    pub const ALL: [Self; 4] = [Self::X25519MLKEM768, Self::X25519, Self::SECP256R1, Self::SECP384R1];
}

/// A list of groups, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupportedGroups<'a> {
    list: &'a [u8],
}

impl<'a> SupportedGroups<'a> {
    /// Reads the extension's content.
    ///
    /// # Errors
    /// [`ParseError`] if it is not a list of 16-bit numbers.
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(data);
        let list = reader.vec16()?;
        reader.finish()?;
        check_u16_list(list)?;
        Ok(Self { list })
    }

    /// The groups.
    pub fn iter(&self) -> impl Iterator<Item = NamedGroup> + use<'a> {
        u16_list(self.list).map(NamedGroup)
    }

    /// Writes the content.
    pub fn emit(groups: &[NamedGroup], out: &mut Vec<u8>) {
        put_vec(out, 2, |out| groups.iter().for_each(|group| put_u16(out, group.0)));
    }
}
