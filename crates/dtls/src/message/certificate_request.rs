//! CertificateRequest (RFC 5246 §7.4.4).
//!
//! ```text
//! | length (8) | certificate type (8) ... | length (16) | scheme (16) ... | length (16) | authorities |
//! ```

use crate::ParseError;
use crate::extension::signature_algorithms::SignatureScheme;
use crate::wire::{Reader, check_u16_list, put_u16, put_vec, u16_list};

/// The certificate type `ecdsa_sign` (RFC 8422 §5.5).
pub const ECDSA_SIGN: u8 = 64;

/// A checked CertificateRequest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateRequest<'a> {
    types: &'a [u8],
    schemes: &'a [u8],
}

impl<'a> CertificateRequest<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ParseError`] if a length is wrong.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(body);
        let types = reader.vec8()?;
        let schemes = reader.vec16()?;
        check_u16_list(schemes)?;
        reader.vec16()?; // authorities mean nothing with self-signed certificates
        reader.finish()?;
        Ok(Self { types, schemes })
    }

    /// Whether an ECDSA P-256 certificate answers it.
    #[must_use]
    pub fn takes_ecdsa_p256(&self) -> bool {
        self.types.contains(&ECDSA_SIGN)
            && u16_list(self.schemes).any(|scheme| scheme == SignatureScheme::ECDSA_SECP256R1_SHA256.0)
    }

    /// Appends a body that asks for an ECDSA P-256 certificate of anybody.
    pub fn emit(out: &mut Vec<u8>) {
        put_vec(out, 1, |out| out.push(ECDSA_SIGN));
        put_vec(out, 2, |out| put_u16(out, SignatureScheme::ECDSA_SECP256R1_SHA256.0));
        put_vec(out, 2, |_| ());
    }
}
