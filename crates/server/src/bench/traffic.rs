//! What is published: 2.5 Mbit/s of VP8 at 30 frames a second and Opus at 50 packets a second, every packet numbered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use headwater_sfu::rtp::Codec;
use headwater_sfu::track::{Format, Kind};

/// Packets of a frame, all of one length, as libwebrtc makes them.
pub(super) const FRAME_PACKETS: u32 = 9;
/// 2,500,000 bit/s in 30 frames of nine packets.
pub(super) const VIDEO_BYTES: usize = 1157;
/// 64 kbit/s.
pub(super) const AUDIO_BYTES: usize = 160;
pub(super) const FRAME: Duration = Duration::from_nanos(33_333_333);
const AUDIO: Duration = Duration::from_millis(20);
/// Audio does not begin together with video.
const AUDIO_BEGINS: Duration = Duration::from_millis(7);
/// A paced frame leaves in groups, this far apart.
const GROUP: Duration = Duration::from_millis(1);
/// Where a payload carries its number.
const VIDEO_NUMBER: usize = 16;
const AUDIO_NUMBER: usize = 4;
/// Entries of [`Sent`]: more than a run has packets that anybody still waits for.
const KEPT: usize = 1 << 15;

/// The formats published: video, then audio.
pub(super) fn formats() -> Vec<Format> {
    let format = |codec, clock_rate| Format { codec, clock_rate, parameters: String::new() };
    vec![format(Codec::Vp8, 90_000), format(Codec::Opus, 48_000)]
}

/// Packets that leave together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// When, since the start.
    pub(super) at: Duration,
    /// Audio or video.
    pub(super) kind: Kind,
    /// Number of the first.
    pub(super) first: u32,
    /// How many.
    pub(super) count: u32,
}

/// When what is sent.
#[derive(Debug)]
pub(super) struct Schedule {
    groups: u32,
    frame: u32,
    group: u32,
    audio: u32,
}

impl Schedule {
    /// Frames as bursts (0) or spread over `pace` milliseconds.
    pub(super) fn new(pace: u32) -> Self {
        Self { groups: pace.clamp(1, FRAME_PACKETS), frame: 0, group: 0, audio: 0 }
    }

    /// When the next group is due, since the start.
    pub(super) fn due(&self) -> Duration {
        self.video_due().min(self.audio_due())
    }

    /// The next group.
    pub(super) fn next(&mut self) -> Group {
        let at = self.due();
        if self.audio_due() == at {
            let first = self.audio;
            self.audio += 1;
            return Group { at, kind: Kind::Audio, first, count: 1 };
        }
        let begin = FRAME_PACKETS * self.group / self.groups;
        let end = FRAME_PACKETS * (self.group + 1) / self.groups;
        let first = self.frame * FRAME_PACKETS + begin;
        self.group += 1;
        if self.group == self.groups {
            (self.frame, self.group) = (self.frame + 1, 0);
        }
        Group { at, kind: Kind::Video, first, count: end - begin }
    }

    fn video_due(&self) -> Duration {
        FRAME * self.frame + GROUP * self.group
    }

    fn audio_due(&self) -> Duration {
        AUDIO_BEGINS + AUDIO * self.audio
    }
}

/// The payload of a packet, in `buf`.
pub(super) fn payload(kind: Kind, number: u32, is_key: bool, buf: &mut [u8; VIDEO_BYTES]) -> &[u8] {
    buf[..2 * VIDEO_NUMBER].fill(0);
    if kind == Kind::Audio {
        // RFC 6716 §3.1: fullband CELT, 20 ms, stereo, one frame.
        buf[0] = 0xfc;
        buf[AUDIO_NUMBER..AUDIO_NUMBER + 4].copy_from_slice(&number.to_be_bytes());
        return &buf[..AUDIO_BYTES];
    }
    let (frame, position) = (number / FRAME_PACKETS, number % FRAME_PACKETS);
    // RFC 7741 §4.2: X, S at the beginning, a picture id of 15 bits.
    buf[..4].copy_from_slice(&[
        0x80 | u8::from(position == 0) << 4,
        0x80,
        0x80 | (frame >> 8) as u8,
        frame as u8,
    ]);
    if position == 0 {
        // RFC 7741 §4.3: P, shown; a key frame has start code and size (64 x 64).
        buf[4] = 0x10 | u8::from(!is_key);
        if is_key {
            buf[7..14].copy_from_slice(&[0x9d, 0x01, 0x2a, 64, 0, 64, 0]);
        }
    }
    buf[VIDEO_NUMBER..VIDEO_NUMBER + 4].copy_from_slice(&number.to_be_bytes());
    &buf[..]
}

