//! UNKNOWN-ATTRIBUTES (RFC 8489 §14.13).

use crate::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// Most types kept or sent; further ones are left out. A request of ours never has that many.
const MAX_TYPES: usize = 8;

/// The attribute types that a server did not understand, beside error 420.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAttributes {
    types: [AttributeType; MAX_TYPES],
    len: usize,
}

impl UnknownAttributes {
    /// The types, at most 8.
    #[must_use]
    pub fn types(&self) -> &[AttributeType] {
        &self.types[..self.len]
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Default for UnknownAttributes {
    fn default() -> Self {
        Self { types: [AttributeType(0); MAX_TYPES], len: 0 }
    }
}

impl FromIterator<AttributeType> for UnknownAttributes {
    fn from_iter<I: IntoIterator<Item = AttributeType>>(types: I) -> Self {
        let mut list = Self::default();
        for (slot, kind) in list.types.iter_mut().zip(types) {
            *slot = kind;
            list.len += 1;
        }
        list
    }
}

impl<'a> Attribute<'a> for UnknownAttributes {
    const TYPE: AttributeType = AttributeType(0x000A);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        let (types, []) = raw.value.as_chunks::<2>() else { return Err(raw.malformed()) };
        Ok(types.iter().map(|bytes| AttributeType(u16::from_be_bytes(*bytes))).collect())
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        self.types().iter().for_each(|kind| out.extend_from_slice(&kind.0.to_be_bytes()));
    }
}
