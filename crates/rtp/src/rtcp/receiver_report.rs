//! Receiver report (RFC 3550 §6.4.2).

use super::report_block::{self, ReportBlock};
use super::split_u32;
use crate::{ParseError, Ssrc};

/// | SSRC of sender (32) | report blocks ..
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ReceiverReport<'a> {
    /// Who reports.
    pub ssrc: Ssrc,
    blocks: &'a [u8],
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let (ssrc, rest) = split_u32(body)?;
        let len = usize::from(count) * report_block::LEN;
        let blocks = rest.get(..len).ok_or(ParseError::Truncated { needed: len + 4, got: body.len() })?;
        Ok(Self { ssrc: Ssrc(ssrc), blocks })
    }

    /// The reports, at most 31.
    pub fn reports(&self) -> impl ExactSizeIterator<Item = ReportBlock> + 'a {
        report_block::blocks(self.blocks)
    }
}
