//! One remote: its ICE agent, its DTLS association, its SRTP contexts, and its role in a broadcast.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dtls as dtls;
use headwater_ice::{self as ice, Path};
use headwater_rtp::NtpAnchor;
use headwater_rtp::rtcp::Builder;
use headwater_srtp::{Context, Profile};
use headwater_stun::{self as stun, Transmit};

use crate::dump::Dump;
use crate::event::CloseReason;
use crate::publisher::Publisher;
use crate::track::Track;
use crate::viewer::Viewer;

/// DTLS datagrams of one peer that may wait for their turn; further ones are dropped, and retransmitted.
pub(crate) const MAX_WAITING_HANDSHAKE: usize = 4;
/// DTLS datagrams larger than this do not occur.
const MAX_HANDSHAKE_DATAGRAM: usize = 2048;
/// What the answer to a check takes off the three bytes that may be sent for each received.
const CHECK_RESPONSE: usize = 84;
/// Room for one compound RTCP packet and its trailer.
const RTCP_BYTES: usize = 1200;
/// A closing peer says goodbye for at most this long.
const CLOSING: Duration = Duration::from_millis(200);

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
    Viewer(Viewer),
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
pub(crate) struct Srtp {
    /// Opens what the peer sends.
    pub inbound: Context,
    /// Protects what it gets.
    pub outbound: Context,
}

/// What the handshake agreed on, for statistics.
#[derive(Debug, Clone)]
pub struct Security {
    /// DTLS version, such as "1.2".
    pub version: String,
    /// IANA number of the cipher suite.
    pub cipher_suite: u16,
    /// IANA number of the key-exchange group.
    pub group: u16,
    /// IANA number of the SRTP protection profile.
    pub srtp_profile: u16,
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
    /// Randomness of the association.
    pub seed: [u8; 32],
}

/// One remote.
pub(crate) struct Peer {
    /// Index of its broadcast.
    pub broadcast: usize,
    /// What it does.
    pub role: Role,
    /// How far it has come.
    pub state: State,
    /// Where media goes.
    pub path: Option<Path>,
    /// SRTP, once keys exist.
    pub srtp: Option<Srtp>,
    /// When the owner has been asked to wake this peer.
    pub scheduled: Option<Instant>,
    /// Is it on the list of peers with something to say?
    pub is_queued: bool,
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
    /// Bytes sent in media datagrams.
    pub sent_bytes: u64,
    /// Media datagrams sent.
    pub sent_packets: u64,
    /// A recording of RTP headers, if one was asked for.
    pub dump: Option<Dump>,
    ice: Ice,
    dtls: Option<dtls::Connection>,
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
            is_queued: false,
            security: None,
            refused: Refused::default(),
            from,
            created: now,
            connected: None,
            sent_bytes: 0,
            sent_packets: 0,
            dump: None,
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

    /// Sets what the remote's certificate must hash to, when an answer tells it after the offer.
    pub(crate) fn expect(&mut self, fingerprints: Vec<dtls::Fingerprint>, role: dtls::Role) {
        self.handshake.fingerprints = fingerprints;
        self.handshake.role = role;
    }

    /// Takes a STUN datagram.
    pub(crate) fn handle_stun(&mut self, now: Instant, datagram: stun::Datagram<'_>) -> bool {
        let bytes = datagram.contents.len();
        let accepted = match &mut self.ice {
            Ice::Lite(agent) => agent.handle_datagram(now, datagram).is_ok(),
            Ice::Full(agent) => agent.handle_datagram(now, datagram).is_ok(),
        };
        if !accepted {
            self.refused.stun += 1;
        }
        self.collect_ice(now);
        if let Some(dtls) = self.dtls.as_mut().filter(|_| accepted) {
            dtls.credit(bytes.saturating_sub(CHECK_RESPONSE / 3));
        }
        accepted
    }

    /// Lets a DTLS datagram wait for its turn. Returns `false` if it was dropped: its sender has not passed a
    /// check (RFC 8827 §6.5 and the ClientHello race), or too many wait.
    pub(crate) fn queue_handshake(&mut self, path: &Path, datagram: &[u8]) -> bool {
        let accepted = self.is_validated(path)
            && self.waiting.len() < MAX_WAITING_HANDSHAKE
            && datagram.len() <= MAX_HANDSHAKE_DATAGRAM;
        if accepted {
            self.waiting.push_back(datagram.to_vec());
        } else {
            self.refused.dtls += 1;
        }
        accepted
    }

    /// Are we the DTLS client, without keys yet, and is there something of the server that waits?
    pub(crate) fn is_client_about_to_finish(&self) -> bool {
        self.srtp.is_none() && self.handshake.role == dtls::Role::Client && !self.waiting.is_empty()
    }

