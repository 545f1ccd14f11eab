//! Tells protocols on one socket apart by the first byte (RFC 7983 §7, RFC 9443).

/// The protocol of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// STUN: 0 to 3.
    Stun,
    /// DTLS: 20 to 63. The unified header of DTLS 1.3 is in here too (0x20 to 0x3f).
    Dtls,
    /// TURN channel data: 64 to 79.
    ChannelData,
    /// SRTP: 128 to 191, payload types outside of 64 to 95 (RFC 5761 §4).
    Rtp,
    /// SRTCP: 128 to 191, packet types 192 to 223.
    Rtcp,
    /// None of these.
    Unknown,
}

impl Protocol {
    /// Looks at the first two bytes.
    pub(crate) fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0..=3, ..] => Self::Stun,
            [20..=63, ..] => Self::Dtls,
            [64..=79, ..] => Self::ChannelData,
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, ..] => Self::Rtp,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_rfc_7983() {
        for (bytes, protocol) in [
            (&[][..], Protocol::Unknown),
            (&[0, 1], Protocol::Stun),
            (&[3], Protocol::Stun),
            (&[4], Protocol::Unknown),
            (&[22, 254], Protocol::Dtls),
            (&[0x2f], Protocol::Dtls),
            (&[64], Protocol::ChannelData),
            (&[0x80, 96], Protocol::Rtp),
            (&[0x80, 0x80 | 96], Protocol::Rtp),
            (&[0x80, 200], Protocol::Rtcp),
            (&[0x81, 206], Protocol::Rtcp),
            (&[192], Protocol::Unknown),
        ] {
            assert_eq!(Protocol::of(bytes), protocol, "{bytes:?}");
        }
    }
}
