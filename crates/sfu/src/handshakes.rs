//! Handshakes take their turn: a step costs as much as forwarding hundreds of packets.
//!
//! Each turn of the loop, which begins with input, has at most one step, after all media. So nobody's media waits for more
//! than one step, however many join at once. A unit with more media than it can send still makes a step from time to
//! time, or nobody could ever join it, nor its publisher come back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::peer_id::PeerId;
use crate::sfu::Sfu;

/// DTLS datagrams of all peers that may wait for their turn.
const MAX_WAITING: usize = 4096;
/// After so long without a step one goes before the media: at 0.2 ms a step, a tenth of the time.
const OVERDUE: Duration = Duration::from_millis(2);

/// Peers with a DTLS datagram that waits, in order of arrival.
#[derive(Debug)]
pub(crate) struct Handshakes {
    queue: VecDeque<PeerId>,
    has_stepped: bool,
    /// Since when the first has waited with nobody before it.
    since: Instant,
}

impl Handshakes {
    /// Nobody waits.
    pub(crate) fn new(now: Instant) -> Self {
        Self { queue: VecDeque::new(), has_stepped: false, since: now }
    }

    /// A turn of the loop begins.
    pub(crate) fn begin_turn(&mut self) {
        self.has_stepped = false;
    }

    /// May another one wait?
    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < MAX_WAITING
    }

    /// This peer waits for a step.
    pub(crate) fn push(&mut self, now: Instant, peer: PeerId) {
        if self.queue.is_empty() {
            self.since = now;
        }
        self.queue.push_back(peer);
    }

    /// Does nobody wait?
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn is_overdue(&self, now: Instant) -> bool {
        !self.queue.is_empty() && now.saturating_duration_since(self.since) >= OVERDUE
    }
}

impl Sfu {
    /// A handshake that has waited too long takes its step, though media waits.
    pub(crate) fn step_overdue_handshake(&mut self, now: Instant) {
        if self.handshakes.is_overdue(now) {
            self.step_handshake(now);
        }
    }

    /// Takes one DTLS datagram that waits. Returns `false` if this turn has had its step, or none waits.
    pub(crate) fn step_handshake(&mut self, now: Instant) -> bool {
        if self.handshakes.has_stepped {
            return false;
        }
        while let Some(id) = self.handshakes.queue.pop_front() {
            // Who has left, or has taken its datagrams already, does not cost others the turn.
            let Some(peer) = self.peer_mut(id).filter(|peer| peer.has_waiting_handshake()) else { continue };
            peer.step_handshake(now);
            self.handshakes.has_stepped = true;
            self.handshakes.since = now;
            self.touched(now, id);
            return true;
        }
        false
    }
}
