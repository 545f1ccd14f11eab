//! The inbound side of a publishing peer: which track a packet belongs to, what was lost, what to report.

mod feedback;
mod source;

use std::time::{Duration, Instant};

use headwater_rtp::extension::{Kind as ExtensionKind, Map};
use headwater_rtp::receive::{Arrival, NackGenerator, Statistics, TransportCcRecorder};
use headwater_rtp::rtcp::{self, SenderInfo};
use headwater_rtp::{NtpAnchor, NtpTime, Packet, PayloadType, SequenceNumber, Ssrc, rtx};

use crate::bucket::Bucket;
use crate::history::Carried;
use crate::track::{Format, Kind, Parts, Pushed, SenderClock, Track};

/// The most synchronisation sources that one publisher may use; packets of further ones are dropped.
pub(crate) const MAX_SOURCES: usize = 16;
/// Time between receiver reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// What a payload type means on a media line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Media of the line's n-th format.
    Media(u8),
    /// Repair of media with this payload type (RFC 4588).
    Rtx(PayloadType),
}

/// What a publisher agreed to for one media line.
#[derive(Debug, Clone)]
pub(crate) struct Agreement {
    /// Audio or video.
    pub kind: Kind,
    /// Identification of the media line.
    pub mid: String,
    /// Payload types.
    pub payload_types: Vec<(PayloadType, Meaning)>,
    /// Formats, by index.
    pub formats: Vec<Format>,
    /// Header-extension ids.
    pub extensions: Map,
    /// SSRCs named in the offer, with whether they are for repair.
    pub announced: Vec<(Ssrc, bool)>,
    /// May we ask for resends?
    pub nack: bool,
    /// Does the publisher take PLI? If not, FIR is sent.
    pub pli: bool,
}

#[derive(Debug)]
struct Line {
    agreement: Agreement,
    /// Index of the broadcast's track.
    track: usize,
    /// The track's format index by the line's.
    formats: Vec<u8>,
    fir_sequence: u8,
}

#[derive(Debug)]
struct Source {
    ssrc: Ssrc,
    line: usize,
    is_rtx: bool,
    statistics: Statistics,
    nack: Option<NackGenerator>,
}

/// Counters of a publisher.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Received {
    /// RTP packets that passed SRTP.
    pub packets: u64,
    /// Their bytes, headers included.
    pub bytes: u64,
    /// Packets found missing that came after all, over RTX or late.
    pub repaired: u64,
    /// Packets over the permitted rate, dropped.
    pub over_rate: u64,
    /// Packets that belong to no media line.
    pub unknown: u64,
    /// Resends asked for.
    pub nacks: u64,
}

/// The inbound side of a publishing peer.
#[derive(Debug)]
pub(crate) struct Publisher {
    lines: Vec<Line>,
    sources: Vec<Source>,
    transport_cc: TransportCcRecorder,
    ssrc: Ssrc,
    cname: String,
    created: Instant,
    last_received: Option<Instant>,
    next_report: Instant,
    rate: Bucket,
    clock_offset: Option<ClockOffset>,
    received: Received,
    /// Bytes received when feedback was last adapted to them.
    reported_bytes: u64,
    lost: Vec<SequenceNumber>,
    /// Kept for its room, as `lost` is.
    blocks: Vec<rtcp::ReportBlock>,
    rtt: Option<Duration>,
    saying_bye: bool,
}

/// Our wall clock minus the publisher's in NTP units, modulo 2^64; fixed at its first report so that audio and video keep one base.
#[derive(Debug, Clone, Copy)]
struct ClockOffset(u64);

/// What a packet changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handled {
    /// The track has something new.
    Stored {
        /// Index of the track.
        track: usize,
        /// It need not wait for more of its frame: it is the last, or was repaired, and others wait for it.
        goes_on: bool,
    },
    /// Nothing that viewers would see.
    Nothing,
}

impl Publisher {
    /// A publisher of these media lines. `ssrc` is ours, in feedback; `bitrate` the most it may send, in bits
    /// per second.
    pub(crate) fn new(
        agreements: Vec<Agreement>,
        ssrc: Ssrc,
        cname: String,
        bitrate: u64,
        now: Instant,
    ) -> Self {
        let line = |agreement| Line { agreement, track: 0, formats: Vec::new(), fir_sequence: 0 };
        Self {
            lines: agreements.into_iter().map(line).collect(),
            sources: Vec::new(),
            transport_cc: TransportCcRecorder::default(),
            ssrc,
            cname,
            created: now,
            last_received: None,
            next_report: now + REPORT_INTERVAL,
            rate: Bucket::new(bitrate, now),
            clock_offset: None,
            received: Received::default(),
            reported_bytes: 0,
            lost: Vec::new(),
            blocks: Vec::new(),
            rtt: None,
            saying_bye: false,
        }
    }

