//! The shared log of a track's packets. Viewers hold cursors into it; it is the only queue for media.
//!
//! Packets stand in the order in which they arrived, each stored once. An index finds a packet by its
//! extended source sequence number, for repair. The log is bounded by age, bytes and packets, whichever
//! comes first, and its bytes are allocated in chunks that are used again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use headwater_rtp::payload::{Descriptor, Places};

/// The oldest a packet in the log may be.
pub const MAX_AGE: Duration = Duration::from_secs(2);
/// The most payload bytes that the log holds.
pub const MAX_BYTES: usize = 4 << 20;
/// The most packets that the log holds.
pub const MAX_PACKETS: usize = 4096;

const CHUNK_BYTES: usize = 64 << 10;
const MAX_SPARE_CHUNKS: usize = 4;
/// Slots of the index; more than `MAX_PACKETS` so that packets close in sequence do not share one.
const INDEX_SLOTS: usize = 8192;

/// What the log knows of one packet besides its payload.
#[derive(Debug, Clone, Copy)]
pub struct Meta {
    /// Source sequence number, extended so that it never repeats in the life of a track, not even when the
    /// publisher is replaced.
    pub sequence: u64,
    /// Source RTP timestamp.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
    /// Index into the track's formats: which codec the payload is of.
    pub format: u8,
    /// Which publisher the packet came from, counted from 0 in the life of the track.
    pub generation: u32,
    /// When the packet arrived.
    pub received: Instant,
    /// The one look inside the payload; picture ids are already widened to 15 bits.
    pub descriptor: Descriptor,
    /// Where the payload carries what is rewritten for each viewer.
    pub places: Places,
    /// Header-extension values that travel with the packet.
    pub extensions: Carried,
}

/// Header-extension values which are carried from the publisher to the viewers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// Coordination of video orientation (3GPP TS 26.114 §7.4.5), one byte.
    pub orientation: u8,
    /// Client-to-mixer audio level (RFC 6464), one byte.
    pub audio_level: Option<u8>,
    /// The sender's wish for the playout delay, three bytes.
    pub playout_delay: Option<[u8; 3]>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    meta: Meta,
    chunk: u64,
    start: u32,
    len: u16,
}

/// A packet as read from the log.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// What is known of it.
    pub meta: &'a Meta,
    /// Its payload, without padding.
    pub payload: &'a [u8],
}

/// A place in a log: the position of the next packet to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor(u64);

/// What a cursor finds.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a reader has to handle each")]
pub enum Read<'a> {
    /// The next packet.
    Packet(Packet<'a>),
    /// Nothing yet.
    End,
    /// The place has fallen off the old end of the log: the reader was too slow.
    Lost,
}

