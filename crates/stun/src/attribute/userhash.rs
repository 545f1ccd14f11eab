//! USERHASH (RFC 8489 §14.4).

use crate::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// Stands for USERNAME without showing it: see [`userhash`](crate::userhash()).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserHash(pub [u8; 32]);

impl<'a> Attribute<'a> for UserHash {
    const TYPE: AttributeType = AttributeType(0x001E);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(Self)
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}
