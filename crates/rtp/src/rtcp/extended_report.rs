//! Extended reports (RFC 3611): the receiver's clock and the answer to it; other blocks are skipped.

use std::time::Duration;

use super::{report_block, split_u32};
use crate::{NtpTime, ParseError, Ssrc};

const RECEIVER_REFERENCE_TIME: u8 = 4;
const DLRR: u8 = 5;

/// | SSRC of sender (32) | blocks: type (8), specific (8), length in words (16), content |
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ExtendedReport<'a> {
    /// Who reports.
    pub sender: Ssrc,
    blocks: &'a [u8],
}

/// One report block.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum XrBlock<'a> {
    /// Wall clock of somebody who only receives (RFC 3611 §4.4).
    ReceiverReferenceTime(NtpTime),
    /// Answers to such clocks (RFC 3611 §4.5).
    Dlrr(DlrrBlock<'a>),
    /// Something else: block type and content.
    Other(u8, &'a [u8]),
}

/// Delays since the last receiver reference times (RFC 3611 §4.5).
#[derive(Clone, Copy, Debug)]
pub struct DlrrBlock<'a> {
    entries: &'a [[u8; 12]],
}

/// | SSRC (32) | LRR (32) | DLRR (32) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dlrr {
    /// The receiver that is answered.
    pub ssrc: Ssrc,
    /// Middle bits of its last reference time; 0 if there was none.
    pub last_receiver_report: u32,
    /// Time since then in 1/65536 s.
    pub delay: u32,
}

impl Dlrr {
    /// All fields.
    pub const fn new(ssrc: Ssrc, last_receiver_report: u32, delay: u32) -> Self {
        Self { ssrc, last_receiver_report, delay }
    }

    /// Round-trip time, for the receiver that gets this at `now` by the clock of its reference times.
    pub fn round_trip_time(&self, now: NtpTime) -> Option<Duration> {
        report_block::round_trip_time(now, self.last_receiver_report, self.delay)
    }
}

impl<'a> DlrrBlock<'a> {
    /// The answers.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Dlrr> + 'a {
        self.entries.iter().map(|entry| {
            let mut words = entry.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
            let mut next = || words.next().unwrap_or_default();
            Dlrr { ssrc: Ssrc(next()), last_receiver_report: next(), delay: next() }
        })
    }
}

impl<'a> ExtendedReport<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let (sender, blocks) = split_u32(body)?;
        let mut rest = blocks;
        while !rest.is_empty() {
            (_, rest) = split_block(rest)?;
        }
        Ok(Self { sender: Ssrc(sender), blocks })
    }

    /// The blocks, in order.
    pub fn blocks(&self) -> impl Iterator<Item = XrBlock<'a>> + 'a {
        let mut rest = self.blocks;
        std::iter::from_fn(move || {
            let (block, behind) = split_block(rest).ok()?;
            rest = behind;
            Some(block)
        })
    }
}

fn split_block(bytes: &[u8]) -> Result<(XrBlock<'_>, &[u8]), ParseError> {
    let Some((&[kind, _, len_hi, len_lo], rest)) = bytes.split_first_chunk::<4>() else {
        return Err(ParseError::Truncated { needed: 4, got: bytes.len() });
    };
    let len = usize::from(u16::from_be_bytes([len_hi, len_lo])) * 4;
    let Some((content, rest)) = rest.split_at_checked(len) else { return Err(ParseError::BadLength) };
    let block = match kind {
        RECEIVER_REFERENCE_TIME => {
            let ntp = <[u8; 8]>::try_from(content).map_err(|_| ParseError::BadLength)?;
            XrBlock::ReceiverReferenceTime(NtpTime(u64::from_be_bytes(ntp)))
        }
        DLRR => {
            let (entries, []) = content.as_chunks::<12>() else { return Err(ParseError::BadLength) };
            XrBlock::Dlrr(DlrrBlock { entries })
        }
        other => XrBlock::Other(other, content),
    };
    Ok((block, rest))
}

/// Appends a receiver reference time block.
pub(super) fn emit_reference_time(ntp: NtpTime, out: &mut Vec<u8>) {
    out.extend_from_slice(&[RECEIVER_REFERENCE_TIME, 0, 0, 2]);
    out.extend_from_slice(&ntp.0.to_be_bytes());
}

/// Appends a DLRR block.
pub(super) fn emit_dlrr(entries: &[Dlrr], out: &mut Vec<u8>) {
    let words = (entries.len() * 3) as u16;
    out.extend_from_slice(&[DLRR, 0]);
    out.extend_from_slice(&words.to_be_bytes());
    for entry in entries {
        for word in [entry.ssrc.0, entry.last_receiver_report, entry.delay] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}
