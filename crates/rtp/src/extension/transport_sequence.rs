//! Transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2).

use super::{Extension, Kind};
use crate::ParseError;

/// Number of the packet on its transport, over all streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportSequence(pub u16);

impl Extension for TransportSequence {
    const KIND: Kind = Kind::TransportSequence;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        // Version 2 of the extension appends a feedback request of two bytes, which we leave alone.
        let Some(number) = value.first_chunk::<2>() else {
            return Err(ParseError::Truncated { needed: 2, got: value.len() });
        };
        Ok(Self(u16::from_be_bytes(*number)))
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}
