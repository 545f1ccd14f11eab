//! From offers to peers: the server's answers, and the client's own offers.

mod client;

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use headwater_dtls as dtls;
use headwater_ice::{Candidate, Credentials, LiteAgent, LiteConfig, TcpType};
use headwater_rtp::Ssrc;
use headwater_sdp::{self as sdp, AnswerError, Fragment, Local, NegotiatedMedia, Outgoing, Session, Setup};

use crate::broadcast::Broadcast;
use crate::config::{Limits, Used, counted_as};
use crate::error::SignalError;
use crate::forward::{Forwarder, Start};
use crate::negotiate;
use crate::peer::{Handshake, Ice, Peer, Role, State};
use crate::peer_id::PeerId;
use crate::publisher::Publisher;
use crate::sfu::Sfu;
use crate::track::{Format, Kind};
use crate::viewer::{Line, Viewer};

pub use client::{Offered, Offering};

/// What a client lets its server send, in bits per second: more than any network carries.
const UNLIMITED: u64 = 1 << 40;
/// Candidates that one fragment or offer may bring; a lite agent needs none of them.
const MAX_CANDIDATES: usize = 64;

/// An offer that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// The new peer.
    pub peer: PeerId,
    /// The answer.
    pub answer: String,
}

impl Sfu {
    /// Answers a publisher's offer. The stream is the publisher's once it is connected; until then whoever has it
    /// keeps it.
    ///
    /// # Errors
    /// Nothing changed. See [`SignalError`] for what can be wrong.
    pub fn publish(
        &mut self,
        now: Instant,
        stream: &str,
        offer: &str,
        from: IpAddr,
    ) -> Result<Accepted, SignalError> {
        let now = self.advance(now);
        check_name(stream)?;
        self.check_limits(stream, from, None)?;
        let broadcast = self.names.get(stream).and_then(|index| self.broadcasts.get(*index));
        if broadcast.is_some_and(|broadcast| broadcast.local.is_some()) {
            return Err(SignalError::AlreadyPublished);
        }
        if let Some(publisher) = broadcast.and_then(|broadcast| broadcast.publisher)
            && !self.may_replace(now, publisher)
        {
            return Err(SignalError::AlreadyPublished);
        }
        let offer = Session::parse(offer).map_err(|error| SignalError::InvalidOffer(error.to_string()))?;
        let credentials = self.credentials();
        let local = self.local(&credentials);
        let capabilities = negotiate::inbound(self.config.limits.publish_bitrate);
        let answer = sdp::answer(&offer, &capabilities, &local).map_err(refusal)?;
        let agreements = negotiate::publisher_agreements(&answer.media);
        let handshake = self.handshake(&answer.remote)?;
        let ice = self.lite(now, credentials.clone(), &answer.remote)?;

        let ssrc = Ssrc(self.seeds.u32());
        let publisher =
            Publisher::new(agreements, ssrc, self.cname(), self.config.limits.publish_bitrate, now);
        let index = self.broadcast(stream);
        let peer =
            self.admit(now, index, Role::Publisher(Box::new(publisher)), ice, handshake, &credentials, from);
        self.broadcasts[index].pending.insert(peer);
        Ok(Accepted { peer, answer: answer.session.to_string() })
    }

