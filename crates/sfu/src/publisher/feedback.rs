//! What a publisher is told: reports, what to send again, key frames, arrival times.

use std::time::{Duration, Instant};

use headwater_rtp::rtcp::{Builder, FirEntry};
use headwater_rtp::{NtpAnchor, Ssrc};

use super::{Line, Publisher, REPORT_INTERVAL, Source};
use crate::track::{Kind, Track};

/// Bytes of a usual report of arrival times, with those of its UDP and IP headers.
const FEEDBACK_BYTES: u64 = 68;
/// It is to take at most one in this many of what comes in.
const FEEDBACK_PART: u64 = 20;

/// Time between reports of arrival times for who sent so many bytes between two receiver reports: they are to cost a
/// twentieth of what they report on.
pub(super) fn interval(bytes: u64) -> Duration {
    let millis = REPORT_INTERVAL.as_millis() as u64 * FEEDBACK_BYTES * FEEDBACK_PART / bytes.max(1);
    Duration::from_millis(millis.clamp(50, 250))
}

impl Publisher {
    /// Appends the RTCP that is due. Returns `false` if none is.
    pub(crate) fn poll_feedback(
        &mut self,
        now: Instant,
        clock: &NtpAnchor,
        tracks: &mut [Track],
        rtcp: &mut Builder<'_>,
    ) -> bool {
        let mut any = false;
        if self.saying_bye {
            self.saying_bye = false;
            rtcp.receiver_report(self.ssrc, &[]);
            rtcp.sdes_cname(self.ssrc, &self.cname);
            rtcp.bye(&[self.ssrc], None);
            return true;
        }
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            self.adapt_feedback();
            self.report(now, clock, rtcp);
            any = true;
        }
        any |= self.request_resends(now, rtcp);
        any |= self.request_key_frames(now, tracks, rtcp);
        let media = self.sources.first().map_or(Ssrc(0), |source| source.ssrc);
        // Alone in its datagram, since it may fill one; the caller comes again.
        any || self.transport_cc.poll_feedback(now, self.ssrc, media, rtcp)
    }

    /// Arrival times are told less often to who sends little.
    fn adapt_feedback(&mut self) {
        let bytes = self.received.bytes - std::mem::replace(&mut self.reported_bytes, self.received.bytes);
        self.transport_cc.set_interval(interval(bytes));
    }

    /// When [`poll_feedback`](Self::poll_feedback) next has something to say.
    pub(crate) fn poll_timeout(&self, tracks: &[Track]) -> Instant {
        let nacks = self.sources.iter().filter_map(|source| source.nack.as_ref()?.poll_timeout());
        let key_frames =
            self.bound_lines().filter_map(|(line, _)| tracks.get(line.track)?.key_frames.poll_timeout());
        nacks
            .chain(key_frames)
            .chain(self.transport_cc.poll_timeout())
            .chain([if self.saying_bye { self.created } else { self.next_report }])
            .min()
            .expect("the report is always due some time")
    }

    pub(super) fn report(&mut self, now: Instant, clock: &NtpAnchor, rtcp: &mut Builder<'_>) {
        let mut blocks = std::mem::take(&mut self.blocks);
        blocks.clear();
        for source in &mut self.sources {
            blocks.extend(source.statistics.report_block(now, source.ssrc));
        }
        rtcp.receiver_report(self.ssrc, &blocks);
        self.blocks = blocks;
        rtcp.sdes_cname(self.ssrc, &self.cname);
        // RFC 3611 §4.4: who only receives learns the round-trip time from the answer to this.
        rtcp.extended_report(self.ssrc, Some(clock.ntp(now)), &[]);
    }

    pub(super) fn request_resends(&mut self, now: Instant, rtcp: &mut Builder<'_>) -> bool {
        let mut any = false;
        for source in &mut self.sources {
            let Some(nack) = &mut source.nack else { continue };
            self.lost.clear();
            nack.poll(now, &mut self.lost);
            if !self.lost.is_empty() {
                self.received.nacks += self.lost.len() as u64;
                rtcp.nack(self.ssrc, source.ssrc, self.lost.iter().copied());
                any = true;
            }
        }
        any
    }

    pub(super) fn request_key_frames(
        &mut self,
        now: Instant,
        tracks: &mut [Track],
        rtcp: &mut Builder<'_>,
    ) -> bool {
        let mut any = false;
        for index in 0..self.lines.len() {
            let media = self.sources.iter_mut().find(|source| source.line == index && !source.is_rtx);
            let Some(source) = media else { continue };
            let line = &mut self.lines[index];
            let video = tracks.get_mut(line.track).filter(|track| track.kind == Kind::Video);
            let Some(track) = video else { continue };
            if let Some(nack) = source.nack.as_mut().filter(|nack| nack.needs_key_frame()) {
                nack.key_frame_requested();
                track.key_frames.want(now);
            }
            if track.key_frames.take(now) {
                if line.agreement.pli {
                    rtcp.pli(self.ssrc, source.ssrc);
                } else {
                    line.fir_sequence = line.fir_sequence.wrapping_add(1);
                    rtcp.fir(self.ssrc, &[FirEntry::new(source.ssrc, line.fir_sequence)]);
                }
                any = true;
            }
        }
        any
    }

    /// Lines whose media source has been seen, so that feedback has an address.
    pub(super) fn bound_lines(&self) -> impl Iterator<Item = (&Line, &Source)> {
        self.sources.iter().filter(|source| !source.is_rtx).map(|source| (&self.lines[source.line], source))
    }
}
