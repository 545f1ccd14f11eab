//! Transmission time offset (RFC 5450 §2).

use super::{Extension, Kind};
use crate::ParseError;

/// Ticks of the media clock between the packet's RTP timestamp and its sending; 24 bits, signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmissionOffset(pub i32);

impl TransmissionOffset {
    /// The value on the wire.
    pub const fn to_bytes(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }
}

impl Extension for TransmissionOffset {
    const KIND: Kind = Kind::TransmissionOffset;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let &[a, b, c] = value else { return Err(ParseError::BadLength) };
        Ok(Self(i32::from_be_bytes([a, b, c, 0]) >> 8))
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }
}
