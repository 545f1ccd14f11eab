//! What goes out: whose turn it is, and when each peer wants to wake.

use std::collections::VecDeque;
use std::time::Instant;

use headwater_stun::Transmit;

use crate::ahead::look_ahead;
use crate::broadcast::{Broadcast, round_of};
use crate::burst::Next;
use crate::demux::Protocol;
use crate::peer::{Peer, Role, State};
use crate::peer_id::PeerId;
use crate::sfu::Sfu;
use crate::track::Kind;

/// Datagrams are never longer than this on the way out (RFC 8831 §5 has the reasoning for 1,200).
const TRANSMIT_BYTES: usize = 1500;

impl Sfu {
    /// A viewer wants something of the publisher: let it speak now if that is due.
    pub(crate) fn wake_publisher(&mut self, id: PeerId) {
        let now = self.now;
        let Self { peers, broadcasts, control, .. } = self;
        let Some((_, peer)) = peers.get_mut(id.index as usize).filter(|(serial, _)| *serial == id.serial)
        else {
            return;
        };
        let Some(broadcast) = broadcasts.get(peer.broadcast) else { return };
        let is_due = broadcast
            .tracks
            .iter()
            .any(|track| track.key_frames.poll_timeout().is_some_and(|due| due <= now));
        if is_due && !peer.is_queued {
            peer.is_queued = true;
            control.push_back(id);
        }
        self.schedule(id);
    }

    pub(crate) fn poll_control(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        while let Some(&id) = self.control.front() {
            let Self { peers, broadcasts, clock, .. } = self;
            let entry = peers.get_mut(id.index as usize).filter(|(serial, _)| *serial == id.serial);
            if let Some((_, peer)) = entry {
                let tracks = broadcasts.get_mut(peer.broadcast).map_or(&mut [][..], |b| &mut b.tracks);
                buf.reserve(TRANSMIT_BYTES);
                let start = buf.len();
                if let Some(transmit) = peer.poll_transmit(now, clock, tracks, buf) {
                    if peer.checks() && Protocol::of(&buf[start..]) == Protocol::Stun {
                        let remote = transmit.remote;
                        if self.checked.insert(remote, id) != Some(id) && !peer.checked.contains(&remote) {
                            peer.checked.push(remote);
                        }
                    }
                    return Some(transmit);
                }
                peer.is_queued = false;
                if matches!(peer.state, State::Closing(..)) {
                    self.control.pop_front();
                    self.remove(id);
                    continue;
                }
            }
            self.control.pop_front();
            self.schedule(id);
        }
        None
    }

    pub(crate) fn poll_media(&mut self, now: Instant, kind: Kind, buf: &mut Vec<u8>) -> Option<Transmit> {
        let round = round_of(kind);
        while let Some(&index) = self.active[round].front() {
            let Some(broadcast) = self.broadcasts.get_mut(index) else {
                self.active[round].pop_front();
                continue;
            };
            let Some(id) = broadcast.rounds[round].current(&broadcast.viewers) else {
                broadcast.rounds[round].is_listed = false;
                let wakes = kind == Kind::Video;
                let publisher = broadcast.publisher.filter(|_| wakes);
                self.active[round].pop_front();
                if let Some(publisher) = publisher {
                    self.wake_publisher(publisher);
                }
                continue;
            };
            if broadcast.rounds[round].begins_group()
                && let Some(prefetch) = self.config.prefetch
            {
                look_ahead(prefetch, &self.peers, &self.broadcasts[index], round);
            }
            if let Some((transmit, has_more)) = self.poll_burst(now, id, kind, buf) {
                if !has_more && let Some(broadcast) = self.broadcasts.get_mut(index) {
                    broadcast.rounds[round].advance();
                }
                // The next stream's turn, or one with many viewers would keep all others waiting.
                self.active[round].rotate_left(1);
                return Some(transmit);
            }
            if let Some(broadcast) = self.broadcasts.get_mut(index) {
                broadcast.rounds[round].advance();
            }
        }
        None
    }

    /// Video of viewers who had to wait for their pacing rate. The rounds go first: they come by these viewers too.
    pub(crate) fn poll_resumed(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        while let Some(&id) = self.resumed.front() {
            if let Some((transmit, _)) = self.poll_burst(now, id, Kind::Video, buf) {
                return Some(transmit);
            }
            self.resumed.pop_front();
            if let Some(Peer { role: Role::Viewer(viewer), .. }) = self.peer_mut(id) {
                viewer.leave_resumed();
            }
        }
        None
    }

