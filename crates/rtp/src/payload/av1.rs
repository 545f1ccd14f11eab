//! AV1 (RTP Payload Format For AV1, v1.0.0).
//!
//! ```text
//! | Z | Y | W (2) | N | reserved (3) |   aggregation header
//! | size (LEB128) | OBU element | ..     the size of the last element is left out if W counts them
//! ```
//! Z: the first element continues an OBU; Y: the last one is continued; N: a new coded video sequence.

use super::Descriptor;
use super::bits::BitReader;

/// OBU types (AV1 specification §6.2.2).
mod obu {
    pub(super) const SEQUENCE_HEADER: u8 = 1;
    pub(super) const TEMPORAL_DELIMITER: u8 = 2;
    pub(super) const FRAME_HEADER: u8 = 3;
    pub(super) const FRAME: u8 = 6;
}

/// Most OBU elements of one packet that are looked at.
const MAX_ELEMENTS: usize = 16;

/// The aggregation header (§4.4 of the payload format).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AggregationHeader {
    /// Z: the first element continues an OBU of the packet before.
    pub continues: bool,
    /// Y: the last element is continued in the next packet.
    pub continued: bool,
    /// W: number of elements, 1 to 3; 0 if each has a size.
    pub elements: u8,
    /// N: the packet begins a coded video sequence, with a key frame.
    pub new_sequence: bool,
}

impl AggregationHeader {
    /// Reads the first byte of a payload.
    pub const fn from_byte(byte: u8) -> Self {
        Self {
            continues: byte & 0x80 != 0,
            continued: byte & 0x40 != 0,
            elements: byte >> 4 & 3,
            new_sequence: byte & 0x08 != 0,
        }
    }
}

pub(super) fn describe(payload: &[u8]) -> Descriptor {
    let Some((&first, rest)) = payload.split_first() else { return Descriptor::default() };
    let header = AggregationHeader::from_byte(first);
    let mut descriptor = Descriptor {
        key_frame: header.new_sequence && !header.continues,
        frame_start: header.new_sequence && !header.continues,
        ..Descriptor::default()
    };
    for (index, element) in elements(header, rest).take(MAX_ELEMENTS).enumerate() {
        if index == 0 && header.continues {
            continue;
        }
        look_at(element, &mut descriptor);
    }
    descriptor
}

/// AV1 specification §5.3.2   | 0 | type (4) | extension | has size | 0 |  [TID (3) SID (2) 000]
fn look_at(element: &[u8], descriptor: &mut Descriptor) {
    let Some((&head, mut content)) = element.split_first() else { return };
    if head & 0x04 != 0 {
        let Some((&layer, rest)) = content.split_first() else { return };
        content = rest;
        descriptor.temporal_id.get_or_insert(layer >> 5);
        descriptor.spatial_id.get_or_insert(layer >> 3 & 3);
    }
    if head & 0x02 != 0 {
        // Senders shall leave the size out, but may not.
        let Some((_, rest)) = leb128(content) else { return };
        content = rest;
    }
    match head >> 3 & 0x0f {
        obu::SEQUENCE_HEADER => {
            descriptor.frame_start = true;
            descriptor.resolution = sequence_resolution(content);
        }
        obu::TEMPORAL_DELIMITER | obu::FRAME_HEADER | obu::FRAME => descriptor.frame_start = true,
        _ => {}
    }
}

fn elements(header: AggregationHeader, payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = payload;
    let mut index = 0;
    std::iter::from_fn(move || {
        index += 1;
        if rest.is_empty() {
            return None;
        }
        if index == header.elements {
            return Some(std::mem::take(&mut rest));
        }
        let (size, tail) = leb128(rest)?;
        let (element, tail) = tail.split_at_checked(size)?;
        rest = tail;
        Some(element)
    })
}

/// AV1 specification §4.10.5; sizes of RTP elements need at most three bytes, eight are legal.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

/// Largest width and height from a sequence header OBU (AV1 specification §5.5.1).
fn sequence_resolution(content: &[u8]) -> Option<(u16, u16)> {
    let mut bits = BitReader::new(content);
    bits.skip(3 + 1)?; // profile, still picture
    if bits.bit()? {
        bits.skip(5)?; // reduced still picture header: the level alone
    } else {
        skip_operating_points(&mut bits)?;
    }
    let (width_bits, height_bits) = (bits.bits(4)? + 1, bits.bits(4)? + 1);
    let (width, height) = (bits.bits(width_bits)? + 1, bits.bits(height_bits)? + 1);
    Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
}

fn skip_operating_points(bits: &mut BitReader<'_>) -> Option<()> {
    let mut delay_bits = None;
    if bits.bit()? {
        bits.skip(32 + 32)?; // timing: units in a tick, time scale
        if bits.bit()? {
            skip_variable_length(bits)?; // ticks per picture
        }
        if bits.bit()? {
            delay_bits = Some(bits.bits(5)? + 1);
            bits.skip(32 + 5 + 5)?; // decoder model
        }
    }
    let display_delay = bits.bit()?;
    for _ in 0..=bits.bits(5)? {
        bits.skip(12)?; // operating point
        if bits.bits(5)? > 7 {
            bits.skip(1)?; // tier
        }
        if let Some(delay_bits) = delay_bits
            && bits.bit()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if display_delay && bits.bit()? {
            bits.skip(4)?;
        }
    }
    Some(())
}

/// AV1 specification §4.10.3.
fn skip_variable_length(bits: &mut BitReader<'_>) -> Option<()> {
    let mut zeros = 0;
    while !bits.bit()? {
        zeros += 1;
    }
    if zeros < 32 { bits.skip(zeros) } else { Some(()) }
}
