//! The outbound side of a viewing peer: what it still has to read, what it reported, what we report to it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use headwater_rtp::rtcp::{self, Builder, SenderInfo};
use headwater_rtp::{NtpAnchor, NtpTime, Ssrc};
use headwater_srtp::Context;

use crate::bucket::Bucket;
use crate::burst::{Next, write_burst};
use crate::forward::Forwarder;
use crate::pacer::Pacer;
use crate::track::{Kind, Track};

/// A connection that has had no room for this long is tried again.
const BLOCKED: Duration = Duration::from_secs(5);
/// Time between sender reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Sender reports follow each other faster at first, so that a lost one does not delay lip sync.
const FIRST_REPORT_INTERVAL: Duration = Duration::from_millis(200);
const FIRST_REPORTS: u32 = 4;
/// Resends that may wait; a viewer who reports more at once has lost the picture anyway.
pub(crate) const MAX_PENDING_RESENDS: usize = 256;
/// The same packet is not resent again within this time.
const RESEND_INTERVAL: Duration = Duration::from_millis(30);
/// How many resends are remembered for that.
const MAX_RECENT_RESENDS: usize = MAX_PENDING_RESENDS;
/// Packets that one datagram of reports may ask for.
const MAX_ASKED: usize = 2 * MAX_PENDING_RESENDS;
/// What one viewer may have resent, in bits per second, with a burst of a second. Without it a few bytes of requests
/// would bring thousands of times as many out of us.
const MAX_RESEND_BITRATE: u64 = 20_000_000;
/// A resend counts as this many bytes.
const RESEND_BYTES: usize = 1250;
/// One media line towards a viewer.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Line {
    /// Index of the broadcast's track.
    pub track: usize,
    /// Its forwarder.
    pub forwarder: Forwarder,
}

/// What a viewer's reports say.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reported {
    /// Round-trip time, by its last receiver report.
    pub rtt: Option<Duration>,
    /// Fraction of packets lost since its report before, in 1/256, the worse of its lines.
    pub fraction_lost: u8,
    /// Packets lost in total, by its count.
    pub lost: u64,
    /// Jitter of its video line, in RTP units.
    pub jitter: u32,
    /// Packets that it asked us to resend.
    pub nacks: u64,
    /// Key frames that it asked for.
    pub key_frame_requests: u64,
    /// Packets that its transport-wide feedback covers. Nothing asks for such feedback yet; whoever sends it is counted.
    pub feedback: u64,
    /// Of those, packets that had not arrived.
    pub feedback_lost: u64,
}

/// The outbound side of a viewing peer.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Viewer {
    // What every packet needs comes first, to be fetched ahead.
    lines: Vec<Line>,
    next_report: Option<Instant>,
    pacer: Pacer,
    resume: Option<Instant>,
    resends: VecDeque<(usize, u16)>,
    recent: VecDeque<(usize, u16, Instant)>,
    cname: String,
    reports: u32,
    reported: Reported,
    resend_rate: Option<Bucket>,
    /// Is it on the list of those whose pacing rate lets them go on?
    is_resumed: bool,
    saying_bye: bool,
}

impl Viewer {
    /// How much of it, from its beginning, the next packet needs.
    pub(crate) const HOT: usize = std::mem::offset_of!(Self, resends);

    /// A viewer of these lines.
    pub(crate) fn new(lines: Vec<Line>, cname: String) -> Self {
        Self {
            lines,
            resends: VecDeque::new(),
            recent: VecDeque::new(),
            cname,
            next_report: None,
            reports: 0,
            reported: Reported::default(),
            resend_rate: None,
            pacer: Pacer::default(),
            resume: None,
            is_resumed: false,
            saying_bye: false,
        }
    }

    /// Its lines, to move them to another unit.
    pub(crate) fn lines_mut(&mut self) -> &mut Vec<Line> {
        &mut self.lines
    }

    /// Its lines.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// It is connected: every line starts at the best place its track has, and asks for a key frame where there
    /// is none.
    pub(crate) fn begin(&mut self, now: Instant, tracks: &mut [Track]) {
        for line in &mut self.lines {
            let Some(track) = tracks.get_mut(line.track) else { continue };
            if !line.forwarder.begin(now, track) && track.kind == Kind::Video {
                track.key_frames.insist(now);
            }
        }
    }

