//! One remote: its ICE agent, its DTLS association, its SRTP contexts, and its role in a broadcast.

mod handshake;
mod paths;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dtls as dtls;
use headwater_ice::{self as ice, Path};
use headwater_rtp::NtpAnchor;
use headwater_rtp::rtcp::Builder;
use headwater_srtp::Context;
use headwater_stun::Transmit;

use crate::dump::Dump;
use crate::event::CloseReason;
use crate::publisher::Publisher;
use crate::security::Security;
use crate::track::Track;
use crate::viewer::Viewer;

/// What the answer to a check takes off the three bytes that may be sent for each received.
const CHECK_RESPONSE: usize = 84;
/// Room for one compound RTCP packet and its trailer.
const RTCP_BYTES: usize = 1200;
/// A closing peer says goodbye for at most this long.
pub(crate) const CLOSING: Duration = Duration::from_millis(200);
/// An address stays a peer's for this long after the last of its media, whoever else passes a check from there.
const HOLDS_FOR: Duration = Duration::from_secs(1);
/// That media comes along a path is noted this often.
const NOTED_EVERY: Duration = Duration::from_millis(50);

/// Either kind of ICE agent.
#[derive(Debug)]
pub(crate) enum Ice {
    /// We have a public address and answer checks.
    Lite(Box<ice::LiteAgent>),
    /// We check as well: the client side.
    Full(Box<ice::Agent>),
}

/// What a peer does.
#[derive(Debug)]
pub(crate) enum Role {
    /// It sends media to us.
    Publisher(Box<Publisher>),
    /// We send media to it.
    Viewer(Box<Viewer>),
}

/// How far a peer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Not yet connected; given up at this time.
    Pending(Instant),
    /// Media may flow.
    Connected,
    /// Saying goodbye until this time.
    Closing(Instant, CloseReason),
}

/// SRTP of both directions.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Srtp {
    /// Protects what it gets.
    pub outbound: Context,
    /// Opens what the peer sends.
    pub inbound: Context,
}

/// Datagrams that changed nothing, by reason.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Refused {
    /// SRTP or SRTCP that did not authenticate, or was replayed.
    pub srtp: u64,
    /// DTLS from an address that ICE has not validated, or too much of it at once.
    pub dtls: u64,
    /// STUN that did not authenticate.
    pub stun: u64,
}

/// What a peer asks its owner to do.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Datagrams from this address are the peer's.
    Route(Path),
    /// No longer.
    Unroute(Path),
    /// The handshake is done.
    Connected,
    /// The peer is gone.
    Closed(CloseReason),
}

/// Settings of a peer's DTLS association, kept until ICE has found a path.
#[derive(Debug)]
pub(crate) struct Handshake {
    /// Our side.
    pub config: Arc<dtls::Config>,
    /// Client or server.
    pub role: dtls::Role,
    /// What the peer's certificate must hash to.
    pub fingerprints: Vec<dtls::Fingerprint>,
    /// May header extensions be encrypted, both ways (RFC 9335)?
    pub cryptex: bool,
    /// Randomness of the association.
    pub seed: [u8; 32],
}

/// One remote. What every packet towards a viewer needs comes first and lies together, to be
/// [fetched ahead](crate::ahead).
#[repr(C)]
pub(crate) struct Peer {
    /// Index of its broadcast.
    pub broadcast: usize,
    /// What it does.
    pub role: Role,
    /// How far it has come.
    pub state: State,
    /// When the owner has been asked to wake this peer.
    pub scheduled: Option<Instant>,
    /// Bytes sent in media datagrams.
    pub sent_bytes: u64,
    /// Media datagrams sent.
    pub sent_packets: u64,
    /// Where media goes.
    pub path: Option<Path>,
    /// SRTP, once keys exist.
    pub srtp: Option<Srtp>,
    /// Is it among those that the owner counts as on their way?
    pub is_counted: bool,
    /// Is it on the list of peers with something to say?
    pub is_queued: bool,
    /// Address pairs that the owner routes to it, or once did: those of its agent, so at most eight.
    pub routes: Vec<Path>,
    /// Where checks of ours went, as a client.
    pub checked: Vec<SocketAddr>,
    /// What the handshake agreed on.
    pub security: Option<Security>,
    /// What was refused.
    pub refused: Refused,
    /// Who signalled it.
    pub from: IpAddr,
    /// When the session began.
    pub created: Instant,
    /// When media could first flow.
    pub connected: Option<Instant>,
    /// Our user fragments that its checks may name.
    pub ufrags: Vec<String>,
    /// A recording of RTP headers, if one was asked for.
    pub dump: Option<Dump>,
    /// Where the last authentic media or DTLS came from, and when.
    heard: Option<(Path, Instant)>,
    /// Keys that the owner gave, with their profile, until there is a path.
    given: Option<Box<(u16, Srtp)>>,
    ice: Ice,
    dtls: Option<Box<dtls::Connection>>,
    handshake: Handshake,
    waiting: VecDeque<Vec<u8>>,
    effects: VecDeque<Effect>,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { state, path, security, .. } = self;
        f.debug_struct("Peer")
            .field("state", state)
            .field("path", path)
            .field("security", security)
            .finish_non_exhaustive()
    }
}

