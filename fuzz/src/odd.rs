//! Attributes that no honest sender writes.

use headwater_stun::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// Any value under any type.
pub(crate) struct Odd<'a>(pub(crate) AttributeType, pub(crate) &'a [u8]);

impl<'a> Attribute<'a> for Odd<'a> {
    const TYPE: AttributeType = AttributeType(0);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        Ok(Self(raw.kind, raw.value))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(self.1);
    }

    fn kind(&self) -> AttributeType {
        self.0
    }
}
