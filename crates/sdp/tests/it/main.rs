//! Behaviour of the crate through its public API.

mod corpus;
mod cryptex;
mod errors;
mod fragment;
mod other_clients;
mod parse;
mod properties;
mod publish;
mod renomination;
mod roundtrip;
mod watch;

use headwater_sdp::{Capabilities, CodecCapability, Direction, Local, Media, NegotiatedMedia, Session};

pub(crate) const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
pub(crate) const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
pub(crate) const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
pub(crate) const CSRC_AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:csrc-audio-level";
pub(crate) const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

/// The text of a file in tests/fixtures.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/", $name))
    };
}
pub(crate) use fixture;

pub(crate) fn parse(text: &str) -> Session {
    Session::parse(text).expect("a description")
}

/// What a broadcast server takes and gives.
pub(crate) fn capabilities(direction: Direction) -> Capabilities {
    let mut capabilities = Capabilities::new(direction);
    capabilities.audio = vec![CodecCapability::opus()];
    capabilities.video = ["VP8", "VP9", "H264", "AV1"].map(CodecCapability::video).into();
    capabilities.video_extensions = [MID, TRANSPORT_CC, PLAYOUT_DELAY].map(str::to_owned).into();
    capabilities.audio_extensions =
        [MID, TRANSPORT_CC, AUDIO_LEVEL, CSRC_AUDIO_LEVEL].map(str::to_owned).into();
    capabilities
}

pub(crate) fn local() -> Local {
    let mut local = Local::new("hwfragment", "hwpasswordhwpasswordhw", "sha-256 11:22:33");
    local.ice_lite = true;
    local.candidates = vec!["candidate:1 1 udp 2130706431 198.51.100.1 8189 typ host".into()];
    local.session_id = 4_611;
    local
}

/// The section's codecs as `payload type name`, retransmissions as `+payload type`.
pub(crate) fn codecs(media: &NegotiatedMedia) -> Vec<String> {
    let text = |codec: &headwater_sdp::NegotiatedCodec| {
        let rtx = codec.rtx.map(|rtx| format!("+{rtx}")).unwrap_or_default();
        format!("{}{rtx} {}", codec.payload_type, codec.name)
    };
    media.codecs.iter().map(text).collect()
}

/// The section as lines.
pub(crate) fn lines(media: &Media) -> Vec<String> {
    media.to_string().lines().map(str::to_owned).collect()
}

pub(crate) fn has_line(media: &Media, line: &str) -> bool {
    lines(media).iter().any(|known| known == line)
}
