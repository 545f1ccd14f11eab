//! Moving a session to another unit before its handshake is done.
//!
//! Which of several sockets on one port the kernel gives a peer's datagrams to shows with its first check. The session then
//! moves to that socket's unit, with all that was agreed, and everything it sends from then on arrives in the right place.
//! A peer with several addresses may nominate another of them a little later: then it moves once more.

use std::time::Instant;

use headwater_ice::{self as ice, Path};

use crate::config::counted_as;
use crate::peer::{Peer, Role};
use crate::peer_id::PeerId;
use crate::sfu::Sfu;
use crate::track::Kind;

/// A session on its way to another unit.
#[derive(Debug)]
pub struct Parcel {
    peer: Peer,
    stream: String,
    /// Which of the stream's tracks each of a viewer's lines is of.
    lines: Vec<(Kind, usize)>,
    paths: Vec<Path>,
}

impl Parcel {
    /// Address pairs that it has passed checks on.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }
}

/// The user fragment of ours that a Binding request names.
pub fn ufrag_of_request(datagram: &[u8]) -> Option<&str> {
    ice::ufrag_of_request(datagram)
}

impl Sfu {
    /// The session that a Binding request is for.
    pub fn peer_of_request(&self, datagram: &[u8]) -> Option<PeerId> {
        self.ufrags.get(ufrag_of_request(datagram)?).copied()
    }

    /// Our user fragments that the session's checks may name; an ICE restart changes them.
    pub fn ufrags(&self, peer: PeerId) -> &[String] {
        self.peer(peer).map_or(&[], |peer| &peer.ufrags)
    }

    /// Gives a session away, to be [adopted](Self::adopt) by the unit whose socket hears it. `None` if it cannot move: its
    /// handshake is done, or this path is not the one that it uses.
    pub fn release(&mut self, peer: PeerId, path: &Path) -> Option<Parcel> {
        let known = self.peer(peer).filter(|peer| peer.is_movable() && peer.path == Some(*path))?;
        let broadcast = self.broadcasts.get(known.broadcast)?;
        let stream = broadcast.name.clone();
        let place = |track: usize| {
            let kind = broadcast.tracks.get(track)?.kind;
            let nth = broadcast.tracks[..track].iter().filter(|track| track.kind == kind).count();
            Some((kind, nth))
        };
        let lines = match &known.role {
            Role::Viewer(viewer) => {
                viewer.lines().iter().map(|line| place(line.track)).collect::<Option<_>>()?
            }
            Role::Publisher(_) => Vec::new(),
        };
        let routed = |path: &&Path| self.routes.get(path) == Some(&peer);
        let paths: Vec<Path> = known.routes.iter().filter(routed).copied().collect();
        Some(Parcel { peer: self.take_out(peer), stream, lines, paths })
    }

    /// Takes a session that another unit has [released](Self::release).
    pub fn adopt(&mut self, now: Instant, parcel: Parcel) -> PeerId {
        let now = self.advance(now);
        let Parcel { mut peer, stream, lines, paths } = parcel;
        let index = self.broadcast(&stream);
        peer.broadcast = index;
        let broadcast = &mut self.broadcasts[index];
        if let Role::Viewer(viewer) = &mut peer.role {
            let mut places = lines.into_iter();
            viewer.lines_mut().retain_mut(|line| {
                let place = places.next().and_then(|(kind, nth)| broadcast.track_for(kind, nth));
                line.track = place.unwrap_or(line.track);
                place.is_some()
            });
        }
        let is_viewer = matches!(peer.role, Role::Viewer(_));
        let (ufrags, waiting) = (peer.ufrags.clone(), peer.waiting_handshakes());
        *self.addresses.entry(counted_as(peer.from)).or_default() += 1;
        let id = self.insert(peer);
        for ufrag in ufrags {
            self.ufrags.insert(ufrag, id);
        }
        match is_viewer {
            true => self.broadcasts[index].add_viewer(id),
            false => {
                self.broadcasts[index].pending.insert(id);
            }
        }
        for path in paths {
            self.claim(now, path, id);
        }
        for _ in 0..waiting {
            // One that finds no turn is taken with the next that comes.
            if self.handshakes.has_room() {
                self.handshakes.push(now, id);
            }
        }
        self.note_wishful(index);
        self.touched(now, id);
        id
    }

    fn take_out(&mut self, id: PeerId) -> Peer {
        self.leave_broadcast(id);
        let (_, mut peer) = self.peers.remove(id.index as usize);
        self.timers.clear(id.index);
        self.pending -= usize::from(std::mem::take(&mut peer.is_counted));
        for path in std::mem::take(&mut peer.routes) {
            self.unroute(&path, id);
        }
        for ufrag in &peer.ufrags {
            self.ufrags.remove(ufrag);
        }
        self.forget_address(peer.from);
        // What stands of it on lists and among the timers is stepped over.
        peer.scheduled = None;
        peer.is_queued = false;
        peer
    }
}
