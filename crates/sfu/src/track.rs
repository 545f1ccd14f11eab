//! One media line of a broadcast: its history, its formats, its newest key frame and its clock.

mod picture_ids;
mod replica;
mod store;

use std::time::{Duration, Instant};

use headwater_rtp::payload::{self, Codec, Places, vp8, vp9};
use headwater_rtp::{NtpTime, Packet, SequenceNumber, Unwrapper};

use crate::history::{Carried, Cursor, History, MAX_AGE, Meta};
use crate::key_frame::KeyFrameRequests;
use crate::track::picture_ids::PictureIds;
pub(crate) use crate::track::replica::TrackState;

/// A cached key frame older than this is no place to start.
pub const MAX_CATCH_UP_AGE: Duration = Duration::from_millis(1500);
/// Nor is one that has more payload bytes than this behind it.
pub const MAX_CATCH_UP_BYTES: usize = 1 << 20;
/// The most distinct formats that a track has seen; one more and the track starts anew.
const MAX_FORMATS: usize = 32;
/// The most packets a key frame is looked through for gaps.
const MAX_KEY_FRAME_PACKETS: u64 = 1024;
/// The most packets with parameter sets and the like before a key frame's picture.
const MAX_PARAMETER_PACKETS: u64 = 8;
/// Each publisher has a range of its own for extended sequence numbers, so that they never repeat, not even when the next
/// one publishes through another unit: its generation stands above this bit.
const GENERATION_SHIFT: u32 = 40;

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "media is one or the other")]
pub enum Kind {
    /// Sound. It goes before video.
    Audio,
    /// Pictures.
    Video,
}

/// A codec with the parameters that decide who can play it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// The codec.
    pub codec: Codec,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// The `a=fmtp` parameters of the publisher's offer.
    pub parameters: String,
}

/// Where the newest key frame stands.
#[derive(Debug, Clone, Copy)]
struct KeyFrame {
    cursor: Cursor,
    sequence: u64,
    timestamp: u32,
    received: Instant,
    /// Payload bytes pushed since, its own included.
    bytes: usize,
}

/// How the publisher's RTP timestamps stand to our wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderClock {
    /// Our wall clock.
    pub ntp: NtpTime,
    /// The RTP timestamp of that moment.
    pub timestamp: u32,
}

