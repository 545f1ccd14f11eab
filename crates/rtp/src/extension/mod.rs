//! RTP header extensions (RFC 8285): which there are, and the ids they have in one session.
//!
//! One file per extension: what it means, `parse`, `emit`. A new one is such a file, one row in
//! [`Kind`], and nothing else.

mod abs_capture_time;
mod abs_send_time;
mod audio_level;
mod color_space;
mod content_type;
pub mod dependency_descriptor;
mod map;
mod orientation;
mod playout_delay;
mod stream_id;
mod timing;
mod transmission_offset;
mod transport_sequence;
pub mod video_layers_allocation;

pub use abs_capture_time::AbsCaptureTime;
pub use abs_send_time::AbsSendTime;
pub use audio_level::AudioLevel;
pub use color_space::{ColorSpace, HdrMetadata};
pub use content_type::ContentType;
pub use dependency_descriptor::DependencyDescriptor;
pub use map::{Map, MapError};
pub use orientation::{Orientation, Rotation};
pub use playout_delay::PlayoutDelay;
pub use stream_id::RepairedRid;
pub use timing::Timing;
pub use transmission_offset::TransmissionOffset;
pub use transport_sequence::TransportSequence;
pub use video_layers_allocation::VideoLayersAllocation;

use crate::ParseError;

/// A header extension that can be read from and written to an element's value.
pub trait Extension: Sized {
    /// Which extension this is.
    const KIND: Kind;

    /// Reads the value of an element.
    ///
    /// # Errors
    /// [`ParseError`] if the value is not this extension's.
    fn parse(value: &[u8]) -> Result<Self, ParseError>;

    /// Appends the value of an element, at most 255 bytes.
    fn emit(&self, out: &mut Vec<u8>);
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $uri:literal,)*) => {
        /// A header extension that we know.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The URI that names it in SDP (`a=extmap`).
            pub const fn uri(self) -> &'static str {
                match self { $(Self::$name => $uri,)* }
            }

            /// The extension named by a URI.
            pub fn from_uri(uri: &str) -> Option<Self> {
                match uri { $($uri => Some(Self::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    /// Media section (RFC 9143 §15.1).
    Mid = "urn:ietf:params:rtp-hdrext:sdes:mid",
    /// Simulcast encoding (RFC 8852 §3.1).
    Rid = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    /// Simulcast encoding that an RTX stream repairs (RFC 8852 §3.2).
    RepairedRid = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    /// Loudness of the packet (RFC 6464).
    AudioLevel = "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    /// When the packet left the sender.
    AbsSendTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    /// Number of the packet on its transport, for congestion control.
    TransportSequence = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    /// Wanted delay of playing.
    PlayoutDelay = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    /// Rotation of the picture (3GPP TS 26.114 §7.4.5).
    Orientation = "urn:3gpp:video-orientation",
    /// Colour primaries, transfer, matrix, range.
    ColorSpace = "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
    /// Camera or screen.
    ContentType = "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
    /// How long each step at the sender took.
    Timing = "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
    /// Wall clock of capture.
    AbsCaptureTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    /// Which frames this one needs, for any codec (AV1 RTP, annex A).
    DependencyDescriptor = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    /// Bitrates and sizes of all layers sent.
    VideoLayersAllocation = "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
    /// Difference of transmission time to media time (RFC 5450).
    TransmissionOffset = "urn:ietf:params:rtp-hdrext:toffset",
}
