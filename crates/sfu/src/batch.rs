//! What one unit hands to another in one turn: packets as they stand in its histories.

use crate::history::Meta;
use crate::track::SenderClock;

/// The most packets in one batch; what is beyond goes into the next.
pub const MAX_BATCH_PACKETS: usize = 512;
/// The most payload bytes in one batch, but for its last packet.
pub const MAX_BATCH_BYTES: usize = 512 << 10;
/// An emptied batch keeps buffers of this size; larger ones, of a key frame caught up with, are let go.
const KEPT_PACKETS: usize = 128;
const KEPT_BYTES: usize = 128 << 10;

/// Packets on their way from the unit with a stream's publisher to one with viewers of it, with all that is known of them.
/// Batches are meant to be used again: once emptied they keep their buffers.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) entries: Vec<Entry>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) reports: Vec<Report>,
    pub(crate) is_after_loss: bool,
}

/// One packet; its payload follows the one before in the batch's bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// Index of the track at the unit with the publisher.
    pub track: u8,
    /// Bytes of payload.
    pub len: u16,
    /// What is known of it; its generation names the stream.
    pub meta: Meta,
}

/// A publisher's sender report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    pub generation: u32,
    pub track: u8,
    pub clock: SenderClock,
}

impl Batch {
    /// An empty one, without buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Is nothing in it?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.reports.is_empty()
    }

    /// Packets in it.
    pub fn packets(&self) -> usize {
        self.entries.len()
    }

    /// Notes that a batch before this one was dropped: who takes it asks for key frames, since what its viewers have
    /// cannot be decoded further.
    pub fn note_loss(&mut self) {
        self.is_after_loss = true;
    }

    /// Empties it; buffers of the usual size are kept.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
        self.reports.clear();
        self.entries.shrink_to(KEPT_PACKETS);
        self.bytes.shrink_to(KEPT_BYTES);
        self.is_after_loss = false;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= MAX_BATCH_PACKETS || self.bytes.len() >= MAX_BATCH_BYTES
    }

    pub(crate) fn push(&mut self, track: u8, meta: &Meta, payload: &[u8]) {
        self.entries.push(Entry { track, len: payload.len() as u16, meta: *meta });
        self.bytes.extend_from_slice(payload);
    }
}
