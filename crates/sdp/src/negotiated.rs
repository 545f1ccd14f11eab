//! What offer and answer agreed on: all that the media plane needs to know of them.

use crate::{
    attribute::{Direction, Msid, Rid, Setup, Simulcast},
    codec::{Codec, parameter},
    media::{Media, MediaKind},
    session::Session,
    transport::{RENOMINATION, Transport},
};

/// The result of an offer and its answer, from one side.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    /// One for each media section, in order, rejected ones too.
    pub media: Vec<NegotiatedMedia>,
    /// The other side of the transport.
    pub remote: Remote,
}

/// The other side of the transport: one, since everything is bundled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remote {
    /// ICE ufrag.
    pub ufrag: String,
    /// ICE password.
    pub password: String,
    /// Certificate fingerprints, as text; at least one. Any may match (RFC 8122 §5).
    pub fingerprints: Vec<String>,
    /// *Our* part in the DTLS handshake: `Active` (client) or `Passive` (server).
    pub setup: Setup,
    /// Whether the peer is an ICE-lite agent.
    pub ice_lite: bool,
    /// Candidates, as text.
    pub candidates: Vec<String>,
    /// Whether no more candidates come.
    pub end_of_candidates: bool,
    /// Whether the peer takes candidates that come later.
    pub trickle: bool,
    /// Whether both sides have said `renomination`: nominations are numbered, and the highest counts.
    pub renomination: bool,
    /// Whether both sides take packets whose header extensions are encrypted (RFC 9335 §4), so that either may send them.
    pub cryptex: bool,
}

/// What was agreed on for one media section.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NegotiatedMedia {
    /// Its place among the sections.
    pub index: usize,
    /// Its mid, if it has one.
    pub mid: Option<String>,
    /// What it is.
    pub kind: MediaKind,
    /// Whether it was rejected (port 0); everything below is then empty.
    pub rejected: bool,
    /// The flow from our side.
    pub direction: Direction,
    /// The codecs of both sides, in the answer's order. Retransmissions are told with their codec.
    pub codecs: Vec<NegotiatedCodec>,
    /// The header extensions of both sides.
    pub extensions: Vec<NegotiatedExtension>,
    /// Whether one- and two-byte extension headers may alternate (RFC 8285 §6).
    pub extmap_allow_mixed: bool,
    /// Whether RTCP may be of reduced size (RFC 5506).
    pub rtcp_rsize: bool,
    /// The streams that the peer says it sends.
    pub remote_ssrcs: Vec<RemoteSsrc>,
    /// The stream and track that the peer says it sends.
    pub remote_msid: Option<Msid>,
    /// The encodings that the offer names. Answers decline simulcast so far.
    pub rids: Vec<Rid>,
    /// The simulcast that the offer names.
    pub simulcast: Option<Simulcast>,
}

/// A codec that both sides have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NegotiatedCodec {
    /// Its payload type, the same both ways.
    pub payload_type: u8,
    /// The payload type of its retransmissions.
    pub rtx: Option<u8>,
    /// As the offer writes it.
    pub name: String,
    /// In Hz.
    pub clock_rate: u32,
    /// For audio.
    pub channels: Option<u16>,
    /// `a=fmtp` of the peer, as text.
    pub fmtp: Option<String>,
    /// The feedback that both sides know.
    pub feedback: Vec<String>,
}

impl NegotiatedCodec {
    pub(crate) fn new(codec: &Codec, rtx: Option<u8>, fmtp: Option<String>) -> Self {
        Self {
            payload_type: codec.payload_type,
            rtx,
            name: codec.name.clone(),
            clock_rate: codec.clock_rate,
            channels: codec.channels,
            fmtp,
            feedback: codec.feedback.clone(),
        }
    }

    /// Whether this is the codec of that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether this feedback was negotiated for it: `nack`, `nack pli` ...
    pub fn has_feedback(&self, kind: &str) -> bool {
        self.feedback.iter().any(|known| known == kind)
    }

    /// A parameter of the peer's `a=fmtp`, by its name in any case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.fmtp.as_deref().and_then(|fmtp| parameter(fmtp, name))
    }
}

/// A header extension that both sides have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NegotiatedExtension {
    /// Its number in the packets: 1 to 255.
    pub id: u8,
    /// What it is.
    pub uri: String,
}

/// A stream that the peer says it sends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteSsrc {
    /// SSRC of the media.
    pub ssrc: u32,
    /// SSRC of its retransmissions (`a=ssrc-group:FID`).
    pub rtx: Option<u32>,
    /// The sender's name in RTCP.
    pub cname: Option<String>,
}

impl NegotiatedMedia {
    pub(crate) fn rejected(index: usize, media: &Media) -> Self {
        Self {
            index,
            mid: media.mid.clone(),
            kind: media.kind.clone(),
            rejected: true,
            direction: Direction::Inactive,
            codecs: Vec::new(),
            extensions: Vec::new(),
            extmap_allow_mixed: false,
            rtcp_rsize: false,
            remote_ssrcs: Vec::new(),
            remote_msid: None,
            rids: Vec::new(),
            simulcast: None,
        }
    }

    /// The extension's number, if it was negotiated.
    pub fn extension_id(&self, uri: &str) -> Option<u8> {
        self.extensions.iter().find(|extension| extension.uri == uri).map(|extension| extension.id)
    }

    /// The codec of a payload type, and whether the payload type is that of its retransmissions.
    pub fn codec(&self, payload_type: u8) -> Option<(&NegotiatedCodec, bool)> {
        self.codecs.iter().find_map(|codec| {
            if codec.payload_type == payload_type {
                Some((codec, false))
            } else if codec.rtx == Some(payload_type) {
                Some((codec, true))
            } else {
                None
            }
        })
    }
}

impl Remote {
    pub(crate) fn new(session: &Session, transport: Transport, setup: Setup) -> Option<Self> {
        let trickle = transport.has_option("trickle");
        let renomination = transport.has_option(RENOMINATION);
        Some(Self {
            ufrag: transport.ufrag?,
            password: transport.password?,
            fingerprints: transport.fingerprints,
            setup,
            ice_lite: session.ice_lite,
            candidates: transport.candidates,
            end_of_candidates: transport.end_of_candidates,
            trickle,
            renomination,
            cryptex: false,
        })
    }
}

/// The streams of a section: each SSRC with what `FID` says, those that are retransmissions left out.
pub(crate) fn remote_ssrcs(media: &Media) -> Vec<RemoteSsrc> {
    let pairs: Vec<_> = media
        .ssrc_groups
        .iter()
        .filter(|group| group.semantics == "FID")
        .filter_map(|group| match group.ssrcs[..] {
            [ssrc, rtx] => Some((ssrc, rtx)),
            _ => None,
        })
        .collect();
    let mut streams: Vec<RemoteSsrc> = Vec::new();
    for attribute in &media.ssrcs {
        if pairs.iter().any(|(_, rtx)| *rtx == attribute.ssrc) {
            continue;
        }
        let at = match streams.iter().position(|stream| stream.ssrc == attribute.ssrc) {
            Some(at) => at,
            None => {
                let rtx = pairs.iter().find(|(ssrc, _)| *ssrc == attribute.ssrc).map(|(_, rtx)| *rtx);
                streams.push(RemoteSsrc { ssrc: attribute.ssrc, rtx, cname: None });
                streams.len() - 1
            }
        };
        if attribute.name == "cname" {
            streams[at].cname.clone_from(&attribute.value);
        }
    }
    streams
}
