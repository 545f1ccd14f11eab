//! VP8 (RFC 7741).
//!
//! ```text
//! | X R N S R PID(3) |
//! | I L T K RSV(4)   |  if X
//! | M PictureID(7)   |  if I; with M eight bits more
//! | TL0PICIDX        |  if L
//! | TID(2) Y KEYIDX(5) |  if T or K
//! ```

use super::split::split_evenly;
use super::{Descriptor, PictureId, Places};
use crate::ParseError;

/// The payload descriptor in front of the VP8 data (RFC 7741 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PayloadDescriptor {
    /// N: no other frame needs this one.
    pub non_reference: bool,
    /// S: the payload begins a partition.
    pub partition_start: bool,
    /// Index of the partition, 0 to 7.
    pub partition: u8,
    /// Number of the picture.
    pub picture_id: Option<PictureId>,
    /// TL0PICIDX: running number of pictures of temporal layer 0.
    pub tl0_picture_index: Option<u8>,
    /// TID and Y: temporal layer, and whether it depends on layer 0 alone.
    pub temporal: Option<(u8, bool)>,
    /// KEYIDX: number of the key frame, 5 bits.
    pub key_index: Option<u8>,
}

impl PayloadDescriptor {
    /// Reads the descriptor; the second value is the VP8 data behind it.
    ///
    /// # Errors
    /// [`ParseError::Truncated`].
    pub fn parse(payload: &[u8]) -> Result<(Self, &[u8]), ParseError> {
        let mut rest = payload;
        let mut next = || match rest.split_first() {
            Some((first, tail)) => {
                rest = tail;
                Ok(*first)
            }
            None => Err(ParseError::Truncated { needed: payload.len() + 1, got: payload.len() }),
        };
        let first = next()?;
        let mut descriptor = Self {
            non_reference: first & 0x20 != 0,
            partition_start: first & 0x10 != 0,
            partition: first & 0x07,
            ..Self::default()
        };
        let present = if first & 0x80 != 0 { next()? } else { 0 };
        if present & 0x80 != 0 {
            let high = next()?;
            descriptor.picture_id = Some(match high & 0x80 {
                0 => PictureId { value: u16::from(high), bits: 7 },
                _ => PictureId { value: u16::from_be_bytes([high & 0x7f, next()?]), bits: 15 },
            });
        }
        if present & 0x40 != 0 {
            descriptor.tl0_picture_index = Some(next()?);
        }
        if present & 0x30 != 0 {
            let bits = next()?;
            descriptor.temporal = (present & 0x20 != 0).then_some((bits >> 6, bits & 0x20 != 0));
            descriptor.key_index = (present & 0x10 != 0).then_some(bits & 0x1f);
        }
        Ok((descriptor, rest))
    }

    /// Appends the descriptor. A field that is `None` is left out.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let present = u8::from(self.picture_id.is_some()) << 7
            | u8::from(self.tl0_picture_index.is_some()) << 6
            | u8::from(self.temporal.is_some()) << 5
            | u8::from(self.key_index.is_some()) << 4;
        let first = u8::from(present != 0) << 7
            | u8::from(self.non_reference) << 5
            | u8::from(self.partition_start) << 4
            | self.partition & 0x07;
        out.push(first);
        if present != 0 {
            out.push(present);
        }
        match self.picture_id {
            Some(PictureId { value, bits: 7 }) => out.push(value as u8 & 0x7f),
            Some(PictureId { value, .. }) => out.extend_from_slice(&(value | 0x8000).to_be_bytes()),
            None => {}
        }
        out.extend(self.tl0_picture_index);
        if present & 0x30 != 0 {
            let (temporal_id, sync) = self.temporal.unwrap_or_default();
            out.push((temporal_id & 3) << 6 | u8::from(sync) << 5 | self.key_index.unwrap_or(0) & 0x1f);
        }
    }
}

