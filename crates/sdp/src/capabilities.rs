//! What one side can take or give: the question that an offer is answered with.

use crate::{attribute::Direction, media::MediaKind};

/// What we can do, and which of it we want.
///
/// Everything is off in [`Capabilities::new`]; fill the lists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Our side of the flow: `RecvOnly` to take a publisher's media, `SendOnly` to feed a viewer.
    pub direction: Direction,
    /// Audio codecs. Empty: audio sections are rejected.
    pub audio: Vec<CodecCapability>,
    /// Video codecs. Empty: video sections are rejected.
    pub video: Vec<CodecCapability>,
    /// URIs of the header extensions for audio.
    pub audio_extensions: Vec<String>,
    /// URIs of the header extensions for video.
    pub video_extensions: Vec<String>,
    /// How many audio sections at most; further ones are rejected. Default 1.
    pub max_audio: usize,
    /// How many video sections at most; further ones are rejected. Default 1.
    pub max_video: usize,
    /// Whether retransmission (RFC 4588) is negotiated where offered. Default yes.
    pub rtx: bool,
    /// Whose order of codecs the answer has. Default the offer's.
    pub preference: Preference,
    /// In bit/s: the most that we want to receive of a video section (`b=TIAS`).
    pub max_video_bitrate: Option<u64>,
}

/// Whose order of codecs an answer has. A browser sends the first codec that its peer's description names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preference {
    /// The offer's.
    Offer,
    /// The order of the capabilities.
    Ours,
}

impl Capabilities {
    /// No codecs yet, one section of each kind, retransmission where offered, the offer's order.
    pub fn new(direction: Direction) -> Self {
        Self {
            direction,
            audio: Vec::new(),
            video: Vec::new(),
            audio_extensions: Vec::new(),
            video_extensions: Vec::new(),
            max_audio: 1,
            max_video: 1,
            rtx: true,
            preference: Preference::Offer,
            max_video_bitrate: None,
        }
    }

    pub(crate) fn codecs(&self, kind: &MediaKind) -> &[CodecCapability] {
        match kind {
            MediaKind::Audio => &self.audio,
            MediaKind::Video => &self.video,
            _ => &[],
        }
    }

    pub(crate) fn extensions(&self, kind: &MediaKind) -> &[String] {
        match kind {
            MediaKind::Audio => &self.audio_extensions,
            MediaKind::Video => &self.video_extensions,
            _ => &[],
        }
    }

    pub(crate) fn max_sections(&self, kind: &MediaKind) -> usize {
        match kind {
            MediaKind::Audio => self.max_audio,
            MediaKind::Video => self.max_video,
            _ => 0,
        }
    }
}

/// A codec that we can take or give.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodecCapability {
    /// As in `a=rtpmap`; compared without case.
    pub name: String,
    /// In Hz.
    pub clock_rate: u32,
    /// For audio; `None` takes any. An absent number in an offer means 1.
    pub channels: Option<u16>,
    /// `None` takes any parameters. `Some` takes those that mean the same format: profile and packetization mode of
    /// H.264, `profile-id` of VP9, `profile` of AV1; `Some("")` is what absent parameters mean.
    pub fmtp: Option<String>,
    /// The `a=rtcp-fb` that we understand for it: `nack`, `nack pli`, `ccm fir`, `transport-cc`, `goog-remb`.
    pub feedback: Vec<String>,
    /// Parameters to say in the answer, beside (or instead of) those of the offer: `("stereo", "1")`.
    pub answer_parameters: Vec<(String, String)>,
}

impl CodecCapability {
    /// A codec with any parameters, and without feedback.
    pub fn new(name: impl Into<String>, clock_rate: u32) -> Self {
        Self {
            name: name.into(),
            clock_rate,
            channels: None,
            fmtp: None,
            feedback: Vec::new(),
            answer_parameters: Vec::new(),
        }
    }

    /// Opus (RFC 7587): 48 kHz, 2 channels, `transport-cc`.
    pub fn opus() -> Self {
        Self { channels: Some(2), ..Self::new("opus", 48_000).with_feedback(&["transport-cc"]) }
    }

    /// A video codec at 90 kHz with the feedback that browsers offer for all of them, except REMB.
    pub fn video(name: impl Into<String>) -> Self {
        Self::new(name, 90_000).with_feedback(&["transport-cc", "ccm fir", "nack", "nack pli"])
    }

    /// The same with this feedback.
    #[must_use]
    pub fn with_feedback(mut self, feedback: &[&str]) -> Self {
        self.feedback = feedback.iter().copied().map(str::to_owned).collect();
        self
    }

    /// The same for formats that mean what this `a=fmtp` value means.
    #[must_use]
    pub fn with_fmtp(mut self, fmtp: impl Into<String>) -> Self {
        self.fmtp = Some(fmtp.into());
        self
    }
}
