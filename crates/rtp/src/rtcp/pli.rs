//! Picture loss indication (RFC 4585 §6.3.1).

use super::split_feedback;
use crate::{ParseError, Ssrc};

/// Asks for a key frame. No parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pli {
    /// Who asks.
    pub sender: Ssrc,
    /// Of which stream.
    pub media: Ssrc,
}

impl Pli {
    pub(super) fn parse(body: &[u8]) -> Result<Self, ParseError> {
        let (sender, media, _) = split_feedback(body)?;
        Ok(Self { sender, media })
    }
}
