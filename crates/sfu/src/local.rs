//! Media by hand: a stream whose packets the owner makes, and reading the packets of any stream.
//!
//! A client that publishes opens a stream, hands in packets and offers it to a server; a client that watches makes an
//! offer and reads what arrives. A recorder or another kind of ingest does the same beside the peers.

use std::time::Instant;

use crate::broadcast::round_of;
use crate::error::SignalError;
use crate::event::Event;
use crate::history::Carried;
use crate::sfu::Sfu;
use crate::signal::check_name;
use crate::track::{Format, Kind, Parts, Pushed, Track};
use crate::transmit::start_round;

/// A stream whose media the owner makes. It is gone with [`Sfu::close_stream`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocalStream {
    index: usize,
    serial: u64,
}

impl Sfu {
    /// Opens a stream for media of the owner's making, one track for each format; the n-th format's track is the
    /// n-th in [`handle_media`](Self::handle_media).
    ///
    /// # Errors
    /// The name is none, somebody publishes the stream already, or there are too many streams or tracks.
    pub fn open_stream(
        &mut self,
        now: Instant,
        stream: &str,
        formats: &[Format],
    ) -> Result<LocalStream, SignalError> {
        self.advance(now);
        check_name(stream)?;
        let is_new = !self.names.contains_key(stream);
        if is_new && self.broadcasts.len() >= self.config.limits.streams {
            return Err(SignalError::LimitReached("the server has as many streams as it permits"));
        }
        if formats.is_empty() || formats.len() > crate::broadcast::MAX_TRACKS {
            return Err(SignalError::LimitReached("a stream has one to eight tracks"));
        }
        let index = self.broadcast(stream);
        let serial = self.seeds.u64();
        let broadcast = &mut self.broadcasts[index];
        if broadcast.publisher.is_some() || broadcast.local.is_some() {
            return Err(SignalError::AlreadyPublished);
        }
        if broadcast.shared.remote.is_some() {
            return Err(SignalError::AlreadyPublished);
        }
        let generation = self.next_generation();
        self.note_generation(index, generation);
        let broadcast = &mut self.broadcasts[index];
        let mut counts = [0; 2];
        let mut tracks = Vec::new();
        for format in formats {
            let kind = if format.codec.is_video() { Kind::Video } else { Kind::Audio };
            let nth = &mut counts[round_of(kind)];
            let Some(track) = broadcast.track_for(kind, *nth) else { continue };
            *nth += 1;
            let format = broadcast.tracks[track].begin_as(generation, std::slice::from_ref(format))[0];
            tracks.push((track, format));
        }
        broadcast.local = Some((serial, tracks));
        Ok(LocalStream { index, serial })
    }

    /// Takes one packet of a stream that the owner makes: it goes to all viewers. Returns `false` if there is no such
    /// stream or track, or the packet was there already.
    ///
    /// When a viewer needs a key frame, [`Event::KeyFrameWanted`] says so.
    pub fn handle_media(
        &mut self,
        now: Instant,
        stream: LocalStream,
        track: usize,
        packet: &MediaPacket<'_>,
    ) -> bool {
        let now = self.advance(now);
        let ntp = self.clock.ntp(now);
        let Self { broadcasts, active, held, events, .. } = self;
        let Some(broadcast) = broadcasts.get_mut(stream.index) else { return false };
        let Some((serial, tracks)) = &broadcast.local else { return false };
        let (true, Some(&(index, format))) = (*serial == stream.serial, tracks.get(track)) else {
            return false;
        };
        let parts = Parts {
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            format,
            carried: Carried::default(),
        };
        let into = &mut broadcast.tracks[index];
        let kind = into.kind;
        let stored = into.push_parts(now, ntp, &parts, packet.payload) != Pushed::Duplicate;
        if into.key_frames.take(now) {
            events.push_back(Event::KeyFrameWanted { stream: broadcast.name.clone(), track });
        }
        if broadcast.live_since.is_none() {
            broadcast.live_since = Some(now);
            events.push_back(Event::Live { stream: broadcast.name.clone() });
        }
        match kind {
            Kind::Audio => start_round(broadcast, stream.index, kind, active),
            Kind::Video => {
                held.hold_or_start(now, broadcast, stream.index, self.config.coalesce, packet.marker, active);
            }
        }
        self.note_media(stream.index, index);
        stored
    }

    /// Ends a stream that the owner makes; its viewers wait for the next publisher.
    pub fn close_stream(&mut self, stream: LocalStream) {
        let Some(broadcast) = self.broadcasts.get_mut(stream.index) else { return };
        if broadcast.local.as_ref().is_none_or(|(serial, _)| *serial != stream.serial) {
            return;
        }
        broadcast.local = None;
        if broadcast.live_since.take().is_some() {
            self.events.push_back(Event::Offline { stream: broadcast.name.clone() });
        }
        let generation = broadcast.shared.generation;
        self.note_ended(generation);
        self.drop_if_empty(stream.index);
    }

    /// The tracks of a stream, for reading with a [`Cursor`](crate::history::Cursor).
    pub fn tracks(&self, stream: &str) -> Option<&[Track]> {
        let broadcast = self.broadcasts.get(*self.names.get(stream)?)?;
        Some(&broadcast.tracks)
    }

    /// Asks the publisher of a stream for a key frame, merged with the wishes of its viewers. Returns `false` if
    /// there is no such stream.
    pub fn request_key_frame(&mut self, now: Instant, stream: &str) -> bool {
        let now = self.advance(now);
        let Some(broadcast) = self.names.get(stream).and_then(|index| self.broadcasts.get_mut(*index)) else {
            return false;
        };
        for track in broadcast.tracks.iter_mut().filter(|track| track.kind == Kind::Video) {
            track.key_frames.want(now);
        }
        if let Some(publisher) = broadcast.publisher {
            self.wake_publisher(publisher);
        } else if let Some(&index) = self.names.get(stream) {
            self.note_wishful(index);
        }
        true
    }
}

/// One RTP packet of the owner's making.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "the fields of an RTP packet, built by the owner")]
pub struct MediaPacket<'a> {
    /// Sequence number.
    pub sequence: headwater_rtp::SequenceNumber,
    /// Timestamp, in the format's clock.
    pub timestamp: u32,
    /// The last packet of a frame has the marker.
    pub marker: bool,
    /// The payload in the codec's RTP format.
    pub payload: &'a [u8],
}
