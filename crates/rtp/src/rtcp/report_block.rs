//! Report blocks: how one stream is received (RFC 3550 §6.4.1).

use std::time::Duration;

use crate::clock::from_short_ntp;
use crate::{NtpTime, Ssrc};

/// Most report blocks in one packet: the count has five bits.
pub const MAX_REPORT_BLOCKS: usize = 31;

pub(super) const LEN: usize = 24;

/// ```text
/// | SSRC (32) | fraction lost (8) | cumulative lost (24, signed) |
/// | extended highest sequence number (32) | jitter (32) | LSR (32) | DLSR (32) |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReportBlock {
    /// Stream that is reported on.
    pub ssrc: Ssrc,
    /// Lost packets since the last report, in 1/256 of those expected.
    pub fraction_lost: u8,
    /// Lost packets since the beginning; negative if duplicates outnumber losses. 24 bits.
    pub cumulative_lost: i32,
    /// Highest sequence number received, wraps counted in the upper half.
    pub extended_highest_sequence: u32,
    /// Interarrival jitter in ticks of the media clock.
    pub jitter: u32,
    /// Middle bits of the last sender report's NTP time; 0 if there was none.
    pub last_sender_report: u32,
    /// Time since that report in 1/65536 s; 0 if there was none.
    pub delay_since_last_sender_report: u32,
}

impl ReportBlock {
    /// A block about a stream of which nothing is known.
    pub fn new(ssrc: Ssrc) -> Self {
        Self { ssrc, ..Self::default() }
    }

    /// Round-trip time, for the sender that gets this block at `now` by the clock of its sender
    /// reports (RFC 3550 §6.4.1, figure 2). `None` if the receiver had no sender report yet, or
    /// the numbers make no sense.
    pub fn round_trip_time(&self, now: NtpTime) -> Option<Duration> {
        round_trip_time(now, self.last_sender_report, self.delay_since_last_sender_report)
    }

    pub(super) fn parse(bytes: &[u8; LEN]) -> Self {
        let mut words = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
        let mut next = || words.next().unwrap_or_default();
        let ssrc = Ssrc(next());
        let loss = next();
        Self {
            ssrc,
            fraction_lost: (loss >> 24) as u8,
            cumulative_lost: (loss << 8) as i32 >> 8,
            extended_highest_sequence: next(),
            jitter: next(),
            last_sender_report: next(),
            delay_since_last_sender_report: next(),
        }
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        let cumulative = self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0x00ff_ffff;
        let words = [
            self.ssrc.0,
            u32::from(self.fraction_lost) << 24 | cumulative,
            self.extended_highest_sequence,
            self.jitter,
            self.last_sender_report,
            self.delay_since_last_sender_report,
        ];
        for word in words {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// `now - sent - delay` in 1/65536 s, modulo 18 hours.
pub(super) fn round_trip_time(now: NtpTime, sent: u32, delay: u32) -> Option<Duration> {
    let round_trip = now.middle().wrapping_sub(sent).wrapping_sub(delay) as i32;
    // Clocks have steps: a little below zero counts as nothing.
    (sent != 0 && round_trip > -0x1000).then(|| from_short_ntp(round_trip.max(0) as u32))
}

/// The blocks at the front of `bytes`; what is behind them (profile-specific) is ignored.
pub(super) fn blocks(bytes: &[u8]) -> impl ExactSizeIterator<Item = ReportBlock> + '_ {
    bytes.as_chunks::<LEN>().0.iter().map(ReportBlock::parse)
}
