//! Absolute capture time: when the first sample or the frame of this packet was captured.

use super::{Extension, Kind};
use crate::{NtpTime, ParseError};

/// | capture time (64, NTP) | [estimated clock offset (64, signed Q32.32 seconds)] |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AbsCaptureTime {
    /// Capture time by the clock of the one that captured.
    pub captured: NtpTime,
    /// What to add to the capturer's clock to get the sender's, in 1/2^32 s; a box in between
    /// adjusts it, not the capture time.
    pub clock_offset: Option<i64>,
}

impl AbsCaptureTime {
    /// A capture time with or without a clock offset.
    pub const fn new(captured: NtpTime, clock_offset: Option<i64>) -> Self {
        Self { captured, clock_offset }
    }
}

impl Extension for AbsCaptureTime {
    const KIND: Kind = Kind::AbsCaptureTime;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let Some((captured, rest)) = value.split_first_chunk::<8>() else {
            return Err(ParseError::Truncated { needed: 8, got: value.len() });
        };
        let clock_offset = match rest.first_chunk::<8>() {
            _ if rest.is_empty() => None,
            Some(offset) if rest.len() == 8 => Some(i64::from_be_bytes(*offset)),
            _ => return Err(ParseError::BadLength),
        };
        Ok(Self { captured: NtpTime(u64::from_be_bytes(*captured)), clock_offset })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.captured.0.to_be_bytes());
        if let Some(offset) = self.clock_offset {
            out.extend_from_slice(&offset.to_be_bytes());
        }
    }
}
