//! One viewer's view of one track: select, rewrite, write, protect.

use std::time::Instant;

use headwater_rtp::{PayloadType, Ssrc};
use headwater_srtp::Context;

use crate::burst::{Fit, Plan, Written};
use crate::history::{Cursor, History, Packet, Read};
use crate::rewrite::{Outgoing, Rewriter};
use crate::template::{ExtensionIds, Fields, Template};
use crate::track::{Format, Kind, Track};

/// Payload types that a viewer takes a format under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PayloadTypes {
    /// For media.
    pub media: PayloadType,
    /// For repair (RFC 4588), if negotiated: without it nothing is resent.
    pub rtx: Option<PayloadType>,
}

/// What a viewer agreed to for one media line.
#[derive(Debug, Clone)]
pub(crate) struct Agreement {
    /// Formats that it can play, with their payload types.
    pub formats: Vec<(Format, PayloadTypes)>,
    /// Header extensions.
    pub extensions: ExtensionIds,
    /// Our SSRC towards it.
    pub ssrc: Ssrc,
    /// Our SSRC for repair.
    pub rtx_ssrc: Ssrc,
}

/// Where numbering starts towards a viewer: random, from the seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// First sequence number; its top bit is ignored.
    pub sequence: u16,
    /// First RTX sequence number; its top bit is ignored.
    pub rtx_sequence: u16,
    /// First timestamp.
    pub timestamp: u32,
}

const PADDING_BIT: u8 = 0x20;
/// Packets of one frame differ by a few bytes (libwebrtc's by one). Up to this many are made up by padding, so that they
/// leave as one message; beyond it a message more is cheaper.
const MAX_PADDING: usize = 32;
/// What a padding packet carries.
const EMPTY_PADDING: usize = 4;
/// The most that outgoing sequence numbers go forward at once.
const MAX_LEAP: u64 = 8192;

/// What has been sent on a track, as sender reports and statistics need it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    /// Media packets.
    pub packets: u32,
    /// Payload octets of media.
    pub octets: u32,
    /// Packets resent.
    pub resent: u64,
    /// Lost packets asked for that could not be resent.
    pub unrepaired: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not connected yet, or muted by its owner.
    Idle,
    /// Until a key frame comes.
    Waiting,
    /// Reading, from this publisher.
    Live { generation: u32 },
}

/// One viewer's view of one track.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Forwarder {
    // What every packet needs comes first, to be fetched ahead.
    state: State,
    formats_of: u32,
    cursor: Cursor,
    /// Payload types of the last packet, with its format's index.
    current: Option<(u8, PayloadTypes)>,
    sent: Sent,
    /// Payload types by the track's format index, looked up as formats appear.
    payload_types: Vec<Option<PayloadTypes>>,
    template: Template,
    rewriter: Rewriter,
    rtx_template: Template,
    rtx_sequence: u16,
    agreement: Agreement,
}

impl Forwarder {
    /// How much of it, from its beginning, the next packet needs.
    pub(crate) const HOT: usize = std::mem::offset_of!(Self, rewriter) + Rewriter::HOT;

    /// A forwarder that waits for [`begin`](Self::begin).
    pub(crate) fn new(agreement: Agreement, start: Start, with_playout_delay: bool) -> Self {
        let template = Template::new(agreement.ssrc, &agreement.extensions, with_playout_delay);
        let rtx_template = Template::new(agreement.rtx_ssrc, &agreement.extensions, with_playout_delay);
        Self {
            state: State::Idle,
            cursor: Cursor::default(),
            rewriter: Rewriter::new(start.sequence & 0x7fff, start.timestamp),
            template,
            rtx_template,
            rtx_sequence: start.rtx_sequence & 0x7fff,
            payload_types: Vec::new(),
            current: None,
            formats_of: u32::MAX,
            sent: Sent::default(),
            agreement,
        }
    }

    /// The viewer is connected: start at the best place the track has. Returns `false` if it has none and a key
    /// frame must be asked for.
    pub(crate) fn begin(&mut self, now: Instant, track: &Track) -> bool {
        self.state = State::Waiting;
        self.resolve(track);
        let start = track.start(now);
        self.cursor = start.unwrap_or_else(|| track.history.end());
        start.is_some() || !self.is_waiting(track)
    }

    /// Does it have a packet to read right now? It may still turn out to be one that is stepped over.
    pub(crate) fn is_ready(&self, track: &Track) -> bool {
        self.state != State::Idle && self.cursor != track.history.end()
    }

