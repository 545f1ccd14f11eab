//! VP9 (RFC 9628).
//!
//! ```text
//! | I P L F B E V Z |
//! | M picture id (7) |             if I; with M eight bits more
//! | TID(3) U SID(3) D |            if L
//! | TL0PICIDX |                    if L and not F
//! | P_DIFF(7) N |                  if F and P: one to three times, N says one more follows
//! | scalability structure |        if V
//! ```

use super::{Descriptor, PictureId, Places};
use crate::ParseError;

/// Most reference pictures of one frame (RFC 9628 §4.2).
const MAX_REFERENCES: usize = 3;

/// The payload descriptor in front of the VP9 data (RFC 9628 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PayloadDescriptor {
    /// P: the frame needs earlier pictures.
    pub inter_picture_predicted: bool,
    /// F: flexible mode, in which each frame lists what it needs.
    pub flexible: bool,
    /// B: first packet of the frame.
    pub frame_start: bool,
    /// E: last packet of the frame.
    pub frame_end: bool,
    /// Z: no higher spatial layer needs this frame.
    pub not_needed_above: bool,
    /// Number of the picture.
    pub picture_id: Option<PictureId>,
    /// Where the frame is among the layers.
    pub layer: Option<Layer>,
    /// TL0PICIDX: running number of pictures of temporal layer 0.
    pub tl0_picture_index: Option<u8>,
    /// Width and height of the largest spatial layer, if the scalability structure tells them.
    pub resolution: Option<(u16, u16)>,
    /// Spatial layers of the scalability structure, 1 to 8.
    pub spatial_layers: Option<u8>,
    /// Length of the descriptor in bytes.
    pub len: usize,
    /// Where the bytes after picture id and TL0PICIDX begin.
    tail: usize,
}

/// | TID (3) | U | SID (3) | D |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Layer {
    /// Temporal layer, 0 to 7.
    pub temporal_id: u8,
    /// U: from here on one may switch up to this temporal layer.
    pub switching_up: bool,
    /// Spatial layer, 0 to 7.
    pub spatial_id: u8,
    /// D: the frame needs the spatial layer below.
    pub inter_layer_predicted: bool,
}

/// Reads bytes and counts them.
struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, ParseError> {
        let byte = self.bytes.get(self.position).copied();
        self.position += 1;
        byte.ok_or(ParseError::Truncated { needed: self.position, got: self.bytes.len() })
    }

    fn word(&mut self) -> Result<u16, ParseError> {
        Ok(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }
}

impl PayloadDescriptor {
    /// Reads the descriptor; the VP9 data begins at [`Self::len`].
    ///
    /// # Errors
    /// [`ParseError::Truncated`], or [`ParseError::BadValue`] for a fourth reference.
    pub fn parse(payload: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader { bytes: payload, position: 0 };
        let first = reader.byte()?;
        let mut descriptor = Self {
            inter_picture_predicted: first & 0x40 != 0,
            flexible: first & 0x10 != 0,
            frame_start: first & 0x08 != 0,
            frame_end: first & 0x04 != 0,
            not_needed_above: first & 0x01 != 0,
            ..Self::default()
        };
        if first & 0x80 != 0 {
            let high = reader.byte()?;
            descriptor.picture_id = Some(match high & 0x80 {
                0 => PictureId { value: u16::from(high), bits: 7 },
                _ => PictureId { value: u16::from_be_bytes([high & 0x7f, reader.byte()?]), bits: 15 },
            });
        }
        if first & 0x20 != 0 {
            let bits = reader.byte()?;
            descriptor.layer = Some(Layer {
                temporal_id: bits >> 5,
                switching_up: bits & 0x10 != 0,
                spatial_id: bits >> 1 & 7,
                inter_layer_predicted: bits & 1 != 0,
            });
            if !descriptor.flexible {
                descriptor.tl0_picture_index = Some(reader.byte()?);
            }
        }
        descriptor.tail = reader.position;
        if descriptor.flexible && descriptor.inter_picture_predicted {
            let mut references = 1;
            while reader.byte()? & 1 != 0 {
                references += 1;
                if references > MAX_REFERENCES {
                    return Err(ParseError::BadValue);
                }
            }
        }
        if first & 0x02 != 0 {
            descriptor.read_structure(&mut reader)?;
        }
        descriptor.len = reader.position;
        Ok(descriptor)
    }

