//! Coming and going: what a peer's news mean for its broadcast and for the owner.

use std::net::IpAddr;
use std::time::Instant;

use headwater_ice::Path;

use crate::broadcast::{Broadcast, round_of};
use crate::event::{CloseReason, Event};
use crate::peer::{CLOSING, Effect, Peer, Role, State};
use crate::peer_id::PeerId;
use crate::sfu::Sfu;
use crate::track::Kind;
use crate::transmit::start_round;

/// The broadcast of a peer that has left its own.
const NOWHERE: usize = usize::MAX;

impl Sfu {
    pub(crate) fn close_with(&mut self, now: Instant, id: PeerId, reason: CloseReason) -> bool {
        let Some(peer) = self.peer_mut(id) else { return false };
        peer.close(now, reason);
        // Its place in the broadcast is free at once; only the goodbye is still to be sent.
        self.leave_broadcast(id);
        self.touched(now, id);
        true
    }

    /// After a peer was given something: carry out what it asks for, and see when it wants to wake.
    pub(crate) fn touched(&mut self, now: Instant, id: PeerId) {
        while let Some(effect) = self.peer_mut(id).and_then(Peer::poll_effect) {
            match effect {
                Effect::Route(path) => self.claim(now, path, id),
                Effect::Unroute(path) => {
                    if let Some(peer) = self.peer_mut(id) {
                        peer.routes.retain(|route| *route != path);
                    }
                    self.unroute(&path, id);
                }
                Effect::Connected => self.connected(now, id),
                Effect::Closed(reason) => self.closed(now, id, reason),
            }
        }
        self.recount(id);
        self.queue(id);
    }

    /// Keeps count of the peers that are on their way.
    fn recount(&mut self, id: PeerId) {
        let Some(peer) = self.peer_mut(id) else { return };
        let is_pending = matches!(peer.state, State::Pending(_));
        let was_pending = std::mem::replace(&mut peer.is_counted, is_pending);
        self.pending = self.pending + usize::from(is_pending) - usize::from(was_pending);
    }

    pub(crate) fn unroute(&mut self, path: &Path, id: PeerId) {
        if self.routes.get(path) == Some(&id) {
            self.routes.remove(path);
        }
    }

    pub(crate) fn closed(&mut self, now: Instant, id: PeerId, reason: CloseReason) {
        let Some(peer) = self.peer_mut(id) else { return };
        match peer.state {
            State::Closing(..) => self.remove(id),
            _ if reason == CloseReason::HandshakeFailed => {
                // The alert is still to be sent, so that the peer need not wait for its own time-out.
                peer.state = State::Closing(now + CLOSING, reason);
                self.leave_broadcast(id);
            }
            _ => {
                peer.state = State::Closing(now, reason);
                self.remove(id);
            }
        }
    }

    pub(crate) fn connected(&mut self, now: Instant, id: PeerId) {
        self.events.push_back(Event::Connected(id));
        let Some((_, peer)) = self.peers.get(id.index as usize) else { return };
        if let Some(security) = &peer.security {
            self.agreed.note(security);
        }
        match peer.role {
            // Of several units the owner decides, who knows them all.
            Role::Publisher(_) if self.config.shares_streams => {}
            Role::Publisher(_) => self.take_over(now, id),
            Role::Viewer(_) => self.begin_viewing(now, id),
        }
    }

    pub(crate) fn begin_viewing(&mut self, now: Instant, id: PeerId) {
        let Self { peers, broadcasts, active, .. } = self;
        let Some((_, peer)) = peers.get_mut(id.index as usize) else { return };
        let Some(broadcast) = broadcasts.get_mut(peer.broadcast) else { return };
        if let Role::Viewer(viewer) = &mut peer.role {
            viewer.begin(now, &mut broadcast.tracks);
        }
        for kind in [Kind::Audio, Kind::Video] {
            start_round(broadcast, peer.broadcast, kind, active);
        }
        let (index, publisher) = (peer.broadcast, broadcast.publisher);
        self.note_wishful(index);
        if let Some(publisher) = publisher {
            self.wake_publisher(publisher);
        }
    }

    /// A publisher is connected: the stream is its own from here on.
    pub(crate) fn take_over(&mut self, now: Instant, id: PeerId) {
        let Some(index) = self.peer(id).map(|peer| peer.broadcast) else { return };
        let Some(broadcast) = self.broadcasts.get_mut(index) else { return };
        if broadcast.local.is_some() {
            self.close_with(now, id, CloseReason::Replaced);
            return;
        }
        if let Some(old) = broadcast.publisher
            && old != id
        {
            if !self.may_replace(now, old) {
                self.close_with(now, id, CloseReason::Replaced);
                return;
            }
            self.close_with(now, old, CloseReason::Replaced);
        }
        self.begin_generation(now, id, index, self.next_generation());
    }