/// The number in a payload.
pub(super) fn number(kind: Kind, payload: &[u8]) -> Option<u32> {
    let at = if kind == Kind::Audio { AUDIO_NUMBER } else { VIDEO_NUMBER };
    payload.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// RTP timestamp of a packet.
pub(super) fn timestamp(kind: Kind, number: u32) -> u32 {
    match kind {
        Kind::Audio => number.wrapping_mul(960),
        Kind::Video => (number / FRAME_PACKETS).wrapping_mul(3000),
    }
}

/// Does the packet end a frame?
pub(super) fn marker(kind: Kind, number: u32) -> bool {
    kind == Kind::Video && number % FRAME_PACKETS == FRAME_PACKETS - 1
}

/// When each packet was sent: nanoseconds of the wall clock, since that is the clock of the kernel's receive stamps.
#[derive(Debug)]
pub(super) struct Sent {
    of_kind: [Box<[AtomicU64]>; 2],
}

impl Sent {
    pub(super) fn new() -> Self {
        let empty = || (0..KEPT).map(|_| AtomicU64::new(0)).collect();
        Self { of_kind: [empty(), empty()] }
    }

    pub(super) fn note(&self, kind: Kind, number: u32, at: u64) {
        self.of_kind[index_of(kind)][number as usize % KEPT].store(at, Ordering::Relaxed);
    }

    pub(super) fn at(&self, kind: Kind, number: u32) -> u64 {
        self.of_kind[index_of(kind)][number as usize % KEPT].load(Ordering::Relaxed)
    }

    /// How many packets were sent in that time.
    pub(super) fn count(&self, from: u64, until: u64) -> u64 {
        let sent = self.of_kind.iter().flatten().map(|at| at.load(Ordering::Relaxed));
        sent.filter(|at| (from..until).contains(at)).count() as u64
    }
}

/// Audio is 0, video 1.
pub(super) fn index_of(kind: Kind) -> usize {
    usize::from(kind == Kind::Video)
}

/// The wall clock in nanoseconds.
pub(super) fn wall_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_thirty_frames_and_fifty_sounds_burst_or_paced() {
        for (pace, groups) in [(0, 30), (5, 150), (30, 270)] {
            let mut schedule = Schedule::new(pace);
            let mut second = Vec::new();
            while schedule.due() < Duration::from_millis(999) {
                second.push(schedule.next());
            }
            let video: Vec<_> = second.iter().filter(|group| group.kind == Kind::Video).collect();
            assert_eq!(video.len(), groups);
            assert_eq!(video.iter().map(|group| group.count).sum::<u32>(), 270);
            assert_eq!(second.len() - video.len(), 50);
            assert!(second.is_sorted_by_key(|group| group.at));
        }
    }

    #[test]
    fn payloads_carry_their_number_and_are_vp8_that_can_start() {
        let mut buf = [0xff; VIDEO_BYTES];
        for (kind, packet) in [(Kind::Audio, 70_000), (Kind::Video, 9 * 8_000), (Kind::Video, 71_999)] {
            let bytes = payload(kind, packet, true, &mut buf);
            assert_eq!(number(kind, bytes), Some(packet));
        }
        let first = payload(Kind::Video, 0, true, &mut buf);
        assert_eq!((first[0] & 0x10, first[4] & 1), (0x10, 0));
        assert!(marker(Kind::Video, 8) && !marker(Kind::Video, 9) && !marker(Kind::Audio, 8));
    }
}
