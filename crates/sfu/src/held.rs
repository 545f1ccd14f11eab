//! Frames that wait a little to leave in one piece.
//!
//! A publisher spreads a frame's packets over some milliseconds. Forwarded one by one as they come, each costs a message to
//! each viewer; forwarded together, a frame is one. A decoder shows nothing before the last packet of a frame, so that
//! waiting for that one delays no picture. The window bounds the wait where it is lost, or where the frame is long.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::broadcast::Broadcast;
use crate::sfu::Sfu;
use crate::track::Kind;
use crate::transmit::start_round;

/// Broadcasts that may wait at once; those of any more do not.
const MAX_HELD: usize = 4096;

/// Broadcasts with packets of a frame that is not complete, in the order in which their windows end.
#[derive(Debug, Default)]
pub(crate) struct Held {
    queue: VecDeque<(Instant, usize)>,
}

impl Held {
    /// When the first window ends.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.queue.front().map(|(due, _)| *due)
    }

    fn push(&mut self, due: Instant, broadcast: usize) -> bool {
        // All windows are of one length, so that the order of beginning is that of ending.
        if self.queue.len() >= MAX_HELD {
            return false;
        }
        self.queue.push_back((due, broadcast));
        true
    }

    fn pop(&mut self, now: Instant) -> Option<(Instant, usize)> {
        self.poll_timeout().filter(|due| *due <= now).and_then(|_| self.queue.pop_front())
    }

    /// A packet of video came. `ends` says that the frame is complete with it, or that it should go on at once.
    pub(crate) fn hold_or_start(
        &mut self,
        now: Instant,
        broadcast: &mut Broadcast,
        index: usize,
        window: Duration,
        ends: bool,
        active: &mut [VecDeque<usize>; 2],
    ) {
        if ends || window.is_zero() || (broadcast.viewers.is_empty() && !broadcast.shared.has_links()) {
            broadcast.held_until = None;
        } else {
            if broadcast.held_until.is_some() {
                return;
            }
            if self.push(now + window, index) {
                broadcast.held_until = Some(now + window);
                return;
            }
        }
        start_round(broadcast, index, Kind::Video, active);
    }
}

impl Sfu {
    /// Lets go what has waited for long enough.
    pub(crate) fn release_held(&mut self, now: Instant) {
        while let Some((due, index)) = self.held.pop(now) {
            let Self { broadcasts, active, .. } = self;
            // If not, its frame was completed, or it is another broadcast by now.
            if let Some(broadcast) = broadcasts.get_mut(index).filter(|b| b.held_until == Some(due)) {
                broadcast.held_until = None;
                start_round(broadcast, index, Kind::Video, active);
                self.note_fresh(index);
            }
        }
    }
}
