//! What comes in: to which peer it belongs, and what it changes there.

use std::time::Instant;

use headwater_ice::{self as ice, Path};
use headwater_stun as stun;

use crate::ahead::{look_at_audience, look_at_publisher};
use crate::broadcast::round_of;
use crate::error::Error;
use crate::event::Event;
use crate::peer::{Peer, Role};
use crate::peer_id::PeerId;
use crate::publisher::Handled;
use crate::sfu::{Datagram, Sfu};
use crate::track::Kind;
use crate::transmit::start_round;

impl Sfu {
    pub(crate) fn handle_stun(&mut self, now: Instant, path: &Path, contents: &[u8]) -> Result<(), Error> {
        let datagram = stun::Datagram::new(path.transport, path.local, path.remote, contents);
        // The user fragment decides before the address: after a restart of a page the same address may belong
        // to a new session.
        let known = || self.routes.get(path).or_else(|| self.checked.get(&path.remote)).copied();
        let id = match ice::ufrag_of_request(contents) {
            Some(ufrag) => self.ufrags.get(ufrag).copied(),
            None => known(),
        };
        let Some(id) = id else {
            self.totals.unrouted += 1;
            return Err(Error::Unrouted);
        };
        let peer = self.peer_mut(id).ok_or(Error::Unrouted)?;
        let accepted = peer.handle_stun(now, datagram);
        let is_validated = accepted && peer.is_validated(path);
        self.touched(now, id);
        if is_validated {
            self.claim(now, *path, id);
        }
        if accepted { Ok(()) } else { Err(Error::Unauthentic) }
    }

    pub(crate) fn handle_dtls(&mut self, now: Instant, path: &Path, contents: &[u8]) -> Result<(), Error> {
        let id = self.route(path)?;
        let has_room = self.handshakes.has_room();
        let peer = self.peer_mut(id).ok_or(Error::Unrouted)?;
        if has_room && peer.awaits_handshake(contents) {
            // In a storm clients repeat what they have not got an answer to yet; once is enough.
            return Ok(());
        }
        if !has_room || !peer.queue_handshake(path, contents) {
            self.totals.handshakes_dropped += 1;
            return Err(Error::Refused);
        }
        self.handshakes.push(now, id);
        // What it waits for with its own flight may be this: no timer of DTLS runs until that is known.
        self.schedule(id);
        Ok(())
    }

    pub(crate) fn handle_rtp(
        &mut self,
        now: Instant,
        path: &Path,
        datagram: Datagram<'_>,
    ) -> Result<(), Error> {
        let id = self.route(path)?;
        if let Some(prefetch) = self.config.prefetch
            && let Some(peer) = self.peer(id)
            && let Some(broadcast) = self.broadcasts.get(peer.broadcast)
        {
            look_at_publisher(prefetch, peer, &broadcast.tracks);
        }
        self.finish_handshake(now, id);
        let clock = self.clock;
        let Self { peers, broadcasts, active, held, totals, .. } = self;
        let (_, peer) = peers.get_mut(id.index as usize).ok_or(Error::Unrouted)?;
        let Some(len) = peer.open_rtp(now, path, datagram.contents) else {
            totals.unauthentic += 1;
            return Err(Error::Unauthentic);
        };
        let packet = &datagram.contents[..len];
        if let Some(dump) = &mut peer.dump {
            dump.record(datagram.received, packet);
        }
        let Role::Publisher(publisher) = &mut peer.role else { return Err(Error::Refused) };
        let broadcast = broadcasts.get_mut(peer.broadcast).ok_or(Error::Unrouted)?;
        if broadcast.publisher != Some(id) {
            return Err(Error::Refused);
        }
        totals.received_packets += 1;
        totals.received_bytes += len as u64;
        let handled = publisher.handle_rtp(now, datagram.received, &clock, packet, &mut broadcast.tracks);
        if let Handled::Stored { track, goes_on } = handled {
            let index = peer.broadcast;
            if broadcast.live_since.is_none() {
                broadcast.live_since = Some(now);
                self.events.push_back(Event::Live { stream: broadcast.name.clone() });
            }
            let kind = broadcast.tracks[track].kind;
            match kind {
                Kind::Audio => start_round(broadcast, index, Kind::Audio, active),
                Kind::Video => {
                    held.hold_or_start(now, broadcast, index, self.config.coalesce, goes_on, active);
                }
            }
            if let Some(prefetch) = self.config.prefetch {
                look_at_audience(prefetch, &self.peers, &self.broadcasts[index], round_of(kind));
            }
            self.note_media(index, track);
        }
        self.schedule_feedback(id);
        Ok(())
    }

    pub(crate) fn handle_rtcp(
        &mut self,
        now: Instant,
        path: &Path,
        contents: &mut [u8],
    ) -> Result<(), Error> {
        let id = self.route(path)?;
        let clock = self.clock;
        let Self { peers, broadcasts, totals, resends, .. } = self;
        let (_, peer) = peers.get_mut(id.index as usize).ok_or(Error::Unrouted)?;
        let Some(len) = peer.open_rtcp(now, path, contents) else {
            totals.unauthentic += 1;
            return Err(Error::Unauthentic);
        };
        let broadcast = broadcasts.get_mut(peer.broadcast).ok_or(Error::Unrouted)?;
        let mut publisher_to_wake = None;
        match &mut peer.role {
            Role::Publisher(publisher) => {
                // A BYE names sources, not the session: a muted sender may say it and come back.
                publisher.handle_rtcp(now, &clock, &contents[..len], &mut broadcast.tracks);
            }
            Role::Viewer(viewer) => {
                let waiting = viewer.has_resends();
                viewer.handle_rtcp(now, &clock, &contents[..len], &mut broadcast.tracks);
                if viewer.has_resends() && !waiting {
                    resends.push_back(id);
                }
                publisher_to_wake = broadcast.publisher;
            }
        }
        let (index, is_publisher) = (peer.broadcast, matches!(peer.role, Role::Publisher(_)));
        self.note_rtcp(index, is_publisher);
        self.schedule(id);
        if let Some(publisher) = publisher_to_wake {
            self.wake_publisher(publisher);
        }
        Ok(())
    }

    /// The remote's media may come right behind its Finished, which then must not wait its turn, or the first packets of
    /// the key frame are lost. (A remote whose handshake has come so far can make us verify one signature by this, not more.)
    pub(crate) fn finish_handshake(&mut self, now: Instant, id: PeerId) {
        while self.peer(id).is_some_and(Peer::is_about_to_finish) {
            if let Some(peer) = self.peer_mut(id) {
                peer.step_handshake(now);
            }
            self.touched(now, id);
        }
    }

    /// A peer has passed a check along this path. It gets what comes along it, unless that is another's who was heard
    /// just now: else somebody with a session and a forged source address could silence any other.
    pub(crate) fn claim(&mut self, now: Instant, path: Path, id: PeerId) {
        let holder = self.routes.get(&path).filter(|holder| **holder != id);
        let is_held = holder.and_then(|holder| self.peer(*holder)).is_some_and(|peer| peer.holds(now, &path));
        if !is_held {
            self.routes.insert(path, id);
            if let Some(peer) = self.peer_mut(id)
                && !peer.routes.contains(&path)
            {
                peer.routes.reserve_exact(1);
                peer.routes.push(path);
            }
        }
    }

    pub(crate) fn route(&mut self, path: &Path) -> Result<PeerId, Error> {
        let id = self.routes.get(path).copied();
        id.filter(|id| self.peer(*id).is_some()).ok_or_else(|| {
            self.totals.unrouted += 1;
            Error::Unrouted
        })
    }
}