/// The log.
#[derive(Debug)]
pub struct History {
    entries: VecDeque<Entry>,
    /// Position of the oldest entry.
    base: u64,
    chunks: VecDeque<Vec<u8>>,
    first_chunk: u64,
    spare: Vec<Vec<u8>>,
    bytes: usize,
    /// Made with the first packet: a log that nobody fills costs nothing.
    index: Box<[u64]>,
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl History {
    /// An empty log.
    pub fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            base: 0,
            chunks: VecDeque::new(),
            first_chunk: 0,
            spare: Vec::new(),
            bytes: 0,
            index: Box::default(),
        }
    }

    /// Appends a packet; returns `false`, and changes nothing, if its sequence number is in the log already
    /// or the payload is longer than any datagram.
    pub fn push(&mut self, meta: Meta, payload: &[u8]) -> bool {
        let Ok(len) = u16::try_from(payload.len()) else { return false };
        if self.position_of(meta.sequence).is_some() {
            return false;
        }
        if self.index.is_empty() {
            self.index = vec![u64::MAX; INDEX_SLOTS].into_boxed_slice();
        }
        self.make_room(meta.received, payload.len());
        if self.chunks.back().is_none_or(|chunk| chunk.len() + payload.len() > CHUNK_BYTES) {
            let chunk = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK_BYTES));
            self.chunks.push_back(chunk);
        }
        let number = self.first_chunk + self.chunks.len() as u64 - 1;
        let chunk = self.chunks.back_mut().expect("a chunk was just made sure of");
        let start = chunk.len() as u32;
        chunk.extend_from_slice(payload);
        self.bytes += payload.len();
        self.index[slot(meta.sequence)] = self.base + self.entries.len() as u64;
        self.entries.push_back(Entry { meta, chunk: number, start, len });
        true
    }

    /// The packet at a cursor; the cursor is moved behind it.
    #[inline]
    pub fn read(&self, cursor: &mut Cursor) -> Read<'_> {
        let read = self.peek(*cursor);
        if let Read::Packet(_) = read {
            cursor.0 += 1;
        }
        read
    }

    /// The packet at a cursor, which stays where it is.
    #[inline]
    pub fn peek(&self, cursor: Cursor) -> Read<'_> {
        let Some(offset) = cursor.0.checked_sub(self.base) else { return Read::Lost };
        match self.entries.get(offset as usize) {
            Some(entry) => Read::Packet(self.packet(entry)),
            None => Read::End,
        }
    }

    /// Payload lengths of the packets from a cursor on.
    #[inline]
    pub fn lengths(&self, cursor: Cursor) -> impl Iterator<Item = usize> + '_ {
        let offset = usize::try_from(cursor.0.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.entries.range(offset.min(self.entries.len())..).map(|entry| usize::from(entry.len))
    }

    /// Calls `each` with the memory, as address and length, that storing the next packet will need.
    pub(crate) fn for_each_region(&self, mut each: impl FnMut(*const u8, usize)) {
        if let (Some(oldest), Some(newest)) = (self.entries.front(), self.entries.back()) {
            each(std::ptr::from_ref(oldest).cast(), size_of::<Entry>());
            // And the place behind it.
            each(std::ptr::from_ref(newest).cast(), 2 * size_of::<Entry>());
        }
        if let Some(chunk) = self.chunks.back() {
            each(chunk.as_ptr().wrapping_add(chunk.len()), 2 * 64);
        }
        if let Some(newest) = self.entries.back()
            && let Some(next) = self.index.get(slot(newest.meta.sequence + 1))
        {
            each(std::ptr::from_ref(next).cast(), size_of::<u64>());
        }
    }

    /// The live end: where the next packet will stand.
    pub fn end(&self) -> Cursor {
        Cursor(self.base + self.entries.len() as u64)
    }

    /// Where a packet stands, by its extended source sequence number.
    pub fn find(&self, sequence: u64) -> Option<Cursor> {
        self.position_of(sequence).map(Cursor)
    }

    /// A packet by its extended source sequence number.
    pub fn get(&self, sequence: u64) -> Option<Packet<'_>> {
        let position = self.position_of(sequence)?;
        self.entries.get((position - self.base) as usize).map(|entry| self.packet(entry))
    }

    /// The newest packet.
    pub fn newest(&self) -> Option<Packet<'_>> {
        self.entries.back().map(|entry| self.packet(entry))
    }

    /// Payload bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory reserved, for the accounts.
    pub fn reserved(&self) -> usize {
        (self.chunks.len() + self.spare.len()) * CHUNK_BYTES
            + self.entries.capacity() * size_of::<Entry>()
            + self.index.len() * size_of::<u64>()
    }

    /// Drops everything, and the memory with it; positions go on.
    pub fn clear(&mut self) {
        self.base = self.end().0;
        self.first_chunk += self.chunks.len() as u64;
        self.entries = VecDeque::new();
        self.chunks = VecDeque::new();
        self.spare = Vec::new();
        self.index = Box::default();
        self.bytes = 0;
    }

    fn packet<'a>(&'a self, entry: &'a Entry) -> Packet<'a> {
        let chunk = &self.chunks[(entry.chunk - self.first_chunk) as usize];
        let start = entry.start as usize;
        Packet { meta: &entry.meta, payload: &chunk[start..start + entry.len as usize] }
    }

    fn position_of(&self, sequence: u64) -> Option<u64> {
        let position = *self.index.get(slot(sequence))?;
        let offset = position.checked_sub(self.base)?;
        let entry = self.entries.get(usize::try_from(offset).ok()?)?;
        (entry.meta.sequence == sequence).then_some(position)
    }

    fn make_room(&mut self, now: Instant, bytes: usize) {
        while let Some(oldest) = self.entries.front() {
            let expired = now.saturating_duration_since(oldest.meta.received) > MAX_AGE;
            if !expired && self.entries.len() < MAX_PACKETS && self.bytes + bytes <= MAX_BYTES {
                break;
            }
            self.bytes -= oldest.len as usize;
            self.entries.pop_front();
            self.base += 1;
        }
        let in_use = self.entries.front().map_or(self.first_chunk + self.chunks.len() as u64, |e| e.chunk);
        while self.first_chunk < in_use {
            let Some(mut chunk) = self.chunks.pop_front() else { break };
            self.first_chunk += 1;
            if self.spare.len() < MAX_SPARE_CHUNKS {
                chunk.clear();
                self.spare.push(chunk);
            }
        }
    }
}