    /// Answers a viewer's offer. Asks the publisher for a key frame if there is none to start with, so that it is
    /// there by the time that the viewer is connected.
    ///
    /// # Errors
    /// Nothing changed. See [`SignalError`] for what can be wrong.
    pub fn watch(
        &mut self,
        now: Instant,
        stream: &str,
        offer: &str,
        from: IpAddr,
    ) -> Result<Accepted, SignalError> {
        let now = self.advance(now);
        check_name(stream)?;
        let index = *self.names.get(stream).ok_or(SignalError::NotLive)?;
        let broadcast = self.broadcasts.get(index).ok_or(SignalError::NotLive)?;
        if broadcast.live_since.is_none() {
            return Err(SignalError::NotLive);
        }
        self.check_limits(stream, from, Some(broadcast.viewers.len()))?;
        let offer = Session::parse(offer).map_err(|error| SignalError::InvalidOffer(error.to_string()))?;
        let live: Vec<(Kind, Format)> =
            broadcast.live_formats().map(|(kind, format)| (kind, format.clone())).collect();
        let capabilities = negotiate::outbound(&live, &self.kinds_of(broadcast));
        let credentials = self.credentials();
        let mut local = self.local(&credentials);
        let cname = self.cname();
        for kind in [Kind::Audio, Kind::Video] {
            let outgoing = Outgoing::new("headwater", negotiate::word(kind), &*cname, self.seeds.u32());
            match kind {
                Kind::Audio => local.audio.push(outgoing),
                Kind::Video => {
                    let rtx = self.seeds.u32();
                    local.video.push(outgoing.with_rtx(rtx));
                }
            }
        }
        let answer = sdp::answer(&offer, &capabilities, &local).map_err(refusal)?;
        negotiate::check_playable(&live, &answer.media, &offer)?;
        let handshake = self.handshake(&answer.remote)?;
        let ice = self.lite(now, credentials.clone(), &answer.remote)?;

        let lines = self.viewer_lines(index, &answer.media, &local);
        let viewer = Viewer::new(lines, cname);
        let peer = self.admit(now, index, Role::Viewer(Box::new(viewer)), ice, handshake, &credentials, from);
        self.broadcasts[index].add_viewer(peer);
        self.prepare_key_frame(now, index);
        Ok(Accepted { peer, answer: answer.session.to_string() })
    }

    /// Takes an SDP fragment: candidates, or new credentials, which restart ICE and are answered by a fragment.
    ///
    /// # Errors
    /// Nothing changed: [`SignalError::UnknownSession`], or the fragment cannot be used.
    pub fn trickle(
        &mut self,
        now: Instant,
        peer: PeerId,
        fragment: &str,
    ) -> Result<Option<String>, SignalError> {
        let now = self.advance(now);
        let known = self.peer(peer).filter(|known| !matches!(known.state, State::Closing(..)));
        if known.is_none() {
            return Err(SignalError::UnknownSession);
        }
        let fragment =
            Fragment::parse(fragment).map_err(|error| SignalError::InvalidOffer(error.to_string()))?;
        let remote = match (fragment.ufrag(), fragment.password()) {
            (Some(ufrag), Some(password)) => Some(
                Credentials::new(ufrag, password)
                    .map_err(|error| SignalError::InvalidOffer(error.to_string()))?,
            ),
            _ => None,
        };
        let local = self.credentials();
        let candidates = self.host_candidates();
        let entry = self.peer_mut(peer).ok_or(SignalError::UnknownSession)?;
        match entry.ice() {
            Ice::Lite(agent) => {
                // A lite agent learns addresses from checks; what else is in the fragment needs no attention.
                let Some(remote) = remote.filter(|remote| agent.remote_credentials() != Some(remote)) else {
                    return Ok(None);
                };
                agent.restart(now, local.clone(), remote);
                let renominates = agent.renominates();
                entry.ufrags.push(local.ufrag.clone());
                // Checks on their way use the old one, which stays until the first with the new one.
                for ufrag in entry.forget_ufrags() {
                    self.ufrags.remove(&ufrag);
                }
                self.ufrags.insert(local.ufrag.clone(), peer);
                self.touched(now, peer);
                Ok(Some(negotiate::restart_fragment(&fragment, &local, candidates, renominates)))
            }
            Ice::Full(agent) => {
                for text in fragment.candidates().take(MAX_CANDIDATES) {
                    let candidate: Candidate = text
                        .parse()
                        .map_err(|_| SignalError::InvalidOffer(format!("bad candidate: {text}")))?;
                    let _ = agent.add_remote_candidate(candidate);
                }
                if fragment.is_end_of_candidates() {
                    agent.end_of_remote_candidates();
                }
                self.touched(now, peer);
                Ok(None)
            }
        }
    }

