//! Colour space of the picture, with or without HDR metadata.

use super::{Extension, Kind};
use crate::ParseError;

/// | primaries (8) | transfer (8) | matrix (8) | range and siting (8) | [HDR metadata (192)] |
///
/// The numbers are those of ITU-T H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColorSpace {
    /// Colour primaries.
    pub primaries: u8,
    /// Transfer characteristics.
    pub transfer: u8,
    /// Matrix coefficients.
    pub matrix: u8,
    /// Range: 1 limited, 2 full, 3 derived; 0 unknown.
    pub range: u8,
    /// Horizontal and vertical chroma siting, each 0 unknown, 1 collocated, 2 half.
    pub chroma_siting: (u8, u8),
    /// Mastering and light levels.
    pub hdr: Option<HdrMetadata>,
}

/// HDR metadata, twelve numbers in the order of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HdrMetadata {
    /// Largest luminance in cd/m².
    pub luminance_max: u16,
    /// Least luminance in 1/10000 cd/m².
    pub luminance_min: u16,
    /// Chromaticities x and y of red, green, blue and white, in 1/50000.
    pub chromaticities: [u16; 8],
    /// Largest content light level in cd/m².
    pub max_content_light: u16,
    /// Largest frame-average light level in cd/m².
    pub max_frame_average_light: u16,
}

const PLAIN_LEN: usize = 4;
const HDR_LEN: usize = 24;

impl HdrMetadata {
    fn parse(bytes: &[u8; HDR_LEN]) -> Self {
        let mut numbers = bytes.as_chunks::<2>().0.iter().map(|bytes| u16::from_be_bytes(*bytes));
        let mut next = || numbers.next().unwrap_or_default();
        Self {
            luminance_max: next(),
            luminance_min: next(),
            chromaticities: std::array::from_fn(|_| next()),
            max_content_light: next(),
            max_frame_average_light: next(),
        }
    }

    fn emit(&self, out: &mut Vec<u8>) {
        let head = [self.luminance_max, self.luminance_min];
        let tail = [self.max_content_light, self.max_frame_average_light];
        for number in head.iter().chain(&self.chromaticities).chain(&tail) {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

impl Extension for ColorSpace {
    const KIND: Kind = Kind::ColorSpace;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let Some((&[primaries, transfer, matrix, bits], rest)) = value.split_first_chunk::<PLAIN_LEN>()
        else {
            return Err(ParseError::Truncated { needed: PLAIN_LEN, got: value.len() });
        };
        let hdr = match rest.first_chunk::<HDR_LEN>() {
            _ if rest.is_empty() => None,
            Some(hdr) if rest.len() == HDR_LEN => Some(HdrMetadata::parse(hdr)),
            _ => return Err(ParseError::BadLength),
        };
        let (range, chroma_siting) = (bits >> 4 & 3, (bits >> 2 & 3, bits & 3));
        Ok(Self { primaries, transfer, matrix, range, chroma_siting, hdr })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        let (horizontal, vertical) = self.chroma_siting;
        let bits = (self.range & 3) << 4 | (horizontal & 3) << 2 | vertical & 3;
        out.extend_from_slice(&[self.primaries, self.transfer, self.matrix, bits]);
        if let Some(hdr) = &self.hdr {
            hdr.emit(out);
        }
    }
}
