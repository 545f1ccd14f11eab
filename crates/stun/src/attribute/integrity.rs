//! MESSAGE-INTEGRITY (RFC 8489 §14.5).

use crate::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// HMAC-SHA1 of the message up to it. Verified by [`Message::verify_integrity`](crate::Message::verify_integrity).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageIntegrity(pub [u8; 20]);

impl<'a> Attribute<'a> for MessageIntegrity {
    const TYPE: AttributeType = AttributeType(0x0008);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(Self)
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}
