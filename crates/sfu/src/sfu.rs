//! The machine that owns everything and routes.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dtls as dtls;
use headwater_ice::{self as ice, Path};
use headwater_rtp::NtpAnchor;
use headwater_stun::{self as stun, Transmit, Transport};
use slab::Slab;

use crate::broadcast::{Broadcast, round_of};
use crate::config::{Config, ConfigError};
use crate::demux::Protocol;
use crate::dump::Dump;
use crate::error::Error;
use crate::event::{CloseReason, Event};
use crate::peer::{Effect, Peer, Role, State};
use crate::peer_id::PeerId;
use crate::publisher::Handled;
use crate::seeds::Seeds;
use crate::track::Kind;

/// DTLS datagrams of all peers that may wait for their turn.
pub(crate) const MAX_WAITING_HANDSHAKES: usize = 4096;
/// The broadcast of a peer that has left its own.
const NOWHERE: usize = usize::MAX;
/// Datagrams are never longer than this on the way out (RFC 8831 §5 has the reasoning for 1,200).
const TRANSMIT_BYTES: usize = 1500;

/// A datagram as it came in. SRTP is opened in place.
#[non_exhaustive]
#[derive(Debug)]
pub struct Datagram<'a> {
    /// UDP, or TCP with its framing taken off.
    pub transport: Transport,
    /// The address it was sent to.
    pub local: SocketAddr,
    /// Who sent it.
    pub remote: SocketAddr,
    /// When the kernel received it. It may be older than `now`, and it is what jitter, transport-wide feedback
    /// and latency are measured by.
    pub received: Instant,
    /// Its bytes.
    pub contents: &'a mut [u8],
    /// Explicit congestion notification, two bits.
    pub ecn: u8,
}

impl<'a> Datagram<'a> {
    /// A datagram over UDP.
    pub fn new(local: SocketAddr, remote: SocketAddr, received: Instant, contents: &'a mut [u8]) -> Self {
        Self { transport: Transport::Udp, local, remote, received, contents, ecn: 0 }
    }
}

/// A selective forwarding unit: publishers in, viewers out.
#[derive(Debug)]
pub struct Sfu {
    pub(crate) config: Config,
    pub(crate) dtls: Arc<dtls::Config>,
    pub(crate) seeds: Seeds,
    pub(crate) clock: NtpAnchor,
    pub(crate) peers: Slab<(u32, Peer)>,
    pub(crate) broadcasts: Slab<Broadcast>,
    pub(crate) names: HashMap<String, usize>,
    /// Addresses that passed an authenticated check.
    routes: HashMap<SocketAddr, PeerId>,
    /// Where our own checks go, as a client: answers come from there before the address is validated. At most the
    /// candidates of our peers.
    checked: HashMap<SocketAddr, PeerId>,
    /// Our ICE user fragments, for the first check of a peer.
    pub(crate) ufrags: HashMap<String, PeerId>,
    /// Offers of ours that wait for their answer.
    pub(crate) offers: HashMap<PeerId, (headwater_sdp::Session, headwater_sdp::Local)>,
    /// Sessions by the address that signalled them.
    pub(crate) addresses: HashMap<IpAddr, usize>,
    timers: BinaryHeap<Reverse<(Instant, PeerId)>>,
    /// Peers with STUN, DTLS or RTCP to send.
    control: VecDeque<PeerId>,
    /// Peers with a DTLS datagram that waits, in order of arrival.
    handshakes: VecDeque<PeerId>,
    /// At most one handshake step per turn: it takes as long as forwarding hundreds of packets.
    has_stepped: bool,
    resends: VecDeque<PeerId>,
    /// Broadcasts with something new to send, for audio and for video.
    pub(crate) active: [VecDeque<usize>; 2],
    pub(crate) events: VecDeque<Event>,
    serial: u32,
    started: Instant,
    unix: Duration,
    now: Instant,
    totals: crate::stats::Totals,
}

