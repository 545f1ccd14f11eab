//! Transport-wide congestion control feedback
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
//!
//! ```text
//! | base sequence number (16) | packet status count (16) |
//! | reference time (24) | feedback packet count (8) |
//! | packet chunks (16 each) .. | receive deltas (8 or 16 each) .. | zeros to the next word |
//! ```
//! Chunks say for each number whether it came (and how long its delta is):
//! ```text
//! | 0 | symbol (2) | run length (13) |
//! | 1 | 0 | 14 symbols of one bit |
//! | 1 | 1 | 7 symbols of two bits |
//! ```

use std::time::Duration;

use super::split_feedback;
use crate::{ParseError, SequenceNumber, Ssrc};

/// Unit of receive deltas.
pub const DELTA_UNIT: Duration = Duration::from_micros(250);
/// Unit of the reference time, in delta units: 64 ms.
pub const REFERENCE_TIME_TICKS: i64 = 256;

const FIXED_LEN: usize = 8;

/// Feedback as received.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TransportCc<'a> {
    /// Who received.
    pub sender: Ssrc,
    /// Some stream of the transport; of no meaning.
    pub media: Ssrc,
    /// First number reported on.
    pub base: SequenceNumber,
    /// How many numbers are reported on.
    pub status_count: u16,
    /// Start of the deltas in 64 ms, 24 bits, signed, wrapping, of an unknown clock.
    pub reference_time: i32,
    /// Number of this feedback packet, wrapping.
    pub feedback_count: u8,
    /// How many of them arrived.
    pub received: u16,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Symbol {
    NotReceived,
    Small,
    Large,
}

impl Symbol {
    const fn from_bits(bits: u16) -> Result<Self, ParseError> {
        match bits & 3 {
            0 => Ok(Self::NotReceived),
            1 => Ok(Self::Small),
            2 => Ok(Self::Large),
            _ => Err(ParseError::BadValue),
        }
    }
}

impl<'a> TransportCc<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let (sender, media, rest) = split_feedback(body)?;
        let Some((fixed, rest)) = rest.split_first_chunk::<FIXED_LEN>() else {
            return Err(ParseError::Truncated { needed: 16, got: body.len() });
        };
        let &[base_hi, base_lo, count_hi, count_lo, r2, r1, r0, feedback_count] = fixed;
        let status_count = u16::from_be_bytes([count_hi, count_lo]);
        // One look at each chunk finds where the deltas begin and how many bytes they need.
        let mut left = usize::from(status_count);
        let mut chunks_len = 0;
        let mut deltas_len = 0;
        let mut received = 0;
        while left > 0 {
            let Some(&chunk) = rest.get(chunks_len..).and_then(|rest| rest.first_chunk::<2>()) else {
                return Err(ParseError::BadLength);
            };
            chunks_len += 2;
            let measured = measure(u16::from_be_bytes(chunk), left)?;
            left -= measured.covered;
            deltas_len += measured.small + 2 * measured.large;
            received += measured.small + measured.large;
        }
        let (chunks, rest) = rest.split_at(chunks_len);
        let deltas = rest.get(..deltas_len).ok_or(ParseError::BadLength)?;
        Ok(Self {
            sender,
            media,
            base: SequenceNumber(u16::from_be_bytes([base_hi, base_lo])),
            status_count,
            reference_time: i32::from_be_bytes([r2, r1, r0, 0]) >> 8,
            feedback_count,
            // Of at most `status_count`.
            received: received as u16,
            chunks,
            deltas,
        })
    }

    /// Each number reported on, `status_count` of them (at most 65,535), with its arrival in units of
    /// 250 µs after the reference time, or `None` if it did not arrive.
    pub fn statuses(&self) -> impl Iterator<Item = (SequenceNumber, Option<i64>)> + 'a {
        let mut arrived = 0;
        self.deltas().map(move |(number, delta)| {
            arrived += i64::from(delta.unwrap_or(0));
            (number, delta.map(|_| arrived))
        })
    }

    /// As [`Self::statuses`], but with the difference to the packet before.
    pub fn deltas(&self) -> impl Iterator<Item = (SequenceNumber, Option<i16>)> + 'a {
        let mut deltas = self.deltas;
        let base = self.base;
        let symbols =
            self.chunks.as_chunks::<2>().0.iter().flat_map(|chunk| symbols(u16::from_be_bytes(*chunk)));
        (0..self.status_count).zip(symbols).map(move |(index, symbol)| {
            let delta = match symbol {
                Symbol::NotReceived => None,
                Symbol::Small => deltas.split_off_first().map(|delta| i16::from(*delta)),
                Symbol::Large => deltas.split_first_chunk::<2>().map(|(delta, rest)| {
                    deltas = rest;
                    i16::from_be_bytes(*delta)
                }),
            };
            (base.offset(i32::from(index)), delta)
        })
    }
}

/// What a chunk says in sum.
struct Measured {
    /// Numbers that it covers.
    covered: usize,
    /// Of them, arrived with a delta of one byte.
    small: usize,
    /// Of them, arrived with a delta of two bytes.
    large: usize,
}

