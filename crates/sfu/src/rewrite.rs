//! Keeps what a viewer receives continuous: sequence numbers, timestamps and picture ids go on without a
//! seam over late joins, gaps in reading and replaced publishers.
//!
//! The state is a short list of *runs*. Within a run the difference between outgoing and source numbers is
//! constant, so a packet that was repaired late, or is resent, gets the very number that it would have had.

use std::collections::VecDeque;

use crate::history::Meta;

/// The most runs kept; a NACK for something older is ignored.
pub(crate) const MAX_RUNS: usize = 32;
/// A viewer who starts at a cached key frame gets the frames up to the live one with timestamps that advance
/// this many times slower, so that its player shows them at once and is live with the last of them.
const CATCH_UP: u32 = 16;

/// What a packet carries towards one viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// Outgoing sequence number, extended; the packet carries its low 16 bits.
    pub sequence: u64,
    /// Outgoing RTP timestamp.
    pub timestamp: u32,
    /// Outgoing picture id (15 bits), where the codec has one.
    pub picture_id: u16,
    /// Outgoing TL0PICIDX, where the codec has one.
    pub tl0_picture_index: u8,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    source_base: u64,
    outgoing_base: u64,
    /// The last outgoing number of a run that has ended; nothing of this run may lie beyond it.
    last: Option<u64>,
    timestamp_offset: u32,
    /// Source timestamps before this one are compressed, of packets before `live_from`.
    anchor: Option<u32>,
    /// The first packet at the anchor or behind it, once one was sent. A timestamp alone cannot tell before from behind
    /// for longer than half its range, which is less than seven hours.
    live_from: Option<u64>,
    picture_id_offset: u16,
    tl0_offset: u8,
}

impl Run {
    fn outgoing(&self, meta: &Meta) -> Option<Outgoing> {
        let sequence = self.outgoing_base + meta.sequence.checked_sub(self.source_base)?;
        if self.last.is_some_and(|last| sequence > last) {
            return None;
        }
        let picture_id = meta.descriptor.picture_id.map_or(0, |id| id.value);
        Some(Outgoing {
            sequence,
            timestamp: self.timestamp(meta),
            picture_id: picture_id.wrapping_add(self.picture_id_offset) & 0x7fff,
            tl0_picture_index: meta
                .descriptor
                .tl0_picture_index
                .unwrap_or_default()
                .wrapping_add(self.tl0_offset),
        })
    }

    fn timestamp(&self, meta: &Meta) -> u32 {
        let behind = self.behind(meta);
        meta.timestamp.wrapping_add(behind - behind / CATCH_UP).wrapping_add(self.timestamp_offset)
    }

    /// How far before the anchor a packet lies.
    fn behind(&self, meta: &Meta) -> u32 {
        let catches_up = self.live_from.is_none_or(|live_from| meta.sequence < live_from);
        let behind =
            self.anchor.filter(|_| catches_up).map_or(0, |anchor| anchor.wrapping_sub(meta.timestamp));
        if (behind as i32) > 0 { behind } else { 0 }
    }
}

/// The rewriting state of one viewer and track.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Rewriter {
    highest: Option<Sent>,
    /// The run that is being written.
    newest: Option<Run>,
    /// Those before it, for repair.
    older: VecDeque<Run>,
    first_sequence: u64,
    first_timestamp: u32,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    outgoing: Outgoing,
    received: std::time::Instant,
}

impl Rewriter {
    /// How much of it, from its beginning, the next packet needs.
    pub(crate) const HOT: usize = std::mem::offset_of!(Self, older);

    /// Starts with numbers of the caller's choice; `first_sequence` should lie below 2^15, so that a receiver
    /// who misses the first packets cannot take a wrap for its start (RFC 3711 §3.3.1).
    pub(crate) fn new(first_sequence: u16, first_timestamp: u32) -> Self {
        // One rollover ahead, so that the extended number never falls below zero.
        let first_sequence = u64::from(first_sequence) + (1 << 16);
        Self { newest: None, older: VecDeque::new(), first_sequence, first_timestamp, highest: None }
    }