impl Peer {
    /// A peer that has until `deadline` to connect.
    pub(crate) fn new(
        broadcast: usize,
        role: Role,
        ice: Ice,
        handshake: Handshake,
        from: IpAddr,
        now: Instant,
        deadline: Instant,
    ) -> Self {
        Self {
            broadcast,
            role,
            state: State::Pending(deadline),
            path: None,
            srtp: None,
            scheduled: None,
            is_counted: false,
            routes: Vec::new(),
            checked: Vec::new(),
            is_queued: false,
            security: None,
            refused: Refused::default(),
            from,
            created: now,
            connected: None,
            sent_bytes: 0,
            sent_packets: 0,
            ufrags: Vec::new(),
            dump: None,
            heard: None,
            given: None,
            ice,
            dtls: None,
            handshake,
            waiting: VecDeque::new(),
            effects: VecDeque::new(),
        }
    }

    /// The ICE agent.
    pub(crate) fn ice(&mut self) -> &mut Ice {
        &mut self.ice
    }

    /// Sets what the remote's certificate must hash to and what its SRTP can do, when an answer tells it after the offer.
    pub(crate) fn expect(&mut self, fingerprints: Vec<dtls::Fingerprint>, role: dtls::Role, cryptex: bool) {
        self.handshake.fingerprints = fingerprints;
        self.handshake.role = role;
        self.handshake.cryptex = cryptex;
    }

    /// Opens an SRTP packet in place.
    pub(crate) fn open_rtp(&mut self, now: Instant, path: &Path, packet: &mut [u8]) -> Option<usize> {
        self.open(now, path, |inbound| inbound.unprotect_rtp(packet).ok())
    }

    /// Opens an SRTCP packet in place.
    pub(crate) fn open_rtcp(&mut self, now: Instant, path: &Path, packet: &mut [u8]) -> Option<usize> {
        self.open(now, path, |inbound| inbound.unprotect_rtcp(packet).ok())
    }

    fn open(
        &mut self,
        now: Instant,
        path: &Path,
        unprotect: impl FnOnce(&mut Context) -> Option<usize>,
    ) -> Option<usize> {
        let len = self.srtp.as_mut().and_then(|srtp| unprotect(&mut srtp.inbound));
        if len.is_some() {
            self.note_received(now, path);
        } else {
            self.refused.srtp += 1;
        }
        len
    }

