//! Goodbye (RFC 3550 §6.6).

use super::ssrcs;
use crate::{ParseError, Ssrc};

/// | SSRC (32) times count | [length (8) | reason] |
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Bye<'a> {
    sources: &'a [u8],
    /// Why, if the sender says so: UTF-8 by the standard, not checked here.
    pub reason: Option<&'a [u8]>,
}

impl<'a> Bye<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let sources_len = usize::from(count) * 4;
        let Some((sources, rest)) = body.split_at_checked(sources_len) else {
            return Err(ParseError::Truncated { needed: sources_len, got: body.len() });
        };
        let reason = match rest.split_first() {
            None => None,
            Some((&len, text)) => Some(text.get(..usize::from(len)).ok_or(ParseError::BadLength)?),
        };
        Ok(Self { sources, reason })
    }

    /// The streams that end, at most 31.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = Ssrc> + 'a {
        ssrcs(self.sources)
    }
}
