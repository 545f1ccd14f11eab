//! Encoded video from a file, or from the test card, as RTP payloads in real time.

use std::ops::Range;
use std::time::Duration;

use headwater_rtp::Codec;
use headwater_rtp::payload::{h264, vp8};
use headwater_sfu::track::Format;

use crate::Outcome;

/// Payload bytes of a packet: with headers, SRTP tag and RTX it stays under the 1,232 bytes that fit any IPv6 path.
pub const MAX_PAYLOAD: usize = 1160;
/// Bytes of a VP8 payload before the frame's (RFC 7741 §4.2: with a picture id of 15 bits).
const VP8_DESCRIPTOR: usize = 4;
/// The longest that one frame may stay, whatever a file says.
const LONGEST_FRAME: Duration = Duration::from_secs(1);

/// A test card of 640x360, two seconds at 30 frames per second, VP8 with one key frame: FFmpeg's `testsrc`.
const CARD: &[u8] = include_bytes!("../assets/card.ivf");

/// How frames of the test card are brought to the bitrate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Size {
    /// Padded to the bitrate exactly; the packets of a frame have about equal sizes, as browsers send them.
    Even,
    /// Padded further to whole packets: every packet is as large as can be.
    Full,
}

#[derive(Debug, Clone)]
struct Entry {
    bytes: Range<usize>,
    is_key: bool,
    duration: Duration,
}

/// Encoded frames, played in a loop.
#[derive(Debug)]
pub struct Clip {
    codec: Codec,
    parameters: String,
    bytes: Vec<u8>,
    frames: Vec<Entry>,
    position: usize,
    packetizer: Packetizer,
    /// What every frame is padded to.
    padding: Option<(usize, Size)>,
    padded: Vec<u8>,
}

#[derive(Debug)]
enum Packetizer {
    Vp8(vp8::Packetizer),
    H264(h264::Packetizer),
}

/// What [`Clip::play`] played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Played {
    /// How long the frame stays.
    pub duration: Duration,
    /// Is it a key frame?
    pub is_key: bool,
}

impl Clip {
    /// The test card, padded to `bitrate` bits per second.
    ///
    /// The padding stands behind the last partition of each VP8 frame, where libvpx does not look. Decoders in
    /// hardware may.
    ///
    /// # Errors
    /// `fps` is not between 1 and 240.
    pub fn card(bitrate: u64, fps: u32, size: Size) -> Outcome<Self> {
        let mut clip = Self::ivf(CARD.to_vec(), Some(fps))?;
        let bytes = bitrate / 8 / u64::from(fps);
        clip.padding = Some((usize::try_from(bytes)?.min(1 << 20), size));
        Ok(clip)
    }

    /// A file: IVF with VP8, or H.264 as an Annex B byte stream. `fps` goes before what the file says; a byte stream
    /// says nothing, and gets 30.
    ///
    /// # Errors
    /// The file is neither, is broken, or holds another codec.
    pub fn file(bytes: Vec<u8>, fps: Option<u32>) -> Outcome<Self> {
        if bytes.starts_with(b"DKIF") {
            Self::ivf(bytes, fps)
        } else if bytes.starts_with(&[0, 0, 1]) || bytes.starts_with(&[0, 0, 0, 1]) {
            Self::annex_b(&bytes, fps)
        } else {
            Err("the file is neither IVF nor H.264 as an Annex B byte stream; \
                 make one with: ffmpeg -i IN -c:v libvpx OUT.ivf"
                .into())
        }
    }

    /// What to offer.
    pub fn format(&self) -> Format {
        Format { codec: self.codec, clock_rate: 90_000, parameters: self.parameters.clone() }
    }

    /// Plays one frame: hands its RTP payloads to `send`, with whether it is the last of the frame. With `key` the
    /// clip jumps ahead to its next key frame.
    pub fn play(&mut self, key: bool, send: impl FnMut(&[u8], bool)) -> Played {
        let count = self.frames.len();
        if key {
            let next =
                (0..count).map(|ahead| (self.position + ahead) % count).find(|at| self.frames[*at].is_key);
            self.position = next.unwrap_or(self.position);
        }
        let frame = &self.frames[self.position];
        let mut bytes = &self.bytes[frame.bytes.clone()];
        if let Some((wanted, size)) = self.padding {
            let mut len = bytes.len().max(wanted);
            if size == Size::Full {
                len = len.next_multiple_of(MAX_PAYLOAD - VP8_DESCRIPTOR);
            }
            self.padded.clear();
            self.padded.extend_from_slice(bytes);
            self.padded.resize(len, 0);
            bytes = &self.padded;
        }
        match &mut self.packetizer {
            Packetizer::Vp8(packetizer) => packetizer.packetize(bytes, send),
            Packetizer::H264(packetizer) => packetizer.packetize(bytes, send),
        }
        self.position = (self.position + 1) % count;
        Played { duration: frame.duration, is_key: frame.is_key }
    }

