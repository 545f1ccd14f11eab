//! A message's body that arrives in pieces.

use super::Fragment;
use super::ranges::Ranges;
use crate::Error;

pub(crate) struct Body {
    bytes: Vec<u8>,
    have: Ranges,
}

impl Body {
    /// One of which nothing is here yet.
    pub(crate) fn new(len: usize) -> Self {
        Self { bytes: vec![0; len], have: Ranges::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes a piece; the fragment's message has this body's length.
    pub(crate) fn fill(&mut self, fragment: &Fragment<'_>) -> Result<(), Error> {
        let piece = fragment.offset..fragment.offset + fragment.data.len();
        if !self.have.insert(piece.start, piece.end) {
            return Err(Error::LimitReached);
        }
        self.bytes[piece].copy_from_slice(fragment.data); // inside: checked when the fragment was parsed
        Ok(())
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.have.is_whole(self.bytes.len())
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