pub(super) fn describe(payload: &[u8]) -> Descriptor {
    let Ok((descriptor, data)) = PayloadDescriptor::parse(payload) else { return Descriptor::default() };
    let frame_start = descriptor.partition_start && descriptor.partition == 0 && !data.is_empty();
    // RFC 6386 §9.1: the lowest bit of the frame tag is 0 in key frames.
    let key_frame = frame_start && data[0] & 1 == 0;
    Descriptor {
        key_frame,
        frame_start,
        picture_id: descriptor.picture_id,
        tl0_picture_index: descriptor.tl0_picture_index,
        temporal_id: descriptor.temporal.map(|(id, _)| id),
        switching_point: descriptor.temporal.is_some_and(|(_, sync)| sync),
        discardable: descriptor.non_reference,
        resolution: if key_frame { key_frame_resolution(data) } else { None },
        ..Descriptor::default()
    }
}

/// Behind the two first bytes there is nothing of variable length but the picture id.
pub(super) fn places(payload: &[u8]) -> Places {
    const FIELDS: u8 = 2;
    let Ok((descriptor, _)) = PayloadDescriptor::parse(payload) else { return Places::default() };
    let width = descriptor.picture_id.map_or(0, |id| if id.bits == 7 { 1 } else { 2 });
    Places {
        picture_id: (width == 2).then_some(FIELDS),
        tl0_picture_index: descriptor.tl0_picture_index.map(|_| FIELDS + width),
    }
}

/// RFC 6386 §9.1: frame tag (24), start code (24), width (14) and scale, height (14) and scale.
fn key_frame_resolution(data: &[u8]) -> Option<(u16, u16)> {
    match data {
        [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] => {
            Some((u16::from_le_bytes([*w0, *w1]) & 0x3fff, u16::from_le_bytes([*h0, *h1]) & 0x3fff))
        }
        _ => None,
    }
}

/// Appends `payload` with its picture id and TL0PICIDX replaced, each only if it has one; the
/// picture id gets 15 bits. HOT. What cannot be parsed is copied as it is.
pub fn write_rewritten(payload: &[u8], picture_id: u16, tl0_picture_index: u8, out: &mut Vec<u8>) {
    let Ok((mut descriptor, data)) = PayloadDescriptor::parse(payload) else {
        out.extend_from_slice(payload);
        return;
    };
    descriptor.picture_id = descriptor.picture_id.map(|_| PictureId::wide(picture_id));
    descriptor.tl0_picture_index = descriptor.tl0_picture_index.map(|_| tl0_picture_index);
    descriptor.emit(out);
    out.extend_from_slice(data);
}

/// Makes RTP payloads of VP8 frames; counts the pictures with 15 bits.
#[derive(Clone, Debug)]
pub struct Packetizer {
    max_payload_len: usize,
    picture_id: u16,
    payload: Vec<u8>,
}

impl Packetizer {
    /// Payloads have at most `max_payload_len` bytes (no less than 16); the first picture gets
    /// `picture_id`.
    pub fn new(max_payload_len: usize, picture_id: u16) -> Self {
        Self {
            max_payload_len: max_payload_len.max(16),
            picture_id: picture_id & 0x7fff,
            payload: Vec::new(),
        }
    }

    /// Hands the payloads of one frame to `send`, in order; the second argument says which is the last
    /// and gets the marker bit. An empty frame has none and takes no picture id.
    pub fn packetize(&mut self, frame: &[u8], mut send: impl FnMut(&[u8], bool)) {
        let mut descriptor = PayloadDescriptor {
            partition_start: true,
            picture_id: Some(PictureId::wide(self.picture_id)),
            ..PayloadDescriptor::default()
        };
        let parts = split_evenly(frame, self.max_payload_len - 4);
        let count = parts.len();
        for (index, part) in parts.enumerate() {
            self.payload.clear();
            descriptor.emit(&mut self.payload);
            descriptor.partition_start = false;
            self.payload.extend_from_slice(part);
            send(&self.payload, index + 1 == count);
        }
        if count > 0 {
            self.picture_id = self.picture_id.wrapping_add(1) & 0x7fff;
        }
    }
}