    /// IVF: a header of 32 bytes, then for each frame its size (32), its time (64), its bytes; little-endian.
    fn ivf(bytes: Vec<u8>, fps: Option<u32>) -> Outcome<Self> {
        let word = |at: usize| bytes.get(at..)?.first_chunk::<4>().map(|word| u32::from_le_bytes(*word));
        let broken = || "the IVF file is broken";
        match bytes.get(8..12).ok_or_else(broken)? {
            b"VP80" => {}
            other => {
                let name = String::from_utf8_lossy(other);
                return Err(
                    format!("the file holds {name}, but only VP8 (VP80) and H.264 are packetized").into()
                );
            }
        }
        let header = bytes.get(6..8).map_or(32, |len| usize::from(u16::from_le_bytes([len[0], len[1]])));
        let (rate, scale) = (word(16).ok_or_else(broken)?, word(20).ok_or_else(broken)?);
        let tick = f64::from(scale) / f64::from(rate.max(1));
        let (mut frames, mut times) = (Vec::new(), Vec::new());
        let mut at = header;
        while let Some(size) = word(at) {
            let start = at + 12;
            let end = start + size as usize;
            let Some(frame) = bytes.get(start..end) else { break };
            if let Some(first) = frame.first() {
                // RFC 6386 §9.1: the lowest bit is 0 in a key frame.
                frames.push(Entry { bytes: start..end, is_key: first & 1 == 0, duration: Duration::ZERO });
                times.push(word(at + 4).ok_or_else(broken)?);
            }
            at = end;
        }
        let mut last = Duration::from_millis(33);
        for (index, frame) in frames.iter_mut().enumerate() {
            if let Some(next) = times.get(index + 1) {
                let ticks = f64::from(next.saturating_sub(times[index]));
                last = Duration::try_from_secs_f64(ticks * tick).unwrap_or(last).min(LONGEST_FRAME);
            }
            frame.duration = last;
        }
        let packetizer = Packetizer::Vp8(vp8::Packetizer::new(MAX_PAYLOAD, 0));
        Self::new(Codec::Vp8, String::new(), bytes, frames, packetizer, fps)
    }

