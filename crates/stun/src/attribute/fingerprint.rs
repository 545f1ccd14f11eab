//! FINGERPRINT (RFC 8489 §14.7).

use crate::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// CRC-32 of the message up to it, combined with 0x5354554E: tells STUN from other protocols on the same port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub u32);

impl<'a> Attribute<'a> for Fingerprint {
    const TYPE: AttributeType = AttributeType(0x8028);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|bytes| Self(u32::from_be_bytes(bytes)))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}
