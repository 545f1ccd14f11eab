//! MESSAGE-INTEGRITY-SHA256 (RFC 8489 §14.6).

use crate::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// HMAC-SHA256 of the message up to it, not truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageIntegritySha256(pub [u8; 32]);

impl<'a> Attribute<'a> for MessageIntegritySha256 {
    const TYPE: AttributeType = AttributeType(0x001C);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(Self)
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}