    fn annex_b(stream: &[u8], fps: Option<u32>) -> Outcome<Self> {
        const SLICE: u8 = 1;
        const IDR: u8 = 5;
        const SEI: u8 = 6;
        const SPS: u8 = 7;
        const PPS: u8 = 8;
        const DELIMITER: u8 = 9;
        let duration = Duration::from_secs(1) / fps.unwrap_or(30).max(1);
        let (mut bytes, mut frames) = (Vec::new(), Vec::<Entry>::new());
        let (mut parameters, mut profile) = (Vec::new(), None);
        // H.264 §7.4.1.2.3: what begins an access unit once the last one has its slices.
        let (mut has_slice, mut has_parameters) = (true, false);
        for unit in h264::annex_b(stream) {
            let kind = unit[0] & 0x1f;
            let first_slice = matches!(kind, SLICE | IDR) && unit.get(1).is_some_and(|byte| byte & 0x80 != 0);
            if has_slice && (first_slice || matches!(kind, SEI | SPS | PPS | DELIMITER)) {
                let start = bytes.len();
                frames.push(Entry { bytes: start..start, is_key: false, duration });
                (has_slice, has_parameters) = (false, false);
            }
            let Some(frame) = frames.last_mut() else { continue };
            match kind {
                SPS | PPS => {
                    if kind == SPS {
                        profile = profile.or_else(|| unit.get(1..4).map(hex::encode));
                        if !has_parameters {
                            parameters.clear();
                        }
                    }
                    parameters.extend_from_slice(&[0, 0, 1]);
                    parameters.extend_from_slice(unit);
                    has_parameters = true;
                }
                // Who joins at a key frame needs the parameter sets with it.
                IDR if !has_parameters && !has_slice => bytes.extend_from_slice(&parameters),
                _ => {}
            }
            has_slice |= matches!(kind, SLICE | IDR);
            frame.is_key |= kind == IDR;
            bytes.extend_from_slice(&[0, 0, 1]);
            bytes.extend_from_slice(unit);
            frame.bytes.end = bytes.len();
        }
        let profile = profile.ok_or("the H.264 stream has no sequence parameter set")?;
        let parameters = format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}");
        let packetizer = Packetizer::H264(h264::Packetizer::new(MAX_PAYLOAD));
        Self::new(Codec::H264, parameters, bytes, frames, packetizer, fps)
    }

    fn new(
        codec: Codec,
        parameters: String,
        bytes: Vec<u8>,
        mut frames: Vec<Entry>,
        packetizer: Packetizer,
        fps: Option<u32>,
    ) -> Outcome<Self> {
        if let Some(fps) = fps {
            if !(1..=240).contains(&fps) {
                return Err("--fps is from 1 to 240".into());
            }
            frames.iter_mut().for_each(|frame| frame.duration = Duration::from_secs(1) / fps);
        }
        if !frames.iter().any(|frame| frame.is_key) {
            return Err("the file has no key frame".into());
        }
        if frames.iter().all(|frame| frame.duration.is_zero()) {
            return Err("the file's times stand still; give --fps".into());
        }
        let padded = Vec::new();
        Ok(Self { codec, parameters, bytes, frames, position: 0, packetizer, padding: None, padded })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_rtp::describe;

    #[test]
    fn the_card_keeps_the_bitrate_and_begins_with_a_key_frame() {
        for size in [Size::Even, Size::Full] {
            let mut clip = Clip::card(2_400_000, 30, size).expect("the card can be read");
            let mut sizes = Vec::new();
            for frame in 0..60 {
                let mut first = None;
                let played = clip.play(false, |payload, _| {
                    first.get_or_insert_with(|| describe(Codec::Vp8, payload));
                    sizes.push(payload.len());
                });
                assert_eq!(played.is_key, frame == 0);
                assert_eq!(first.expect("a packet").key_frame, frame == 0);
                assert_eq!(first.and_then(|first| first.resolution), (frame == 0).then_some((640, 360)));
            }
            let rate = sizes.iter().sum::<usize>() * 8 / 2;
            assert!((2_400_000..2_700_000).contains(&rate), "{rate}");
            assert!(sizes.iter().all(|len| *len <= MAX_PAYLOAD));
            assert_eq!(sizes.iter().all(|len| *len == MAX_PAYLOAD), size == Size::Full);
        }
    }

    #[test]
    fn a_key_frame_that_is_asked_for_comes_next() {
        let mut clip = Clip::card(1_000_000, 30, Size::Even).expect("the card can be read");
        clip.play(false, |_, _| {});
        assert!(!clip.play(false, |_, _| {}).is_key);
        assert!(clip.play(true, |_, _| {}).is_key);
    }

    #[test]
    fn a_byte_stream_is_cut_into_pictures_and_key_frames_get_their_parameter_sets() {
        let stream = [
            &[0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f][..],
            &[0, 0, 1, 0x68, 0xce],
            &[0, 0, 1, 0x65, 0x88, 1],
            &[0, 0, 1, 0x65, 0x08, 2], // second slice of the same picture
            &[0, 0, 1, 0x41, 0x9a, 3],
            &[0, 0, 1, 0x65, 0x88, 4],
        ]
        .concat();
        let mut clip = Clip::file(stream, None).expect("a stream");
        assert!(clip.format().parameters.ends_with("profile-level-id=42e01f"));
        assert_eq!(clip.frames.iter().map(|frame| frame.is_key).collect::<Vec<_>>(), [true, false, true]);
        clip.position = 1;
        let mut kinds = Vec::new();
        clip.play(true, |payload, _| kinds.push(describe(Codec::H264, payload).key_frame));
        assert_eq!(kinds, [true]);
    }

    #[test]
    fn broken_files_are_refused() {
        for len in 0..CARD.len().min(200) {
            let _ = Clip::file(CARD[..len].to_vec(), None);
        }
        let mut vp9 = CARD.to_vec();
        vp9[10] = b'9';
        assert!(Clip::file(vp9, None).expect_err("no packetizer").to_string().contains("VP90"));
        assert!(Clip::file(b"RIFF".to_vec(), None).is_err());
    }
}
