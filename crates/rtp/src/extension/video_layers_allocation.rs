//! Video layers allocation: what a publisher sends on each of its layers.

use super::{Extension, Kind};
use crate::ParseError;

const MAX_STREAMS: usize = 4;
const MAX_SPATIAL: usize = 4;

/// Layers of all simulcast streams of one media section, as the sender allocates them.
///
/// ```text
/// | RID (2) | NS (2) | sl_bm (4) |  bitmaps per stream if sl_bm is 0: 4 bits each
/// | temporal layers - 1: 2 bits each active spatial layer, padded to a byte |
/// | target bitrates in kbit/s: LEB128, one each temporal layer |
/// | width - 1 (16) | height - 1 (16) | frame rate (8) |   each active spatial layer; optional
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct VideoLayersAllocation {
    /// Which of the streams this packet belongs to, 0 to 3.
    pub stream: u8,
    /// Number of streams, 1 to 4.
    pub streams: u8,
    /// Active layers, by stream, then by spatial layer; at most 16.
    pub layers: Vec<SpatialLayer>,
}

/// One active spatial layer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SpatialLayer {
    /// Stream that it belongs to, 0 to 3.
    pub stream: u8,
    /// Spatial layer, 0 to 3.
    pub spatial_id: u8,
    /// Cumulated target bitrates in kbit/s, one for each temporal layer: 1 to 4.
    pub bitrates: Vec<u64>,
    /// Width, height, frames per second.
    pub resolution: Option<Resolution>,
}

/// Size and rate of a spatial layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolution {
    /// Pixels; 1 to 65,536.
    pub width: u32,
    /// Pixels; 1 to 65,536.
    pub height: u32,
    /// Largest frame rate in 1/s.
    pub frame_rate: u8,
}

impl VideoLayersAllocation {
    /// No layer is sent.
    pub const fn nothing() -> Self {
        Self { stream: 0, streams: 1, layers: Vec::new() }
    }
}

impl Extension for VideoLayersAllocation {
    const KIND: Kind = Kind::VideoLayersAllocation;

    fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let mut rest = value;
        let head = take(&mut rest)?;
        // A zero byte alone says that nothing is sent.
        if head == 0 && rest.is_empty() {
            return Ok(Self::nothing());
        }
        let (stream, streams, shared) = (head >> 6, (head >> 4 & 3) + 1, head & 0x0f);
        let mut layers = active_layers(shared, usize::from(streams), &mut rest)?;
        if layers.is_empty() {
            return if rest.is_empty() { Ok(Self::nothing()) } else { Err(ParseError::BadLength) };
        }
        for four in layers.chunks_mut(4) {
            let bits = take(&mut rest)?;
            for (index, layer) in four.iter_mut().enumerate() {
                layer.bitrates = vec![0; usize::from(bits >> (6 - 2 * index) & 3) + 1];
            }
        }
        for bitrate in layers.iter_mut().flat_map(|layer| &mut layer.bitrates) {
            *bitrate = take_leb128(&mut rest)?;
        }
        if !rest.is_empty() {
            for layer in &mut layers {
                let Some((&[w0, w1, h0, h1, frame_rate], tail)) = rest.split_first_chunk::<5>() else {
                    return Err(ParseError::BadLength);
                };
                rest = tail;
                let width = u32::from(u16::from_be_bytes([w0, w1])) + 1;
                let height = u32::from(u16::from_be_bytes([h0, h1])) + 1;
                layer.resolution = Some(Resolution { width, height, frame_rate });
            }
        }
        if rest.is_empty() { Ok(Self { stream, streams, layers }) } else { Err(ParseError::BadLength) }
    }

    fn emit(&self, out: &mut Vec<u8>) {
        if self.layers.is_empty() {
            out.push(0);
            return;
        }
        let mut bitmaps = [0_u8; MAX_STREAMS];
        for layer in &self.layers {
            bitmaps[usize::from(layer.stream & 3)] |= 1 << (layer.spatial_id & 3);
        }
        let used = &bitmaps[..usize::from(self.streams.clamp(1, MAX_STREAMS as u8))];
        let shared = if used.iter().all(|bitmap| *bitmap == used[0]) { used[0] } else { 0 };
        out.push((self.stream & 3) << 6 | (used.len() as u8 - 1) << 4 | shared);
        if shared == 0 {
            out.extend(used.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)));
        }
        for four in self.layers.chunks(4) {
            let bits = |(index, layer): (usize, &SpatialLayer)| {
                (layer.bitrates.len().clamp(1, 4) as u8 - 1) << (6 - 2 * index)
            };
            out.push(four.iter().enumerate().map(bits).fold(0, |all, bits| all | bits));
        }
        for bitrate in self.layers.iter().flat_map(|layer| layer.bitrates.iter().take(4)) {
            push_leb128(*bitrate, out);
        }
        if self.layers.iter().all(|layer| layer.resolution.is_some()) {
            for Resolution { width, height, frame_rate } in self.layers.iter().filter_map(|l| l.resolution) {
                out.extend_from_slice(&(width.wrapping_sub(1) as u16).to_be_bytes());
                out.extend_from_slice(&(height.wrapping_sub(1) as u16).to_be_bytes());
                out.push(frame_rate);
            }
        }
    }
}

fn active_layers(shared: u8, streams: usize, rest: &mut &[u8]) -> Result<Vec<SpatialLayer>, ParseError> {
    let mut bitmaps = [shared; MAX_STREAMS];
    if shared == 0 {
        for pair in bitmaps[..streams].chunks_mut(2) {
            let byte = take(rest)?;
            for (bitmap, bits) in pair.iter_mut().zip([byte >> 4, byte & 0x0f]) {
                *bitmap = bits;
            }
        }
    }
    let mut layers = Vec::with_capacity(streams * MAX_SPATIAL);
    for (stream, bitmap) in (0_u8..).zip(&bitmaps[..streams]) {
        for spatial_id in (0..MAX_SPATIAL as u8).filter(|id| bitmap >> id & 1 == 1) {
            layers.push(SpatialLayer { stream, spatial_id, bitrates: Vec::new(), resolution: None });
        }
    }
    Ok(layers)
}

fn take(rest: &mut &[u8]) -> Result<u8, ParseError> {
    let Some((&first, tail)) = rest.split_first() else { return Err(ParseError::BadLength) };
    *rest = tail;
    Ok(first)
}

/// At most 8 bytes, as in AV1 (56 bits).
fn take_leb128(rest: &mut &[u8]) -> Result<u64, ParseError> {
    let mut value = 0;
    for index in 0..8 {
        let byte = take(rest)?;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(ParseError::BadValue)
}

fn push_leb128(value: u64, out: &mut Vec<u8>) {
    let mut value = value.min((1 << 56) - 1);
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
