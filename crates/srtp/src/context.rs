//! One direction of one association: protect, or open, RTP and RTCP.

use core::fmt;

use crate::{
    cipher::{Cipher, SRTCP_E_FLAG},
    cryptex::{CLEAR, Hidden},
    error::{Error, ParseError},
    header::{RTCP_FIXED, RtpHeader, rtcp_ssrc},
    profile::Profile,
    replay::{RECEIVED_RTCP, RECEIVED_RTP, SENT_RTP},
    stream::{Slot, Streams, nearest_index},
};

/// How many SSRCs a context keeps state for, in each of RTP and RTCP, sending and receiving.
///
/// A browser with three simulcast layers uses eight. Beyond the limit a new SSRC is refused: forgetting an old one
/// would accept its packets again (receiving) or repeat its nonces (sending).
pub const MAX_STREAMS: usize = 256;

/// The keys of one direction, with what is remembered per SSRC.
///
/// Use one for what you send (made from your own write key) and another for what you receive.
pub struct Context {
    profile: Profile,
    is_cryptex: bool,
    cipher: Cipher,
    rtp_sent: Streams<SENT_RTP>,
    rtp_received: Streams<RECEIVED_RTP>,
    rtcp_received: Streams<RECEIVED_RTCP>,
    /// RFC 3711 §3.2.1 counts SRTCP per SSRC; one counter for all of them can't repeat a pair either.
    rtcp_sent: u32,
}

