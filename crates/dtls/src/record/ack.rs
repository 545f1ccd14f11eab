//! ACK (RFC 9147 §7): | length (16) | { epoch (64) | sequence number (64) } ... |

use super::layer::{Epoch, RecordNumber};
use crate::ParseError;
use crate::wire::{Reader, put_vec};

const ENTRY_LEN: usize = 16;
/// The most record numbers in an ACK of ours.
pub(crate) const MAX_ENTRIES: usize = 32;

/// A checked list of record numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    entries: &'a [u8],
}

impl<'a> Ack<'a> {
    /// Reads a record's content.
    ///
    /// # Errors
    /// [`ParseError`] if a length is wrong.
    pub fn parse(content: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(content);
        let entries = reader.vec16()?;
        reader.finish()?;
        if entries.len().is_multiple_of(ENTRY_LEN) {
            Ok(Self { entries })
        } else {
            Err(ParseError::BadLength)
        }
    }

    /// Epochs and sequence numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        self.entries.chunks_exact(ENTRY_LEN).filter_map(|entry| {
            let (epoch, number) = entry.split_first_chunk::<8>()?;
            Some((u64::from_be_bytes(*epoch), u64::from_be_bytes(*number.first_chunk::<8>()?)))
        })
    }

    /// Appends the content of an ACK of these records.
    pub fn emit(entries: impl Iterator<Item = (u64, u64)>, out: &mut Vec<u8>) {
        put_vec(out, 2, |out| {
            for (epoch, number) in entries {
                out.extend_from_slice(&epoch.to_be_bytes());
                out.extend_from_slice(&number.to_be_bytes());
            }
        });
    }

    /// Those that can be ours.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = RecordNumber> + use<'a> {
        self.iter().filter_map(|(epoch, sequence_number)| {
            Some(RecordNumber { epoch: Epoch(u16::try_from(epoch).ok()?), sequence_number })
        })
    }
}
