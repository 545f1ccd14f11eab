//! Where the header of a packet ends: all that this crate needs to know of RTP.

use crate::error::ParseError;

/// Longest packet taken: what a UDP datagram can hold.
pub(crate) const MAX_PACKET: usize = 65_535;

pub(crate) const RTP_FIXED: usize = 12;
/// RFC 3550 §6.4.1: the first word and the sender's SSRC stay in the clear.
pub(crate) const RTCP_FIXED: usize = 8;

/// The fields of an RTP header that SRTP needs.
#[derive(Clone, Copy)]
pub(crate) struct RtpHeader {
    pub(crate) len: usize,
    pub(crate) sequence_number: u16,
    pub(crate) ssrc: u32,
}

impl RtpHeader {
    /// RFC 3550 §5.1: 12 bytes, 4 per CSRC, and with X set 4 bytes plus as many words as their second half says.
    pub(crate) fn parse(packet: &[u8]) -> Result<Self, ParseError> {
        let truncated = |needed| ParseError::Truncated { needed, got: packet.len() };
        if packet.len() > MAX_PACKET {
            return Err(ParseError::TooLong);
        }
        let (fixed, _) = packet.split_first_chunk::<RTP_FIXED>().ok_or_else(|| truncated(RTP_FIXED))?;
        check_version(fixed[0])?;
        let mut len = RTP_FIXED + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let extension = packet.get(len..len + 4).ok_or_else(|| truncated(len + 4))?;
            len += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        if packet.len() < len {
            return Err(truncated(len));
        }
        Ok(Self {
            len,
            sequence_number: u16::from_be_bytes([fixed[2], fixed[3]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        })
    }
}

/// The SSRC of the first packet in a (compound) RTCP packet.
pub(crate) fn rtcp_ssrc(packet: &[u8]) -> Result<u32, ParseError> {
    if packet.len() > MAX_PACKET {
        return Err(ParseError::TooLong);
    }
    let (fixed, _) = packet
        .split_first_chunk::<RTCP_FIXED>()
        .ok_or(ParseError::Truncated { needed: RTCP_FIXED, got: packet.len() })?;
    check_version(fixed[0])?;
    Ok(u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]))
}

fn check_version(first: u8) -> Result<(), ParseError> {
    if first >> 6 == 2 { Ok(()) } else { Err(ParseError::BadVersion) }
}