    pub(crate) fn begin_generation(&mut self, now: Instant, id: PeerId, index: usize, generation: u32) {
        // Pending until here: a broadcast that nobody is in would be dropped.
        if let Some(broadcast) = self.broadcasts.get_mut(index) {
            broadcast.pending.remove(&id);
        }
        self.note_generation(index, generation);
        self.bind_tracks(now, id, index);
    }

    /// May a new publisher take the stream of this one?
    pub(crate) fn may_replace(&self, now: Instant, publisher: PeerId) -> bool {
        let Some(Peer { role: Role::Publisher(publisher), .. }) = self.peer(publisher) else { return true };
        self.config.takeover.permits(publisher.silence(now))
    }

    pub(crate) fn bind_tracks(&mut self, now: Instant, id: PeerId, index: usize) {
        let Self { peers, broadcasts, .. } = self;
        let (Some((_, peer)), Some(broadcast)) =
            (peers.get_mut(id.index as usize), broadcasts.get_mut(index))
        else {
            return;
        };
        let Role::Publisher(publisher) = &mut peer.role else { return };
        broadcast.publisher = Some(id);
        broadcast.live_since = None;
        let lines: Vec<_> =
            publisher.agreements().map(|agreement| (agreement.kind, agreement.formats.clone())).collect();
        for track in &mut broadcast.tracks {
            track.end();
        }
        let mut counts = [0; 2];
        for (line, (kind, formats)) in lines.into_iter().enumerate() {
            let nth = counts[round_of(kind)];
            counts[round_of(kind)] += 1;
            let Some(track) = broadcast.track_for(kind, nth) else { continue };
            let formats = broadcast.tracks[track].begin_as(broadcast.shared.generation, &formats);
            publisher.bind(line, track, formats);
            // Whoever watches has nothing to start with.
            let is_watched = !broadcast.viewers.is_empty();
            if is_watched && kind == Kind::Video {
                broadcast.tracks[track].key_frames.insist(now);
            }
        }
    }

    /// Takes a peer out of its broadcast; the broadcast goes when nobody is left.
    pub(crate) fn leave_broadcast(&mut self, id: PeerId) {
        // From here on the index may come to mean another broadcast.
        let Some(index) = self.peer_mut(id).map(|peer| std::mem::replace(&mut peer.broadcast, NOWHERE))
        else {
            return;
        };
        let Some(broadcast) = self.broadcasts.get_mut(index) else { return };
        broadcast.remove_viewer(id);
        broadcast.pending.remove(&id);
        if broadcast.publisher == Some(id) {
            broadcast.publisher = None;
            if broadcast.live_since.take().is_some() {
                self.events.push_back(Event::Offline { stream: broadcast.name.clone() });
            }
            let generation = broadcast.shared.generation;
            self.note_ended(generation);
        }
        self.note_wishful(index);
        self.drop_if_empty(index);
    }

    pub(crate) fn drop_if_empty(&mut self, index: usize) {
        if self.broadcasts.get(index).is_some_and(Broadcast::is_empty) {
            let broadcast = self.broadcasts.remove(index);
            self.names.remove(&broadcast.name);
        }
    }

    pub(crate) fn remove(&mut self, id: PeerId) {
        self.leave_broadcast(id);
        if self.peer(id).is_none() {
            return;
        }
        let (_, peer) = self.peers.remove(id.index as usize);
        self.timers.clear(id.index);
        self.pending -= usize::from(peer.is_counted);
        for path in &peer.routes {
            self.unroute(path, id);
        }
        for remote in &peer.checked {
            if self.checked.get(remote) == Some(&id) {
                self.checked.remove(remote);
            }
        }
        for ufrag in &peer.ufrags {
            self.ufrags.remove(ufrag);
        }
        self.offers.remove(&id);
        self.forget_address(peer.from);
        let reason = match peer.state {
            State::Closing(_, reason) => reason,
            _ => CloseReason::ClosedByOwner,
        };
        self.totals.note_closed(reason);
        self.events.push_back(Event::Closed { peer: id, reason });
    }

    pub(crate) fn forget_address(&mut self, from: IpAddr) {
        if let Some(sessions) = self.addresses.get_mut(&from) {
            *sessions -= 1;
            if *sessions == 0 {
                self.addresses.remove(&from);
            }
        }
    }

    /// A viewer is on its way: let there be a key frame for it by the time that it is connected.
    pub(crate) fn prepare_key_frame(&mut self, now: Instant, index: usize) {
        let broadcast = &mut self.broadcasts[index];
        // The unit with the publisher asks for one when it is asked for packets.
        let is_asked = broadcast.shared.remote.as_ref().is_none_or(|remote| remote.subscribed.is_some());
        for track in broadcast.tracks.iter_mut().filter(|track| is_asked && track.kind == Kind::Video) {
            if track.has_started() && track.start(now).is_none() {
                track.key_frames.insist(now);
            }
        }
        let publisher = broadcast.publisher;
        self.note_wishful(index);
        if let Some(publisher) = publisher {
            self.wake_publisher(publisher);
        }
    }
}
