//! Opus (RFC 7587; the TOC byte: RFC 6716 §3.1).

use std::time::Duration;

use crate::ParseError;

/// What an Opus packet's first byte or two tell.
///
/// ```text
/// | config (5) | s (1) | c (2) |   c: 0 one frame, 1 or 2 two frames, 3 a count in the next byte
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Toc {
    /// Mode, bandwidth and frame size, 0 to 31.
    pub config: u8,
    /// Coded as stereo.
    pub stereo: bool,
    /// Frames in the packet, 1 to 48.
    pub frames: u8,
}

/// Longest packet (RFC 6716 §3.2.5).
const MAX_DURATION: Duration = Duration::from_millis(120);

impl Toc {
    /// Reads the head of a payload.
    ///
    /// # Errors
    /// [`ParseError::Truncated`], or [`ParseError::BadValue`] for no frame or more than 120 ms.
    pub fn parse(payload: &[u8]) -> Result<Self, ParseError> {
        let missing = ParseError::Truncated { needed: payload.len() + 1, got: payload.len() };
        let (&toc, rest) = payload.split_first().ok_or(missing)?;
        let frames = match toc & 3 {
            0 => 1,
            1 | 2 => 2,
            _ => rest.first().ok_or(missing)? & 0x3f,
        };
        let parsed = Self { config: toc >> 3, stereo: toc & 4 != 0, frames };
        let possible = frames > 0 && parsed.duration() <= MAX_DURATION;
        if possible { Ok(parsed) } else { Err(ParseError::BadValue) }
    }

    /// Time that one frame plays (RFC 6716 §3.1, table 2).
    pub const fn frame_duration(&self) -> Duration {
        Duration::from_micros(match self.config {
            0..=11 => [10_000, 20_000, 40_000, 60_000][(self.config % 4) as usize],
            12..=15 => [10_000, 20_000][(self.config % 2) as usize],
            _ => [2_500, 5_000, 10_000, 20_000][(self.config % 4) as usize],
        })
    }

    /// Time that the packet plays.
    pub fn duration(&self) -> Duration {
        self.frame_duration() * u32::from(self.frames)
    }

    /// RTP ticks that the packet plays, at 48 kHz.
    pub fn ticks(&self) -> u32 {
        (self.duration().as_micros() * 48 / 1000) as u32
    }
}
