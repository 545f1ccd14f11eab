//! What arrives on a track: counted, and VP8 put together again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::time::Instant;

use headwater_rtp::Codec;
use headwater_rtp::payload::vp8::PayloadDescriptor;
use headwater_sfu::history::{Cursor, Packet, Read};
use headwater_sfu::track::Track;

use crate::Outcome;

/// Packets that a dump keeps behind a hole, while it may still be repaired.
const MAX_WAITING: usize = 512;

/// Counts of one track.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Received {
    /// Name of the codec.
    pub codec: String,
    /// Packets, each once.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Frames whose last packet came.
    pub frames: u64,
    /// Key frames that began.
    pub key_frames: u64,
    /// Width and height, where the codec tells.
    pub resolution: Option<(u16, u16)>,
    /// When the first packet came.
    pub first_packet: Option<Instant>,
    /// When the first key frame began.
    pub first_key_frame: Option<Instant>,
    cursor: Cursor,
    is_video: bool,
    clock_rate: u32,
    generation: u32,
    /// Expected in the life of earlier publishers.
    expected: u64,
    first: u64,
    highest: u64,
    key_timestamp: Option<u32>,
    /// Arrival and timestamp of the newest frame, and the estimate in timestamp units (RFC 3550 §A.8).
    transit: Option<(Instant, u32)>,
    jitter: f64,
    before: (u64, u64, u64, Option<Instant>),
}

/// One second of a track.
#[derive(Debug)]
#[non_exhaustive]
pub struct Second {
    /// Name of the codec.
    pub codec: String,
    /// Packets in that time.
    pub packets: u64,
    /// Payload bits per second.
    pub bitrate: u64,
    /// Frames in that time.
    pub frames: u64,
    /// Packets missing since the start, repaired ones not counted.
    pub missing: u64,
    /// Jitter in milliseconds.
    pub jitter_ms: f64,
}

impl Received {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what is new on a track.
    pub fn read(&mut self, track: &Track, dump: &mut Option<Dump>) {
        loop {
            match track.history.read(&mut self.cursor) {
                Read::Packet(packet) => {
                    let format = track.formats().get(usize::from(packet.meta.format));
                    let codec = format.map(|format| format.codec);
                    self.codec = codec.map_or("?", Codec::name).to_owned();
                    self.is_video = codec.is_some_and(Codec::is_video);
                    self.clock_rate = format.map_or(90_000, |format| format.clock_rate);
                    self.count(&packet);
                    if let (Some(dump), Some(Codec::Vp8)) = (dump.as_mut(), codec) {
                        dump.take(&packet);
                    }
                }
                // We were asleep for longer than the log reaches back.
                Read::Lost => self.cursor = track.history.end(),
                Read::End => break,
            }
        }
        self.resolution = track.resolution().or(self.resolution);
    }

    /// Packets that did not come, and were not repaired.
    pub fn missing(&self) -> u64 {
        let expected = if self.first == 0 { 0 } else { self.highest - self.first + 1 };
        (self.expected + expected).saturating_sub(self.packets)
    }

    /// Jitter in milliseconds.
    pub fn jitter_ms(&self) -> f64 {
        if self.clock_rate == 0 { 0.0 } else { self.jitter * 1e3 / f64::from(self.clock_rate) }
    }

    /// What came since the last call.
    pub fn take_second(&mut self, now: Instant) -> Second {
        let (packets, bytes, frames, at) = self.before;
        self.before = (self.packets, self.bytes, self.frames, Some(now));
        let elapsed = at.or(self.first_packet).map_or(1.0, |at| (now - at).as_secs_f64()).max(0.001);
        Second {
            codec: self.codec.clone(),
            packets: self.packets - packets,
            bitrate: ((self.bytes - bytes) as f64 * 8.0 / elapsed) as u64,
            frames: self.frames - frames,
            missing: self.missing(),
            jitter_ms: self.jitter_ms(),
        }
    }

