//! Loss and jitter of one stream (RFC 3550 A.1, A.3, A.8).

use std::time::Instant;

use crate::clock::{ticks, to_short_ntp};
use crate::rtcp::ReportBlock;
use crate::{NtpTime, SequenceNumber, Ssrc};

/// Largest step forward that still counts as loss (RFC 3550 A.1).
const MAX_DROPOUT: u16 = 3000;
/// Largest step back that still counts as reordering (RFC 3550 A.1, more tolerant).
const MAX_MISORDER: u16 = 1000;

/// Counts one stream as it is received. Retransmissions over RTX do not count.
#[derive(Clone, Debug)]
pub struct Statistics {
    clock_rate: u32,
    sequence: Option<Sequence>,
    received: u64,
    /// Expected and received at the last report.
    reported: (u64, u64),
    /// Arrival and timestamp of the last packet.
    transit: Option<(Instant, u32)>,
    /// Jitter in 1/16 tick.
    jitter: u64,
    sender_report: Option<(NtpTime, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Sequence {
    base: u64,
    highest: u64,
    /// After an impossible step: the number that would confirm it.
    suspect: Option<SequenceNumber>,
}

impl Statistics {
    /// Nothing received yet; `clock_rate` in Hz.
    pub const fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            sequence: None,
            received: 0,
            reported: (0, 0),
            transit: None,
            jitter: 0,
            sender_report: None,
        }
    }

    /// A packet of the stream arrived. HOT.
    pub fn handle_packet(&mut self, received: Instant, sequence_number: SequenceNumber, timestamp: u32) {
        if !self.handle_sequence(sequence_number) {
            return;
        }
        self.received += 1;
        if let Some((before, last_timestamp)) = self.transit.replace((received, timestamp)) {
            self.handle_transit(before, last_timestamp);
        }
    }

    /// False if the packet is too far off to count.
    fn handle_sequence(&mut self, sequence_number: SequenceNumber) -> bool {
        let Some(sequence) = &mut self.sequence else {
            self.restart(sequence_number);
            return true;
        };
        let step = sequence_number.distance_from(SequenceNumber(sequence.highest as u16));
        let allowed = if step > 0 { MAX_DROPOUT } else { MAX_MISORDER };
        if step.unsigned_abs() > allowed {
            // RFC 3550 A.1: two in a row mean that the sender began anew.
            if sequence.suspect == Some(sequence_number) {
                self.restart(sequence_number);
                return true;
            }
            sequence.suspect = Some(sequence_number.next());
            return false;
        }
        sequence.suspect = None;
        sequence.highest += u64::from(step.max(0).unsigned_abs());
        true
    }

    fn restart(&mut self, sequence_number: SequenceNumber) {
        let number = u64::from(sequence_number.0);
        self.sequence = Some(Sequence { base: number, highest: number, suspect: None });
        self.received = 0;
        self.reported = (0, 0);
        self.transit = None;
    }

    /// RFC 3550 A.8: J += (|D| - J) / 16, in 1/16 tick to keep the rest.
    fn handle_transit(&mut self, before: Instant, last_timestamp: u32) {
        let Some((received, timestamp)) = self.transit else { return };
        let arrival = match received.checked_duration_since(before) {
            Some(later) => ticks(later, self.clock_rate) as i64,
            None => -(ticks(before.duration_since(received), self.clock_rate) as i64),
        };
        let media = i64::from(timestamp.wrapping_sub(last_timestamp) as i32);
        let difference = arrival.saturating_sub(media).unsigned_abs().min(u64::from(u32::MAX));
        self.jitter = (self.jitter + difference).saturating_sub((self.jitter + 8) >> 4);
    }

    /// A sender report of the stream arrived: report blocks will refer to it.
    pub const fn note_sender_report(&mut self, now: Instant, ntp: NtpTime) {
        self.sender_report = Some((ntp, now));
    }

    /// Packets received since the stream began (or began anew), duplicates included.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Packets that should have come so far.
    pub fn expected(&self) -> u64 {
        self.sequence.map_or(0, |sequence| sequence.highest - sequence.base + 1)
    }

    /// Packets that did not come; negative if duplicates outnumber them.
    pub fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    /// Interarrival jitter in ticks.
    pub const fn jitter(&self) -> u32 {
        let jitter = self.jitter >> 4;
        if jitter > u32::MAX as u64 { u32::MAX } else { jitter as u32 }
    }

    /// Makes the next report block about `ssrc`; `None` before the first packet. The fraction lost
    /// covers the time since the last call.
    pub fn report_block(&mut self, now: Instant, ssrc: Ssrc) -> Option<ReportBlock> {
        let sequence = self.sequence?;
        let (expected, received) = (self.expected(), self.received);
        let expected_now = expected - self.reported.0;
        let received_now = received - self.reported.1;
        self.reported = (expected, received);
        let lost_now = expected_now.saturating_sub(received_now);
        let mut block = ReportBlock::new(ssrc);
        // All lost would be 256 of 256: eight bits say at most 255.
        block.fraction_lost = (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u8;
        block.cumulative_lost = self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32;
        block.extended_highest_sequence = sequence.highest as u32;
        block.jitter = self.jitter();
        if let Some((ntp, at)) = self.sender_report {
            block.last_sender_report = ntp.middle();
            block.delay_since_last_sender_report = to_short_ntp(now.saturating_duration_since(at));
        }
        Some(block)
    }
}