    /// What one viewer gets next, and whether there is more for it.
    fn poll_burst(
        &mut self,
        now: Instant,
        id: PeerId,
        kind: Kind,
        buf: &mut Vec<u8>,
    ) -> Option<(Transmit, bool)> {
        let Self { peers, broadcasts, totals, .. } = self;
        let (_, peer) = peers.get_mut(id.index as usize).filter(|(serial, _)| *serial == id.serial)?;
        let Peer {
            broadcast,
            role: Role::Viewer(viewer),
            srtp: Some(srtp),
            path: Some(path),
            state: State::Connected,
            sent_bytes,
            sent_packets,
            scheduled,
            ..
        } = peer
        else {
            return None;
        };
        let broadcast = broadcasts.get_mut(*broadcast)?;
        let next = viewer.next_burst(now, kind, &mut broadcast.tracks, &mut srtp.outbound, buf);
        let wants_to_wake = viewer.poll_timeout().is_some_and(|due| scheduled.is_none_or(|s| due < s));
        let transmit = if let Next::Burst(burst) = next {
            let packets = burst.total.div_ceil(burst.segment) as u64;
            *sent_bytes += burst.total as u64;
            *sent_packets += packets;
            totals.sent_bytes += burst.total as u64;
            totals.sent_packets += packets;
            totals.padding_bytes += burst.padding as u64;
            let mut transmit = Transmit::new(path.transport, path.local, path.remote, burst.total);
            if packets > 1 {
                transmit.segment_size = u16::try_from(burst.segment).ok();
            }
            Some((transmit, viewer.is_ready(kind, &broadcast.tracks)))
        } else {
            None
        };
        if wants_to_wake {
            match next {
                // The first sender report is due with the first packet.
                Next::Burst(_) => self.queue(id),
                _ => self.schedule(id),
            }
        }
        transmit
    }

    pub(crate) fn poll_resends(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        while let Some(&id) = self.resends.front() {
            let Self { peers, broadcasts, totals, .. } = self;
            let entry = peers.get_mut(id.index as usize).filter(|(serial, _)| *serial == id.serial);
            if let Some((_, peer)) = entry
                && let Peer {
                    role: Role::Viewer(viewer), srtp: Some(srtp), path: Some(path), broadcast, ..
                } = peer
                && let Some(broadcast) = broadcasts.get(*broadcast)
                && let Some(len) = viewer.next_resend(now, &broadcast.tracks, &mut srtp.outbound, buf)
            {
                totals.resent_packets += 1;
                return Some(Transmit::new(path.transport, path.local, path.remote, len));
            }
            self.resends.pop_front();
        }
        None
    }

    pub(crate) fn queue(&mut self, id: PeerId) {
        let Some(peer) = self.peer_mut(id) else { return };
        if !peer.is_queued {
            peer.is_queued = true;
            self.control.push_back(id);
        }
        self.schedule(id);
    }

    /// After media of a publisher, which makes something due earlier at most: its agents are not looked at.
    pub(crate) fn schedule_feedback(&mut self, id: PeerId) {
        let Self { peers, broadcasts, .. } = self;
        let Some((_, peer)) = peers.get(id.index as usize).filter(|(serial, _)| *serial == id.serial) else {
            return;
        };
        let Role::Publisher(publisher) = &peer.role else { return self.schedule(id) };
        let tracks = broadcasts.get(peer.broadcast).map_or(&[][..], |broadcast| &broadcast.tracks);
        let due = publisher.poll_timeout(tracks);
        if peer.scheduled.is_none_or(|scheduled| due < scheduled) {
            self.schedule(id);
        }
    }

    pub(crate) fn schedule(&mut self, id: PeerId) {
        let Self { peers, broadcasts, timers, .. } = self;
        let Some((_, peer)) = peers.get_mut(id.index as usize).filter(|(serial, _)| *serial == id.serial)
        else {
            return;
        };
        let tracks = broadcasts.get(peer.broadcast).map_or(&[][..], |broadcast| &broadcast.tracks);
        // Who is about to be polled is scheduled after that: before, what it waits for may be due already.
        if peer.is_queued {
            return;
        }
        let due = peer.poll_timeout(tracks);
        if due == peer.scheduled {
            return;
        }
        peer.scheduled = due;
        match due {
            Some(due) => timers.set(id.index, due),
            None => timers.clear(id.index),
        }
    }
}

/// Something new of a kind is there: its viewers get a round.
pub(crate) fn start_round(
    broadcast: &mut Broadcast,
    index: usize,
    kind: Kind,
    active: &mut [VecDeque<usize>; 2],
) {
    let round = round_of(kind);
    broadcast.rounds[round].restart(broadcast.viewers.len());
    if !broadcast.rounds[round].is_listed && !broadcast.viewers.is_empty() {
        broadcast.rounds[round].is_listed = true;
        active[round].push_back(index);
    }
}
