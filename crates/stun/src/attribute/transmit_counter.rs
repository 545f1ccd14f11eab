//! TRANSACTION_TRANSMIT_COUNTER (RFC 7982 §3.1).
//!
//! ```text
//!  | reserved (16) | requests (8) | responses (8) |
//! ```

use crate::{Attribute, AttributeType, ParseError, RawAttribute, TransactionId};

/// Which repetition this is, so that the client can tell loss of requests from loss of responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitCounter {
    /// How often the request was sent, this time included. A response repeats the number of its request.
    pub requests: u8,
    /// How often the response was sent, this time included; 0 in requests.
    pub responses: u8,
}

impl TransmitCounter {
    /// What answers this, by a server that remembers no transactions: each response is its first.
    #[must_use]
    pub const fn answer(self) -> Self {
        Self { requests: self.requests, responses: 1 }
    }
}

impl<'a> Attribute<'a> for TransmitCounter {
    const TYPE: AttributeType = AttributeType(0x8025);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        raw.array().map(|[_, _, requests, responses]| Self { requests, responses })
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0, 0, self.requests, self.responses]);
    }
}