    /// Writes what this viewer gets next of one kind: packets of equal size that leave as one message.
    pub(crate) fn next_burst(
        &mut self,
        now: Instant,
        kind: Kind,
        tracks: &mut [Track],
        srtp: &mut Context,
        out: &mut Vec<u8>,
    ) -> Next {
        for line in &mut self.lines {
            let Some(track) = tracks.get(line.track) else { continue };
            if track.kind != kind || !line.forwarder.is_ready(track) {
                continue;
            }
            let mut budget = usize::MAX;
            if kind == Kind::Video {
                match self.pacer.allowance(now, track.bitrate()) {
                    Ok(bytes) => budget = bytes,
                    Err(resume) => {
                        self.resume = Some(resume);
                        return Next::Later;
                    }
                }
            }
            let burst = write_burst(&mut line.forwarder, track, srtp, budget, out);
            if kind == Kind::Video {
                if let Some(burst) = burst {
                    self.pacer.note_sent(now, burst.total, track.bitrate());
                }
                if line.forwarder.is_waiting(track) {
                    tracks[line.track].key_frames.insist(now);
                }
            }
            let Some(burst) = burst else { continue };
            if self.next_report.is_none() {
                self.next_report = Some(now);
            }
            return Next::Burst(burst);
        }
        Next::Nothing
    }

    /// Is there something of one kind to read?
    pub(crate) fn is_ready(&self, kind: Kind, tracks: &[Track]) -> bool {
        let ready = |line: &Line| {
            tracks.get(line.track).is_some_and(|track| track.kind == kind && line.forwarder.is_ready(track))
        };
        self.lines.iter().any(ready)
    }

    /// Is it time for video that had to wait for the pacing rate? Says so once, and not again before
    /// [`leave_resumed`](Self::leave_resumed): with more media than can be sent its turn may not come for long.
    pub(crate) fn resumes(&mut self, now: Instant) -> bool {
        self.resume.take_if(|resume| *resume <= now).is_some()
            && !std::mem::replace(&mut self.is_resumed, true)
    }

    /// Its connection has no room: video waits where it is, at most so long. Audio goes on, since it takes little.
    pub(crate) fn block(&mut self, now: Instant) {
        self.pacer.block(now + BLOCKED);
    }

    /// Its connection has room again.
    pub(crate) fn unblock(&mut self, now: Instant) {
        self.pacer.unblock();
        self.resume = Some(now);
    }

    /// It has had its turn.
    pub(crate) fn leave_resumed(&mut self) {
        self.is_resumed = false;
    }

    /// Writes the next packet that is to be resent.
    pub(crate) fn next_resend(
        &mut self,
        now: Instant,
        tracks: &[Track],
        srtp: &mut Context,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        while let Some((line, sequence)) = self.resends.pop_front() {
            let rate = self.resend_rate.get_or_insert_with(|| Bucket::new(MAX_RESEND_BITRATE, now));
            if !rate.take(now, RESEND_BYTES) {
                self.resends.clear();
                return None;
            }
            let Some(Line { track, forwarder }) = self.lines.get_mut(line) else { continue };
            let Some(track) = tracks.get(*track) else { continue };
            if let Some(written) = forwarder.resend(sequence, track, srtp, out) {
                if self.recent.len() == MAX_RECENT_RESENDS {
                    self.recent.pop_front();
                }
                self.recent.push_back((line, sequence, now));
                return Some(written);
            }
        }
        None
    }

    /// Are there packets to resend?
    pub(crate) fn has_resends(&self) -> bool {
        !self.resends.is_empty()
    }

    /// Takes a compound RTCP packet that passed SRTCP.
    pub(crate) fn handle_rtcp(
        &mut self,
        now: Instant,
        clock: &NtpAnchor,
        bytes: &[u8],
        tracks: &mut [Track],
    ) {
        let mut asked = 0;
        for packet in rtcp::packets(bytes).flatten() {
            match packet {
                rtcp::Packet::ReceiverReport(report) => {
                    for block in report.reports() {
                        self.handle_report_block(now, clock, &block);
                    }
                }
                rtcp::Packet::SenderReport(report) => {
                    for block in report.reports() {
                        self.handle_report_block(now, clock, &block);
                    }
                }
                rtcp::Packet::Nack(nack) => {
                    let Some(line) = self.line_of(nack.media) else { continue };
                    for sequence in nack.lost().take(MAX_ASKED - asked) {
                        asked += 1;
                        self.request_resend(now, line, sequence.0);
                    }
                }
                rtcp::Packet::TransportCc(feedback) => {
                    self.reported.feedback += u64::from(feedback.status_count);
                    self.reported.feedback_lost += u64::from(feedback.status_count - feedback.received);
                }
                rtcp::Packet::Pli(pli) => self.request_key_frame(now, pli.media, tracks),
                rtcp::Packet::Fir(fir) => {
                    for entry in fir.entries() {
                        self.request_key_frame(now, entry.ssrc, tracks);
                    }
                }
                _ => {}
            }
        }
    }

