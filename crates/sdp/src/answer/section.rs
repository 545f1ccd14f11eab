//! Writing one media section of a description of ours (RFC 9429 §5.2.1, §5.3.1).

use super::codec::Chosen;
use crate::{
    attribute::{Bandwidth, Direction, Extension, Msid, Setup, Ssrc, SsrcGroup},
    codec::{Codec, payload_type},
    local::{Local, Outgoing},
    media::{Media, MediaKind},
    transport::Transport,
};

/// RFC 3264 §6: a rejected section has port 0; its formats mean nothing, but there must be one: the offer's first.
pub(super) fn rejected(offered: &Media) -> Media {
    let mut section = Media::new(offered.kind.clone(), 0, offered.protocol.clone());
    section.formats.extend(offered.formats.first().cloned());
    let first = section.formats.first().and_then(|format| offered.codec(payload_type(format)?));
    section.codecs.extend(first.map(|first| Codec { fmtp: None, feedback: Vec::new(), ..first.clone() }));
    section.connection = Some("IN IP4 0.0.0.0".into());
    section.mid.clone_from(&offered.mid);
    section.direction = Some(Direction::Inactive);
    section
}

/// An accepted section, without its transport.
pub(super) fn accepted(
    offered: &Media,
    direction: Direction,
    codecs: Vec<Chosen>,
    extensions: Vec<Extension>,
) -> Media {
    let mut section = Media::new(offered.kind.clone(), 9, offered.protocol.clone());
    section.connection = Some("IN IP4 0.0.0.0".into());
    section.mid.clone_from(&offered.mid);
    section.direction = Some(direction);
    section.extensions = extensions;
    section.rtcp_mux = true;
    section.rtcp_rsize = offered.rtcp_rsize;
    for chosen in codecs {
        section.push_codec(chosen.codec);
        chosen.rtx.into_iter().for_each(|rtx| section.push_codec(rtx));
    }
    section
}

/// Our side of the transport. Credentials and fingerprint stand in every section, since old clients look for them
/// there; candidates only in the bundle's first (RFC 9429 §4.1.1).
pub(crate) fn local_transport(local: &Local, setup: Setup, is_tag: bool) -> Transport {
    let candidate = |text: &String| text.strip_prefix("candidate:").unwrap_or(text).to_owned();
    Transport {
        ufrag: Some(local.ufrag.clone()),
        password: Some(local.password.clone()),
        ice_options: Vec::new(),
        fingerprints: vec![local.fingerprint.clone()],
        setup: Some(setup),
        candidates: if is_tag { local.candidates.iter().map(candidate).collect() } else { Vec::new() },
        end_of_candidates: is_tag && local.end_of_candidates,
        cryptex: false,
    }
}

/// Both spellings: Firefox reads `TIAS` (RFC 3890), everybody `AS`.
pub(crate) fn bandwidths(bitrate: Option<u64>) -> Vec<Bandwidth> {
    // RFC 9429 §5.9 knows both AS and TIAS. One line is enough, and some parsers (str0m 0.25) stumble over a second.
    bitrate.into_iter().map(|bitrate| Bandwidth::new("TIAS", bitrate)).collect()
}

/// The tracks not yet given to a section.
pub(crate) struct OutgoingTracks<'a> {
    audio: core::slice::Iter<'a, Outgoing>,
    video: core::slice::Iter<'a, Outgoing>,
}

impl<'a> OutgoingTracks<'a> {
    pub(crate) fn new(local: &'a Local) -> Self {
        Self { audio: local.audio.iter(), video: local.video.iter() }
    }

    pub(crate) fn next(&mut self, kind: &MediaKind) -> Option<&'a Outgoing> {
        match kind {
            MediaKind::Audio => self.audio.next(),
            MediaKind::Video => self.video.next(),
            _ => None,
        }
    }
}

/// `a=msid` and the SSRCs of a track; the retransmissions' only if the section has some.
pub(crate) fn describe_outgoing(section: &mut Media, outgoing: Option<&Outgoing>) {
    let Some(outgoing) = outgoing else { return };
    section.msids.push(Msid::new(&outgoing.stream, &outgoing.track));
    section.ssrcs.push(Ssrc::cname(outgoing.ssrc, &outgoing.cname));
    let has_rtx = section.codecs.iter().any(|codec| codec.is("rtx"));
    if let Some(rtx) = outgoing.rtx_ssrc.filter(|_| has_rtx) {
        section.ssrc_groups.push(SsrcGroup::flow_identification(outgoing.ssrc, rtx));
        section.ssrcs.push(Ssrc::cname(rtx, &outgoing.cname));
    }
}
