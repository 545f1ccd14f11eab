//! Records (RFC 6347 §4.1; in DTLS 1.3 those in the clear, RFC 9147 §4).
//!
//! ```text
//! | content type (8) | version (16) | epoch (16) | sequence number (48) | length (16) | fragment |
//! ```

pub mod ack;
pub(crate) mod layer;
pub(crate) mod protection;
pub(crate) mod replay;
pub mod unified;

use crate::ParseError;
use crate::wire::{Reader, put_u16};

/// The length of a record header.
pub const HEADER_LEN: usize = 13;

/// The most a record's fragment may have: 2^14 of plaintext and what protection adds (RFC 5246 §6.2.3).
pub const MAX_FRAGMENT: usize = MAX_PLAINTEXT + 2048;

/// The most plaintext in one record (RFC 5246 §6.2.1).
pub const MAX_PLAINTEXT: usize = 1 << 14;

/// A version as on the wire: the ones' complement of the real one (RFC 6347 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProtocolVersion(pub u16);

#[allow(missing_docs)] // the RFCs' own names
impl ProtocolVersion {
    pub const DTLS_1_0: Self = Self(0xFEFF);
    pub const DTLS_1_2: Self = Self(0xFEFD);
    pub const DTLS_1_3: Self = Self(0xFEFC);
}

/// A record's content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentType(pub u8);

#[allow(missing_docs)] // the RFCs' own names
impl ContentType {
    pub const CHANGE_CIPHER_SPEC: Self = Self(20);
    pub const ALERT: Self = Self(21);
    pub const HANDSHAKE: Self = Self(22);
    pub const APPLICATION_DATA: Self = Self(23);
    pub const ACK: Self = Self(26);
}

/// A record as it came: header read, fragment still protected when its epoch is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record<'a> {
    /// What is in it.
    pub content_type: ContentType,
    /// 0xFEFF is allowed on first hellos (RFC 6347 §4.2.1).
    pub version: ProtocolVersion,
    /// Counts changes of keys.
    pub epoch: u16,
    /// Counts records in the epoch; 48 bits.
    pub sequence_number: u64,
    /// The rest.
    pub fragment: &'a [u8],
}

impl<'a> Record<'a> {
    /// Takes the first record off `datagram`.
    ///
    /// Unknown content types are returned as they are; a first byte with the form of DTLS 1.3's unified header
    /// (001xxxxx, RFC 9147 §4) is an error here: that is a [`UnifiedRecord`](unified::UnifiedRecord).
    ///
    /// # Errors
    /// [`ParseError`] if the header is no DTLS header or the record is longer than the datagram or than
    /// [`MAX_FRAGMENT`].
    pub fn parse(datagram: &mut &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(datagram);
        let content_type = ContentType(reader.u8()?);
        if content_type.0 & 0xE0 == 0x20 {
            return Err(ParseError::BadValue);
        }
        let version = ProtocolVersion(reader.u16()?);
        if version.0 >> 8 != 0xFE {
            return Err(ParseError::BadValue);
        }
        let epoch = reader.u16()?;
        let [a, b, c, d, e, f] = reader.array()?;
        let fragment = reader.vec16()?;
        if fragment.len() > MAX_FRAGMENT {
            return Err(ParseError::BadLength);
        }
        *datagram = reader.rest();
        let sequence_number = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        Ok(Self { content_type, version, epoch, sequence_number, fragment })
    }

    /// Appends a header; the fragment of `len` bytes is to follow.
    pub fn emit_header(
        content_type: ContentType,
        version: ProtocolVersion,
        epoch: u16,
        sequence_number: u64,
        len: u16,
        out: &mut Vec<u8>,
    ) {
        out.push(content_type.0);
        put_u16(out, version.0);
        put_u16(out, epoch);
        out.extend_from_slice(&sequence_number.to_be_bytes()[2..]);
        put_u16(out, len);
    }
}
