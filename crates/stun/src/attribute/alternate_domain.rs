//! ALTERNATE-DOMAIN (RFC 8489 §14.16).

use super::shorten;
use crate::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// Most bytes accepted and sent: the longest domain name.
const MAX_LEN: usize = 255;

/// The name in the certificate of the server that ALTERNATE-SERVER names, if it isn't the first server's. At
/// most 255 bytes; internationalised names in their A-label form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlternateDomain<'a>(pub &'a str);

impl<'a> Attribute<'a> for AlternateDomain<'a> {
    const TYPE: AttributeType = AttributeType(0x8003);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.text(MAX_LEN).map(Self)
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(shorten(self.0, MAX_LEN).as_bytes());
    }
}