impl Context {
    /// Derives the session keys from a master key and salt, for instance DTLS's exported ones.
    ///
    /// # Errors
    /// [`Error::KeyLength`] or [`Error::SaltLength`] if the lengths are not those of the profile.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        if key.len() != profile.key_len() {
            return Err(Error::KeyLength { needed: profile.key_len(), got: key.len() });
        }
        if salt.len() != profile.salt_len() {
            return Err(Error::SaltLength { needed: profile.salt_len(), got: salt.len() });
        }
        Ok(Self {
            profile,
            is_cryptex: false,
            cipher: Cipher::new(profile, key, salt),
            rtp_sent: Streams::default(),
            rtp_received: Streams::default(),
            rtcp_received: Streams::default(),
            rtcp_sent: 0,
        })
    }

    /// Whether RTP goes by Cryptex (RFC 9335): what is protected from now on has its CSRCs and header extensions encrypted,
    /// and such packets are opened. Packets without it open in any case. Default: no.
    ///
    /// For sending, if the peer's description says `a=cryptex`; for receiving, if ours does. A receiving context without it
    /// takes such a packet for one with an extension that it doesn't know, as RFC 3711 says: what opens then is garbage, or
    /// not authentic.
    pub fn set_cryptex(&mut self, is_on: bool) {
        self.is_cryptex = is_on;
    }

    /// Protects the plain RTP packet `buf[start..]`: encrypts its payload in place and appends the tag. With
    /// [Cryptex](Self::set_cryptex) the CSRCs and the header extension too.
    ///
    /// Packets of an SSRC may come in any order within [`SEND_WINDOW`](crate::SEND_WINDOW), each sequence number once (RFC 3711 §9.1).
    ///
    /// # Errors
    /// [`Error::Malformed`]; [`Error::IndexReused`] if the packet's index was used before, is too old to tell, or
    /// jumps ahead so far that a receiver would misjudge it; [`Error::TooManyStreams`]; [`Error::KeyExhausted`].
    /// Buffer and context are then unchanged.
    pub fn protect_rtp(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<(), Error> {
        let packet = buf.get(start..).unwrap_or_default();
        let header = RtpHeader::parse(packet)?;
        if self.is_cryptex && Hidden::marked(packet).is_some() {
            return Err(ParseError::AlreadyEncrypted.into());
        }
        let slot = self.rtp_sent.find(header.ssrc)?;
        let index = match self.rtp_sent.window(slot) {
            None => u64::from(header.sequence_number),
            Some(window) => {
                let index =
                    nearest_index(window.highest(), header.sequence_number).ok_or(Error::KeyExhausted)?;
                // RFC 3711 §3.3.1: beyond 2^15 ahead a receiver takes it for a packet of the round before.
                let is_too_far = index.saturating_sub(window.highest()) > 0x8000;
                if is_too_far || !window.allows(index) {
                    return Err(Error::IndexReused);
                }
                index
            }
        };
        // Used up before it is used: whatever happens, the nonce does not come again.
        self.rtp_sent.record(slot, header.ssrc, index);
        match self.is_cryptex.then(|| Hidden::mark(buf, start)).flatten() {
            None => self.cipher.seal_rtp(buf, start, header.len, header.ssrc, index),
            Some(Hidden { csrcs: 0 }) => self.cipher.seal_rtp(buf, start, CLEAR, header.ssrc, index),
            Some(hidden) => self.cipher.seal_gathered(buf, start, hidden, header.ssrc, index),
        }
        Ok(())
    }

    /// Opens an SRTP packet in place and returns the length of the plain RTP packet.
    ///
    /// `packet` is the whole datagram: RTP header, encrypted payload, authentication tag.
    /// The header is left as it was (RFC 3711 §3.1), or with [Cryptex](Self::set_cryptex) becomes what it was; the tag's bytes after the returned length are garbage.
    ///
    /// # Errors
    /// [`Error::Malformed`]; [`Error::Unauthentic`] if the tag does not match; [`Error::Replayed`] if the index was
    /// seen or is older than the [window](crate::REPLAY_WINDOW); [`Error::TooManyStreams`]; [`Error::KeyExhausted`].
    /// The context is then unchanged; the buffer's content is unspecified.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Error> {
        let header = RtpHeader::parse(packet)?;
        check_length(packet, header.len + self.profile.rtp_overhead())?;
        let slot = self.rtp_received.find(header.ssrc)?;
        let index = match self.rtp_received.window(slot) {
            None => u64::from(header.sequence_number),
            Some(window) => {
                let index =
                    nearest_index(window.highest(), header.sequence_number).ok_or(Error::KeyExhausted)?;
                if !window.allows(index) {
                    return Err(Error::Replayed);
                }
                index
            }
        };
        let plain_len = match self.is_cryptex.then(|| Hidden::marked(packet)).flatten() {
            None => self.cipher.open_rtp(packet, header.len, header.ssrc, index),
            Some(hidden) => self.cipher.open_gathered(packet, hidden, header.ssrc, index),
        }
        .map_err(|_| Error::Unauthentic)?;
        self.rtp_received.record(slot, header.ssrc, index);
        Ok(plain_len)
    }

    /// Protects the plain (compound) RTCP packet `buf[start..]`: encrypts all but its first eight bytes in place,
    /// appends tag and index (RFC 3711 §3.4).
    ///
    /// # Errors
    /// [`Error::Malformed`]; [`Error::KeyExhausted`] after 2^31 packets. Buffer and context are then unchanged.
    pub fn protect_rtcp(&mut self, buf: &mut Vec<u8>, start: usize) -> Result<(), Error> {
        let ssrc = rtcp_ssrc(buf.get(start..).unwrap_or_default())?;
        // Starts at 1 as libsrtp does, so that both ends' captures compare.
        let index = self.rtcp_sent + 1;
        if index >= SRTCP_E_FLAG {
            return Err(Error::KeyExhausted);
        }
        self.rtcp_sent = index;
        self.cipher.seal_rtcp(buf, start, ssrc, index);
        Ok(())
    }

    /// Opens an SRTCP packet in place and returns the length of the plain RTCP packet.
    ///
    /// A packet without the E flag is not decrypted, only checked.
    ///
    /// # Errors
    /// As [`unprotect_rtp`](Self::unprotect_rtp), with a [window](crate::RTCP_REPLAY_WINDOW) of its own for each SSRC.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Error> {
        let needed = RTCP_FIXED + self.profile.rtcp_overhead();
        let ssrc = rtcp_ssrc(packet)?;
        check_length(packet, needed)?;
        let index_word = self
            .cipher
            .srtcp_index_word(packet)
            .ok_or(ParseError::Truncated { needed, got: packet.len() })?;
        let index = u64::from(index_word & !SRTCP_E_FLAG);
        let slot = self.rtcp_received.find(ssrc)?;
        if self.rtcp_received.window(slot).is_some_and(|window| !window.allows(index)) {
            return Err(Error::Replayed);
        }
        let plain_len = self.cipher.open_rtcp(packet, ssrc, index_word).map_err(|_| Error::Unauthentic)?;
        self.rtcp_received.record(slot, ssrc, index);
        Ok(plain_len)
    }

    /// Calls `each` with the memory, as address and length, that the next packet will need beside the context itself: for
    /// an owner of thousands of contexts that fetches ahead what it needs next.
    pub fn for_each_region(&self, mut each: impl FnMut(*const u8, usize)) {
        self.cipher.rtp_region(&mut each);
        self.rtp_sent.region(&mut each);
        self.rtp_received.region(&mut each);
    }

    /// The profile this context was made for.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// How often the sequence number of a received RTP stream has wrapped; `None` for an SSRC that was never
    /// authentic.
    pub fn rollover_counter(&self, ssrc: u32) -> Option<u32> {
        match self.rtp_received.find(ssrc) {
            Ok(slot @ Slot::Known(_)) => {
                self.rtp_received.window(slot).map(|window| (window.highest() >> 16) as u32)
            }
            _ => None,
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("profile", &self.profile).finish_non_exhaustive()
    }
}

fn check_length(packet: &[u8], needed: usize) -> Result<(), ParseError> {
    if packet.len() < needed {
        return Err(ParseError::Truncated { needed, got: packet.len() });
    }
    Ok(())
}
