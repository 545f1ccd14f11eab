//! A recording of one session's RTP headers and payload sizes, for bug reports. Payloads are left out, so the
//! file shows nobody's picture or voice.

use std::time::Instant;

/// The most bytes that a recording takes.
pub(crate) const MAX_BYTES: usize = 4 << 20;

/// The text that an rtpdump file begins with, and its binary header after it.
const TEXT: &[u8] = b"#!rtpplay1.0 0.0.0.0/0\n";

/// A recording in the rtpdump format: per packet its length here, its length on the wire, milliseconds since the
/// start, and the bytes.
#[derive(Debug)]
pub(crate) struct Dump {
    started: Instant,
    ends: Instant,
    bytes: Vec<u8>,
}

impl Dump {
    /// Starts a recording; `unix` is the wall clock of `started`.
    pub(crate) fn new(started: Instant, ends: Instant, unix: std::time::Duration) -> Self {
        let mut bytes = TEXT.to_vec();
        bytes.extend_from_slice(&(unix.as_secs() as u32).to_be_bytes());
        bytes.extend_from_slice(&unix.subsec_micros().to_be_bytes());
        bytes.extend_from_slice(&[0; 8]);
        Self { started, ends, bytes }
    }

    /// When it ends.
    pub(crate) fn ends(&self) -> Instant {
        self.ends
    }

    /// Records the header of a decrypted RTP packet.
    pub(crate) fn record(&mut self, received: Instant, packet: &[u8]) {
        let Ok(header) = headwater_rtp::Header::parse(packet) else { return };
        let header = &packet[..header.len.min(packet.len())];
        if received >= self.ends || self.bytes.len() + 8 + header.len() > MAX_BYTES {
            return;
        }
        let offset = received.saturating_duration_since(self.started).as_millis() as u32;
        self.bytes.extend_from_slice(&(header.len() as u16 + 8).to_be_bytes());
        self.bytes.extend_from_slice(&(packet.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(&offset.to_be_bytes());
        self.bytes.extend_from_slice(header);
    }

    /// The file.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
