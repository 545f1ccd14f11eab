//! Signature algorithms (RFC 5246 §7.4.1.4.1, numbers as in RFC 8446 §4.2.3): | length (16) | scheme (16) ... |

use crate::ParseError;
use crate::wire::{Reader, check_u16_list, put_u16, put_vec, u16_list};

/// A signature scheme's IANA number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignatureScheme(pub u16);

#[allow(missing_docs)] // the RFC's own names
impl SignatureScheme {
    pub const RSA_PKCS1_SHA256: Self = Self(0x0401);
    pub const RSA_PKCS1_SHA384: Self = Self(0x0501);
    pub const RSA_PKCS1_SHA512: Self = Self(0x0601);
    pub const ECDSA_SECP256R1_SHA256: Self = Self(0x0403);
    pub const ECDSA_SECP384R1_SHA384: Self = Self(0x0503);
    pub const RSA_PSS_RSAE_SHA256: Self = Self(0x0804);
    pub const RSA_PSS_RSAE_SHA384: Self = Self(0x0805);
    pub const RSA_PSS_RSAE_SHA512: Self = Self(0x0806);
}

/// A list of schemes, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureAlgorithms<'a> {
    list: &'a [u8],
}

impl<'a> SignatureAlgorithms<'a> {
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

    /// The schemes.
    pub fn iter(&self) -> impl Iterator<Item = SignatureScheme> + use<'a> {
        u16_list(self.list).map(SignatureScheme)
    }

    /// Writes the content.
    pub fn emit(schemes: &[SignatureScheme], out: &mut Vec<u8>) {
        put_vec(out, 2, |out| schemes.iter().for_each(|scheme| put_u16(out, scheme.0)));
    }
}
