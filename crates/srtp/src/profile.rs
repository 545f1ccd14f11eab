//! Protection profiles and their sizes (RFC 5764 §4.1.2, RFC 7714 §14.2).

/// An SRTP protection profile: cipher, tag and key sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// AES-128 in counter mode with an 80-bit HMAC-SHA1 tag (RFC 3711).
    Aes128CmHmacSha1_80,
    /// AES-128 in counter mode with a 32-bit HMAC-SHA1 tag; that of RTCP has 80 bits all the same (RFC 5764 §4.1.2). One
    /// forged packet in four thousand million gets through: only for peers that have nothing better.
    Aes128CmHmacSha1_32,
    /// AES-128-GCM with a 16-byte tag (RFC 7714).
    AeadAes128Gcm,
    /// AES-256-GCM with a 16-byte tag (RFC 7714).
    AeadAes256Gcm,
}

impl Profile {
    /// The profile of an IANA "DTLS-SRTP Protection Profiles" number, if it is one of ours.
    pub fn from_iana(number: u16) -> Option<Self> {
        match number {
            0x0001 => Some(Self::Aes128CmHmacSha1_80),
            0x0002 => Some(Self::Aes128CmHmacSha1_32),
            0x0007 => Some(Self::AeadAes128Gcm),
            0x0008 => Some(Self::AeadAes256Gcm),
            _ => None,
        }
    }

    /// The profile's IANA number, as in the DTLS extension `use_srtp`.
    pub fn iana(self) -> u16 {
        match self {
            Self::Aes128CmHmacSha1_80 => 0x0001,
            Self::Aes128CmHmacSha1_32 => 0x0002,
            Self::AeadAes128Gcm => 0x0007,
            Self::AeadAes256Gcm => 0x0008,
        }
    }

    /// Length of the master key in bytes.
    pub fn key_len(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1_80 | Self::Aes128CmHmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Length of the master salt in bytes.
    pub fn salt_len(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1_80 | Self::Aes128CmHmacSha1_32 => 14,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
        }
    }

    /// How many bytes protection adds to an RTP packet: the tag.
    ///
    /// With [Cryptex](crate::Context::set_cryptex), four more to a packet that has CSRCs and no header extension.
    pub fn rtp_overhead(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1_80 => 10,
            Self::Aes128CmHmacSha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// How many bytes protection adds to an RTCP packet: the tag, and E flag with index.
    pub fn rtcp_overhead(self) -> usize {
        let tag = match self {
            Self::Aes128CmHmacSha1_80 | Self::Aes128CmHmacSha1_32 => 10,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        };
        tag + 4
    }
}
