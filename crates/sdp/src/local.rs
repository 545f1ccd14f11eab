//! What our own description says of us.

use crate::attribute::Setup;

/// Our side of the transport, and the streams that we send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Local {
    /// ICE ufrag.
    pub ufrag: String,
    /// ICE password.
    pub password: String,
    /// The certificate's fingerprint, as text: `sha-256 AB:CD:...`
    pub fingerprint: String,
    /// Our part in the DTLS handshake where the offer leaves the choice. Default passive: the browser begins, which
    /// saves half a round trip. An offer of ours says `actpass` in any case (RFC 8842 §5.2).
    pub setup: Setup,
    /// Candidates, with or without `candidate:` in front.
    pub candidates: Vec<String>,
    /// Whether these are all candidates. Default yes.
    pub end_of_candidates: bool,
    /// Whether we are an ICE-lite agent (RFC 8445 §2.5).
    pub ice_lite: bool,
    /// The words of `a=ice-options`. Default `trickle`: the peer may send candidates later.
    pub ice_options: Vec<String>,
    /// Whether we number nominations, or follow numbered ones: `renomination` among the ICE options
    /// (draft-thatcher-ice-renomination-01). An answer says it only if the offer does. Default no.
    pub renomination: bool,
    /// Whether we take packets whose header extensions are encrypted (`a=cryptex`, RFC 9335). An answer says it only if the
    /// offer does. Default no.
    pub cryptex: bool,
    /// `o=`: the session's number; RFC 9429 §5.2.1 wants 63 random bits.
    pub session_id: u64,
    /// `o=`: the description's number in the session.
    pub session_version: u64,
    /// What we send on the audio sections, first to last.
    pub audio: Vec<Outgoing>,
    /// What we send on the video sections, first to last.
    pub video: Vec<Outgoing>,
}

impl Local {
    /// A full agent without candidates that sends nothing.
    pub fn new(
        ufrag: impl Into<String>,
        password: impl Into<String>,
        fingerprint: impl Into<String>,
    ) -> Self {
        Self {
            ufrag: ufrag.into(),
            password: password.into(),
            fingerprint: fingerprint.into(),
            setup: Setup::Passive,
            candidates: Vec::new(),
            end_of_candidates: true,
            ice_lite: false,
            ice_options: vec!["trickle".into()],
            renomination: false,
            cryptex: false,
            session_id: 1,
            session_version: 1,
            audio: Vec::new(),
            video: Vec::new(),
        }
    }
}

/// One track that we send, with what its section says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outgoing {
    /// `a=msid`: the stream that browsers put the track into; tracks of one stream are played in sync.
    pub stream: String,
    /// `a=msid`: the track.
    pub track: String,
    /// The sender's name in RTCP; the same for all that shares a clock.
    pub cname: String,
    /// SSRC of the media.
    pub ssrc: u32,
    /// SSRC of its retransmissions; said only where they were negotiated.
    pub rtx_ssrc: Option<u32>,
}

impl Outgoing {
    /// A track without retransmissions.
    pub fn new(
        stream: impl Into<String>,
        track: impl Into<String>,
        cname: impl Into<String>,
        ssrc: u32,
    ) -> Self {
        Self { stream: stream.into(), track: track.into(), cname: cname.into(), ssrc, rtx_ssrc: None }
    }

    /// The same with retransmissions on `ssrc`.
    #[must_use]
    pub fn with_rtx(mut self, ssrc: u32) -> Self {
        self.rtx_ssrc = Some(ssrc);
        self
    }
}
