//! Certificate (RFC 5246 §7.4.2): | length (24) | { length (24) | DER } ... |

use crate::ParseError;
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
