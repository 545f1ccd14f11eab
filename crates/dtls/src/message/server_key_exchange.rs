//! ServerKeyExchange with ECDHE (RFC 8422 §5.4).
//!
//! ```text
//! | curve type (8) = 3 | group (16) | length (8) | point | scheme (16) | length (16) | signature |
//! ```

use super::RANDOM_LEN;
use super::certificate_verify::DigitallySigned;
use crate::ParseError;
use crate::extension::signature_algorithms::SignatureScheme;
use crate::extension::supported_groups::NamedGroup;
use crate::wire::{Reader, put_u16, put_vec};

/// The curve type `named_curve`; the others are gone (RFC 8422 §5.4).
const NAMED_CURVE: u8 = 3;

/// A checked ServerKeyExchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerKeyExchange<'a> {
    /// The group chosen.
    pub group: NamedGroup,
    /// The server's public key.
    pub public: &'a [u8],
    /// Over both randoms and the parameters.
    pub signed: DigitallySigned<'a>,
    params: &'a [u8],
}

impl<'a> ServerKeyExchange<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// [`ParseError`] if a length is wrong or the curve is not a named one.
    pub fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(body);
        if reader.u8()? != NAMED_CURVE {
            return Err(ParseError::BadValue);
        }
        let group = NamedGroup(reader.u16()?);
        let public = reader.vec8()?;
        let (params, signed) = body.split_at(4 + public.len());
        Ok(Self { group, public, signed: DigitallySigned::parse(signed)?, params })
    }

    /// What the signature covers.
    #[must_use]
    pub fn signed_content(
        &self,
        client_random: &[u8; RANDOM_LEN],
        server_random: &[u8; RANDOM_LEN],
    ) -> Vec<u8> {
        [&client_random[..], server_random, self.params].concat()
    }

    /// The parameters alone, for the server to sign.
    #[must_use]
    pub fn params(group: NamedGroup, public: &[u8]) -> Vec<u8> {
        let mut params = vec![NAMED_CURVE];
        put_u16(&mut params, group.0);
        put_vec(&mut params, 1, |out| out.extend_from_slice(public));
        params
    }

    /// Appends a body.
    pub fn emit(params: &[u8], scheme: SignatureScheme, signature: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(params);
        DigitallySigned::emit(scheme, signature, out);
    }
}
