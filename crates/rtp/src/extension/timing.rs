//! Video timing: how long each step of a frame took, in milliseconds after capture.

use super::{Extension, Kind};
use crate::ParseError;

/// | flags (8) | six times milliseconds since capture (16) |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Timing {
    /// Why the frame was measured: 1 periodic, 2 a large frame; 255 invalid.
    pub flags: u8,
    /// Milliseconds from capture until encoding began.
    pub encode_start: u16,
    /// Milliseconds from capture until encoding ended.
    pub encode_finish: u16,
    /// Milliseconds from capture until the frame was in packets.
    pub packetization_finish: u16,
    /// Milliseconds from capture until the last packet left the pacer.
    pub pacer_exit: u16,
    /// Milliseconds from capture, for a box in between to fill in.
    pub network: u16,
    /// Milliseconds from capture, for a second box in between.
    pub network2: u16,
}

const LEN: usize = 13;

impl Timing {
    /// The value on the wire.
    pub fn to_bytes(self) -> [u8; LEN] {
        let mut bytes = [self.flags; LEN];
        let steps = [
            self.encode_start,
            self.encode_finish,
            self.packetization_finish,
            self.pacer_exit,
            self.network,
            self.network2,
        ];
        for (slot, step) in bytes[1..].as_chunks_mut::<2>().0.iter_mut().zip(steps) {
            *slot = step.to_be_bytes();
        }
        bytes
    }
}

impl Extension for Timing {
    const KIND: Kind = Kind::Timing;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        // Old senders leave the flags out.
        let (flags, steps) = match value.len() {
            LEN => (value[0], &value[1..]),
            12 => (0, value),
            _ => return Err(ParseError::BadLength),
        };
        let mut numbers = steps.as_chunks::<2>().0.iter().map(|bytes| u16::from_be_bytes(*bytes));
        let mut next = || numbers.next().unwrap_or_default();
        Ok(Self {
            flags,
            encode_start: next(),
            encode_finish: next(),
            packetization_finish: next(),
            pacer_exit: next(),
            network: next(),
            network2: next(),
        })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }
}