    /// What the stream's publisher has: who asks for pictures of a stream that has none is told so, since a player that
    /// was promised them shows nothing, and plays no sound either, until they come.
    fn kinds_of(&self, broadcast: &Broadcast) -> Vec<Kind> {
        match broadcast.publisher.and_then(|publisher| self.peer(publisher)) {
            Some(Peer { role: Role::Publisher(publisher), .. }) => {
                publisher.agreements().map(|agreement| agreement.kind).collect()
            }
            _ => match &broadcast.shared.remote {
                Some(remote) => remote.kinds.clone(),
                None => broadcast.tracks.iter().map(|track| track.kind).collect(),
            },
        }
    }

    /// Of several units the owner counts, who knows them all.
    fn check_limits(&self, stream: &str, from: IpAddr, viewers: Option<usize>) -> Result<(), SignalError> {
        if self.config.shares_streams {
            return Ok(());
        }
        let of_address = Limits::counts_for(from).and_then(|address| self.addresses.get(&address));
        self.config.limits.permit(&Used {
            streams: (!self.names.contains_key(stream)).then_some(self.broadcasts.len()),
            pending: self.pending,
            of_address: of_address.copied().unwrap_or(0),
            viewers,
        })
    }

    fn credentials(&mut self) -> Credentials {
        Credentials::generate(self.seeds.seed(), &worker_prefix(self.config.worker))
    }

    fn cname(&mut self) -> String {
        format!("{:016x}", self.seeds.u64())
    }

    fn host_candidates(&self) -> Vec<String> {
        let candidate = |(index, address): (usize, &SocketAddr)| {
            // The first address configured is the one preferred (RFC 8445 §5.1.2.2).
            let preference = 255_u16.saturating_sub(u16::try_from(index).unwrap_or(u16::MAX));
            Candidate::host(*address).with_local_preference(u16::MAX - 256 + preference)
        };
        let passive = |(index, address): (usize, &SocketAddr)| {
            // RFC 6544 §4.2: UDP goes before TCP; passive is the second best of TCP's directions.
            let preference = (4 << 13) + 8191_u16.saturating_sub(u16::try_from(index).unwrap_or(u16::MAX));
            Candidate::host(*address).with_tcp(TcpType::Passive).with_local_preference(preference)
        };
        let udp = self.config.candidates.iter().enumerate().map(candidate);
        let tcp = self.config.tcp_candidates.iter().enumerate().map(passive);
        udp.chain(tcp).map(|candidate| candidate.to_string()).collect()
    }

    fn local(&mut self, credentials: &Credentials) -> Local {
        let fingerprint = self.dtls.certificate.fingerprint().to_string();
        let mut local = Local::new(&*credentials.ufrag, &*credentials.password, fingerprint);
        local.ice_lite = true;
        local.cryptex = self.config.cryptex;
        local.renomination = true;
        local.candidates = self.host_candidates();
        local.session_id = self.seeds.u64() >> 2;
        local
    }

    fn handshake(&mut self, remote: &sdp::Remote) -> Result<Handshake, SignalError> {
        Ok(Handshake {
            config: self.dtls.clone(),
            role: dtls_role(remote.setup),
            fingerprints: fingerprints(remote)?,
            cryptex: remote.cryptex,
            seed: self.seeds.seed(),
        })
    }

    fn lite(&mut self, now: Instant, local: Credentials, remote: &sdp::Remote) -> Result<Ice, SignalError> {
        let invalid = |error: &dyn std::fmt::Display| SignalError::InvalidOffer(error.to_string());
        let theirs = Credentials::new(remote.ufrag.clone(), remote.password.clone())
            .map_err(|error| invalid(&error))?;
        let mut config = LiteConfig::new(local, Some(theirs));
        config.renomination = remote.renomination;
        let agent = LiteAgent::new(config, self.seeds.seed(), now).map_err(|error| invalid(&error))?;
        Ok(Ice::Lite(Box::new(agent)))
    }