impl Sfu {
    /// A forwarding unit without peers. At `now` the wall clock shows `unix` since the Unix epoch.
    ///
    /// # Errors
    /// [`ConfigError`] says which setting cannot work.
    pub fn new(config: Config, seed: [u8; 32], now: Instant, unix: Duration) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut dtls = dtls::Config::new(config.certificate.clone());
        dtls.srtp_profiles.clone_from(&config.srtp_profiles);
        Ok(Self {
            dtls: Arc::new(dtls),
            seeds: Seeds::new(seed),
            clock: NtpAnchor::new(now, unix),
            peers: Slab::new(),
            broadcasts: Slab::new(),
            names: HashMap::new(),
            routes: HashMap::new(),
            checked: HashMap::new(),
            ufrags: HashMap::new(),
            offers: HashMap::new(),
            addresses: HashMap::new(),
            timers: BinaryHeap::new(),
            control: VecDeque::new(),
            handshakes: VecDeque::new(),
            has_stepped: false,
            resends: VecDeque::new(),
            active: [VecDeque::new(), VecDeque::new()],
            events: VecDeque::new(),
            serial: 0,
            started: now,
            unix,
            now,
            totals: crate::stats::Totals::default(),
            config,
        })
    }

    /// Takes a datagram.
    ///
    /// # Errors
    /// The datagram was refused and nothing changed but a counter. [`Error::Unrouted`] says that it belongs to no
    /// peer known here.
    pub fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) -> Result<(), Error> {
        let now = self.advance(now);
        self.has_stepped = false;
        let path = Path::new(datagram.transport, datagram.local, datagram.remote);
        match Protocol::of(datagram.contents) {
            Protocol::Stun => self.handle_stun(now, &path, datagram.contents),
            Protocol::Dtls => self.handle_dtls(now, &path, datagram.contents),
            Protocol::Rtp => self.handle_rtp(now, &path, datagram),
            Protocol::Rtcp => self.handle_rtcp(now, &path, datagram.contents),
            Protocol::ChannelData | Protocol::Unknown => {
                self.totals.unknown_datagrams += 1;
                Err(Error::Unknown)
            }
        }
    }

    /// Time arrived. Early, late and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        self.has_stepped = false;
        while let Some(&Reverse((due, id))) = self.timers.peek()
            && due <= now
        {
            self.timers.pop();
            let Some(peer) = self.peer_mut(id) else { continue };
            // An entry that a later one replaced.
            if peer.scheduled != Some(due) {
                continue;
            }
            peer.scheduled = None;
            peer.handle_timeout(now);
            self.touched(now, id);
        }
    }

    /// What to send: appends one datagram, or a burst of equal ones for one remote, to `buf`. In this order:
    /// STUN, DTLS and RTCP, resends, audio, video.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        let now = self.advance(now);
        loop {
            let transmit = self
                .poll_control(now, buf)
                .or_else(|| self.poll_media(now, Kind::Audio, buf))
                .or_else(|| self.poll_resends(now, buf))
                .or_else(|| self.poll_media(now, Kind::Video, buf));
            if transmit.is_some() {
                return transmit;
            }
            if !self.step_handshake(now) {
                return None;
            }
        }
    }

    /// What to tell the owner.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.handshakes.is_empty() {
            return Some(self.now);
        }
        self.timers.peek().map(|Reverse((due, _))| *due)
    }

    /// Ends a session; the peer is told. Returns `false` if there is none of this id.
    pub fn close(&mut self, now: Instant, peer: PeerId) -> bool {
        let now = self.advance(now);
        self.close_with(now, peer, CloseReason::ClosedByOwner)
    }

    /// Are there no sessions at all?
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// A random value from the unit's own stream, for the owner to name a session with.
    pub fn random_id(&mut self) -> [u8; 16] {
        let mut id = [0; 16];
        id.copy_from_slice(&self.seeds.seed()[..16]);
        id
    }

    /// Starts to record a publisher's RTP headers and payload sizes. Returns `false` if there is no such peer.
    pub fn start_dump(&mut self, now: Instant, peer: PeerId, duration: Duration) -> bool {
        let unix = self.unix + now.saturating_duration_since(self.started);
        let Some(peer) = self.peer_mut(peer) else { return false };
        peer.dump = Some(Dump::new(now, now + duration, unix));
        true
    }

    /// Ends a recording and hands out the file, in the rtpdump format.
    pub fn take_dump(&mut self, peer: PeerId) -> Option<Vec<u8>> {
        self.peer_mut(peer)?.dump.take().map(Dump::into_bytes)
    }

    /// Does this session exist?
    pub fn contains(&self, peer: PeerId) -> bool {
        self.peer(peer).is_some()
    }

    pub(crate) fn close_with(&mut self, now: Instant, id: PeerId, reason: CloseReason) -> bool {
        let Some(peer) = self.peer_mut(id) else { return false };
        peer.close(now, reason);
        // Its place in the broadcast is free at once; only the goodbye is still to be sent.
        self.leave_broadcast(id);
        self.touched(now, id);
        true
    }

    pub(crate) fn advance(&mut self, now: Instant) -> Instant {
        // Time does not go backwards: an older `now` counts as the newest seen.
        self.now = self.now.max(now);
        self.now
    }

    pub(crate) fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(id.index as usize).filter(|(serial, _)| *serial == id.serial).map(|(_, peer)| peer)
    }

    pub(crate) fn peer_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        let entry = self.peers.get_mut(id.index as usize);
        entry.filter(|(serial, _)| *serial == id.serial).map(|(_, peer)| peer)
    }

    pub(crate) fn insert(&mut self, peer: Peer) -> PeerId {
        self.serial = self.serial.wrapping_add(1);
        let index = self.peers.insert((self.serial, peer));
        PeerId { index: index as u32, serial: self.serial }
    }

    pub(crate) fn totals(&self) -> &crate::stats::Totals {
        &self.totals
    }

    fn handle_stun(&mut self, now: Instant, path: &Path, contents: &[u8]) -> Result<(), Error> {
        let datagram = stun::Datagram::new(path.transport, path.local, path.remote, contents);
        // The user fragment decides before the address: after a restart of a page the same address may belong
        // to a new session.
        let named = ice::ufrag_of_request(contents).and_then(|ufrag| self.ufrags.get(ufrag).copied());
        let known = || self.routes.get(&path.remote).or_else(|| self.checked.get(&path.remote)).copied();
        let Some(id) = named.or_else(known) else {
            self.totals.unrouted += 1;
            return Err(Error::Unrouted);
        };
        let peer = self.peer_mut(id).ok_or(Error::Unrouted)?;
        let accepted = peer.handle_stun(now, datagram);
        self.touched(now, id);
        if accepted { Ok(()) } else { Err(Error::Unauthentic) }
    }

    fn handle_dtls(&mut self, _now: Instant, path: &Path, contents: &[u8]) -> Result<(), Error> {
        let id = self.route(path)?;
        let is_full = self.handshakes.len() >= MAX_WAITING_HANDSHAKES;
        let peer = self.peer_mut(id).ok_or(Error::Unrouted)?;
        if is_full || !peer.queue_handshake(path, contents) {
            self.totals.handshakes_dropped += 1;
            return Err(Error::Refused);
        }
        self.handshakes.push_back(id);
        Ok(())
    }

    fn handle_rtp(&mut self, now: Instant, path: &Path, datagram: Datagram<'_>) -> Result<(), Error> {
        let id = self.route(path)?;
        self.finish_handshake(now, id);
        let clock = self.clock;
        let Self { peers, broadcasts, active, totals, .. } = self;
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
        if let Handled::Stored { track, .. } = handled {
            let kind = broadcast.tracks[track].kind;
            if broadcast.live_since.is_none() {
                broadcast.live_since = Some(now);
                self.events.push_back(Event::Live { stream: broadcast.name.clone() });
            }
            start_round(broadcast, peer.broadcast, kind, active);
        }
        self.schedule(id);
        Ok(())
    }

    fn handle_rtcp(&mut self, now: Instant, path: &Path, contents: &mut [u8]) -> Result<(), Error> {
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
        self.schedule(id);
        if let Some(publisher) = publisher_to_wake {
            self.wake_publisher(publisher);
        }
        Ok(())
    }

    /// As DTLS client: the server's media may come right behind its Finished, which then must not wait its turn, or
    /// the first packets of the key frame are lost.
    fn finish_handshake(&mut self, now: Instant, id: PeerId) {
        while self.peer(id).is_some_and(Peer::is_client_about_to_finish) {
            if let Some(peer) = self.peer_mut(id) {
                peer.step_handshake(now);
            }
            self.touched(now, id);
        }
    }

    fn route(&mut self, path: &Path) -> Result<PeerId, Error> {
        let id = self.routes.get(&path.remote).copied();
        id.filter(|id| self.peer(*id).is_some()).ok_or_else(|| {
            self.totals.unrouted += 1;
            Error::Unrouted
        })
    }

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

    fn poll_control(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        while let Some(&id) = self.control.front() {
            let Self { peers, broadcasts, clock, .. } = self;
            let entry = peers.get_mut(id.index as usize).filter(|(serial, _)| *serial == id.serial);
            if let Some((_, peer)) = entry {
                let tracks = broadcasts.get_mut(peer.broadcast).map_or(&mut [][..], |b| &mut b.tracks);
                buf.reserve(TRANSMIT_BYTES);
                let start = buf.len();
                if let Some(transmit) = peer.poll_transmit(now, clock, tracks, buf) {
                    if peer.checks() && Protocol::of(&buf[start..]) == Protocol::Stun {
                        self.checked.insert(transmit.remote, id);
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

    fn poll_media(&mut self, now: Instant, kind: Kind, buf: &mut Vec<u8>) -> Option<Transmit> {
        let round = round_of(kind);
        while let Some(&index) = self.active[round].front() {
            let Self { peers, broadcasts, totals, .. } = self;
            let Some(broadcast) = broadcasts.get_mut(index) else {
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
            let peer = peers.get_mut(id.index as usize).map(|(_, peer)| peer);
            if let Some(Peer {
                role: Role::Viewer(viewer),
                srtp: Some(srtp),
                path: Some(path),
                state,
                sent_bytes,
                sent_packets,
                scheduled,
                ..
            }) = peer
                && *state == State::Connected
                && let Some(burst) =
                    viewer.next_burst(now, kind, &mut broadcast.tracks, &mut srtp.outbound, buf)
            {
                let packets = burst.total.div_ceil(burst.segment) as u64;
                *sent_bytes += burst.total as u64;
                *sent_packets += packets;
                totals.sent_bytes += burst.total as u64;
                totals.sent_packets += packets;
                let mut transmit = Transmit::new(path.transport, path.local, path.remote, burst.total);
                if packets > 1 {
                    transmit.segment_size = u16::try_from(burst.segment).ok();
                }
                let is_first = viewer.poll_timeout().is_some_and(|due| scheduled.is_none_or(|s| due < s));
                if is_first {
                    // The first sender report is due with the first packet.
                    self.queue(id);
                }
                return Some(transmit);
            }
            broadcast.rounds[round].advance();
        }
        None
    }

    fn poll_resends(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
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

    /// Takes one DTLS datagram that waits. Returns `false` if this turn has had its step, or none waits.
    fn step_handshake(&mut self, now: Instant) -> bool {
        if self.has_stepped {
            return false;
        }
        let Some(id) = self.handshakes.pop_front() else { return false };
        self.has_stepped = true;
        if let Some(peer) = self.peer_mut(id) {
            peer.step_handshake(now);
            self.touched(now, id);
        }
        true
    }

    /// After a peer was given something: carry out what it asks for, and see when it wants to wake.
    pub(crate) fn touched(&mut self, now: Instant, id: PeerId) {
        while let Some(effect) = self.peer_mut(id).and_then(Peer::poll_effect) {
            match effect {
                Effect::Route(path) => {
                    self.routes.insert(path.remote, id);
                }
                Effect::Unroute(path) => {
                    if self.routes.get(&path.remote) == Some(&id) {
                        self.routes.remove(&path.remote);
                    }
                }
                Effect::Connected => self.connected(now, id),
                Effect::Closed(reason) => {
                    let saying_goodbye = self.peer(id).map(|peer| peer.state);
                    let reason = match saying_goodbye {
                        Some(State::Closing(_, first)) => first,
                        _ => reason,
                    };
                    if let Some(peer) = self.peer_mut(id) {
                        peer.state = State::Closing(now, reason);
                    }
                    self.remove(id);
                }
            }
        }
        self.queue(id);
    }

    fn queue(&mut self, id: PeerId) {
        let Some(peer) = self.peer_mut(id) else { return };
        if !peer.is_queued {
            peer.is_queued = true;
            self.control.push_back(id);
        }
        self.schedule(id);
    }

    fn schedule(&mut self, id: PeerId) {
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
        if let Some(due) = peer.poll_timeout(tracks)
            && peer.scheduled.is_none_or(|scheduled| due < scheduled)
        {
            peer.scheduled = Some(due);
            timers.push(Reverse((due, id)));
        }
    }

    fn connected(&mut self, now: Instant, id: PeerId) {
        self.events.push_back(Event::Connected(id));
        let Some(peer) = self.peer(id) else { return };
        match peer.role {
            Role::Publisher(_) => self.take_over(now, id),
            Role::Viewer(_) => self.begin_viewing(now, id),
        }
    }

    fn begin_viewing(&mut self, now: Instant, id: PeerId) {
        let Self { peers, broadcasts, active, .. } = self;
        let Some((_, peer)) = peers.get_mut(id.index as usize) else { return };
        let Some(broadcast) = broadcasts.get_mut(peer.broadcast) else { return };
        if let Role::Viewer(viewer) = &mut peer.role {
            viewer.begin(now, &mut broadcast.tracks);
        }
        for kind in [Kind::Audio, Kind::Video] {
            start_round(broadcast, peer.broadcast, kind, active);
        }
        if let Some(publisher) = broadcast.publisher {
            self.wake_publisher(publisher);
        }
    }

    /// A publisher is connected: the stream is its own from here on.
    fn take_over(&mut self, now: Instant, id: PeerId) {
        let Some(index) = self.peer(id).map(|peer| peer.broadcast) else { return };
        let Some(broadcast) = self.broadcasts.get_mut(index) else { return };
        broadcast.pending.retain(|pending| *pending != id);
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
        self.bind_tracks(now, id, index);
    }

    /// May a new publisher take the stream of this one?
    pub(crate) fn may_replace(&self, now: Instant, publisher: PeerId) -> bool {
        let Some(Peer { role: Role::Publisher(publisher), .. }) = self.peer(publisher) else { return true };
        self.config.takeover.permits(publisher.silence(now))
    }

    fn bind_tracks(&mut self, now: Instant, id: PeerId, index: usize) {
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
        let mut counts = [0; 2];
        for (line, (kind, formats)) in lines.into_iter().enumerate() {
            let nth = counts[round_of(kind)];
            counts[round_of(kind)] += 1;
            let Some(track) = broadcast.track_for(kind, nth) else { continue };
            let formats = broadcast.tracks[track].begin(&formats);
            publisher.bind(line, track, formats);
            // Whoever watches has nothing to start with.
            let is_watched = !broadcast.viewers.is_empty();
            if is_watched && kind == Kind::Video {
                broadcast.tracks[track].key_frames.insist(now);
            }
        }
    }

    /// Takes a peer out of its broadcast; the broadcast goes when nobody is left.
    fn leave_broadcast(&mut self, id: PeerId) {
        // From here on the index may come to mean another broadcast.
        let Some(index) = self.peer_mut(id).map(|peer| std::mem::replace(&mut peer.broadcast, NOWHERE))
        else {
            return;
        };
        let Some(broadcast) = self.broadcasts.get_mut(index) else { return };
        broadcast.viewers.retain(|viewer| *viewer != id);
        broadcast.pending.retain(|pending| *pending != id);
        if broadcast.publisher == Some(id) {
            broadcast.publisher = None;
            if broadcast.live_since.take().is_some() {
                self.events.push_back(Event::Offline { stream: broadcast.name.clone() });
            }
        }
        self.drop_if_empty(index);
    }

    pub(crate) fn drop_if_empty(&mut self, index: usize) {
        if self.broadcasts.get(index).is_some_and(Broadcast::is_empty) {
            let broadcast = self.broadcasts.remove(index);
            self.names.remove(&broadcast.name);
        }
    }

    fn remove(&mut self, id: PeerId) {
        self.leave_broadcast(id);
        if self.peer(id).is_none() {
            return;
        }
        let (_, peer) = self.peers.remove(id.index as usize);
        self.routes.retain(|_, routed| *routed != id);
        self.checked.retain(|_, checked| *checked != id);
        self.ufrags.retain(|_, named| *named != id);
        self.offers.remove(&id);
        if let Some(sessions) = self.addresses.get_mut(&peer.from) {
            *sessions -= 1;
            if *sessions == 0 {
                self.addresses.remove(&peer.from);
            }
        }
        let reason = match peer.state {
            State::Closing(_, reason) => reason,
            _ => CloseReason::ClosedByOwner,
        };
        self.totals.note_closed(reason);
        self.events.push_back(Event::Closed { peer: id, reason });
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
