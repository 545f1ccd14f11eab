//! Writes RTP packets. HOT: appends to the caller's buffer, allocates nothing itself.

use crate::{PayloadType, SequenceNumber, Ssrc};

/// Most header extension elements in one packet that we write.
pub const MAX_EXTENSIONS: usize = 16;

/// Why a packet cannot be written. Nothing was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Extension id 0 is reserved for padding (RFC 8285 §4.2).
    #[error("extension id 0 is reserved")]
    ReservedExtensionId,
    /// More than [`MAX_EXTENSIONS`] header extensions.
    #[error("too many header extensions")]
    TooManyExtensions,
    /// A header extension longer than 255 bytes.
    #[error("header extension too long")]
    ExtensionTooLong,
}

/// An RTP packet to be written: header fields, extensions, padding.
///
/// The one-byte form of header extensions is used unless an element needs the two-byte form: an
/// id over 14, or a value that is empty or longer than 16 bytes (RFC 8285 §4.1).
///
/// ```
/// use headwater_rtp::{Packet, PacketBuilder, PayloadType, SequenceNumber, Ssrc};
/// let mut buf = Vec::new();
/// PacketBuilder::new(PayloadType::new(96).unwrap(), SequenceNumber(7), 90_000, Ssrc(1))
///     .marker(true)
///     .extension(4, b"0")
///     .write(b"payload", &mut buf)?;
/// let packet = Packet::parse(&buf).unwrap();
/// assert_eq!(packet.extension_value(4), Some(&b"0"[..]));
/// # Ok::<(), headwater_rtp::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PacketBuilder<'a> {
    /// Payload type.
    pub payload_type: PayloadType,
    /// Marker bit; false at first.
    pub marker: bool,
    /// Sequence number.
    pub sequence_number: SequenceNumber,
    /// Media time in ticks of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: Ssrc,
    /// Bytes of padding to append, with the count itself; 0 for none.
    pub padding: u8,
    extensions: [(u8, &'a [u8]); MAX_EXTENSIONS],
    extension_count: usize,
    error: Option<BuildError>,
}

impl<'a> PacketBuilder<'a> {
    /// A packet without marker, extensions and padding.
    pub const fn new(
        payload_type: PayloadType,
        sequence_number: SequenceNumber,
        timestamp: u32,
        ssrc: Ssrc,
    ) -> Self {
        Self {
            payload_type,
            marker: false,
            sequence_number,
            timestamp,
            ssrc,
            padding: 0,
            extensions: [(0, &[]); MAX_EXTENSIONS],
            extension_count: 0,
            error: None,
        }
    }

    /// Sets the marker bit.
    #[must_use]
    pub const fn marker(mut self, marker: bool) -> Self {
        self.marker = marker;
        self
    }

    /// Appends `len` bytes of padding, with the count itself.
    #[must_use]
    pub const fn padding(mut self, len: u8) -> Self {
        self.padding = len;
        self
    }

    /// Adds a header extension element. What is wrong with it is told by the writing method.
    #[must_use]
    pub fn extension(mut self, id: u8, value: &'a [u8]) -> Self {
        let slot = self.extensions.get_mut(self.extension_count);
        match slot {
            _ if id == 0 => self.error = Some(BuildError::ReservedExtensionId),
            _ if value.len() > 255 => self.error = Some(BuildError::ExtensionTooLong),
            None => self.error = Some(BuildError::TooManyExtensions),
            Some(slot) => {
                *slot = (id, value);
                self.extension_count += 1;
            }
        }
        self
    }

    /// Appends the whole packet to `out` and returns its length. HOT.
    ///
    /// # Errors
    /// [`BuildError`] if an extension could not be taken.
    pub fn write(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<usize, BuildError> {
        let start = out.len();
        self.write_header(out)?;
        out.extend_from_slice(payload);
        self.write_padding(out);
        Ok(out.len() - start)
    }

    /// Appends the header alone and returns its length; payload and
    /// [`write_padding`](Self::write_padding) follow. HOT.
    ///
    /// # Errors
    /// [`BuildError`] if an extension could not be taken.
    pub fn write_header(&self, out: &mut Vec<u8>) -> Result<usize, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let start = out.len();
        let extensions = &self.extensions[..self.extension_count];
        let first = 0x80 | u8::from(self.padding > 0) << 5 | u8::from(!extensions.is_empty()) << 4;
        out.push(first);
        out.push(u8::from(self.marker) << 7 | self.payload_type.value());
        out.extend_from_slice(&self.sequence_number.0.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.0.to_be_bytes());
        if !extensions.is_empty() {
            write_extensions(extensions, out);
        }
        Ok(out.len() - start)
    }

    /// Appends the padding, if any is wanted. HOT.
    pub fn write_padding(&self, out: &mut Vec<u8>) {
        if self.padding > 0 {
            out.resize(out.len() + usize::from(self.padding) - 1, 0);
            out.push(self.padding);
        }
    }
}

fn write_extensions(extensions: &[(u8, &[u8])], out: &mut Vec<u8>) {
    let fits_one_byte = |&(id, value): &(u8, &[u8])| id <= 14 && (1..=16).contains(&value.len());
    let one_byte = extensions.iter().all(fits_one_byte);
    let profile: u16 = if one_byte { 0xbede } else { 0x1000 };
    out.extend_from_slice(&profile.to_be_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0; 2]);
    for &(id, value) in extensions {
        if one_byte {
            out.push(id << 4 | (value.len() - 1) as u8);
        } else {
            out.extend_from_slice(&[id, value.len() as u8]);
        }
        out.extend_from_slice(value);
    }
    let elements_len = out.len() - length_at - 2;
    let words = elements_len.div_ceil(4);
    out.resize(length_at + 2 + words * 4, 0);
    // 16 elements of at most 257 bytes are far below 65,536 words.
    out[length_at..length_at + 2].copy_from_slice(&(words as u16).to_be_bytes());
}
