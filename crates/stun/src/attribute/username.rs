//! USERNAME (RFC 8489 §14.3).

use super::shorten;
use crate::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// Most bytes accepted and sent.
const MAX_LEN: usize = 513;

/// Names the credentials that integrity was made with; in ICE `receiver:sender` ufrags. At most 513 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Username<'a>(pub &'a str);

impl<'a> Attribute<'a> for Username<'a> {
    const TYPE: AttributeType = AttributeType(0x0006);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.text(MAX_LEN).map(Self)
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(shorten(self.0, MAX_LEN).as_bytes());
    }
}