    fn count(&mut self, packet: &Packet<'_>) {
        let meta = packet.meta;
        if meta.generation != self.generation {
            self.expected += if self.first == 0 { 0 } else { self.highest - self.first + 1 };
            self.generation = meta.generation;
            (self.first, self.highest, self.transit) = (meta.sequence, meta.sequence, None);
        }
        self.first_packet.get_or_insert(meta.received);
        self.packets += 1;
        self.bytes += packet.payload.len() as u64;
        self.frames += u64::from(meta.marker && self.is_video);
        self.first = self.first.min(meta.sequence);
        if meta.descriptor.key_frame && self.key_timestamp != Some(meta.timestamp) {
            self.key_timestamp = Some(meta.timestamp);
            self.key_frames += 1;
            self.first_key_frame.get_or_insert(meta.received);
        }
        if meta.sequence >= self.highest {
            self.highest = meta.sequence;
            self.measure_jitter(meta.received, meta.timestamp);
        }
    }

    fn measure_jitter(&mut self, received: Instant, timestamp: u32) {
        let last = self.transit;
        // Packets of one frame are spread by pacing, which is no jitter: the first one counts.
        if last.is_some_and(|(_, last)| last == timestamp) {
            return;
        }
        self.transit = Some((received, timestamp));
        let Some((last_received, last_timestamp)) = last else { return };
        let between =
            received.saturating_duration_since(last_received).as_secs_f64() * f64::from(self.clock_rate);
        let difference = (between - f64::from(timestamp.wrapping_sub(last_timestamp) as i32)).abs();
        self.jitter += (difference - self.jitter) / 16.0;
    }
}

/// Writes VP8 frames as IVF. After a hole that was not repaired it goes on with the next key frame.
#[derive(Debug)]
pub struct Dump {
    file: BufWriter<File>,
    packets: BTreeMap<u64, Stored>,
    /// The next packet in order; unknown until a key frame begins.
    next: Option<u64>,
    /// Timestamp of the first frame.
    origin: Option<u32>,
    frame: Vec<u8>,
}

#[derive(Debug)]
struct Stored {
    timestamp: u32,
    marker: bool,
    begins_key: bool,
    data: Vec<u8>,
}

impl Dump {
    /// Makes the file.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(path: &str) -> Outcome<Self> {
        let file = File::create(path).map_err(|error| format!("{path}: {error}"))?;
        let file = BufWriter::new(file);
        Ok(Self { file, packets: BTreeMap::new(), next: None, origin: None, frame: Vec::new() })
    }

    fn take(&mut self, packet: &Packet<'_>) {
        let Ok((_, data)) = PayloadDescriptor::parse(packet.payload) else { return };
        let stored = Stored {
            timestamp: packet.meta.timestamp,
            marker: packet.meta.marker,
            begins_key: packet.meta.descriptor.key_frame,
            data: data.to_vec(),
        };
        if self.next.is_none_or(|next| packet.meta.sequence >= next) {
            self.packets.insert(packet.meta.sequence, stored);
        }
        if self.packets.len() > MAX_WAITING {
            // What is missing will not come.
            self.next = None;
            self.frame.clear();
            self.packets.pop_first();
        }
        if self.next.is_none() {
            self.next =
                self.packets.iter().find(|(_, stored)| stored.begins_key).map(|(sequence, _)| *sequence);
            if let Some(next) = self.next {
                self.packets = self.packets.split_off(&next);
            }
        }
        while let Some(stored) = self.next.and_then(|next| self.packets.remove(&next)) {
            self.next = self.next.map(|next| next + 1);
            self.frame.extend_from_slice(&stored.data);
            if stored.marker {
                // A full disk shows in a short file.
                let _ = self.write(stored.timestamp);
                self.frame.clear();
            }
        }
    }

    fn write(&mut self, timestamp: u32) -> io::Result<()> {
        let Self { file, origin, frame, .. } = self;
        if origin.is_none() {
            // RFC 6386 §9.1: after tag and start code of a key frame, 14 bits each of width and height.
            let size: [u8; 4] =
                frame.get(6..).and_then(|rest| rest.first_chunk().copied()).unwrap_or_default();
            file.write_all(b"DKIF\0\0\x20\0VP80")?;
            file.write_all(&[size[0], size[1] & 0x3f, size[2], size[3] & 0x3f])?;
            file.write_all(&90_000_u32.to_le_bytes())?;
            file.write_all(&1_u32.to_le_bytes())?;
            file.write_all(&[0; 8])?;
        }
        let time = u64::from(timestamp.wrapping_sub(*origin.get_or_insert(timestamp)));
        file.write_all(&(frame.len() as u32).to_le_bytes())?;
        file.write_all(&time.to_le_bytes())?;
        file.write_all(frame)
    }
}
