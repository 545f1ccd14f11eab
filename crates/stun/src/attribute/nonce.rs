//! NONCE (RFC 8489 §14.10).

use super::shorten;
use crate::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// Most bytes accepted and sent.
const MAX_LEN: usize = 763;

/// The server's nonce of long-term credentials. At most 763 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce<'a>(pub &'a str);

impl<'a> Attribute<'a> for Nonce<'a> {
    const TYPE: AttributeType = AttributeType(0x0015);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.text(MAX_LEN).map(Self)
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(shorten(self.0, MAX_LEN).as_bytes());
    }
}
