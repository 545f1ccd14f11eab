//! Client-to-mixer audio level (RFC 6464 §3).

use super::{Extension, Kind};
use crate::ParseError;

/// RFC 6464 §3   | V (1) | level (7) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AudioLevel {
    /// Loudness as -dBov: 0 is the loudest, 127 silence.
    pub level: u8,
    /// Whether the sender believes that this is speech (only with `vad=on`).
    pub voice: bool,
}

impl AudioLevel {
    /// `level` in -dBov, at most 127.
    pub fn new(level: u8, voice: bool) -> Self {
        Self { level: level.min(127), voice }
    }

    /// The value on the wire.
    pub fn to_bytes(self) -> [u8; 1] {
        [u8::from(self.voice) << 7 | self.level.min(127)]
    }
}

impl Extension for AudioLevel {
    const KIND: Kind = Kind::AudioLevel;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        // In the two-byte form some senders add a byte of padding (RFC 6464 §3, figure 2).
        let &[first, ..] = value else { return Err(ParseError::Truncated { needed: 1, got: 0 }) };
        Ok(Self { level: first & 0x7f, voice: first & 0x80 != 0 })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }
}