    /// RFC 9628 §4.2.1   | N_S (3) | Y | G | R (3) |  sizes if Y, then the picture group if G
    fn read_structure(&mut self, reader: &mut Reader<'_>) -> Result<(), ParseError> {
        let head = reader.byte()?;
        let spatial_layers = (head >> 5) + 1;
        self.spatial_layers = Some(spatial_layers);
        if head & 0x10 != 0 {
            for _ in 0..spatial_layers {
                let size = (reader.word()?, reader.word()?);
                self.resolution = self.resolution.max(Some(size));
            }
        }
        if head & 0x08 != 0 {
            // At most 255 pictures with at most 3 references each.
            for _ in 0..reader.byte()? {
                let references = reader.byte()? >> 2 & 3;
                for _ in 0..references {
                    reader.byte()?;
                }
            }
        }
        Ok(())
    }
}

/// The picture id is the second byte, and TL0PICIDX the last before the references.
pub(super) fn places(payload: &[u8]) -> Places {
    let Ok(descriptor) = PayloadDescriptor::parse(payload) else { return Places::default() };
    Places {
        picture_id: descriptor.picture_id.filter(|id| id.bits == 15).map(|_| 1),
        tl0_picture_index: descriptor
            .tl0_picture_index
            .and_then(|_| descriptor.tail.checked_sub(1))
            .and_then(|at| u8::try_from(at).ok()),
    }
}

pub(super) fn describe(payload: &[u8]) -> Descriptor {
    let Ok(descriptor) = PayloadDescriptor::parse(payload) else { return Descriptor::default() };
    let layer = descriptor.layer.unwrap_or_default();
    Descriptor {
        // Upper spatial layers of a key picture are not inter-picture predicted either, but need
        // the layer below.
        key_frame: descriptor.frame_start
            && !descriptor.inter_picture_predicted
            && layer.spatial_id == 0
            && !layer.inter_layer_predicted,
        frame_start: descriptor.frame_start,
        frame_end: descriptor.frame_end,
        picture_id: descriptor.picture_id,
        tl0_picture_index: descriptor.tl0_picture_index,
        temporal_id: descriptor.layer.map(|layer| layer.temporal_id),
        spatial_id: descriptor.layer.map(|layer| layer.spatial_id),
        switching_point: layer.switching_up,
        inter_layer_predicted: layer.inter_layer_predicted,
        discardable: false,
        resolution: descriptor.resolution,
    }
}

/// Appends `payload` with its picture id and TL0PICIDX replaced, each only if it has one; the
/// picture id gets 15 bits. HOT. What cannot be parsed is copied as it is.
pub fn write_rewritten(payload: &[u8], picture_id: u16, tl0_picture_index: u8, out: &mut Vec<u8>) {
    let (Ok(descriptor), Some(&first)) = (PayloadDescriptor::parse(payload), payload.first()) else {
        out.extend_from_slice(payload);
        return;
    };
    out.push(first);
    if descriptor.picture_id.is_some() {
        out.extend_from_slice(&(picture_id | 0x8000).to_be_bytes());
    }
    if let Some(layer) = descriptor.layer {
        let head = layer.temporal_id << 5 | u8::from(layer.switching_up) << 4 | layer.spatial_id << 1;
        out.push(head | u8::from(layer.inter_layer_predicted));
    }
    if descriptor.tl0_picture_index.is_some() {
        out.push(tl0_picture_index);
    }
    out.extend_from_slice(&payload[descriptor.tail..]);
}
