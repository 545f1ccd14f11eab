//! Behaviour of the crate through its public API.

mod publish;

use headwater_sdp::{Capabilities, CodecCapability, Direction, Local, Session};

pub(crate) const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
pub(crate) const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
pub(crate) const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
pub(crate) const CSRC_AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:csrc-audio-level";
pub(crate) const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";

/// A fixture of tests/fixtures.
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
    let extensions = [MID, TRANSPORT_CC, PLAYOUT_DELAY].map(str::to_owned);
    capabilities.video_extensions = extensions.into();
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