    /// What was agreed, line by line.
    pub(crate) fn agreements(&self) -> impl Iterator<Item = &Agreement> {
        self.lines.iter().map(|line| &line.agreement)
    }

    /// Binds line `line` to a track, whose indices for the line's formats are `formats`.
    pub(crate) fn bind(&mut self, line: usize, track: usize, formats: Vec<u8>) {
        if let Some(line) = self.lines.get_mut(line) {
            line.track = track;
            line.formats = formats;
        }
    }

    /// Takes an RTP packet that passed SRTP.
    pub(crate) fn handle_rtp(
        &mut self,
        now: Instant,
        received: Instant,
        clock: &NtpAnchor,
        bytes: &[u8],
        tracks: &mut [Track],
    ) -> Handled {
        let Ok(packet) = Packet::parse(bytes) else {
            self.received.unknown += 1;
            return Handled::Nothing;
        };
        if !self.rate.take(now, bytes.len()) {
            self.received.over_rate += 1;
            return Handled::Nothing;
        }
        self.last_received = Some(now);
        self.received.packets += 1;
        self.received.bytes += bytes.len() as u64;
        self.record_transport_sequence(&packet, received);
        let Some(source) = self.source_of(&packet) else {
            self.received.unknown += 1;
            return Handled::Nothing;
        };
        let line = self.sources[source].line;
        let meaning = self.lines[line]
            .agreement
            .payload_types
            .iter()
            .find(|(payload_type, _)| *payload_type == packet.payload_type())
            .map(|(_, meaning)| *meaning);
        match meaning {
            Some(Meaning::Media(format)) => {
                self.handle_media(received, clock, &packet, source, format, tracks)
            }
            Some(Meaning::Rtx(of)) => self.handle_rtx(received, clock, &packet, line, of, tracks),
            None => {
                self.received.unknown += 1;
                Handled::Nothing
            }
        }
    }

    /// Takes a compound RTCP packet that passed SRTCP. Returns `true` if the publisher said goodbye.
    pub(crate) fn handle_rtcp(
        &mut self,
        now: Instant,
        clock: &NtpAnchor,
        bytes: &[u8],
        tracks: &mut [Track],
    ) -> bool {
        let mut bye = false;
        for packet in rtcp::packets(bytes).flatten() {
            match packet {
                rtcp::Packet::SenderReport(report) => {
                    self.handle_sender_report(now, clock, &report.info, tracks);
                }
                rtcp::Packet::ExtendedReport(report) => {
                    for block in report.blocks() {
                        if let rtcp::XrBlock::Dlrr(dlrr) = block {
                            let ours = dlrr.entries().find(|entry| entry.ssrc == self.ssrc);
                            self.note_rtt(ours.and_then(|entry| entry.round_trip_time(clock.ntp(now))));
                        }
                    }
                }
                rtcp::Packet::Bye(goodbye) => {
                    bye |= goodbye.sources().any(|ssrc| self.sources.iter().any(|s| s.ssrc == ssrc));
                }
                _ => {}
            }
        }
        bye
    }

    /// Goodbye is to be said with the next feedback.
    pub(crate) fn say_bye(&mut self) {
        self.saying_bye = true;
    }