    /// Is it without a picture until a key frame comes, of a format that it can play?
    pub(crate) fn is_waiting(&self, track: &Track) -> bool {
        let plays = |format: usize| self.payload_types.get(format).is_some_and(Option::is_some);
        self.state == State::Waiting && track.live_index().is_some_and(plays)
    }

    /// Looks ahead: how many of the next packets, at most `most`, differ so little in size that they leave as one message.
    pub(crate) fn plan(&self, track: &Track, srtp: &Context, most: usize) -> Plan {
        let around = self.template.len() + srtp.profile().rtp_overhead();
        let (mut shortest, mut longest, mut packets) = (usize::MAX, 0, 0);
        for len in track.history.lengths(self.cursor).take(most) {
            let len = around + len.max(EMPTY_PADDING);
            let (low, high) = (shortest.min(len), longest.max(len));
            if packets > 0 && high - low > MAX_PADDING {
                // The last may be as short as it likes.
                packets += usize::from(len < shortest);
                break;
            }
            (shortest, longest) = (low, high);
            packets += 1;
        }
        Plan { packets, segment: longest }
    }

    /// Writes the next packet for this viewer to the end of `out`, encrypted. `None`
    /// means that there is nothing more to read, or that the next packet would be longer than what it must fit.
    pub(crate) fn next(
        &mut self,
        track: &Track,
        srtp: &mut Context,
        fit: Fit,
        out: &mut Vec<u8>,
    ) -> Option<Written> {
        if self.formats_of != track.generation() || self.payload_types.len() != track.formats().len() {
            self.resolve(track);
        }
        let start = out.len();
        loop {
            let mut next = self.cursor;
            let packet = match track.history.read(&mut next) {
                Read::Packet(packet) => packet,
                Read::End => return None,
                Read::Lost => {
                    self.fall_back(track);
                    continue;
                }
            };
            let len =
                self.template.len() + packet.payload.len().max(EMPTY_PADDING) + srtp.profile().rtp_overhead();
            if let Some((payload_types, outgoing)) = self.select(track, &packet) {
                if fit.segment.is_some_and(|segment| len > segment) {
                    return None;
                }
                self.write(packet, payload_types, outgoing, out);
                let missing = fit.pad_to.map_or(0, |size| size.saturating_sub(len));
                let is_padded = (1..=MAX_PADDING).contains(&missing) && !packet.payload.is_empty();
                if is_padded {
                    pad(out, start, missing);
                }
                self.cursor = next;
                self.rewriter.note_sent(packet.meta, outgoing);
                if srtp.protect_rtp(out, start).is_ok() {
                    self.sent.packets = self.sent.packets.wrapping_add(1);
                    self.sent.octets = self.sent.octets.wrapping_add(packet.payload.len() as u32);
                    return Some(Written {
                        len: out.len() - start,
                        padding: if is_padded { missing } else { 0 },
                    });
                }
                // The index was used before: never send other bytes under it.
                out.truncate(start);
            }
            self.cursor = next;
        }
    }

    /// Resends what a viewer reported lost, over RTX; returns the length written to the end of `out`.
    pub(crate) fn resend(
        &mut self,
        sequence: u16,
        track: &Track,
        srtp: &mut Context,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let written = self.try_resend(sequence, &track.history, track.kind, srtp, out);
        match written {
            Some(_) => self.sent.resent += 1,
            None => self.sent.unrepaired += 1,
        }
        written
    }

    /// Maps a source timestamp to this viewer's clock, once something has been sent.
    pub(crate) fn map_timestamp(&self, source: u32) -> Option<u32> {
        self.rewriter.highest()?;
        self.rewriter.map_timestamp(source)
    }

    /// Which publisher the viewer's timestamps belong to right now.
    pub(crate) fn generation(&self) -> Option<u32> {
        match self.state {
            State::Live { generation } => Some(generation),
            _ => None,
        }
    }

    /// What was agreed.
    pub(crate) fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// What has been sent.
    pub(crate) fn sent(&self) -> Sent {
        self.sent
    }

    fn resolve(&mut self, track: &Track) {
        self.formats_of = track.generation();
        self.current = None;
        self.payload_types = track
            .formats()
            .iter()
            .map(|format| {
                self.agreement
                    .formats
                    .iter()
                    .find(|(known, _)| matches(known, format))
                    .map(|(_, types)| *types)
            })
            .collect();
        if track.uses_playout_delay() {
            // The template's length changes here only, with the publisher.
            self.template = Template::new(self.agreement.ssrc, &self.agreement.extensions, true);
            self.rtx_template = Template::new(self.agreement.rtx_ssrc, &self.agreement.extensions, true);
        }
    }