    /// The broadcast of this name; made if it is new.
    pub(crate) fn broadcast(&mut self, stream: &str) -> usize {
        if let Some(index) = self.names.get(stream) {
            return *index;
        }
        let index = self.broadcasts.insert(Broadcast::new(stream));
        self.names.insert(stream.to_owned(), index);
        index
    }

    #[expect(clippy::too_many_arguments, reason = "everything that makes a peer, in one place")]
    fn admit(
        &mut self,
        now: Instant,
        broadcast: usize,
        role: Role,
        ice: Ice,
        handshake: Handshake,
        credentials: &Credentials,
        from: IpAddr,
    ) -> PeerId {
        let from = counted_as(from);
        let deadline = now + self.config.limits.connect_within;
        let mut peer = Peer::new(broadcast, role, ice, handshake, from, now, deadline);
        peer.ufrags.reserve_exact(1);
        peer.ufrags.push(credentials.ufrag.clone());
        let id = self.insert(peer);
        self.ufrags.insert(credentials.ufrag.clone(), id);
        *self.addresses.entry(from).or_default() += 1;
        self.touched(now, id);
        id
    }

    fn viewer_lines(&mut self, index: usize, media: &[NegotiatedMedia], local: &Local) -> Vec<Line> {
        let mut counts = [0; 2];
        let mut lines = Vec::new();
        for section in media.iter().filter(|section| !section.rejected && section.direction.sends()) {
            let Some(kind) = negotiate::kind(&section.kind) else { continue };
            let nth = &mut counts[crate::broadcast::round_of(kind)];
            let outgoing = match kind {
                Kind::Audio => local.audio.get(*nth),
                Kind::Video => local.video.get(*nth),
            };
            let (Some(outgoing), Some(track)) = (outgoing, self.broadcasts[index].track_for(kind, *nth))
            else {
                continue;
            };
            *nth += 1;
            let agreement = negotiate::viewer_agreement(section, outgoing);
            let start = Start {
                sequence: self.seeds.u16(),
                rtx_sequence: self.seeds.u16(),
                timestamp: self.seeds.u32(),
            };
            let with_playout_delay = self.broadcasts[index].tracks[track].uses_playout_delay();
            lines.push(Line { track, forwarder: Forwarder::new(agreement, start, with_playout_delay) });
        }
        lines.shrink_to_fit();
        lines
    }
}

/// Can who takes parameters `known` play `offered`?
pub(crate) fn parameters_match(codec: headwater_rtp::Codec, known: &str, offered: &str) -> bool {
    sdp::plays(codec.name(), known, offered)
}

fn worker_prefix(worker: u8) -> String {
    format!("{worker:02x}")
}

pub(crate) fn check_name(stream: &str) -> Result<(), SignalError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let valid =
        (1..=64).contains(&stream.len()) && stream.bytes().all(is_allowed) && !stream.starts_with('.');
    if valid { Ok(()) } else { Err(SignalError::InvalidName(stream.chars().take(80).collect())) }
}

fn fingerprints(remote: &sdp::Remote) -> Result<Vec<dtls::Fingerprint>, SignalError> {
    let mut parsed: Vec<dtls::Fingerprint> =
        remote.fingerprints.iter().filter_map(|text| text.parse().ok()).collect();
    parsed.shrink_to_fit();
    if parsed.is_empty() {
        return Err(SignalError::InvalidOffer("a=fingerprint has no hash that can be trusted".into()));
    }
    Ok(parsed)
}

fn dtls_role(ours: Setup) -> dtls::Role {
    if ours == Setup::Active { dtls::Role::Client } else { dtls::Role::Server }
}

fn refusal(error: AnswerError) -> SignalError {
    match error {
        AnswerError::NoCommonCodec { .. } => SignalError::NoCommonCodec(error.to_string()),
        _ => SignalError::InvalidOffer(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
