//! H.264 (RFC 6184): single NAL unit, STAP-A and FU-A, which is all that browsers speak.

use super::Descriptor;
use super::split::split_evenly;

pub mod sps;

/// NAL unit types (H.264 table 7-1, RFC 6184 table 1).
mod nal {
    pub(super) const SLICE: u8 = 1;
    pub(super) const IDR: u8 = 5;
    pub(super) const SEI: u8 = 6;
    pub(super) const SPS: u8 = 7;
    pub(super) const PPS: u8 = 8;
    pub(super) const DELIMITER: u8 = 9;
    pub(super) const STAP_A: u8 = 24;
    pub(super) const FU_A: u8 = 28;
}

const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;

pub(super) fn describe(payload: &[u8]) -> Descriptor {
    let mut descriptor = Descriptor::default();
    match payload {
        [head, units @ ..] if head & 0x1f == nal::STAP_A => {
            for unit in aggregated(units) {
                look_at(unit.first().map_or(0, |head| head & 0x1f), unit, &mut descriptor);
            }
            descriptor.discardable = head & 0x60 == 0;
        }
        [indicator, head, ..] if indicator & 0x1f == nal::FU_A => {
            if head & FU_START != 0 {
                // The fragment's head stands where the unit's would.
                look_at(head & 0x1f, &payload[1..], &mut descriptor);
            }
            descriptor.discardable = indicator & 0x60 == 0;
        }
        [head, ..] if (1..24).contains(&(head & 0x1f)) => {
            look_at(head & 0x1f, payload, &mut descriptor);
            descriptor.discardable = head & 0x60 == 0 && head & 0x1f == nal::SLICE;
        }
        _ => {}
    }
    descriptor
}

/// `unit`: one byte of head, then the content.
fn look_at(kind: u8, unit: &[u8], descriptor: &mut Descriptor) {
    // H.264 §7.3.3: a slice begins with first_mb_in_slice, whose code is a single 1 for macroblock 0.
    let first_slice = unit.get(1).is_some_and(|byte| byte & 0x80 != 0);
    match kind {
        nal::SPS => {
            descriptor.key_frame = true;
            descriptor.frame_start = true;
            descriptor.resolution = sps::resolution(unit);
        }
        nal::IDR if first_slice => {
            descriptor.key_frame = true;
            descriptor.frame_start = true;
        }
        nal::SLICE if first_slice => descriptor.frame_start = true,
        nal::DELIMITER => descriptor.frame_start = true,
        _ => {}
    }
}

/// The NAL units of a STAP-A: | size (16) | unit | .. Ends at the first that passes the end.
fn aggregated(mut units: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (size, rest) = units.split_first_chunk::<2>()?;
        let (unit, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*size)))?;
        units = rest;
        Some(unit)
    })
}

/// The NAL units of an Annex B byte stream, without start codes and trailing zeros.
pub fn annex_b(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        loop {
            let bytes = rest?;
            let end = bytes.windows(3).position(|window| window == [0, 0, 1]);
            rest = end.map(|end| &bytes[end + 3..]);
            let unit = &bytes[..end.unwrap_or(bytes.len())];
            let len = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if len > 0 {
                return Some(&unit[..len]);
            }
        }
    })
}

fn after_start_code(stream: &[u8]) -> Option<&[u8]> {
    let start = stream.windows(3).position(|window| window == [0, 0, 1])?;
    Some(&stream[start + 3..])
}

/// Makes RTP payloads of H.264 access units (packetization mode 1).
#[derive(Clone, Debug)]
pub struct Packetizer {
    max_payload_len: usize,
    payload: Vec<u8>,
}

impl Packetizer {
    /// Payloads have at most `max_payload_len` bytes (no less than 16).
    pub fn new(max_payload_len: usize) -> Self {
        Self { max_payload_len: max_payload_len.clamp(16, usize::from(u16::MAX)), payload: Vec::new() }
    }

    /// Hands the payloads of one access unit in Annex B form to `send`, in order; the second argument
    /// says which is the last and gets the marker bit.
    ///
    /// Parameter sets and SEI are aggregated with each other and, where it fits, with the slice behind
    /// them: Chromium drops parameter sets that come apart from their picture. Delimiters are left out.
    pub fn packetize(&mut self, access_unit: &[u8], mut send: impl FnMut(&[u8], bool)) {
        let delimiter = |unit: &&[u8]| unit[0] & 0x1f == nal::DELIMITER;
        let mut units = annex_b(access_unit).filter(|unit| !delimiter(unit)).peekable();
        self.payload.clear();
        while let Some(unit) = units.next() {
            let last = units.peek().is_none();
            // A STAP-A of one: its head, a size, the unit.
            let room = self.max_payload_len.saturating_sub(self.payload.len().max(1));
            if unit.len() + 2 <= room {
                self.aggregate(unit);
                let parameters = matches!(unit[0] & 0x1f, nal::SEI | nal::SPS | nal::PPS);
                if !parameters || last {
                    self.flush(last, &mut send);
                }
                continue;
            }
            self.flush(false, &mut send);
            if unit.len() <= self.max_payload_len {
                send(unit, last);
            } else {
                self.fragment(unit, last, &mut send);
            }
        }
    }

    fn aggregate(&mut self, unit: &[u8]) {
        match self.payload.first_mut() {
            // RFC 6184 §5.7.1: F and NRI of the aggregate are the largest of its units.
            Some(head) => *head = (*head & 0xe0).max(unit[0] & 0xe0) | nal::STAP_A,
            None => self.payload.push(unit[0] & 0xe0 | nal::STAP_A),
        }
        // At most max_payload_len, which fits 16 bits.
        self.payload.extend_from_slice(&(unit.len() as u16).to_be_bytes());
        self.payload.extend_from_slice(unit);
    }

    /// Sends what was aggregated; a unit alone goes as it is.
    fn flush(&mut self, last: bool, send: &mut impl FnMut(&[u8], bool)) {
        let Some(units) = self.payload.get(1..) else { return };
        let mut each = aggregated(units);
        let (first, second) = (each.next(), each.next());
        drop(each);
        match (first, second) {
            (Some(only), None) => send(only, last),
            _ => send(&self.payload, last),
        }
        self.payload.clear();
    }

    /// RFC 6184 §5.8   | F NRI(2) 28 | S E R type(5) | fragment |
    fn fragment(&mut self, unit: &[u8], last: bool, send: &mut impl FnMut(&[u8], bool)) {
        let Some((&head, content)) = unit.split_first() else { return };
        let parts = split_evenly(content, self.max_payload_len - 2);
        let count = parts.len();
        for (index, part) in parts.enumerate() {
            let end = index + 1 == count;
            let flags = if index == 0 { FU_START } else { 0 } | if end { FU_END } else { 0 };
            self.payload.clear();
            self.payload.extend_from_slice(&[head & 0xe0 | nal::FU_A, flags | head & 0x1f]);
            self.payload.extend_from_slice(part);
            send(&self.payload, last && end);
        }
        self.payload.clear();
    }
}
