//! What arrives within the window: how many packets, and how long each took.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use headwater_sfu::track::Kind;

use super::histogram::Histogram;
use super::run::Shared;

/// Counts of one thread of viewers.
pub(super) struct Meter {
    shared: Arc<Shared>,
    /// From the publisher's send to the kernel's receive stamp.
    pub(super) latency: Histogram,
    /// From an offer to audio and video.
    pub(super) joining: Histogram,
    /// Packets of the window.
    pub(super) received: u64,
    /// Packets that a full viewer could not open.
    pub(super) refused: u64,
}

impl Meter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (latency, joining) = (Histogram::new(), Histogram::new());
        Self { shared, latency, joining, received: 0, refused: 0 }
    }

    /// A packet was received at `stamp` of the wall clock. It is in the window if it was sent in it.
    pub(super) fn note(&mut self, kind: Kind, number: u32, stamp: u64) {
        let sent = self.shared.sent.at(kind, number);
        let from = self.shared.from.load(Ordering::Relaxed);
        if sent >= from && sent < self.shared.until.load(Ordering::Relaxed) {
            self.received += 1;
            self.latency.note(stamp.saturating_sub(sent));
        }
    }
}
