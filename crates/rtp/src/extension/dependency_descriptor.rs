//! Dependency descriptor (AV1 RTP specification v1.0.0, annex A): what a frame is and what it needs,
//! for any codec.

use super::{Extension, Kind};
use crate::ParseError;

/// The mandatory fields, and which of the extended ones there are.
///
/// ```text
/// | start (1) | end (1) | template id (6) | frame number (16) |
/// | structure (1) | active targets (1) | custom dtis (1) | custom fdiffs (1) | custom chains (1) | ..
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DependencyDescriptor {
    /// First packet of the frame (of one spatial layer).
    pub start_of_frame: bool,
    /// Last packet of the frame.
    pub end_of_frame: bool,
    /// Template that this frame follows, 0 to 63, counted from the structure's offset.
    pub template_id: u8,
    /// Number of the frame, in decoding order.
    pub frame_number: u16,
    /// A template dependency structure is attached: this frame is a key frame of a new coded
    /// video sequence.
    pub has_structure: bool,
    /// A mask of active decode targets is attached.
    pub has_active_decode_targets: bool,
}

const MANDATORY_LEN: usize = 3;

impl DependencyDescriptor {
    /// Whether the packet begins a key frame.
    pub const fn is_key_frame_start(&self) -> bool {
        self.start_of_frame && self.has_structure
    }
}

impl Extension for DependencyDescriptor {
    const KIND: Kind = Kind::DependencyDescriptor;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let Some((&[first, number_hi, number_lo], extended)) = value.split_first_chunk::<MANDATORY_LEN>()
        else {
            return Err(ParseError::Truncated { needed: MANDATORY_LEN, got: value.len() });
        };
        let flags = extended.first().copied().unwrap_or(0);
        Ok(Self {
            start_of_frame: first & 0x80 != 0,
            end_of_frame: first & 0x40 != 0,
            template_id: first & 0x3f,
            frame_number: u16::from_be_bytes([number_hi, number_lo]),
            has_structure: flags & 0x80 != 0,
            has_active_decode_targets: flags & 0x40 != 0,
        })
    }

    /// Appends the mandatory fields alone.
    fn emit(&self, out: &mut Vec<u8>) {
        out.push(
            u8::from(self.start_of_frame) << 7 | u8::from(self.end_of_frame) << 6 | self.template_id & 0x3f,
        );
        out.extend_from_slice(&self.frame_number.to_be_bytes());
    }
}
