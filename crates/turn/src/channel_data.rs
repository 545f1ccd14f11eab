//! ChannelData: application data behind four bytes instead of a whole STUN message (RFC 8656 §12.4).
//!
//! ```text
//!  | channel number (16) | length (16) | data | over TCP and TLS: padding to a multiple of 4 |
//! ```

use headwater_stun::{ParseError, Transport};

/// Length of what stands before the data.
pub const HEADER_LEN: usize = 4;
/// The lowest channel number.
pub const MIN_CHANNEL: u16 = 0x4000;
/// The highest channel number that is taken. RFC 8656 §12 ends at [`LAST_CHANNEL`]; clients of RFC 5766, coturn's own among
/// them, draw from these too, and no other protocol begins with their bytes.
pub const MAX_CHANNEL: u16 = 0x7FFF;
/// The highest channel number that a client should ask for (RFC 8656 §12).
pub const LAST_CHANNEL: u16 = 0x4FFF;

/// A ChannelData message; borrows the datagram. HOT.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelData<'a> {
    /// The number, [`MIN_CHANNEL`] to [`MAX_CHANNEL`].
    pub channel: u16,
    /// The application's bytes.
    pub data: &'a [u8],
}

impl<'a> ChannelData<'a> {
    /// Whether a datagram that begins with this byte is ChannelData (RFC 7983: 64 to 79; RFC 5766 §11: up to 127).
    #[must_use]
    pub const fn is_first_byte(byte: u8) -> bool {
        matches!(byte, 64..=127)
    }

    /// Reads one message. Bytes behind it are padding: a datagram may have any, and they are ignored.
    ///
    /// # Errors
    /// [`ParseError::BadMagic`] for another number, [`ParseError::Truncated`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (&[c0, c1, l0, l1], rest) = bytes
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(ParseError::Truncated { needed: HEADER_LEN, got: bytes.len() })?;
        let (channel, length) = (u16::from_be_bytes([c0, c1]), usize::from(u16::from_be_bytes([l0, l1])));
        if !(MIN_CHANNEL..=MAX_CHANNEL).contains(&channel) {
            return Err(ParseError::BadMagic);
        }
        let data = rest
            .get(..length)
            .ok_or(ParseError::Truncated { needed: HEADER_LEN + length, got: bytes.len() })?;
        Ok(Self { channel, data })
    }
}

/// Appends a ChannelData message and returns its length. Over TCP it is padded, over UDP not. HOT.
///
/// Returns `None`, and appends nothing, if `data` has more than 65,535 bytes.
pub fn emit(transport: Transport, channel: u16, data: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let length = u16::try_from(data.len()).ok()?;
    let start = out.len();
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(data);
    if transport == Transport::Tcp {
        out.resize(start + HEADER_LEN + data.len().next_multiple_of(4), 0);
    }
    Some(out.len() - start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_messages() {
        let parse = |bytes| ChannelData::parse(bytes).map(|it| (it.channel, it.data));
        assert_eq!(parse(&[0x40, 0x01, 0, 2, 7, 8]), Ok((0x4001, &[7, 8][..])));
        assert_eq!(parse(&[0x40, 0x01, 0, 2, 7, 8, 0, 0]), Ok((0x4001, &[7, 8][..])), "padding");
        assert_eq!(parse(&[0x4F, 0xFF, 0, 0]), Ok((0x4FFF, &[][..])));
        assert_eq!(parse(&[0x7F, 0xFF, 0, 0]), Ok((0x7FFF, &[][..])), "of RFC 5766");
        assert_eq!(parse(&[0x80, 0, 0, 0]), Err(ParseError::BadMagic));
        assert_eq!(parse(&[0x3F, 0xFF, 0, 0]), Err(ParseError::BadMagic));
        assert_eq!(parse(&[0x40, 0, 0, 3, 1, 2]), Err(ParseError::Truncated { needed: 7, got: 6 }));
        assert_eq!(parse(&[0x40, 0, 0]), Err(ParseError::Truncated { needed: 4, got: 3 }));
    }

    #[test]
    fn only_streams_are_padded() {
        let mut out = Vec::new();
        assert_eq!(emit(Transport::Udp, 0x4000, &[1, 2, 3], &mut out), Some(7));
        assert_eq!(out, [0x40, 0, 0, 3, 1, 2, 3]);
        out.clear();
        assert_eq!(emit(Transport::Tcp, 0x4000, &[1, 2, 3], &mut out), Some(8));
        assert_eq!(out, [0x40, 0, 0, 3, 1, 2, 3, 0]);
        assert_eq!(emit(Transport::Udp, 0x4000, &vec![0; 65_536], &mut out), None);
        assert_eq!(out.len(), 8);
    }
}
