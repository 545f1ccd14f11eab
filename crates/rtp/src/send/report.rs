//! What a sender tells about its stream (RFC 3550 §6.4.1).

use std::time::Instant;

use crate::clock::ticks;
use crate::rtcp::SenderInfo;
use crate::{NtpAnchor, NtpTime, Ssrc};

/// Counts what one stream sends, and says what time it is on its media clock.
#[derive(Clone, Debug)]
pub struct SenderStats {
    ssrc: Ssrc,
    clock_rate: u32,
    packets: u64,
    octets: u64,
    /// Last packet: when it left, and its RTP timestamp.
    last: Option<(Instant, u32)>,
}

impl SenderStats {
    /// A stream that has sent nothing; `clock_rate` in Hz.
    pub const fn new(ssrc: Ssrc, clock_rate: u32) -> Self {
        Self { ssrc, clock_rate, packets: 0, octets: 0, last: None }
    }

    /// A packet left. `payload_len` without header and padding. HOT.
    pub fn handle_packet(&mut self, now: Instant, timestamp: u32, payload_len: usize) {
        self.packets += 1;
        self.octets += payload_len as u64;
        // A packet of an older frame does not turn the clock back.
        let older = |(_, last): (Instant, u32)| (timestamp.wrapping_sub(last) as i32) <= 0;
        if !self.last.is_some_and(older) {
            self.last = Some((now, timestamp));
        }
    }

    /// Packets sent.
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Payload bytes sent.
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// A report for `now`, its media time counted on from the last packet; `None` before the first.
    pub fn report(&self, now: Instant, anchor: &NtpAnchor) -> Option<SenderInfo> {
        let (sent, timestamp) = self.last?;
        let elapsed = ticks(now.saturating_duration_since(sent), self.clock_rate);
        Some(self.report_at(anchor.ntp(now), timestamp.wrapping_add(elapsed as u32)))
    }

    /// A report whose clocks are known better: of a forwarded stream, say, whose publisher's report
    /// was mapped.
    pub const fn report_at(&self, ntp: NtpTime, rtp_timestamp: u32) -> SenderInfo {
        // RFC 3550 §6.4.1: both counts wrap.
        SenderInfo::new(self.ssrc, ntp, rtp_timestamp, self.packets as u32, self.octets as u32)
    }
}