    /// Takes one of the DTLS datagrams that wait.
    pub(crate) fn step_handshake(&mut self, now: Instant) {
        let Some(datagram) = self.waiting.pop_front() else { return };
        if let Some(dtls) = &mut self.dtls {
            if dtls.handle_datagram(now, &datagram).is_err() {
                self.refused.dtls += 1;
            } else if let Some(path) = self.path {
                self.note_received(now, &path);
            }
        }
        self.collect_dtls(now);
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
        if let Some(dtls) = &mut self.dtls {
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
        self.effects.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and to poll again.
    pub(crate) fn poll_timeout(&self, tracks: &[Track]) -> Option<Instant> {
        let ice = match &self.ice {
            Ice::Lite(agent) => agent.poll_timeout(),
            Ice::Full(agent) => agent.poll_timeout(),
        };
        let dtls = self.dtls.as_ref().and_then(dtls::Connection::poll_timeout);
        let role = match &self.role {
            _ if self.srtp.is_none() => None,
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

    /// Has an authenticated check come from this address?
    pub(crate) fn is_validated(&self, path: &Path) -> bool {
        match &self.ice {
            Ice::Lite(agent) => agent.is_validated(path),
            Ice::Full(agent) => agent.is_validated(path),
        }
    }

    /// Does our side send checks of its own?
    pub(crate) fn checks(&self) -> bool {
        matches!(self.ice, Ice::Full(_))
    }

    /// Can it be sent media?
    pub(crate) fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    fn note_received(&mut self, now: Instant, path: &Path) {
        match &mut self.ice {
            Ice::Lite(agent) => agent.note_received(now, path),
            Ice::Full(agent) => agent.note_received(now, path),
        }
    }

    fn collect_ice(&mut self, now: Instant) {
        loop {
            let event = match &mut self.ice {
                Ice::Lite(agent) => agent.poll_event(),
                Ice::Full(agent) => agent.poll_event(),
            };
            let Some(event) = event else { break };
            match event {
                ice::Event::Validated(path) => self.effects.push_back(Effect::Route(path)),
                ice::Event::PathSelected(path) => {
                    self.path = Some(path);
                    self.start_handshake(now);
                }
                ice::Event::Removed(path) => self.effects.push_back(Effect::Unroute(path)),
                ice::Event::Failed => self.effects.push_back(Effect::Closed(CloseReason::NeverConnected)),
                ice::Event::Closed { .. } => self.effects.push_back(Effect::Closed(CloseReason::Silent)),
                _ => {}
            }
        }
    }

    fn start_handshake(&mut self, now: Instant) {
        if self.dtls.is_some() || self.handshake.fingerprints.is_empty() {
            return;
        }
        let Handshake { config, role, fingerprints, seed } = &self.handshake;
        match dtls::Connection::new(config.clone(), *role, fingerprints.clone(), *seed, now) {
            Ok(dtls) => self.dtls = Some(dtls),
            Err(_) => self.effects.push_back(Effect::Closed(CloseReason::HandshakeFailed)),
        }
    }

    fn collect_dtls(&mut self, now: Instant) {
        while let Some(event) = self.dtls.as_mut().and_then(dtls::Connection::poll_event) {
            match event {
                dtls::Event::Connected(connected) => self.install_keys(now, &connected),
                dtls::Event::Closed { reason } => {
                    let reason = match reason {
                        dtls::CloseReason::CloseNotify => CloseReason::ClosedByPeer,
                        _ if self.srtp.is_none() => CloseReason::HandshakeFailed,
                        _ => CloseReason::ClosedByPeer,
                    };
                    self.effects.push_back(Effect::Closed(reason));
                }
                _ => {}
            }
        }
    }

    fn install_keys(&mut self, now: Instant, connected: &dtls::Connected) {
        let contexts = connected.srtp.as_ref().and_then(|keys| {
            let profile = Profile::from_iana(keys.profile)?;
            let client = Context::new(profile, &keys.client_key, &keys.client_salt).ok()?;
            let server = Context::new(profile, &keys.server_key, &keys.server_salt).ok()?;
            Some((keys.profile, client, server))
        });
        let Some((srtp_profile, client, server)) = contexts else {
            self.effects.push_back(Effect::Closed(CloseReason::HandshakeFailed));
            return;
        };
        let (inbound, outbound) = match self.handshake.role {
            dtls::Role::Client => (server, client),
            dtls::Role::Server => (client, server),
        };
        self.srtp = Some(Srtp { inbound, outbound });
        self.security = Some(Security {
            version: match connected.version {
                dtls::Version::Dtls12 => "1.2".to_owned(),
                other => format!("{other:?}"),
            },
            cipher_suite: connected.cipher_suite,
            group: connected.group,
            srtp_profile,
        });
        if matches!(self.state, State::Pending(_)) {
            self.state = State::Connected;
            self.connected = Some(now);
            self.effects.push_back(Effect::Connected);
        }
    }
}
