//! CertificateRequest.
//!
//! ```text
//! DTLS 1.2 (RFC 5246 §7.4.4)
//! | length (8) | certificate type (8) ... | length (16) | scheme (16) ... | length (16) | authorities |
//! DTLS 1.3 (RFC 8446 §4.3.2)
//! | length (8) | context | extensions |
//! ```

use crate::ParseError;
use crate::extension::signature_algorithms::{SignatureAlgorithms, SignatureScheme};
use crate::extension::{ExtensionType, Extensions, put_extension};
use crate::wire::{Reader, check_u16_list, put_u16, put_vec, u16_list};

/// The certificate type `ecdsa_sign` (RFC 8422 §5.5).
pub const ECDSA_SIGN: u8 = 64;

/// The certificate type `rsa_sign` (RFC 5246 §7.4.4).
pub const RSA_SIGN: u8 = 1;

/// A checked CertificateRequest of DTLS 1.2.
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

    /// Appends a body that asks for a certificate, of anybody, that is signed with in one of these ways.
    pub fn emit(schemes: &[SignatureScheme], out: &mut Vec<u8>) {
        put_vec(out, 1, |out| out.extend_from_slice(&[ECDSA_SIGN, RSA_SIGN]));
        put_vec(out, 2, |out| schemes.iter().for_each(|scheme| put_u16(out, scheme.0)));
        put_vec(out, 2, |_| ());
    }
}

/// A checked CertificateRequest of DTLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateRequest13<'a> {
    /// To be returned with the certificate; empty in a handshake.
    pub context: &'a [u8],
    /// Has `signature_algorithms`.
    pub extensions: Extensions<'a>,
}

impl<'a> CertificateRequest13<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ParseError`] if a length is wrong.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(body);
        let context = reader.vec8()?;
        let extensions = Extensions::take(&mut reader)?;
        reader.finish()?;
        Ok(Self { context, extensions })
    }

    /// Whether an ECDSA P-256 certificate answers it. `None`: it does not say what does, which it must.
    ///
    /// # Errors
    /// [`ParseError`] if its list of signature algorithms is not well-formed.
    pub fn takes_ecdsa_p256(&self) -> Result<Option<bool>, ParseError> {
        let Some(data) = self.extensions.find(ExtensionType::SIGNATURE_ALGORITHMS) else { return Ok(None) };
        let mut schemes = SignatureAlgorithms::parse(data)?.iter();
        Ok(Some(schemes.any(|scheme| scheme == SignatureScheme::ECDSA_SECP256R1_SHA256)))
    }

    /// Appends a body that asks for a certificate, of anybody, that is signed with in one of these ways.
    pub fn emit(schemes: &[SignatureScheme], out: &mut Vec<u8>) {
        put_vec(out, 1, |_| ());
        put_vec(out, 2, |out| {
            put_extension(out, ExtensionType::SIGNATURE_ALGORITHMS, |out| {
                SignatureAlgorithms::emit(schemes, out);
            });
        });
    }
}
