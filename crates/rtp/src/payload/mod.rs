//! What a payload tells a box in the middle: key frames, layers, picture ids.
//!
//! One file per codec. [`describe`] is the only look that the forwarding path takes inside.

pub mod av1;
pub(crate) mod bits;
pub mod h264;
pub mod h265;
pub mod opus;
mod split;
pub mod vp8;
pub mod vp9;

/// A codec whose RTP payload format we know by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184.
    H264,
    /// RFC 7798.
    H265,
    /// RTP Payload Format For AV1, v1.0.0.
    Av1,
    /// RFC 7587.
    Opus,
    /// G.711 µ-law (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law (RFC 3551 §4.5.14).
    Pcma,
    /// RFC 3551 §4.5.2.
    G722,
}

impl Codec {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Vp8,
        Self::Vp9,
        Self::H264,
        Self::H265,
        Self::Av1,
        Self::Opus,
        Self::Pcmu,
        Self::Pcma,
        Self::G722,
    ];

    /// The codec of an encoding name in SDP, upper or lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// The encoding name in SDP, as browsers write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Av1 => "AV1",
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
        }
    }

    /// Whether it codes pictures.
    pub const fn is_video(self) -> bool {
        matches!(self, Self::Vp8 | Self::Vp9 | Self::H264 | Self::H265 | Self::Av1)
    }

    /// Ticks of the RTP timestamp in a second. (G722 samples at 16 kHz but counts 8,000 by an old
    /// mistake, RFC 3551 §4.5.2.)
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma | Self::G722 => 8_000,
            _ => 90_000,
        }
    }
}

/// Number of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureId {
    /// The number; wraps at its width.
    pub value: u16,
    /// Its width: 7 or 15.
    pub bits: u8,
}

impl PictureId {
    /// A picture id of 15 bits.
    pub const fn wide(value: u16) -> Self {
        Self { value: value & 0x7fff, bits: 15 }
    }
}

/// What one packet's payload tells. `None` and `false` also mean: not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Descriptor {
    /// The packet begins a key frame: a decoder may start here. For H.264 and H.265 the parameter
    /// sets before the picture count too, so two packets of one key frame may say so. Never set for
    /// audio, where every packet is as good.
    pub key_frame: bool,
    /// The packet begins a frame (of one spatial layer).
    pub frame_start: bool,
    /// The packet ends a frame, where the payload says so (VP9); elsewhere the marker bit does.
    pub frame_end: bool,
    /// Number of the picture (VP8, VP9).
    pub picture_id: Option<PictureId>,
    /// Running number of pictures of temporal layer 0 (VP8, VP9 in non-flexible mode).
    pub tl0_picture_index: Option<u8>,
    /// Temporal layer.
    pub temporal_id: Option<u8>,
    /// Spatial layer.
    pub spatial_id: Option<u8>,
    /// From this frame on one may switch up to its temporal layer (VP8 Y, VP9 U).
    pub switching_point: bool,
    /// The frame needs the lower spatial layer of its picture (VP9 D).
    pub inter_layer_predicted: bool,
    /// Nothing else needs this frame.
    pub discardable: bool,
    /// Width and height of the largest picture, where it's cheap: key frames only.
    pub resolution: Option<(u16, u16)>,
}

/// Looks into a payload. HOT; never fails: what cannot be read is not known.
pub fn describe(codec: Codec, payload: &[u8]) -> Descriptor {
    match codec {
        Codec::Vp8 => vp8::describe(payload),
        Codec::Vp9 => vp9::describe(payload),
        Codec::H264 => h264::describe(payload),
        Codec::H265 => h265::describe(payload),
        Codec::Av1 => av1::describe(payload),
        Codec::Opus | Codec::Pcmu | Codec::Pcma | Codec::G722 => {
            Descriptor { frame_start: !payload.is_empty(), ..Descriptor::default() }
        }
    }
}

/// Where a payload carries the numbers that a box in the middle must keep continuous, so that it can replace them in a copy
/// without parsing again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Places {
    /// Offset of a picture id of 15 bits, which is two bytes with the highest bit set. Shorter ones have no place:
    /// [`vp8::write_rewritten`] and [`vp9::write_rewritten`] widen them.
    pub picture_id: Option<u8>,
    /// Offset of TL0PICIDX, one byte.
    pub tl0_picture_index: Option<u8>,
}

impl Places {
    /// Finds them. What cannot be read has none.
    pub fn of(codec: Codec, payload: &[u8]) -> Self {
        match codec {
            Codec::Vp8 => vp8::places(payload),
            Codec::Vp9 => vp9::places(payload),
            _ => Self::default(),
        }
    }

    /// Replaces the numbers in a copy of the payload. HOT. Places beyond its end are left alone.
    #[inline]
    pub fn replace(&self, payload: &mut [u8], picture_id: u16, tl0_picture_index: u8) {
        if let Some(at) = self.picture_id
            && let Some(place) = payload.get_mut(usize::from(at)..).and_then(<[u8]>::first_chunk_mut)
        {
            *place = (picture_id | 0x8000).to_be_bytes();
        }
        if let Some(at) = self.tl0_picture_index
            && let Some(place) = payload.get_mut(usize::from(at))
        {
            *place = tl0_picture_index;
        }
    }
}
