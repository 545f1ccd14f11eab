//! Playout delay: how long a receiver shall hold frames, two times 12 bits of 10 ms.

use std::time::Duration;

use super::{Extension, Kind};
use crate::ParseError;

const UNIT: Duration = Duration::from_millis(10);
const LIMIT: u128 = 0xfff;

/// | min (12) | max (12) |   in 10 ms
///
/// Both zero mean: show each frame at once. Chromium obeys, Firefox ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlayoutDelay {
    /// Least delay; steps of 10 ms up to 40.95 s.
    pub min: Duration,
    /// Largest delay; steps of 10 ms up to 40.95 s.
    pub max: Duration,
}

impl PlayoutDelay {
    /// Delays are cut to whole steps of 10 ms when written.
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max }
    }

    /// The value on the wire.
    pub fn to_bytes(self) -> [u8; 3] {
        let steps = |delay: Duration| (delay.as_millis() / UNIT.as_millis()).min(LIMIT) as u32;
        let [_, a, b, c] = (steps(self.min) << 12 | steps(self.max)).to_be_bytes();
        [a, b, c]
    }
}

impl Extension for PlayoutDelay {
    const KIND: Kind = Kind::PlayoutDelay;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let &[a, b, c] = value else { return Err(ParseError::BadLength) };
        let both = u32::from_be_bytes([0, a, b, c]);
        Ok(Self { min: UNIT * (both >> 12), max: UNIT * (both & 0xfff) })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }
}
