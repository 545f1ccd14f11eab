//! Certificate.
//!
//! ```text
//! DTLS 1.2 (RFC 5246 §7.4.2)   | length (24) | { length (24) | DER } ... |
//! DTLS 1.3 (RFC 8446 §4.4.2)   | length (8) | request context | length (24) | { length (24) | DER | extensions } ... |
//! ```

use crate::ParseError;
use crate::extension::Extensions;
use crate::wire::{Reader, put_vec};

/// A checked certificate list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateList<'a> {
    list: &'a [u8],
}

impl<'a> CertificateList<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ParseError`] if a length is wrong or a certificate is empty.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(body);
        let list = reader.vec24()?;
        reader.finish()?;
        let mut reader = Reader::new(list);
        while !reader.is_empty() {
            if reader.vec24()?.is_empty() {
                return Err(ParseError::BadLength);
            }
        }
        Ok(Self { list })
    }

    /// The sender's own certificate, which comes first. `None`: the list is empty (a client that has none).
    #[must_use]
    pub fn leaf(&self) -> Option<&'a [u8]> {
        Reader::new(self.list).vec24().ok()
    }

    /// Appends a body with one certificate, or none.
    pub fn emit(certificate: Option<&[u8]>, out: &mut Vec<u8>) {
        put_vec(out, 3, |out| {
            if let Some(der) = certificate {
                put_vec(out, 3, |out| out.extend_from_slice(der));
            }
        });
    }
}

/// A checked certificate list of DTLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateList13<'a> {
    /// What the request said; empty in a handshake.
    pub context: &'a [u8],
    list: &'a [u8],
}

impl<'a> CertificateList13<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ParseError`] if a length is wrong or a certificate is empty.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(body);
        let context = reader.vec8()?;
        let list = reader.vec24()?;
        reader.finish()?;
        let mut reader = Reader::new(list);
        while !reader.is_empty() {
            if reader.vec24()?.is_empty() {
                return Err(ParseError::BadLength);
            }
            Extensions::take(&mut reader)?;
        }
        Ok(Self { context, list })
    }

    /// The sender's own certificate, which comes first. `None`: the list is empty (a client that has none).
    #[must_use]
    pub fn leaf(&self) -> Option<&'a [u8]> {
        Reader::new(self.list).vec24().ok()
    }

    /// Appends a body with one certificate, or none.
    pub fn emit(context: &[u8], certificate: Option<&[u8]>, out: &mut Vec<u8>) {
        put_vec(out, 1, |out| out.extend_from_slice(context));
        put_vec(out, 3, |out| {
            if let Some(der) = certificate {
                put_vec(out, 3, |out| out.extend_from_slice(der));
                put_vec(out, 2, |_| ());
            }
        });
    }
}
