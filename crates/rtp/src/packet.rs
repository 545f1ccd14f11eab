//! RTP packets (RFC 3550 §5.1): a checked view, with setters where the bytes can be written.
//!
//! ```text
//!  0                   1                   2                   3
//!  |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//!  |                           timestamp                           |
//!  |                             SSRC                              |
//!  |            CSRC list, CC times 32 bits                        |
//!  |      defined by profile       |   length in 32-bit words      |   if X
//!  |                        header extension                       |
//! ```

use crate::extension::{Extension, Map};
use crate::{ParseError, PayloadType, SequenceNumber, Ssrc};

const FIXED_LEN: usize = 12;
const ONE_BYTE_PROFILE: u16 = 0xbede;
const TWO_BYTE_PROFILE: u16 = 0x1000;

/// Whether a datagram that looks like RTP or RTCP (first byte 128 to 191) is RTCP, by its
/// second byte (RFC 5761 §4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, 192..=223, ..])
}

/// The RTP header, checked and decoded. Its bytes stay where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Marker bit: for video the last packet of a frame, for audio the first after silence.
    pub marker: bool,
    /// Payload type.
    pub payload_type: PayloadType,
    /// Sequence number.
    pub sequence_number: SequenceNumber,
    /// Media time in ticks of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: Ssrc,
    /// The P bit: the last byte of the (decrypted) packet counts the padding.
    pub has_padding: bool,
    /// Number of contributing sources, 0 to 15.
    pub csrc_count: u8,
    /// The "defined by profile" word of the header extension, if there is one.
    pub extension_profile: Option<u16>,
    /// Length of the whole header in bytes: fixed part, CSRCs and extension.
    pub len: usize,
}

impl Header {
    /// Parses the header alone. The payload is not looked at, so that this works on SRTP too,
    /// whose padding count is encrypted. HOT.
    ///
    /// # Errors
    /// [`ParseError::BadVersion`], or [`ParseError::Truncated`] if CSRCs or extension pass the end.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED_LEN>() else {
            return Err(ParseError::Truncated { needed: FIXED_LEN, got: bytes.len() });
        };
        let [first, second, seq_hi, seq_lo, t0, t1, t2, t3, s0, s1, s2, s3] = *fixed;
        if first >> 6 != 2 {
            return Err(ParseError::BadVersion(first >> 6));
        }
        let csrc_count = first & 0x0f;
        let csrcs_len = usize::from(csrc_count) * 4;
        let mut len = FIXED_LEN + csrcs_len;
        let mut extension_profile = None;
        if first & 0x10 != 0 {
            let Some(&[p0, p1, l0, l1]) = rest.get(csrcs_len..).and_then(|r| r.first_chunk::<4>()) else {
                return Err(ParseError::Truncated { needed: len + 4, got: bytes.len() });
            };
            extension_profile = Some(u16::from_be_bytes([p0, p1]));
            len += 4 + usize::from(u16::from_be_bytes([l0, l1])) * 4;
        }
        ParseError::check_len(bytes, len)?;
        Ok(Self {
            marker: second & 0x80 != 0,
            payload_type: PayloadType::from_low_bits(second),
            sequence_number: SequenceNumber(u16::from_be_bytes([seq_hi, seq_lo])),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: Ssrc(u32::from_be_bytes([s0, s1, s2, s3])),
            has_padding: first & 0x20 != 0,
            csrc_count,
            extension_profile,
            len,
        })
    }
}

