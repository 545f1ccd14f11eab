//! Why an offer, or the answer to ours, can't be used, in words for whoever wrote it.

use crate::media::MediaKind;

/// Why there is no answer. Nothing was agreed on; the texts are meant to be shown to the peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// There is no `m=` line.
    #[error("the description has no media section")]
    NoMedia,
    /// No codec of the section is one of ours (HTTP 406 in WHIP and WHEP).
    #[error("no common {kind} codec: offered {}, supported {}", list(.offered), list(.ours))]
    NoCommonCodec {
        /// What kind of media.
        kind: MediaKind,
        /// The codecs offered.
        offered: Vec<String>,
        /// Our codecs.
        ours: Vec<String>,
    },
    /// No section is of a kind that we take.
    #[error("none of the offered media sections can be used: {}", list(.offered))]
    NothingAccepted {
        /// The kinds offered.
        offered: Vec<String>,
    },
    /// Every section flows the other way.
    #[error("the media flows the wrong way: a section has to be {needed} or sendrecv")]
    WrongDirection {
        /// What a section of the offer should say.
        needed: &'static str,
    },
    /// A section is not secured by DTLS-SRTP.
    #[error("the {kind} section uses {protocol}; UDP/TLS/RTP/SAVPF is needed")]
    UnsupportedProtocol {
        /// What kind of media.
        kind: MediaKind,
        /// What the `m=` line says.
        protocol: String,
    },
    /// The section lacks `a=rtcp-mux`.
    #[error("the {kind} section lacks a=rtcp-mux; RTCP on a port of its own is not supported")]
    NotRtcpMux {
        /// What kind of media.
        kind: MediaKind,
    },
    /// There are several sections and they are not in one bundle.
    #[error("the {kind} section is not in a BUNDLE group with the others; all media has to share one port")]
    NotBundled {
        /// What kind of media.
        kind: MediaKind,
    },
    /// Two sections have the same `a=mid`.
    #[error("two media sections have the mid {mid}")]
    DuplicateMid {
        /// The mid.
        mid: String,
    },
    /// There is no `a=ice-ufrag` or no `a=ice-pwd`.
    #[error("a=ice-ufrag or a=ice-pwd is missing")]
    NoIceCredentials,
    /// `a=ice-ufrag` or `a=ice-pwd` are of a wrong length or have forbidden characters.
    #[error("a=ice-ufrag needs 4 to 256 and a=ice-pwd 22 to 256 letters, digits, + or /")]
    InvalidIceCredentials,
    /// There is no `a=fingerprint`.
    #[error("a=fingerprint is missing; media has to be encrypted with DTLS-SRTP")]
    NoFingerprint,
    /// `a=setup` says what can't be answered.
    #[error("a=setup:{0} can't be used here")]
    UnsupportedSetup(crate::attribute::Setup),
    /// Both sides are ICE-lite agents, so nobody would check anything.
    #[error("a=ice-lite: one side has to be a full ICE agent")]
    BothIceLite,
    /// The answer does not have the sections of our offer.
    #[error("the answer has other media sections than the offer")]
    OtherSections,
    /// The answer names a payload type that our offer lacks.
    #[error("the answer names payload type {0}, which the offer lacks")]
    UnknownPayloadType(u8),
    /// The answer names a header extension that our offer lacks.
    #[error("the answer names header extension {id} {uri}, which the offer lacks")]
    UnknownExtension {
        /// Its number.
        id: u16,
        /// Its URI.
        uri: String,
    },
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