fn slot(sequence: u64) -> usize {
    (sequence % INDEX_SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(sequence: u64, received: Instant) -> Meta {
        Meta {
            sequence,
            timestamp: sequence as u32 * 3000,
            marker: false,
            format: 0,
            generation: 0,
            received,
            descriptor: Descriptor::default(),
            places: Places::default(),
            extensions: Carried::default(),
        }
    }

    #[test]
    fn a_cursor_reads_in_arrival_order_and_stops_at_the_live_end() {
        let (mut history, now) = (History::new(), Instant::now());
        let mut cursor = history.end();
        for sequence in [10, 12, 11] {
            assert!(history.push(meta(sequence, now), &[sequence as u8; 100]));
        }
        for sequence in [10, 12, 11] {
            let Read::Packet(packet) = history.read(&mut cursor) else { panic!("a packet is there") };
            assert_eq!((packet.meta.sequence, packet.payload), (sequence, &[sequence as u8; 100][..]));
        }
        assert!(matches!(history.read(&mut cursor), Read::End));
    }

    #[test]
    fn a_duplicate_is_refused_and_a_repair_is_found_by_its_number() {
        let (mut history, now) = (History::new(), Instant::now());
        assert!(history.push(meta(7, now), b"seven"));
        assert!(!history.push(meta(7, now), b"again"));
        assert_eq!(history.get(7).expect("stored").payload, b"seven");
        assert!(history.get(8).is_none());
        assert!(history.get(7 + INDEX_SLOTS as u64).is_none());
    }

    #[test]
    fn age_bytes_and_packets_each_bound_the_log() {
        let start = Instant::now();
        let mut history = History::new();
        for sequence in 0..3 * MAX_PACKETS as u64 {
            history.push(meta(sequence, start), &[0; 10]);
        }
        assert_eq!(history.entries.len(), MAX_PACKETS);
        let mut slow = Cursor(0);
        assert!(matches!(history.read(&mut slow), Read::Lost));

        for sequence in 0..10_000 {
            history.push(meta(100_000 + sequence, start), &[0; 60_000]);
        }
        assert!(history.bytes() <= MAX_BYTES);
        assert!(history.reserved() < 2 * MAX_BYTES);

        history.push(meta(900_000, start + MAX_AGE * 2), b"new");
        assert_eq!(history.entries.len(), 1);
        assert_eq!(history.newest().expect("kept").payload, b"new");
    }

    #[test]
    fn a_cleared_log_goes_on_with_its_positions() {
        let (mut history, now) = (History::new(), Instant::now());
        history.push(meta(1, now), b"one");
        let mut cursor = history.end();
        history.clear();
        history.push(meta(2, now), b"two");
        assert!(matches!(history.read(&mut cursor), Read::Packet(p) if p.payload == b"two"));
    }
}