/// A plain RTP packet: checked once, then every accessor is infallible and cheap.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T> {
    bytes: T,
    header: Header,
    payload_end: usize,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Checks a plain (decrypted) packet. HOT.
    ///
    /// # Errors
    /// As [`Header::parse`], and [`ParseError::BadPadding`] if the padding count is zero or
    /// reaches into the header. A packet of padding alone is fine: browsers probe with them.
    pub fn parse(bytes: T) -> Result<Self, ParseError> {
        let slice = bytes.as_ref();
        let header = Header::parse(slice)?;
        let mut payload_end = slice.len();
        if header.has_padding {
            let padding = slice[header.len..].last().copied().map_or(0, usize::from);
            if padding == 0 || padding > slice.len() - header.len {
                return Err(ParseError::BadPadding);
            }
            payload_end -= padding;
        }
        Ok(Self { bytes, header, payload_end })
    }

    /// The decoded header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Marker bit.
    pub const fn marker(&self) -> bool {
        self.header.marker
    }

    /// Payload type.
    pub const fn payload_type(&self) -> PayloadType {
        self.header.payload_type
    }

    /// Sequence number.
    pub const fn sequence_number(&self) -> SequenceNumber {
        self.header.sequence_number
    }

    /// Media time in ticks of the payload's clock.
    pub const fn timestamp(&self) -> u32 {
        self.header.timestamp
    }

    /// Synchronisation source.
    pub const fn ssrc(&self) -> Ssrc {
        self.header.ssrc
    }

    /// Contributing sources, at most 15.
    pub fn csrcs(&self) -> impl Iterator<Item = Ssrc> + '_ {
        let csrcs = &self.as_bytes()[FIXED_LEN..FIXED_LEN + usize::from(self.header.csrc_count) * 4];
        csrcs.as_chunks::<4>().0.iter().map(|bytes| Ssrc(u32::from_be_bytes(*bytes)))
    }

    /// Length of the header in bytes, with CSRCs and extension.
    pub const fn header_len(&self) -> usize {
        self.header.len
    }

    /// The payload without padding; empty in a packet of padding alone.
    pub fn payload(&self) -> &[u8] {
        &self.as_bytes()[self.header.len..self.payload_end]
    }

    /// Bytes of padding at the end, with the count itself.
    pub fn padding_len(&self) -> usize {
        self.as_bytes().len() - self.payload_end
    }

    /// The whole packet.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// Gives the bytes back.
    pub fn into_inner(self) -> T {
        self.bytes
    }

    /// Header extension elements, in order (RFC 8285). HOT. Empty for an unknown profile;
    /// ends early at a malformed element.
    pub fn extensions(&self) -> Extensions<'_> {
        let Some(profile) = self.header.extension_profile else { return Extensions::default() };
        let start = FIXED_LEN + usize::from(self.header.csrc_count) * 4 + 4;
        Extensions::new(profile, &self.as_bytes()[start..self.header.len])
    }

    /// The value of the element with this id. HOT.
    pub fn extension_value(&self, id: u8) -> Option<&[u8]> {
        self.extensions().find_map(|(found, value)| (found == id).then_some(value))
    }

    /// A typed look at one header extension under the ids of `map`. HOT.
    ///
    /// # Errors
    /// What the extension's own `parse` says, if it is there but malformed.
    pub fn extension<E: Extension>(&self, map: &Map) -> Result<Option<E>, ParseError> {
        let value = map.id(E::KIND).and_then(|id| self.extension_value(id));
        value.map(E::parse).transpose()
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Sets the marker bit.
    pub fn set_marker(&mut self, marker: bool) {
        self.header.marker = marker;
        self.write(1, [u8::from(marker) << 7 | self.header.payload_type.value()]);
    }

    /// Sets the payload type.
    pub fn set_payload_type(&mut self, payload_type: PayloadType) {
        self.header.payload_type = payload_type;
        self.write(1, [u8::from(self.header.marker) << 7 | payload_type.value()]);
    }

    /// Sets the sequence number.
    pub fn set_sequence_number(&mut self, sequence_number: SequenceNumber) {
        self.header.sequence_number = sequence_number;
        self.write(2, sequence_number.0.to_be_bytes());
    }

    /// Sets the timestamp.
    pub fn set_timestamp(&mut self, timestamp: u32) {
        self.header.timestamp = timestamp;
        self.write(4, timestamp.to_be_bytes());
    }

    /// Sets the synchronisation source.
    pub fn set_ssrc(&mut self, ssrc: Ssrc) {
        self.header.ssrc = ssrc;
        self.write(8, ssrc.0.to_be_bytes());
    }

    /// Overwrites the value of the header extension `id`. Returns false, and changes nothing, if
    /// it is not there or its length differs: an element never grows in place.
    pub fn set_extension_value(&mut self, id: u8, value: &[u8]) -> bool {
        let mut elements = self.extensions();
        let found = elements.find(|&(found, old)| found == id && old.len() == value.len());
        // The iterator's rest reaches to the header's end, so the element ends where the rest begins.
        let end = self.header.len - elements.rest.len();
        if found.is_none() {
            return false;
        }
        let start = end - value.len();
        self.bytes.as_mut()[start..start + value.len()].copy_from_slice(value);
        true
    }

    fn write<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        self.bytes.as_mut()[at..at + N].copy_from_slice(&value);
    }
}

/// Iterator over header extension elements: `(id, value)` (RFC 8285 §4.2, §4.3).
#[derive(Clone, Debug, Default)]
pub struct Extensions<'a> {
    rest: &'a [u8],
    two_byte: bool,
}

impl<'a> Extensions<'a> {
    fn new(profile: u16, elements: &'a [u8]) -> Self {
        match profile {
            ONE_BYTE_PROFILE => Self { rest: elements, two_byte: false },
            // The lower four bits are free for applications (RFC 8285 §4.3).
            profile if profile & 0xfff0 == TWO_BYTE_PROFILE => Self { rest: elements, two_byte: true },
            _ => Self::default(),
        }
    }

    /// One element: its id, its length and what follows its head.
    fn head(&self) -> Option<(u8, usize, &'a [u8])> {
        let (&first, rest) = self.rest.split_first()?;
        if self.two_byte {
            let (&len, rest) = rest.split_first()?;
            return Some((first, usize::from(len), rest));
        }
        // RFC 8285 §4.2: 15 stops everything, and so does padding that claims a length (its head
        // byte is then not zero).
        match first >> 4 {
            0 | 15 => None,
            id => Some((id, usize::from(first & 0x0f) + 1, rest)),
        }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while let [0, rest @ ..] = self.rest {
            self.rest = rest;
        }
        let element = self.head().and_then(|(id, len, rest)| Some((id, rest.split_at_checked(len)?)));
        let Some((id, (value, rest))) = element else {
            self.rest = &[];
            return None;
        };
        self.rest = rest;
        Some((id, value))
    }
}
