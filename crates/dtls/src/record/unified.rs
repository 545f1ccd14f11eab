//! Protected records of DTLS 1.3: the unified header (RFC 9147 §4).
//!
//! ```text
//! | 0 0 1 C S L E E | connection id, if C | record number (16 if S, else 8) | length (16), if L | ciphertext |
//! ```
//!
//! E has the low two bits of the epoch. The record number on the wire is masked (§4.2.3). Without a length the record
//! reaches to the end of the datagram. We write S and L, and never agree on connection ids.

use super::{ContentType, MAX_FRAGMENT};
use crate::ParseError;
use crate::wire::{Reader, put_u16};

/// The length of the header that we write.
pub const HEADER_LEN: usize = 5;

const FORM: u8 = 0b0010_0000;
const FORM_MASK: u8 = 0b1110_0000;
const CONNECTION_ID: u8 = 0b0001_0000;
const LONG_NUMBER: u8 = 0b0000_1000;
const LENGTH: u8 = 0b0000_0100;
const EPOCH: u8 = 0b0000_0011;

/// A record as it came, everything but its place in the datagram still protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnifiedRecord<'a> {
    /// The low two bits of the epoch.
    pub epoch_bits: u8,
    /// The header's bytes, the record number masked.
    pub header: &'a [u8],
    /// How many bytes of the record number there are: 1 or 2, from the second byte of the header on.
    pub number_len: usize,
    /// Ciphertext and tag.
    pub ciphertext: &'a [u8],
}

impl<'a> UnifiedRecord<'a> {
    /// Whether a record that begins with this byte has the unified header.
    #[must_use]
    pub fn is_unified(first: u8) -> bool {
        first & FORM_MASK == FORM
    }

    /// Takes the first record off `datagram`.
    ///
    /// # Errors
    /// [`ParseError`] if it is another kind of record, has a connection id, or is longer than the datagram or than what
    /// a record may have.
    pub fn parse(datagram: &mut &'a [u8]) -> Result<Self, ParseError> {
        let start = *datagram;
        let mut reader = Reader::new(start);
        let first = reader.u8()?;
        if !Self::is_unified(first) || first & CONNECTION_ID != 0 {
            return Err(ParseError::BadValue);
        }
        let number_len = if first & LONG_NUMBER != 0 { 2 } else { 1 };
        reader.take(number_len)?;
        let len = if first & LENGTH != 0 { usize::from(reader.u16()?) } else { reader.rest().len() };
        let header = &start[..start.len() - reader.rest().len()];
        let ciphertext = reader.take(len)?;
        if len > MAX_FRAGMENT {
            return Err(ParseError::BadLength);
        }
        *datagram = reader.rest();
        Ok(Self { epoch_bits: first & EPOCH, header, number_len, ciphertext })
    }

    /// Appends a header whose record number is not masked yet.
    pub fn emit_header(epoch: u64, sequence_number: u64, len: u16, out: &mut Vec<u8>) {
        out.push(FORM | LONG_NUMBER | LENGTH | (epoch as u8 & EPOCH));
        put_u16(out, sequence_number as u16);
        put_u16(out, len);
    }
}

/// The content and its type (RFC 8446 §5.4: content, type, zeros). `None`: there is no type.
pub(crate) fn inner(plaintext: &[u8]) -> Option<(ContentType, usize)> {
    let at = plaintext.iter().rposition(|byte| *byte != 0)?;
    Some((ContentType(plaintext[at]), at))
}

/// The number next to `expected` that ends with the bits received (RFC 9147 §4.2.2).
pub(crate) fn reconstruct(expected: u64, received: u16, number_len: usize) -> u64 {
    let span = 1_u64 << (8 * number_len);
    let candidate = expected & !(span - 1) | u64::from(received);
    if candidate + span / 2 < expected {
        candidate + span
    } else if candidate > expected + span / 2 && candidate >= span {
        candidate - span
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use super::reconstruct;

    #[test]
    fn a_record_number_is_the_one_nearest_to_what_is_expected() {
        for (expected, received, len, number) in [
            (0, 0, 2, 0),
            (0, 0xFFFF, 2, 0xFFFF),
            (0x1_0000, 0xFFFF, 2, 0xFFFF),
            (0xFFFF, 1, 2, 0x1_0001),
            (0x1_8000, 0x8001, 2, 0x1_8001),
            (0x1_0005, 3, 2, 0x1_0003),
            (0x1FE, 2, 1, 0x202),
            (0x202, 0xFE, 1, 0x1FE),
        ] {
            assert_eq!(reconstruct(expected, received, len), number, "{expected:x} {received:x}");
        }
    }
}
