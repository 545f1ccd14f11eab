//! Hello extensions (RFC 5246 §7.4.1.4, RFC 8446 §4.2): one file each, shared by all versions.
//!
//! ```text
//! | length (16) | { type (16) | length (16) | data } ... |
//! ```

pub mod cookie;
pub mod ec_point_formats;
pub mod key_share;
pub(crate) mod padding;
pub mod renegotiation_info;
pub mod signature_algorithms;
pub mod supported_groups;
pub mod supported_versions;
pub mod use_srtp;

use crate::ParseError;
use crate::wire::{Reader, put_u16, put_vec};

/// An extension's IANA number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExtensionType(pub u16);

#[allow(missing_docs)] // the RFCs' own names
impl ExtensionType {
    pub const SUPPORTED_GROUPS: Self = Self(10);
    pub const EC_POINT_FORMATS: Self = Self(11);
    pub const SIGNATURE_ALGORITHMS: Self = Self(13);
    pub const USE_SRTP: Self = Self(14);
    pub const PADDING: Self = Self(21);
    pub const EXTENDED_MASTER_SECRET: Self = Self(23);
    pub const PRE_SHARED_KEY: Self = Self(41);
    pub const EARLY_DATA: Self = Self(42);
    pub const SUPPORTED_VERSIONS: Self = Self(43);
    pub const COOKIE: Self = Self(44);
    pub const KEY_SHARE: Self = Self(51);
    pub const RENEGOTIATION_INFO: Self = Self(0xFF01);
}

/// The most extensions in one hello. Browsers send about ten; the bound keeps the search for duplicates cheap.
pub const MAX_EXTENSIONS: usize = 64;

/// A checked block of extensions: lengths are right, no type appears twice.
///
/// The order carries no meaning: libwebrtc shuffles it on each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions<'a> {
    block: &'a [u8],
}

impl<'a> Extensions<'a> {
    /// Reads the block with its length in front; an absent block (no bytes at all) is an empty one.
    ///
    /// # Errors
    /// [`ParseError`] if a length is wrong, a type appears twice or there are over [`MAX_EXTENSIONS`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        if bytes.is_empty() {
            return Ok(Self { block: &[] });
        }
        let mut reader = Reader::new(bytes);
        let extensions = Self::take(&mut reader)?;
        reader.finish()?;
        Ok(extensions)
    }

    /// Takes a block with its length in front off `reader`.
    pub(crate) fn take(reader: &mut Reader<'a>) -> Result<Self, ParseError> {
        let block = reader.vec16()?;
        let mut reader = Reader::new(block);
        let mut seen = Vec::new();
        while !reader.is_empty() {
            let kind = reader.u16()?;
            reader.vec16()?;
            if seen.contains(&kind) {
                return Err(ParseError::DuplicateExtension);
            }
            if seen.len() == MAX_EXTENSIONS {
                return Err(ParseError::BadLength);
            }
            seen.push(kind);
        }
        Ok(Self { block })
    }

    /// Types and contents, in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (ExtensionType, &'a [u8])> + use<'a> {
        let mut reader = Reader::new(self.block);
        std::iter::from_fn(move || {
            let kind = reader.u16().ok()?;
            Some((ExtensionType(kind), reader.vec16().ok()?))
        })
    }

    /// The content of one extension.
    #[must_use]
    pub fn find(&self, kind: ExtensionType) -> Option<&'a [u8]> {
        self.iter().find_map(|(found, data)| (found == kind).then_some(data))
    }
}

/// Appends one extension whose content `body` writes.
pub fn put_extension(out: &mut Vec<u8>, kind: ExtensionType, body: impl FnOnce(&mut Vec<u8>)) {
    put_u16(out, kind.0);
    put_vec(out, 2, body);
}