impl SenderClock {
    /// The RTP timestamp at another moment, before or after.
    pub fn timestamp_at(&self, ntp: NtpTime, clock_rate: u32) -> u32 {
        let elapsed = ntp.0.wrapping_sub(self.ntp.0) as i64;
        let ticks = (i128::from(elapsed) * i128::from(clock_rate)) >> 32;
        self.timestamp.wrapping_add(ticks as u32)
    }
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it is new or it is not")]
pub enum Pushed {
    /// It stands in the history.
    Stored {
        /// It begins a key frame.
        key_frame: bool,
    },
    /// It was there already.
    Duplicate,
}

/// One media line of a broadcast.
#[derive(Debug)]
pub struct Track {
    /// Audio or video.
    pub kind: Kind,
    /// The packets.
    pub history: History,
    /// Requests to the publisher for a key frame.
    pub key_frames: KeyFrameRequests,
    formats: Vec<Format>,
    generation: u32,
    unwrapper: Unwrapper,
    picture_ids: PictureIds,
    /// A payload whose picture id was widened.
    widened: Vec<u8>,
    key_frame: Option<KeyFrame>,
    reported: Option<SenderClock>,
    arrived: Option<SenderClock>,
    latest: Option<Latest>,
    resolution: Option<(u16, u16)>,
    uses_playout_delay: bool,
}

#[derive(Debug, Clone, Copy)]
struct Latest {
    timestamp: u32,
    received: Instant,
    format: u8,
}

impl Track {
    /// A track without a publisher.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            history: History::new(),
            key_frames: KeyFrameRequests::default(),
            formats: Vec::new(),
            generation: 0,
            unwrapper: Unwrapper::default(),
            picture_ids: PictureIds::default(),
            widened: Vec::new(),
            key_frame: None,
            reported: None,
            arrived: None,
            latest: None,
            resolution: None,
            uses_playout_delay: false,
        }
    }

    /// A new publisher takes over: its sequence numbers, picture ids and clock have nothing to do with those
    /// before. Returns the track's index for each of its formats.
    pub fn begin(&mut self, formats: &[Format]) -> Vec<u8> {
        self.begin_as(self.generation + 1, formats)
    }

    /// The same with a number for the publisher, which is higher than that of any before.
    pub fn begin_as(&mut self, generation: u32, formats: &[Format]) -> Vec<u8> {
        self.end();
        self.generation = generation;
        self.unwrapper = Unwrapper::default();
        self.picture_ids = PictureIds::default();
        if self.formats.len() + formats.len() > MAX_FORMATS {
            self.formats.clear();
            self.history.clear();
        }
        formats
            .iter()
            .take(MAX_FORMATS)
            .map(|format| {
                let known = self.formats.iter().position(|f| f == format).unwrap_or_else(|| {
                    self.formats.push(format.clone());
                    self.formats.len() - 1
                });
                known as u8
            })
            .collect()
    }

    /// The publisher is gone, and perhaps another comes who has no such media: nothing is live here. What was received
    /// can still be read.
    pub fn end(&mut self) {
        self.key_frame = None;
        self.reported = None;
        self.arrived = None;
        self.latest = None;
        self.resolution = None;
        let sent = self.key_frames.sent;
        self.key_frames = KeyFrameRequests::default();
        self.key_frames.sent = sent;
    }

    /// Stores a packet of the publisher: the only look inside the payload.
    pub fn push(
        &mut self,
        received: Instant,
        ntp: NtpTime,
        packet: &Packet<&[u8]>,
        format: u8,
        carried: Carried,
    ) -> Pushed {
        self.push_parts(
            received,
            ntp,
            &Parts {
                sequence: packet.sequence_number(),
                timestamp: packet.timestamp(),
                marker: packet.marker(),
                format,
                carried,
            },
            packet.payload(),
        )
    }

    /// Stores a packet that came as parts, such as one unwrapped from RTX.
    pub fn push_parts(&mut self, received: Instant, ntp: NtpTime, parts: &Parts, payload: &[u8]) -> Pushed {
        let Some(codec) = self.formats.get(parts.format as usize).map(|format| format.codec) else {
            return Pushed::Duplicate;
        };
        let unwrapped = self.unwrapper.unwrap(parts.sequence);
        if unwrapped >> GENERATION_SHIFT != 0 {
            return Pushed::Duplicate;
        }
        let sequence = (u64::from(self.generation) << GENERATION_SHIFT) + unwrapped;
        let mut descriptor = payload::describe(codec, payload);
        // Out of the way of the borrow checker, and back at the end: its memory is used again.
        let mut widened = std::mem::take(&mut self.widened);
        let mut payload = payload;
        if let Some(id) = &mut descriptor.picture_id {
            let is_narrow = id.bits < 15;
            *id = self.picture_ids.widen(*id);
            if is_narrow {
                // Once here, so that it need not be done for each viewer.
                let tl0 = descriptor.tl0_picture_index.unwrap_or_default();
                widened.clear();
                match codec {
                    Codec::Vp8 => vp8::write_rewritten(payload, id.value, tl0, &mut widened),
                    _ => vp9::write_rewritten(payload, id.value, tl0, &mut widened),
                }
                payload = &widened;
            }
        }
        let meta = Meta {
            sequence,
            timestamp: parts.timestamp,
            marker: parts.marker,
            format: parts.format,
            generation: self.generation,
            received,
            descriptor,
            places: Places::of(codec, payload),
            extensions: parts.carried,
        };
        let pushed = self.store(|| ntp, meta, payload);
        self.widened = widened;
        pushed
    }

    /// Where a viewer may start right now: a whole key frame that is young and small enough, or the one that is
    /// just arriving. Audio starts at the live end.
    pub fn start(&self, now: Instant) -> Option<Cursor> {
        if self.kind == Kind::Audio {
            return Some(self.history.end());
        }
        let key = self.key_frame?;
        let fresh = now.saturating_duration_since(key.received) <= MAX_CATCH_UP_AGE
            && key.bytes <= MAX_CATCH_UP_BYTES;
        (fresh && self.is_whole(&key)).then_some(key.cursor)
    }

    /// May a viewer start with this packet? It begins a key frame, and of H.264 and H.265 no parameter sets are missing
    /// that belong before it: a decoder without them shows nothing.
    pub(crate) fn may_start_at(&self, meta: &Meta) -> bool {
        if self.kind == Kind::Audio || !meta.descriptor.key_frame {
            return self.kind == Kind::Audio;
        }
        let codec = self.formats.get(usize::from(meta.format)).map(|format| format.codec);
        if !matches!(codec, Some(Codec::H264 | Codec::H265)) || meta.descriptor.resolution.is_some() {
            return true;
        }
        for before in 1..=MAX_PARAMETER_PACKETS {
            match meta.sequence.checked_sub(before).and_then(|sequence| self.history.get(sequence)) {
                Some(packet) if packet.meta.timestamp != meta.timestamp => return true,
                // With parameter sets before it the viewer would have started there, had it not missed them.
                Some(packet) if packet.meta.descriptor.resolution.is_some() => return false,
                Some(_) => {}
                None => return false,
            }
        }
        true
    }

    /// Has every packet of the key frame arrived, or is it still the newest frame?
    fn is_whole(&self, key: &KeyFrame) -> bool {
        if self.latest.is_none_or(|latest| latest.timestamp == key.timestamp) {
            return true;
        }
        for sequence in key.sequence..key.sequence + MAX_KEY_FRAME_PACKETS {
            match self.history.get(sequence) {
                Some(packet) if packet.meta.timestamp != key.timestamp => return true,
                Some(packet) if packet.meta.marker => return true,
                Some(_) => {}
                None => return false,
            }
        }
        false
    }

    /// The newest source timestamp.
    pub fn live_timestamp(&self) -> Option<u32> {
        self.latest.map(|latest| latest.timestamp)
    }

    /// The format of the newest packet.
    pub fn live_format(&self) -> Option<&Format> {
        self.live_index().and_then(|index| self.formats.get(index))
    }

    /// Its index.
    pub fn live_index(&self) -> Option<usize> {
        self.latest.map(|latest| usize::from(latest.format))
    }

    /// All formats, by index.
    pub fn formats(&self) -> &[Format] {
        &self.formats
    }

    /// Which publisher this is, counted in the life of the track.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Width and height as last seen in the payload, where the codec says.
    pub fn resolution(&self) -> Option<(u16, u16)> {
        self.resolution
    }

    /// Does the publisher send playout delays?
    pub fn uses_playout_delay(&self) -> bool {
        self.uses_playout_delay
    }

    /// RTP clock rate of the live format, in Hz.
    pub fn clock_rate(&self) -> u32 {
        self.live_format().map_or(90_000, |format| format.clock_rate)
    }

    /// Takes the publisher's sender report, already mapped to our wall clock.
    pub fn note_report(&mut self, clock: SenderClock) {
        self.reported = Some(clock);
    }

    /// Has the publisher sent a report for this track?
    pub fn is_reported(&self) -> bool {
        self.reported.is_some()
    }

    /// Has any packet arrived of this publisher?
    pub fn has_started(&self) -> bool {
        self.arrived.is_some()
    }

    /// The publisher's clock: by its report, or else by the arrival of its first packet.
    pub fn clock(&self, by_report: bool) -> Option<SenderClock> {
        if by_report { self.reported } else { self.arrived }
    }

    /// Payload bytes per second of late, roughly.
    pub fn bitrate(&self) -> u64 {
        self.history.bytes() as u64 / MAX_AGE.as_secs()
    }

    /// When the newest packet arrived.
    pub fn last_received(&self) -> Option<Instant> {
        self.latest.map(|latest| latest.received)
    }
}

/// A packet's fields without its payload.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// Source sequence number.
    pub sequence: SequenceNumber,
    /// Source timestamp.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// The track's index of the format.
    pub format: u8,
    /// Extension values to carry.
    pub carried: Carried,
}

#[cfg(test)]
mod tests;
