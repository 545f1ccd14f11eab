//! ClientKeyExchange with ECDHE (RFC 8422 §5.7): | length (8) | point |

use crate::ParseError;
use crate::wire::{Reader, put_vec};

/// A checked ClientKeyExchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientKeyExchange<'a> {
    /// The client's public key.
    pub public: &'a [u8],
}

impl<'a> ClientKeyExchange<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ParseError`] if a length is wrong.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(body);
        let public = reader.vec8()?;
        reader.finish()?;
        Ok(Self { public })
    }

    /// Appends a body.
    pub fn emit(public: &[u8], out: &mut Vec<u8>) {
        put_vec(out, 1, |out| out.extend_from_slice(public));
    }
}