    /// Begins a run at `meta`: its packet follows what was sent last without a gap. `live` is the newest
    /// source timestamp of the track if the run starts behind it and should catch up.
    pub(crate) fn start_run(&mut self, meta: &Meta, live: Option<u32>, clock_rate: u32) {
        let (sequence, timestamp, picture_id, tl0) = match &self.highest {
            Some(sent) => {
                let elapsed = meta.received.saturating_duration_since(sent.received).as_micros() as u64;
                let step = (elapsed * u64::from(clock_rate) / 1_000_000).max(1) as u32;
                let next = &sent.outgoing;
                (
                    next.sequence + 1,
                    next.timestamp.wrapping_add(step),
                    next.picture_id.wrapping_add(1),
                    next.tl0_picture_index.wrapping_add(1),
                )
            }
            None => {
                let picture_id = meta.descriptor.picture_id.map_or(0, |id| id.value);
                let tl0 = meta.descriptor.tl0_picture_index.unwrap_or_default();
                (self.first_sequence, self.first_timestamp, picture_id, tl0)
            }
        };
        if let Some(mut run) = self.newest.take() {
            run.last = self.highest.as_ref().map(|sent| sent.outgoing.sequence);
            if self.older.len() + 1 == MAX_RUNS {
                self.older.pop_front();
            }
            self.older.push_back(run);
        }
        let source_id = meta.descriptor.picture_id.map_or(0, |id| id.value);
        let mut run = Run {
            source_base: meta.sequence,
            outgoing_base: sequence,
            last: None,
            timestamp_offset: 0,
            anchor: live,
            live_from: None,
            picture_id_offset: picture_id.wrapping_sub(source_id) & 0x7fff,
            tl0_offset: tl0.wrapping_sub(meta.descriptor.tl0_picture_index.unwrap_or_default()),
        };
        run.timestamp_offset = timestamp.wrapping_sub(run.timestamp(meta));
        self.newest = Some(run);
    }

    /// The numbers for a packet, or `None` if it belongs to no run: it came before the viewer joined, or
    /// between two runs.
    #[inline]
    pub(crate) fn rewrite(&self, meta: &Meta) -> Option<Outgoing> {
        let run = self.runs().find(|run| run.source_base <= meta.sequence)?;
        run.outgoing(meta)
    }

    /// The newest first.
    #[inline]
    fn runs(&self) -> impl Iterator<Item = &Run> {
        self.newest.iter().chain(self.older.iter().rev())
    }

    /// How far beyond the newest packet sent this one would lie.
    #[inline]
    pub(crate) fn leap(&self, meta: &Meta) -> u64 {
        let sent = self.highest.as_ref().map(|sent| sent.outgoing.sequence);
        let next =
            self.newest.as_ref().map(|run| run.outgoing_base + meta.sequence.saturating_sub(run.source_base));
        next.unwrap_or(0).saturating_sub(sent.or(next).unwrap_or(0))
    }

    /// Notes that a packet has been sent under these numbers.
    #[inline]
    pub(crate) fn note_sent(&mut self, meta: &Meta, outgoing: Outgoing) {
        if self.highest.as_ref().is_none_or(|sent| outgoing.sequence > sent.outgoing.sequence) {
            self.highest = Some(Sent { outgoing, received: meta.received });
            if let Some(run) = &mut self.newest
                && run.live_from.is_none()
                && run.behind(meta) == 0
            {
                run.live_from = Some(meta.sequence);
            }
        }
    }

    /// The source sequence number behind an outgoing 16-bit one that a viewer names in a NACK.
    pub(crate) fn source_of(&self, sequence: u16) -> Option<u64> {
        let highest = self.highest.as_ref()?.outgoing.sequence;
        let behind = u64::from((highest as u16).wrapping_sub(sequence));
        let extended = highest.checked_sub(behind)?;
        let run = self.runs().find(|run| run.outgoing_base <= extended)?;
        if run.last.is_some_and(|last| extended > last) {
            return None;
        }
        Some(run.source_base + (extended - run.outgoing_base))
    }

    /// Maps a source timestamp of the newest run, as a sender report needs it. Live time, not compressed.
    pub(crate) fn map_timestamp(&self, source: u32) -> Option<u32> {
        self.newest.as_ref().map(|run| source.wrapping_add(run.timestamp_offset))
    }

