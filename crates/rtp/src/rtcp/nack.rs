//! Generic NACK (RFC 4585 §6.2.1).

use super::split_feedback;
use crate::{ParseError, SequenceNumber, Ssrc};

/// | PID (16) | BLP (16) |   one or more
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Nack<'a> {
    /// Who misses packets.
    pub sender: Ssrc,
    /// The stream that they belong to.
    pub media: Ssrc,
    entries: &'a [[u8; 4]],
}

impl<'a> Nack<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let (sender, media, rest) = split_feedback(body)?;
        let (entries, []) = rest.as_chunks::<4>() else { return Err(ParseError::BadLength) };
        if entries.is_empty() {
            return Err(ParseError::Truncated { needed: 12, got: body.len() });
        }
        Ok(Self { sender, media, entries })
    }

    /// The missing packets as told, at most 17 for each entry; a hostile one can name them all, and
    /// the same one often, so the reader keeps a budget.
    pub fn lost(&self) -> impl Iterator<Item = SequenceNumber> + 'a {
        self.entries.iter().flat_map(|&[pid_hi, pid_lo, blp_hi, blp_lo]| {
            let first = SequenceNumber(u16::from_be_bytes([pid_hi, pid_lo]));
            let mask = u16::from_be_bytes([blp_hi, blp_lo]);
            let others =
                (0..16).filter(move |bit| mask >> bit & 1 == 1).map(move |bit| first.offset(bit + 1));
            std::iter::once(first).chain(others)
        })
    }
}

/// Packs numbers into entries; those that ascend closely share one.
pub(super) fn emit(lost: impl IntoIterator<Item = SequenceNumber>, out: &mut Vec<u8>) {
    let mut entry: Option<(SequenceNumber, u16)> = None;
    for number in lost {
        entry = match entry {
            Some((first, mask)) if number == first => Some((first, mask)),
            Some((first, mask)) if (1..=16).contains(&number.distance_from(first)) => {
                Some((first, mask | 1 << (number.distance_from(first) - 1)))
            }
            other => {
                push(other, out);
                Some((number, 0))
            }
        };
    }
    push(entry, out);
}

fn push(entry: Option<(SequenceNumber, u16)>, out: &mut Vec<u8>) {
    if let Some((first, mask)) = entry {
        out.extend_from_slice(&first.0.to_be_bytes());
        out.extend_from_slice(&mask.to_be_bytes());
    }
}
