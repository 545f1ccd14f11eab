//! Cryptex (RFC 9335): contributing sources and header extensions are encrypted with the payload.
//!
//! What stays in the clear is the fixed header and the first word of the extension, whose profile field tells a receiver
//! that the packet is of this kind. With contributing sources the two are apart, so that word changes places with them
//! while the cipher works (RFC 9335 §6.2):
//!
//! ```text
//! on the wire   | fixed header (12) | CSRCs (4 each)        | profile, length (4) | extension | payload |
//! to the cipher | fixed header (12) | profile, length (4)   | CSRCs (4 each)      | extension | payload |
//!               | in the clear, authenticated               | encrypted                                 |
//! ```

use core::ops::Range;

use crate::header::RTP_FIXED;

/// How much is in the clear.
pub(crate) const CLEAR: usize = RTP_FIXED + EXTENSION_WORD;

/// Profile and length of a header extension.
const EXTENSION_WORD: usize = 4;
const CC_MASK: u8 = 0x0f;
const X_BIT: u8 = 0x10;
/// RFC 8285 §4.2 and §4.3 (without appbits, for which there is no place), and what stands for them when the extension is
/// encrypted (RFC 9335 §5).
const PROFILES: [([u8; 2], [u8; 2]); 2] = [([0xbe, 0xde], [0xc0, 0xde]), ([0x10, 0x00], [0xc2, 0xde])];

/// What of a packet is encrypted beside the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hidden {
    /// Bytes of contributing sources.
    pub(crate) csrcs: usize,
}

impl Hidden {
    /// Marks the plain packet `buf[start..]`, whose header was checked, as one whose header is encrypted. `None` leaves it
    /// as it is: there is nothing to hide, or an extension of another kind than RFC 8285's (RFC 9335 §5.1).
    pub(crate) fn mark(buf: &mut Vec<u8>, start: usize) -> Option<Self> {
        let packet = buf.get_mut(start..)?;
        let hidden = Self::of(packet)?;
        if packet[0] & X_BIT != 0 {
            return hidden.exchange(packet, |plain, encrypted| (plain, encrypted));
        }
        if hidden.csrcs == 0 {
            return None;
        }
        // RFC 9335 §5.1: contributing sources alone get an empty extension, to have a place for the mark.
        packet[0] |= X_BIT;
        let at = start + hidden.word().start;
        let end = buf.len();
        buf.extend_from_slice(&[0; EXTENSION_WORD]);
        buf.copy_within(at..end, at + EXTENSION_WORD);
        buf[at..at + 2].copy_from_slice(&PROFILES[0].1);
        buf[at + 2..at + EXTENSION_WORD].fill(0);
        Some(hidden)
    }

    /// Whether a received packet, whose header was checked, is marked.
    pub(crate) fn marked(packet: &[u8]) -> Option<Self> {
        let hidden = Self::of(packet).filter(|_| packet[0] & X_BIT != 0)?;
        let profile = packet.get(hidden.profile())?;
        PROFILES.iter().any(|(_, encrypted)| encrypted == profile).then_some(hidden)
    }

    /// Takes the mark off an opened packet: it is then as RFC 8285 has it. An extension that was added for the mark stays,
    /// empty (RFC 9335 §5.2).
    pub(crate) fn unmark(self, packet: &mut [u8]) {
        self.exchange(packet, |plain, encrypted| (encrypted, plain));
    }

    /// Brings what is encrypted together, behind what is not.
    pub(crate) fn gather(self, packet: &mut [u8]) {
        packet[RTP_FIXED..self.word().end].rotate_right(EXTENSION_WORD);
    }

    /// Puts back what [`gather`](Self::gather) moved.
    pub(crate) fn scatter(self, packet: &mut [u8]) {
        packet[RTP_FIXED..self.word().end].rotate_left(EXTENSION_WORD);
    }

    fn of(packet: &[u8]) -> Option<Self> {
        packet.first().map(|first| Self { csrcs: 4 * usize::from(first & CC_MASK) })
    }

    /// The extension's first word, on the wire.
    fn word(self) -> Range<usize> {
        RTP_FIXED + self.csrcs..CLEAR + self.csrcs
    }

    fn profile(self) -> Range<usize> {
        self.word().start..self.word().start + 2
    }

    /// Replaces one profile by its counterpart; `None` if it has none.
    fn exchange(
        self,
        packet: &mut [u8],
        order: impl Fn([u8; 2], [u8; 2]) -> ([u8; 2], [u8; 2]),
    ) -> Option<Self> {
        let profile = packet.get_mut(self.profile())?;
        let (_, to) = PROFILES
            .map(|(plain, encrypted)| order(plain, encrypted))
            .into_iter()
            .find(|(from, _)| from == profile)?;
        profile.copy_from_slice(&to);
        Some(self)
    }
}
