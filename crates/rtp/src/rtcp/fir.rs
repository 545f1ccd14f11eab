//! Full intra request (RFC 5104 §4.3.1).

use super::split_feedback;
use crate::{ParseError, Ssrc};

/// | SSRC (32) | sequence number (8) | reserved (24) |   one or more
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Fir<'a> {
    /// Who asks.
    pub sender: Ssrc,
    entries: &'a [[u8; 8]],
}

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FirEntry {
    /// The stream that a key frame is wanted of.
    pub ssrc: Ssrc,
    /// Number of the request; the same number is the same request sent again.
    pub sequence: u8,
}

impl FirEntry {
    /// A request for a key frame of `ssrc`.
    pub const fn new(ssrc: Ssrc, sequence: u8) -> Self {
        Self { ssrc, sequence }
    }
}

impl<'a> Fir<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        // The media SSRC of the common header is unused (RFC 5104 §4.3.1.2).
        let (sender, _, rest) = split_feedback(body)?;
        let (entries, []) = rest.as_chunks::<8>() else { return Err(ParseError::BadLength) };
        if entries.is_empty() {
            return Err(ParseError::Truncated { needed: 16, got: body.len() });
        }
        Ok(Self { sender, entries })
    }

    /// The requests.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = FirEntry> + 'a {
        self.entries.iter().map(|&[a, b, c, d, sequence, ..]| FirEntry {
            ssrc: Ssrc(u32::from_be_bytes([a, b, c, d])),
            sequence,
        })
    }
}
