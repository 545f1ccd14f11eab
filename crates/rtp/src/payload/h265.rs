//! H.265 (RFC 7798): single NAL unit, aggregation packet (AP), fragmentation unit (FU).
//!
//! ```text
//! | F | type (6) | layer id (6) | temporal id + 1 (3) |
//! ```

use super::Descriptor;

/// NAL unit types (H.265 table 7-1, RFC 7798 §4.4).
mod nal {
    /// Random access pictures: BLA, IDR, CRA and reserved.
    pub(super) const IRAP: std::ops::RangeInclusive<u8> = 16..=23;
    pub(super) const LAST_SLICE: u8 = 31;
    pub(super) const VPS: u8 = 32;
    pub(super) const SPS: u8 = 33;
    pub(super) const PPS: u8 = 34;
    pub(super) const DELIMITER: u8 = 35;
    pub(super) const AGGREGATION: u8 = 48;
    pub(super) const FRAGMENT: u8 = 49;
}

const FU_START: u8 = 0x80;

pub(super) fn describe(payload: &[u8]) -> Descriptor {
    let mut descriptor = Descriptor::default();
    let Some((&[first, second], rest)) = payload.split_first_chunk::<2>() else { return descriptor };
    descriptor.temporal_id = (second & 7).checked_sub(1);
    match kind(first) {
        nal::AGGREGATION => {
            let mut units = rest;
            while let Some((size, tail)) = units.split_first_chunk::<2>() {
                let Some((unit, tail)) = tail.split_at_checked(usize::from(u16::from_be_bytes(*size))) else {
                    break;
                };
                if let [head, _, content @ ..] = unit {
                    look_at(kind(*head), content, &mut descriptor);
                }
                units = tail;
            }
        }
        nal::FRAGMENT => {
            if let Some((head, content)) = rest.split_first().filter(|(head, _)| **head & FU_START != 0) {
                look_at(head & 0x3f, content, &mut descriptor);
            }
        }
        other => look_at(other, rest, &mut descriptor),
    }
    descriptor
}

const fn kind(head: u8) -> u8 {
    head >> 1 & 0x3f
}

fn look_at(kind: u8, content: &[u8], descriptor: &mut Descriptor) {
    // H.265 §7.3.6.1: a slice segment begins with first_slice_segment_in_pic_flag.
    let first_slice = content.first().is_some_and(|byte| byte & 0x80 != 0);
    match kind {
        nal::VPS | nal::SPS | nal::PPS => {
            descriptor.key_frame = true;
            descriptor.frame_start = true;
        }
        _ if nal::IRAP.contains(&kind) && first_slice => {
            descriptor.key_frame = true;
            descriptor.frame_start = true;
        }
        ..=nal::LAST_SLICE if first_slice => descriptor.frame_start = true,
        nal::DELIMITER => descriptor.frame_start = true,
        _ => {}
    }
}
