//! Sender report (RFC 3550 §6.4.1).

use super::report_block::{self, ReportBlock};
use crate::{NtpTime, ParseError, Ssrc};

const FIXED_LEN: usize = 24;

/// ```text
/// | SSRC of sender (32) | NTP timestamp (64) | RTP timestamp (32) |
/// | packet count (32) | octet count (32) | report blocks ..
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SenderReport<'a> {
    /// The stream's clock and counts.
    pub info: SenderInfo,
    blocks: &'a [u8],
}

/// What a sender tells about its own stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SenderInfo {
    /// The stream.
    pub ssrc: Ssrc,
    /// Wall clock of the sender at the moment of the report.
    pub ntp: NtpTime,
    /// Media time of the same moment.
    pub rtp_timestamp: u32,
    /// Packets sent since the beginning, wrapping.
    pub packet_count: u32,
    /// Payload bytes sent since the beginning, wrapping.
    pub octet_count: u32,
}

impl SenderInfo {
    /// All fields.
    pub const fn new(
        ssrc: Ssrc,
        ntp: NtpTime,
        rtp_timestamp: u32,
        packet_count: u32,
        octet_count: u32,
    ) -> Self {
        Self { ssrc, ntp, rtp_timestamp, packet_count, octet_count }
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ssrc.0.to_be_bytes());
        out.extend_from_slice(&self.ntp.0.to_be_bytes());
        for word in [self.rtp_timestamp, self.packet_count, self.octet_count] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

impl<'a> SenderReport<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let blocks_len = usize::from(count) * report_block::LEN;
        ParseError::check_len(body, FIXED_LEN + blocks_len)?;
        let (fixed, rest) = body.split_first_chunk::<FIXED_LEN>().expect("checked above: 24 bytes");
        let mut words = fixed.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
        let mut next = || words.next().unwrap_or_default();
        let info = SenderInfo {
            ssrc: Ssrc(next()),
            ntp: NtpTime(u64::from(next()) << 32 | u64::from(next())),
            rtp_timestamp: next(),
            packet_count: next(),
            octet_count: next(),
        };
        Ok(Self { info, blocks: &rest[..blocks_len] })
    }

    /// Reports on what this sender receives, at most 31.
    pub fn reports(&self) -> impl ExactSizeIterator<Item = ReportBlock> + 'a {
        report_block::blocks(self.blocks)
    }
}