    /// How long it has sent nothing.
    pub(crate) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_received.unwrap_or(self.created))
    }

    /// Media packets that did not arrive in their turn.
    pub(crate) fn lost(&self) -> u64 {
        let media = self.sources.iter().filter(|source| !source.is_rtx);
        media.map(|source| source.statistics.lost().max(0) as u64).sum()
    }

    /// Round-trip time, by the publisher's answers to our reference times.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Counters.
    pub(crate) fn received(&self) -> Received {
        self.received
    }

    fn note_rtt(&mut self, rtt: Option<Duration>) {
        let Some(rtt) = rtt else { return };
        self.rtt = Some(rtt);
        for nack in self.sources.iter_mut().filter_map(|source| source.nack.as_mut()) {
            nack.set_rtt(rtt);
        }
    }

    fn handle_media(
        &mut self,
        received: Instant,
        clock: &NtpAnchor,
        packet: &Packet<&[u8]>,
        source: usize,
        format: u8,
        tracks: &mut [Track],
    ) -> Handled {
        let source = &mut self.sources[source];
        source.statistics.handle_packet(received, packet.sequence_number(), packet.timestamp());
        if let Some(nack) = &mut source.nack
            && nack.handle_packet(received, packet.sequence_number()) == Arrival::Recovered
        {
            self.received.repaired += 1;
        }
        let line = &self.lines[source.line];
        let carried = carried(line, packet);
        let (Some(track), Some(&format)) = (tracks.get_mut(line.track), line.formats.get(format as usize))
        else {
            return Handled::Nothing;
        };
        stored(
            line.track,
            packet.marker(),
            track.push(received, clock.ntp(received), packet, format, carried),
        )
    }

    fn handle_rtx(
        &mut self,
        received: Instant,
        clock: &NtpAnchor,
        packet: &Packet<&[u8]>,
        line: usize,
        of: PayloadType,
        tracks: &mut [Track],
    ) -> Handled {
        // An RTX packet without a payload is padding that probes the bandwidth.
        let Some((sequence, payload)) = rtx::unwrap(packet.payload()) else { return Handled::Nothing };
        let media = self.sources.iter_mut().find(|source| source.line == line && !source.is_rtx);
        let Some(nack) = media.and_then(|source| source.nack.as_mut()) else { return Handled::Nothing };
        match nack.handle_retransmission(received, sequence) {
            Arrival::Recovered => self.received.repaired += 1,
            Arrival::New => {}
            // Browsers probe the bandwidth with packets of long ago: their numbers must not be taken for new ones.
            _ => return Handled::Nothing,
        }
        let line = &self.lines[line];
        let meaning = line.agreement.payload_types.iter().find(|(payload_type, _)| *payload_type == of);
        let Some((_, Meaning::Media(format))) = meaning.copied() else { return Handled::Nothing };
        let carried = carried(line, packet);
        let (Some(track), Some(&format)) = (tracks.get_mut(line.track), line.formats.get(format as usize))
        else {
            return Handled::Nothing;
        };
        if !track.has_started() {
            // Probes come before the first media packet; they would set a wrong start.
            return Handled::Nothing;
        }
        let parts =
            Parts { sequence, timestamp: packet.timestamp(), marker: packet.marker(), format, carried };
        stored(line.track, true, track.push_parts(received, clock.ntp(received), &parts, payload))
    }

    fn handle_sender_report(
        &mut self,
        now: Instant,
        clock: &NtpAnchor,
        info: &SenderInfo,
        tracks: &mut [Track],
    ) {
        let SenderInfo { ssrc, ntp, rtp_timestamp: timestamp, .. } = *info;
        let Some(source) = self.sources.iter_mut().find(|source| source.ssrc == ssrc) else { return };
        source.statistics.note_sender_report(now, ntp);
        if source.is_rtx {
            return;
        }
        let offset =
            self.clock_offset.get_or_insert_with(|| ClockOffset(clock.ntp(now).0.wrapping_sub(ntp.0)));
        let ntp = NtpTime(ntp.0.wrapping_add(offset.0));
        let line = &self.lines[source.line];
        if let Some(track) = tracks.get_mut(line.track) {
            track.note_report(SenderClock { ntp, timestamp });
        }
    }
}

fn stored(track: usize, goes_on: bool, pushed: Pushed) -> Handled {
    match pushed {
        Pushed::Stored { .. } => Handled::Stored { track, goes_on },
        Pushed::Duplicate => Handled::Nothing,
    }
}

/// Reads the extension values that go on to the viewers.
fn carried(line: &Line, packet: &Packet<&[u8]>) -> Carried {
    let mut carried = Carried::default();
    for (id, value) in packet.extensions() {
        match line.agreement.extensions.kind(id) {
            // 3GPP TS 26.114 §7.4.5: sent with the last packet of a frame, and absent again when upright.
            Some(ExtensionKind::Orientation) => {
                if let [orientation] = value {
                    carried.orientation = *orientation;
                }
            }
            Some(ExtensionKind::AudioLevel) => carried.audio_level = value.first().copied(),
            Some(ExtensionKind::PlayoutDelay) => carried.playout_delay = value.first_chunk::<3>().copied(),
            _ => {}
        }
    }
    carried
}

#[cfg(test)]
mod tests;