    /// Appends the RTCP that is due. Returns `false` if none is.
    pub(crate) fn poll_feedback(
        &mut self,
        now: Instant,
        clock: &NtpAnchor,
        tracks: &[Track],
        rtcp: &mut Builder<'_>,
    ) -> bool {
        if self.saying_bye {
            self.saying_bye = false;
            let Some(first) = self.lines.first() else { return false };
            rtcp.receiver_report(first.forwarder.agreement().ssrc, &[]);
            rtcp.sdes_cname(first.forwarder.agreement().ssrc, &self.cname);
            let ssrcs: Vec<_> = self.lines.iter().map(|line| line.forwarder.agreement().ssrc).collect();
            rtcp.bye(&ssrcs, None);
            return true;
        }
        if self.next_report.is_none_or(|due| due > now) {
            return false;
        }
        self.reports += 1;
        let interval = if self.reports <= FIRST_REPORTS { FIRST_REPORT_INTERVAL } else { REPORT_INTERVAL };
        self.next_report = Some(now + interval);
        self.report(clock.ntp(now), tracks, rtcp)
    }

    /// When [`poll_feedback`](Self::poll_feedback) next has something to say, or the pacing rate lets video go on.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.next_report, self.resume].into_iter().flatten().min()
    }

    /// Goodbye is to be said with the next feedback.
    pub(crate) fn say_bye(&mut self) {
        self.saying_bye = true;
        self.resends.clear();
    }

    /// What it reported.
    pub(crate) fn reported(&self) -> Reported {
        self.reported
    }

    fn report(&self, ntp: NtpTime, tracks: &[Track], rtcp: &mut Builder<'_>) -> bool {
        // One base for sound and picture: the publisher's reports once all its tracks have one, else the arrival
        // of their first packets. Mixing the two would put them apart by the encoder's delay.
        let by_report = self
            .lines
            .iter()
            .filter_map(|line| tracks.get(line.track))
            .all(|track| !track.has_started() || track.is_reported());
        let mut any = false;
        for line in &self.lines {
            let Some(track) = tracks.get(line.track) else { continue };
            let forwarder = &line.forwarder;
            if forwarder.generation() != Some(track.generation()) {
                continue;
            }
            let Some(clock) = track.clock(by_report) else { continue };
            let source = clock.timestamp_at(ntp, track.clock_rate());
            let Some(timestamp) = forwarder.map_timestamp(source) else { continue };
            let sent = forwarder.sent();
            let ssrc = forwarder.agreement().ssrc;
            rtcp.sender_report(&SenderInfo::new(ssrc, ntp, timestamp, sent.packets, sent.octets), &[]);
            any = true;
        }
        if any {
            for line in &self.lines {
                rtcp.sdes_cname(line.forwarder.agreement().ssrc, &self.cname);
            }
        }
        any
    }

    fn handle_report_block(&mut self, now: Instant, clock: &NtpAnchor, block: &rtcp::ReportBlock) {
        let Some(line) = self.line_of(block.ssrc) else { return };
        if let Some(rtt) = block.round_trip_time(clock.ntp(now)) {
            self.reported.rtt = Some(rtt);
        }
        let is_first = line == 0;
        self.reported.fraction_lost =
            if is_first { block.fraction_lost } else { self.reported.fraction_lost.max(block.fraction_lost) };
        self.reported.lost = self.reported.lost.max(block.cumulative_lost.max(0) as u64);
        self.reported.jitter = block.jitter;
    }

    fn line_of(&self, ssrc: Ssrc) -> Option<usize> {
        self.lines.iter().position(|line| line.forwarder.agreement().ssrc == ssrc)
    }

    fn request_resend(&mut self, now: Instant, line: usize, sequence: u16) {
        self.reported.nacks += 1;
        if self.resends.len() >= MAX_PENDING_RESENDS {
            return;
        }
        while self.recent.front().is_some_and(|(.., at)| now.saturating_duration_since(*at) > RESEND_INTERVAL)
        {
            self.recent.pop_front();
        }
        let just_resent = self.recent.iter().any(|(l, s, _)| (*l, *s) == (line, sequence));
        if !just_resent && !self.resends.contains(&(line, sequence)) {
            self.resends.push_back((line, sequence));
        }
    }

    fn request_key_frame(&mut self, now: Instant, ssrc: Ssrc, tracks: &mut [Track]) {
        self.reported.key_frame_requests += 1;
        let Some(line) = self.line_of(ssrc) else { return };
        // Sound has no key frames: a wish for one would never be fulfilled, and be due for ever.
        if let Some(track) = tracks.get_mut(self.lines[line].track).filter(|track| track.kind == Kind::Video)
        {
            track.key_frames.want(now);
        }
    }
}

#[cfg(test)]
mod tests;
