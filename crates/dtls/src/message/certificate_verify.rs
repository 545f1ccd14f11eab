//! CertificateVerify (RFC 5246 §7.4.8, RFC 8446 §4.4.3): | scheme (16) | length (16) | signature |

use crate::ParseError;
use crate::extension::signature_algorithms::SignatureScheme;
use crate::wire::{Reader, put_u16, put_vec};

/// A checked digitally-signed structure; ServerKeyExchange ends with one too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DigitallySigned<'a> {
    /// How it was signed.
    pub scheme: SignatureScheme,
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> DigitallySigned<'a> {
    /// Reads a whole body.
    ///
    /// # Errors
    /// [`ParseError`] if a length is wrong.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(body);
        let signed = Self { scheme: SignatureScheme(reader.u16()?), signature: reader.vec16()? };
        reader.finish()?;
        Ok(signed)
    }

    /// Appends a body.
    pub fn emit(scheme: SignatureScheme, signature: &[u8], out: &mut Vec<u8>) {
        put_u16(out, scheme.0);
        put_vec(out, 2, |out| out.extend_from_slice(signature));
    }
}