/// Sums a chunk up that covers at most `left` numbers, without a step for each: a chunk of two bytes can stand for
/// 8,191, and whoever sends feedback must not make us count to that hundreds of times a datagram.
fn measure(chunk: u16, left: usize) -> Result<Measured, ParseError> {
    let ones = |bits: u16| bits.count_ones() as usize;
    if chunk & 0x8000 == 0 {
        let covered = usize::from(chunk & 0x1fff).min(left);
        // An empty run covers nothing: a packet of them would only cost time.
        if covered == 0 {
            return Err(ParseError::BadLength);
        }
        let (small, large) = match Symbol::from_bits(chunk >> 13)? {
            Symbol::NotReceived => (0, 0),
            Symbol::Small => (covered, 0),
            Symbol::Large => (0, covered),
        };
        return Ok(Measured { covered, small, large });
    }
    if chunk & 0x4000 == 0 {
        let covered = left.min(14);
        return Ok(Measured { covered, small: ones((chunk & 0x3fff) >> (14 - covered)), large: 0 });
    }
    let covered = left.min(7);
    let symbols = (chunk & 0x3fff) >> (14 - 2 * covered);
    let (small, large) = (symbols & 0x1555, symbols >> 1 & 0x1555);
    if small & large != 0 {
        return Err(ParseError::BadValue);
    }
    Ok(Measured { covered, small: ones(small), large: ones(large) })
}

/// The symbols of a chunk; undefined ones (only behind the status count) read as not received.
fn symbols(chunk: u16) -> impl Iterator<Item = Symbol> {
    let of = |bits| Symbol::from_bits(bits).unwrap_or(Symbol::NotReceived);
    let (count, one_bit) = match chunk >> 14 {
        0 | 1 => (chunk & 0x1fff, false),
        2 => (14, true),
        _ => (7, false),
    };
    (0..count).map(move |index| match chunk >> 14 {
        0 | 1 => of(chunk >> 13),
        _ if one_bit => of(chunk >> (13 - index) & 1),
        _ => of(chunk >> (12 - 2 * index)),
    })
}

/// Feedback to be written.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Feedback<'a> {
    /// First number reported on.
    pub base: SequenceNumber,
    /// Start of the deltas in 64 ms; the lower 24 bits are written.
    pub reference_time: i32,
    /// Number of this feedback packet, wrapping.
    pub feedback_count: u8,
    /// For each number from `base` on: the difference to the arrival before in 250 µs, or `None` if
    /// it did not arrive. At most 65,535.
    pub deltas: &'a [Option<i16>],
}

impl<'a> Feedback<'a> {
    /// All fields.
    pub const fn new(
        base: SequenceNumber,
        reference_time: i32,
        feedback_count: u8,
        deltas: &'a [Option<i16>],
    ) -> Self {
        Self { base, reference_time, feedback_count, deltas }
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        let deltas = &self.deltas[..self.deltas.len().min(usize::from(u16::MAX))];
        out.extend_from_slice(&self.base.0.to_be_bytes());
        out.extend_from_slice(&(deltas.len() as u16).to_be_bytes());
        let [_, r2, r1, r0] = self.reference_time.to_be_bytes();
        out.extend_from_slice(&[r2, r1, r0, self.feedback_count]);
        let mut rest = deltas;
        while !rest.is_empty() {
            let (chunk, covered) = next_chunk(rest);
            out.extend_from_slice(&chunk.to_be_bytes());
            rest = &rest[covered..];
        }
        for &delta in deltas.iter().flatten() {
            match u8::try_from(delta) {
                Ok(small) => out.push(small),
                Err(_) => out.extend_from_slice(&delta.to_be_bytes()),
            }
        }
    }
}

const fn symbol(delta: Option<i16>) -> Symbol {
    match delta {
        None => Symbol::NotReceived,
        Some(0..=255) => Symbol::Small,
        Some(_) => Symbol::Large,
    }
}

/// The chunk that covers most of what comes next, and how many numbers that is.
fn next_chunk(deltas: &[Option<i16>]) -> (u16, usize) {
    const MAX_RUN: usize = 0x1fff;
    let first = symbol(deltas[0]);
    let run = deltas.iter().take(MAX_RUN).take_while(|delta| symbol(**delta) == first).count();
    let one_bit = deltas.iter().take(14).take_while(|delta| symbol(**delta) != Symbol::Large).count();
    let enough = if one_bit == deltas.len().min(14) { one_bit } else { 7 };
    if run >= enough.min(deltas.len()) {
        return ((first as u16) << 13 | run as u16, run);
    }
    // Symbols that are not there are written as zeros.
    if one_bit == deltas.len().min(14) {
        let bits =
            |chunk, (index, delta): (usize, &Option<i16>)| chunk | u16::from(delta.is_some()) << (13 - index);
        return (deltas.iter().take(14).enumerate().fold(0x8000, bits), one_bit);
    }
    let bits =
        |chunk, (index, delta): (usize, &Option<i16>)| chunk | (symbol(*delta) as u16) << (12 - 2 * index);
    (deltas.iter().take(7).enumerate().fold(0xc000, bits), deltas.len().min(7))
}