    /// The cursor fell off the log: start again as a late joiner would.
    fn fall_back(&mut self, track: &Track) {
        self.state = State::Waiting;
        self.cursor = track.history.end();
    }

    /// Decides about a packet: which payload type and numbers it gets, or `None` to step over it.
    fn select(&mut self, track: &Track, packet: &Packet<'_>) -> Option<(PayloadTypes, Outgoing)> {
        let meta = packet.meta;
        let payload_types = match self.current {
            Some((format, payload_types)) if format == meta.format => payload_types,
            _ => {
                let payload_types = (*self.payload_types.get(meta.format as usize)?)?;
                self.current = Some((meta.format, payload_types));
                payload_types
            }
        };
        // A publisher whose numbers leap (it was restarted without telling) begins anew, or the viewer would take all
        // that lies between for lost, and SRTP could not follow (RFC 3711 §3.3.1).
        let leaps = self.rewriter.leap(meta) > MAX_LEAP;
        let goes_on = self.state == State::Live { generation: meta.generation } && !leaps;
        if !goes_on {
            if !track.may_start_at(meta) {
                // A packet of the last publisher that was repaired late does not end the present run.
                if !matches!(self.state, State::Live { generation } if generation > meta.generation) {
                    self.state = State::Waiting;
                }
                return None;
            }
            let behind = track.kind == Kind::Video && track.generation() == meta.generation;
            let live = track.live_timestamp().filter(|live| behind && *live != meta.timestamp);
            let clock_rate = track.formats().get(meta.format as usize).map_or(90_000, |f| f.clock_rate);
            self.rewriter.start_run(meta, live, clock_rate);
            self.state = State::Live { generation: meta.generation };
        }
        let outgoing = self.rewriter.rewrite(meta)?;
        Some((payload_types, outgoing))
    }

    fn write(&self, packet: Packet<'_>, payload_types: PayloadTypes, outgoing: Outgoing, out: &mut Vec<u8>) {
        let fields = Fields {
            payload_type: payload_types.media,
            marker: packet.meta.marker,
            sequence: outgoing.sequence as u16,
            timestamp: outgoing.timestamp,
        };
        let start = out.len();
        self.template.write(&fields, &packet.meta.extensions, out);
        if packet.payload.is_empty() {
            // Padding that the publisher sent under a media sequence number: it goes on as padding, or the
            // viewer would take the number for lost (RFC 3550 §5.1).
            out[start] |= PADDING_BIT;
            out.extend_from_slice(&[0, 0, 0, EMPTY_PADDING as u8]);
        } else {
            write_payload(&packet, outgoing, out);
        }
    }

    fn try_resend(
        &mut self,
        sequence: u16,
        history: &History,
        kind: Kind,
        srtp: &mut Context,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        if kind == Kind::Audio {
            return None;
        }
        let packet = history.get(self.rewriter.source_of(sequence)?)?;
        let rtx = self.payload_types.get(packet.meta.format as usize).copied()??.rtx?;
        let outgoing = self.rewriter.rewrite(packet.meta)?;
        let start = out.len();
        let fields = Fields {
            payload_type: rtx,
            marker: packet.meta.marker,
            sequence: self.rtx_sequence,
            timestamp: outgoing.timestamp,
        };
        self.rtx_template.write(&fields, &packet.meta.extensions, out);
        // RFC 4588 §4: the original sequence number goes before the payload.
        out.extend_from_slice(&(outgoing.sequence as u16).to_be_bytes());
        write_payload(&packet, outgoing, out);
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        if srtp.protect_rtp(out, start).is_err() {
            out.truncate(start);
            return None;
        }
        Some(out.len() - start)
    }
}

/// Copies the payload, with the viewer's own picture ids.
fn write_payload(packet: &Packet<'_>, outgoing: Outgoing, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(packet.payload);
    packet.meta.places.replace(&mut out[start..], outgoing.picture_id, outgoing.tl0_picture_index);
}

/// Adds so many bytes of padding to the packet that ends `out` (RFC 3550 §5.1).
fn pad(out: &mut Vec<u8>, start: usize, bytes: usize) {
    out[start] |= PADDING_BIT;
    out.resize(out.len() + bytes - 1, 0);
    out.push(bytes as u8);
}

/// Can who takes `known` play `format`?
pub(crate) fn matches(known: &Format, format: &Format) -> bool {
    known.codec == format.codec
        && known.clock_rate == format.clock_rate
        && crate::signal::parameters_match(known.codec, &known.parameters, &format.parameters)
}
