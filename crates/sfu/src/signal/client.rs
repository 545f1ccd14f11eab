//! The client's part: offers of ours, and what the answers to them say.

use std::net::IpAddr;
use std::time::Instant;

use headwater_dtls as dtls;
use headwater_ice::{Agent, AgentConfig, Candidate, Credentials, Role as IceRole};
use headwater_rtp::Ssrc;
use headwater_sdp::{self as sdp, Outgoing, Session};

use super::{MAX_CANDIDATES, UNLIMITED, check_name, dtls_role, fingerprints, refusal};
use crate::error::SignalError;
use crate::negotiate;
use crate::peer::{Handshake, Ice, Role};
use crate::peer_id::PeerId;
use crate::publisher::Publisher;
use crate::sfu::Sfu;
use crate::track::Format;
use crate::viewer::Viewer;

/// An offer of ours, as a client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offered {
    /// The new peer.
    pub peer: PeerId,
    /// The offer.
    pub offer: String,
}

/// What a client offers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Offering {
    /// Do we send, or receive?
    pub send: bool,
    /// Do we offer Cryptex (RFC 9335), which encrypts header extensions too? Default: no.
    pub cryptex: bool,
    /// The formats to offer, best first; one media line for audio and one for video.
    pub formats: Vec<Format>,
}

impl Offering {
    /// Offers to send these formats.
    pub fn sending(formats: Vec<Format>) -> Self {
        Self { send: true, cryptex: false, formats }
    }

    /// Offers to receive these formats.
    pub fn receiving(formats: Vec<Format>) -> Self {
        Self { send: false, cryptex: false, formats }
    }
}

impl Sfu {
    /// As a client: offers what we publish on `stream`, or wants to receive one into it.
    ///
    /// Offered to send, the media handed to [`handle_media`](Self::handle_media) goes out; offered to receive, what
    /// comes in can be read from the stream's [`tracks`](Self::tracks).
    pub fn offer(&mut self, now: Instant, stream: &str, what: &Offering) -> Result<Offered, SignalError> {
        let now = self.advance(now);
        check_name(stream)?;
        let credentials = self.credentials();
        let mut local = self.local(&credentials);
        local.ice_lite = false;
        local.cryptex = what.cryptex;
        let cname = self.cname();
        let index = self.broadcast(stream);
        if what.send {
            for format in &what.formats {
                let outgoing = Outgoing::new("headwater", format.codec.name(), &*cname, self.seeds.u32());
                if format.codec.is_video() {
                    let rtx = self.seeds.u32();
                    local.video.push(outgoing.with_rtx(rtx));
                } else {
                    local.audio.push(outgoing);
                }
            }
        }
        let offer = sdp::offer(&negotiate::offer(what), &local);
        let mut config = AgentConfig::new(credentials.clone(), IceRole::Controlling);
        config.renomination = local.renomination;
        let mut agent = Agent::new(config, self.seeds.seed(), now)
            .map_err(|error| SignalError::InvalidOffer(error.to_string()))?;
        for address in &self.config.candidates {
            let _ = agent.add_local_candidate(Candidate::host(*address));
        }
        let handshake = Handshake {
            config: self.dtls.clone(),
            role: dtls::Role::Client,
            fingerprints: Vec::new(),
            cryptex: false,
            seed: self.seeds.seed(),
        };
        let role = if what.send {
            Role::Viewer(Box::new(Viewer::new(Vec::new(), cname)))
        } else {
            let ssrc = Ssrc(self.seeds.u32());
            Role::Publisher(Box::new(Publisher::new(Vec::new(), ssrc, cname, UNLIMITED, now)))
        };
        let ice = Ice::Full(Box::new(agent));
        let here = IpAddr::from([127, 0, 0, 1]);
        let peer = self.admit(now, index, role, ice, handshake, &credentials, here);
        if what.send {
            self.broadcasts[index].add_viewer(peer);
        } else {
            self.broadcasts[index].pending.insert(peer);
        }
        let text = offer.to_string();
        self.offers.insert(peer, (offer, local));
        Ok(Offered { peer, offer: text })
    }

    /// As a client: takes the answer to [`offer`](Self::offer).
    ///
    /// # Errors
    /// [`SignalError::UnknownSession`] if nothing was offered by this peer, or the answer cannot be used; the offer
    /// can then be answered again.
    pub fn accept_answer(&mut self, now: Instant, peer: PeerId, answer: &str) -> Result<(), SignalError> {
        let now = self.advance(now);
        let (offer, local) = self.offers.get(&peer).ok_or(SignalError::UnknownSession)?;
        let answer = Session::parse(answer).map_err(|error| SignalError::InvalidOffer(error.to_string()))?;
        let negotiated = sdp::read_answer(offer, &answer).map_err(refusal)?;
        let local = local.clone();
        let remote = &negotiated.remote;
        let credentials = Credentials::new(remote.ufrag.clone(), remote.password.clone())
            .map_err(|error| SignalError::InvalidOffer(error.to_string()))?;
        let fingerprints = fingerprints(remote)?;
        let (role, cryptex) = (dtls_role(remote.setup), remote.cryptex);
        let index = self.peer(peer).ok_or(SignalError::UnknownSession)?.broadcast;
        let lines = self.viewer_lines(index, &negotiated.media, &local);
        let agreements = negotiate::publisher_agreements(&negotiated.media);
        let ssrc = Ssrc(self.seeds.u32());
        let cname = self.cname();
        let entry = self.peer_mut(peer).ok_or(SignalError::UnknownSession)?;
        match &mut entry.role {
            Role::Viewer(viewer) => **viewer = Viewer::new(lines, cname),
            Role::Publisher(publisher) => {
                **publisher = Publisher::new(agreements, ssrc, cname, UNLIMITED, now);
            }
        }
        entry.expect(fingerprints, role, cryptex);
        if let Ice::Full(agent) = entry.ice() {
            if remote.ice_lite {
                agent.set_remote_is_lite();
            }
            if remote.renomination {
                agent.set_remote_renominates();
            }
            agent
                .set_remote_credentials(credentials)
                .map_err(|error| SignalError::InvalidOffer(error.to_string()))?;
            for text in remote.candidates.iter().take(MAX_CANDIDATES) {
                if let Ok(candidate) = text.parse::<Candidate>() {
                    let _ = agent.add_remote_candidate(candidate);
                }
            }
            if remote.end_of_candidates {
                agent.end_of_remote_candidates();
            }
        }
        self.offers.remove(&peer);
        self.touched(now, peer);
        Ok(())
    }
}
