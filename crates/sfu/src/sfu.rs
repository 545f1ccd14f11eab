//! The machine that owns everything and routes.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dtls as dtls;
use headwater_ice::Path;
use headwater_rtp::NtpAnchor;
use headwater_stun::{Transmit, Transport};
use slab::Slab;

use crate::broadcast::Broadcast;
use crate::config::{Config, ConfigError};
use crate::demux::Protocol;
use crate::dump::Dump;
use crate::error::Error;
use crate::event::{CloseReason, Event};
use crate::handshakes::Handshakes;
use crate::held::Held;
use crate::peer::{Peer, Role};
use crate::peer_id::PeerId;
use crate::seeds::Seeds;
use crate::share::Sharing;
use crate::track::Kind;
use crate::wheel::Wheel;

/// A datagram as it came in. SRTP is opened in place.
#[non_exhaustive]
#[derive(Debug)]
pub struct Datagram<'a> {
    /// UDP, TCP with its framing taken off, or from a TURN server of the same owner.
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
    /// Address pairs that passed an authenticated check: at most eight a peer.
    pub(crate) routes: HashMap<Path, PeerId>,
    /// Where our own checks go, as a client: answers come from there before the address is validated. At most the
    /// candidates of our peers.
    pub(crate) checked: HashMap<SocketAddr, PeerId>,
    /// Our ICE user fragments, for the first check of a peer.
    pub(crate) ufrags: HashMap<String, PeerId>,
    /// How many peers are on their way.
    pub(crate) pending: usize,
    /// Offers of ours that wait for their answer.
    pub(crate) offers: HashMap<PeerId, (headwater_sdp::Session, headwater_sdp::Local)>,
    /// Sessions by the address that signalled them.
    pub(crate) addresses: HashMap<IpAddr, usize>,
    /// When each peer wants to wake, by its index.
    pub(crate) timers: Wheel,
    /// Peers with STUN, DTLS or RTCP to send.
    pub(crate) control: VecDeque<PeerId>,
    /// Peers with a DTLS datagram that waits.
    pub(crate) handshakes: Handshakes,
    pub(crate) resends: VecDeque<PeerId>,
    /// Viewers whose pacing rate lets them go on.
    pub(crate) resumed: VecDeque<PeerId>,
    /// Frames that are not complete yet and wait a little to leave in one piece.
    pub(crate) held: Held,
    /// Broadcasts with something new to send, for audio and for video.
    pub(crate) active: [VecDeque<usize>; 2],
    pub(crate) events: VecDeque<Event>,
    pub(crate) serial: u32,
    pub(crate) started: Instant,
    pub(crate) unix: Duration,
    pub(crate) now: Instant,
    pub(crate) totals: crate::stats::Totals,
    pub(crate) agreed: crate::security::Agreed,
    pub(crate) sharing: Sharing,
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
        (dtls.min_version, dtls.max_version) = config.dtls.range();
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
            pending: 0,
            offers: HashMap::new(),
            addresses: HashMap::new(),
            timers: Wheel::new(now),
            control: VecDeque::new(),
            handshakes: Handshakes::new(now),
            resends: VecDeque::new(),
            resumed: VecDeque::new(),
            held: Held::default(),
            active: [VecDeque::new(), VecDeque::new()],
            events: VecDeque::new(),
            serial: 0,
            started: now,
            unix,
            now,
            totals: crate::stats::Totals::default(),
            agreed: crate::security::Agreed::default(),
            sharing: Sharing::default(),
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
        self.handshakes.begin_turn();
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
        self.handshakes.begin_turn();
        self.release_held(now);
        self.timers.advance(now);
        while let Some(index) = self.timers.pop() {
            let Some((serial, peer)) = self.peers.get_mut(index as usize) else { continue };
            let id = PeerId { index, serial: *serial };
            peer.scheduled = None;
            peer.handle_timeout(now);
            if let Role::Viewer(viewer) = &mut peer.role
                && viewer.resumes(now)
            {
                self.resumed.push_back(id);
            }
            self.touched(now, id);
        }
    }

    /// What to send: appends one datagram, or a burst of equal ones for one remote, to `buf`. In this order:
    /// STUN, DTLS and RTCP, resends, audio, video.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        let now = self.advance(now);
        self.step_overdue_handshake(now);
        loop {
            let transmit = self
                .poll_control(now, buf)
                .or_else(|| self.poll_media(now, Kind::Audio, buf))
                .or_else(|| self.poll_resends(now, buf))
                .or_else(|| self.poll_media(now, Kind::Video, buf))
                .or_else(|| self.poll_resumed(now, buf));
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
        self.timers.poll_timeout().into_iter().chain(self.held.poll_timeout()).min()
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
}
