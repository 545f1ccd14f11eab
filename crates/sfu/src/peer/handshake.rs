//! A peer's DTLS association: its datagrams wait for their turn, and its keys go to SRTP.

use std::collections::VecDeque;
use std::time::Instant;

use headwater_dtls as dtls;
use headwater_ice::Path;
use headwater_srtp::{Context, Profile};

use super::{Effect, Handshake, Ice, Peer, Srtp, State};
use crate::event::CloseReason;
use crate::security::Security;

/// DTLS datagrams of one peer that may wait for their turn; further ones are dropped, and retransmitted. A flight must
/// fit, or its end is dropped each time: GnuTLS sends every message of one in a datagram of its own.
const MAX_WAITING_HANDSHAKE: usize = 16;
/// DTLS datagrams larger than this do not occur.
const MAX_HANDSHAKE_DATAGRAM: usize = 2048;
/// What differs in a record that is sent again: the header with its number (RFC 6347 §4.1).
const RECORD_HEADER: usize = 13;

impl Peer {
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

    /// Does something of it wait?
    pub(crate) fn has_waiting_handshake(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How many of its datagrams wait.
    pub(crate) fn waiting_handshakes(&self) -> usize {
        self.waiting.len()
    }

    /// Does the very same message wait already? Protected ones differ each time.
    pub(crate) fn awaits_handshake(&self, datagram: &[u8]) -> bool {
        let message = datagram.get(RECORD_HEADER..);
        message.is_some() && self.waiting.iter().any(|waiting| waiting.get(RECORD_HEADER..) == message)
    }

    /// May the remote have its keys already, and does something of its handshake wait that gives us ours?
    pub(crate) fn is_about_to_finish(&self) -> bool {
        !self.waiting.is_empty() && self.dtls.as_ref().is_some_and(|dtls| dtls.is_peer_ahead())
    }

    /// Takes one of the DTLS datagrams that wait.
    pub(crate) fn step_handshake(&mut self, now: Instant) {
        let Some(datagram) = self.waiting.pop_front() else { return };
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        if let Some(dtls) = &mut self.dtls {
            if dtls.handle_datagram(now, &datagram).is_err() {
                self.refused.dtls += 1;
            } else if let Some(path) = self.path {
                self.note_received(now, &path);
            }
        }
        self.collect_dtls(now);
    }

    pub(super) fn start_handshake(&mut self, now: Instant) {
        if let Some(given) = self.given.take() {
            // Without fingerprints there is no handshake, now or later.
            self.handshake.fingerprints = Vec::new();
            let (srtp_profile, srtp) = *given;
            self.connect(now, srtp, Security::given(srtp_profile));
            return;
        }
        if self.dtls.is_some() || self.handshake.fingerprints.is_empty() {
            self.tell_round_trip();
            return;
        }
        let Handshake { config, role, fingerprints, seed, .. } = &mut self.handshake;
        let fingerprints = std::mem::take(fingerprints);
        match dtls::Connection::new(config.clone(), *role, fingerprints, *seed, now) {
            Ok(dtls) => {
                self.dtls = Some(Box::new(dtls));
                self.tell_round_trip();
            }
            Err(_) => self.effects.push_back(Effect::Closed(CloseReason::HandshakeFailed)),
        }
    }

    /// Flights that are lost are sent again after about a round trip, if our own checks have measured one. An agent that
    /// only answers checks has not.
    fn tell_round_trip(&mut self) {
        if let (Some(dtls), Ice::Full(agent)) = (&mut self.dtls, &self.ice)
            && let Some(round_trip) = agent.round_trip()
        {
            dtls.set_round_trip(round_trip);
        }
    }

    pub(super) fn collect_dtls(&mut self, now: Instant) {
        while let Some(event) = self.dtls.as_mut().and_then(|dtls| dtls.poll_event()) {
            match event {
                dtls::Event::Connected(connected) => self.install_keys(now, &connected),
                // Our own doing: the goodbye is still to be sent.
                dtls::Event::Closed { reason: dtls::CloseReason::Local } => {}
                dtls::Event::Closed { reason } => {
                    let reason = match reason {
                        dtls::CloseReason::CloseNotify => CloseReason::ClosedByPeer,
                        // In DTLS 1.3 a client has its keys before the server has looked at its certificate.
                        _ => CloseReason::HandshakeFailed,
                    };
                    self.effects.push_back(Effect::Closed(reason));
                }
                _ => {}
            }
        }
    }

    pub(super) fn install_keys(&mut self, now: Instant, connected: &dtls::Connected) {
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
        let security = Security {
            version: match connected.version {
                dtls::Version::Dtls12 => "1.2".to_owned(),
                dtls::Version::Dtls13 => "1.3".to_owned(),
                other => format!("{other:?}"),
            },
            cipher_suite: connected.cipher_suite,
            group: connected.group,
            srtp_profile,
        };
        self.connect(now, Srtp { inbound, outbound }, security);
    }

    /// May the owner still give keys?
    pub(crate) fn takes_keys(&self) -> bool {
        let is_pending = matches!(self.state, State::Pending(_));
        is_pending && self.path.is_none() && self.given.is_none()
    }

    /// Takes keys that the owner gives, for when there is a path.
    pub(crate) fn give_keys(&mut self, profile: u16, srtp: Srtp) {
        self.given = Some(Box::new((profile, srtp)));
    }

    fn connect(&mut self, now: Instant, mut srtp: Srtp, security: Security) {
        srtp.inbound.set_cryptex(self.handshake.cryptex);
        srtp.outbound.set_cryptex(self.handshake.cryptex);
        self.srtp = Some(srtp);
        self.security = Some(security);
        if matches!(self.state, State::Pending(_)) {
            self.state = State::Connected;
            self.connected = Some(now);
            self.effects.push_back(Effect::Connected);
        }
    }
}