    /// The newest packet sent.
    pub(crate) fn highest(&self) -> Option<Outgoing> {
        self.highest.as_ref().map(|sent| sent.outgoing)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use headwater_rtp::payload::{Descriptor, PictureId, Places};

    use super::*;
    use crate::history::Carried;

    fn meta(sequence: u64, timestamp: u32, picture: u16, received: Instant) -> Meta {
        let mut descriptor = Descriptor::default();
        descriptor.picture_id = Some(PictureId::wide(picture));
        descriptor.tl0_picture_index = Some(picture as u8);
        Meta {
            sequence,
            timestamp,
            marker: false,
            format: 0,
            generation: 0,
            received,
            descriptor,
            places: Places::default(),
            extensions: Carried::default(),
        }
    }

    fn send(rewriter: &mut Rewriter, meta: &Meta) -> Outgoing {
        let outgoing = rewriter.rewrite(meta).expect("in a run");
        rewriter.note_sent(meta, outgoing);
        outgoing
    }

    #[test]
    fn a_new_publisher_goes_on_where_the_old_one_ended() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(100, 5000);
        rewriter.start_run(&meta(70_000, 1000, 9, now), None, 90_000);
        let first = send(&mut rewriter, &meta(70_000, 1000, 9, now));
        assert_eq!((first.sequence as u16, first.timestamp, first.picture_id), (100, 5000, 9));
        let second = send(&mut rewriter, &meta(70_001, 4000, 10, now + Duration::from_millis(33)));
        assert_eq!((second.sequence as u16, second.timestamp), (101, 8000));

        let back = meta(200_000, 0xffff_0000, 0x7000, now + Duration::from_millis(1033));
        rewriter.start_run(&back, None, 90_000);
        let third = send(&mut rewriter, &back);
        assert_eq!((third.sequence as u16, third.timestamp, third.picture_id), (102, 8000 + 90_000, 11));
        assert_eq!(third.tl0_picture_index, 11);
        assert_eq!(rewriter.source_of(101), Some(70_001));
        assert_eq!(rewriter.source_of(102), Some(200_000));
        assert_eq!(rewriter.source_of(103), None, "not sent yet");
    }

    #[test]
    fn a_packet_repaired_late_keeps_the_number_of_its_run_and_never_takes_one_of_the_next() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(0, 0);
        rewriter.start_run(&meta(1000, 0, 0, now), None, 90_000);
        send(&mut rewriter, &meta(1000, 0, 0, now));
        let late = meta(1001, 0, 0, now);
        send(&mut rewriter, &meta(1002, 0, 0, now));
        assert_eq!(rewriter.rewrite(&late).expect("in the run").sequence as u16, 1);

        rewriter.start_run(&meta(2000, 0, 0, now), None, 90_000);
        send(&mut rewriter, &meta(2000, 0, 0, now));
        assert_eq!(rewriter.rewrite(&late).expect("still in its run").sequence as u16, 1);
        assert_eq!(rewriter.rewrite(&meta(1003, 0, 0, now)), None, "its number belongs to the next run");
        assert_eq!(rewriter.rewrite(&meta(999, 0, 0, now)), None, "before the viewer joined");
    }

    #[test]
    fn catching_up_ends_on_the_live_clock() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(0, 0);
        // The key frame is one second old.
        rewriter.start_run(&meta(10, 0, 0, now), Some(90_000), 90_000);
        let key = send(&mut rewriter, &meta(10, 0, 0, now));
        let next = send(&mut rewriter, &meta(11, 3000, 1, now));
        let live = send(&mut rewriter, &meta(12, 90_000, 2, now));
        let after = send(&mut rewriter, &meta(13, 93_000, 3, now));
        assert_eq!(key.timestamp, 0);
        assert!(next.timestamp > key.timestamp && next.timestamp <= 3000 / CATCH_UP + 1);
        assert_eq!(live.timestamp, 90_000 / CATCH_UP);
        assert_eq!(after.timestamp - live.timestamp, 3000);
        assert_eq!(rewriter.map_timestamp(93_000), Some(after.timestamp));
    }

    #[test]
    fn who_caught_up_stays_live_for_days() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(0, 0);
        rewriter.start_run(&meta(10, 0, 0, now), Some(90_000), 90_000);
        send(&mut rewriter, &meta(10, 0, 0, now));
        let late = meta(11, 45_000, 1, now);
        let mut last = send(&mut rewriter, &meta(12, 90_000, 2, now)).timestamp;
        assert_eq!(rewriter.rewrite(&late).expect("in the run").timestamp, 90_000 / CATCH_UP / 2 + 1);
        // Timestamps wrap after thirteen hours; half of that is as far as two of them can be told apart.
        for hour in 1_u64..72 {
            let source = 90_000_u32.wrapping_add((hour * 3600 * 90_000) as u32);
            let sent = send(&mut rewriter, &meta(12 + hour, source, 3, now)).timestamp;
            assert_eq!(sent.wrapping_sub(last), 3600 * 90_000, "hour {hour}");
            last = sent;
        }
    }

    #[test]
    fn runs_are_bounded() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(0, 0);
        for n in 0..1000 {
            let start = meta(n * 10, 0, 0, now);
            rewriter.start_run(&start, None, 90_000);
            send(&mut rewriter, &start);
        }
        assert_eq!(rewriter.runs().count(), MAX_RUNS);
        assert_eq!(rewriter.source_of(0), None);
        assert_eq!(rewriter.source_of(999), Some(9990));
    }
}