    /// Time arrived.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        match &mut self.ice {
            Ice::Lite(agent) => agent.handle_timeout(now),
            Ice::Full(agent) => agent.handle_timeout(now),
        }
        self.collect_ice(now);
        if let Some(dtls) = self.dtls.as_mut().filter(|_| self.waiting.is_empty()) {
            dtls.handle_timeout(now);
            self.collect_dtls(now);
        }
        match self.state {
            State::Pending(deadline) if deadline <= now => {
                self.effects.push_back(Effect::Closed(CloseReason::NeverConnected));
            }
            State::Closing(deadline, reason) if deadline <= now => {
                self.effects.push_back(Effect::Closed(reason));
            }
            _ => {}
        }
    }

    /// What goes out besides media: STUN, DTLS, RTCP, in this order.
    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        clock: &NtpAnchor,
        tracks: &mut [Track],
        buf: &mut Vec<u8>,
    ) -> Option<Transmit> {
        let transmit = match &mut self.ice {
            Ice::Lite(agent) => agent.poll_transmit(now, buf),
            Ice::Full(agent) => agent.poll_transmit(now, buf),
        };
        if transmit.is_some() {
            return transmit;
        }
        let path = self.path?;
        if matches!(self.state, State::Closing(..))
            && let Some(transmit) = self.poll_rtcp(now, clock, tracks, &path, buf)
        {
            // The goodbye goes before close_notify, after which nothing is read any more.
            return Some(transmit);
        }
        if let Some(dtls::Transmit { len, .. }) =
            self.dtls.as_mut().and_then(|dtls| dtls.poll_transmit(now, buf))
        {
            return Some(Transmit::new(path.transport, path.local, path.remote, len));
        }
        self.poll_rtcp(now, clock, tracks, &path, buf)
    }

    fn poll_rtcp(
        &mut self,
        now: Instant,
        clock: &NtpAnchor,
        tracks: &mut [Track],
        path: &Path,
        buf: &mut Vec<u8>,
    ) -> Option<Transmit> {
        let srtp = self.srtp.as_mut()?;
        let start = buf.len();
        buf.reserve(RTCP_BYTES);
        let mut rtcp = Builder::new(buf);
        let any = match &mut self.role {
            Role::Publisher(publisher) => publisher.poll_feedback(now, clock, tracks, &mut rtcp),
            Role::Viewer(viewer) => viewer.poll_feedback(now, clock, tracks, &mut rtcp),
        };
        if !any || srtp.outbound.protect_rtcp(buf, start).is_err() {
            buf.truncate(start);
            return None;
        }
        Some(Transmit::new(path.transport, path.local, path.remote, buf.len() - start))
    }

    /// What the owner is to do.
    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        let effect = self.effects.pop_front();
        if effect.is_some() && self.effects.is_empty() {
            self.effects = VecDeque::new();
        }
        effect
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and to poll again.
    pub(crate) fn poll_timeout(&self, tracks: &[Track]) -> Option<Instant> {
        let ice = match &self.ice {
            Ice::Lite(agent) => agent.poll_timeout(),
            Ice::Full(agent) => agent.poll_timeout(),
        };
        // While something of the peer's waits, nothing is sent again: the answer may be in it.
        // And without a path (a connection has ended) there is nowhere to send to.
        let can_send = self.path.is_some();
        let dtls = self.dtls.as_ref().filter(|_| self.waiting.is_empty() && can_send);
        let dtls = dtls.and_then(|dtls| dtls.poll_timeout());
        let role = match &self.role {
            _ if self.srtp.is_none() || !can_send => None,
            Role::Publisher(publisher) => Some(publisher.poll_timeout(tracks)),
            Role::Viewer(viewer) => viewer.poll_timeout(),
        };
        let deadline = match self.state {
            State::Pending(deadline) | State::Closing(deadline, _) => Some(deadline),
            State::Connected => None,
        };
        [ice, dtls, role, deadline].into_iter().flatten().min()
    }

    /// Begins to say goodbye.
    pub(crate) fn close(&mut self, now: Instant, reason: CloseReason) {
        if matches!(self.state, State::Closing(..)) {
            return;
        }
        let deadline = if self.srtp.is_some() { now + CLOSING } else { now };
        self.state = State::Closing(deadline, reason);
        match &mut self.role {
            Role::Publisher(publisher) => publisher.say_bye(),
            Role::Viewer(viewer) => viewer.say_bye(),
        }
        if let Some(dtls) = &mut self.dtls {
            dtls.close(now);
        }
    }

    /// Can it be given to another unit? Until its handshake is done: from then on it has a place in histories.
    pub(crate) fn is_movable(&self) -> bool {
        matches!((&self.state, &self.ice), (State::Pending(_), Ice::Lite(_))) && self.srtp.is_none()
    }

    /// Can it be sent media?
    pub(crate) fn is_connected(&self) -> bool {
        self.state == State::Connected
    }
}
