//! The crypto door: nothing outside this room names the crates that encrypt.
//!
//! Both ciphers work on whole packets in place. Lengths and header ends are checked before they are called.

mod aes_cm;
mod aes_cm_hmac_sha1;
mod aes_gcm;
mod hmac_sha1;
#[cfg(test)]
mod tests;

pub(crate) use aes_cm_hmac_sha1::AesCmHmacSha1;
pub(crate) use aes_gcm::AesGcm;

use crate::{
    cryptex::{CLEAR, Hidden},
    key_derivation::{Label, derive},
    profile::Profile,
};

/// The tag does not match.
#[derive(Debug)]
pub(crate) struct Unauthentic;

/// RFC 3711 §3.4: the top bit of the SRTCP index word says that the packet is encrypted.
pub(crate) const SRTCP_E_FLAG: u32 = 1 << 31;

/// Keys are kept prepared (key schedules, HMAC pads), so that a packet costs only its own bytes.
pub(crate) enum Cipher {
    AesCmHmacSha1(Box<AesCmHmacSha1>),
    AesGcm(Box<AesGcm>),
}

impl Cipher {
    /// The memory of the keys for RTP.
    pub(crate) fn rtp_region(&self, each: &mut impl FnMut(*const u8, usize)) {
        match self {
            Self::AesCmHmacSha1(keys) => each((&raw const keys.rtp).cast(), size_of_val(&keys.rtp)),
            Self::AesGcm(keys) => each((&raw const keys.rtp).cast(), size_of_val(&keys.rtp)),
        }
    }

    /// The lengths of `key` and `salt` were checked against `profile` before.
    pub(crate) fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Self {
        match profile {
            Profile::Aes128CmHmacSha1_80 | Profile::Aes128CmHmacSha1_32 => {
                Self::AesCmHmacSha1(Box::new(AesCmHmacSha1 {
                    rtp: aes_cm_hmac_sha1::Keys::new(
                        &derive(profile, key, salt, Label::RtpEncryption),
                        &derive(profile, key, salt, Label::RtpAuthentication),
                        *derive(profile, key, salt, Label::RtpSalt),
                        profile.rtp_overhead(),
                    ),
                    rtcp: aes_cm_hmac_sha1::Keys::new(
                        &derive(profile, key, salt, Label::RtcpEncryption),
                        &derive(profile, key, salt, Label::RtcpAuthentication),
                        *derive(profile, key, salt, Label::RtcpSalt),
                        aes_cm_hmac_sha1::RTCP_TAG,
                    ),
                }))
            }
            Profile::AeadAes128Gcm => Self::AesGcm(Box::new(AesGcm {
                rtp: aes_gcm::Keys::new(
                    &derive::<16>(profile, key, salt, Label::RtpEncryption)[..],
                    *derive(profile, key, salt, Label::RtpSalt),
                ),
                rtcp: aes_gcm::Keys::new(
                    &derive::<16>(profile, key, salt, Label::RtcpEncryption)[..],
                    *derive(profile, key, salt, Label::RtcpSalt),
                ),
            })),
            Profile::AeadAes256Gcm => Self::AesGcm(Box::new(AesGcm {
                rtp: aes_gcm::Keys::new(
                    &derive::<32>(profile, key, salt, Label::RtpEncryption)[..],
                    *derive(profile, key, salt, Label::RtpSalt),
                ),
                rtcp: aes_gcm::Keys::new(
                    &derive::<32>(profile, key, salt, Label::RtcpEncryption)[..],
                    *derive(profile, key, salt, Label::RtcpSalt),
                ),
            })),
        }
    }

    /// Encrypts `buf[start + header_len..]` and appends the tag.
    pub(crate) fn seal_rtp(&self, buf: &mut Vec<u8>, start: usize, header_len: usize, ssrc: u32, index: u64) {
        match self {
            Self::AesCmHmacSha1(cipher) => cipher.rtp.seal_rtp(buf, start, header_len, ssrc, index),
            Self::AesGcm(cipher) => cipher.rtp.seal_rtp(buf, start, header_len, ssrc, index),
        }
    }

    /// Checks the tag and decrypts; returns the plain length.
    pub(crate) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Unauthentic> {
        match self {
            Self::AesCmHmacSha1(cipher) => cipher.rtp.open_rtp(packet, header_len, ssrc, index),
            Self::AesGcm(cipher) => cipher.rtp.open_rtp(packet, header_len, ssrc, index),
        }
    }

    /// Encrypts what Cryptex hides and the payload, of a packet with contributing sources, and appends the tag.
    pub(crate) fn seal_gathered(
        &self,
        buf: &mut Vec<u8>,
        start: usize,
        hidden: Hidden,
        ssrc: u32,
        index: u64,
    ) {
        match self {
            Self::AesCmHmacSha1(cipher) => cipher.rtp.seal_gathered(buf, start, hidden, ssrc, index),
            Self::AesGcm(cipher) => {
                hidden.gather(&mut buf[start..]);
                cipher.rtp.seal_rtp(buf, start, CLEAR, ssrc, index);
                hidden.scatter(&mut buf[start..]);
            }
        }
    }

    /// Checks the tag, decrypts what Cryptex hides and the payload, and takes the mark off; returns the plain length.
    pub(crate) fn open_gathered(
        &self,
        packet: &mut [u8],
        hidden: Hidden,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Unauthentic> {
        let plain_len = match self {
            Self::AesCmHmacSha1(cipher) => cipher.rtp.open_gathered(packet, hidden, ssrc, index)?,
            Self::AesGcm(cipher) => {
                hidden.gather(packet);
                let plain_len = cipher.rtp.open_rtp(packet, CLEAR, ssrc, index)?;
                hidden.scatter(packet);
                plain_len
            }
        };
        hidden.unmark(packet);
        Ok(plain_len)
    }

    /// Encrypts all but the first eight bytes of `buf[start..]`, appends tag and index with the E flag.
    pub(crate) fn seal_rtcp(&self, buf: &mut Vec<u8>, start: usize, ssrc: u32, index: u32) {
        match self {
            Self::AesCmHmacSha1(cipher) => cipher.rtcp.seal_rtcp(buf, start, ssrc, index),
            Self::AesGcm(cipher) => cipher.rtcp.seal_rtcp(buf, start, ssrc, index),
        }
    }

    /// The word of E flag and index, where this profile has it.
    pub(crate) fn srtcp_index_word(&self, packet: &[u8]) -> Option<u32> {
        let before = match self {
            Self::AesCmHmacSha1(_) => packet.len().checked_sub(aes_cm_hmac_sha1::RTCP_TAG)?,
            Self::AesGcm(_) => packet.len(),
        };
        packet.get(..before)?.last_chunk().copied().map(u32::from_be_bytes)
    }

    /// Checks the tag and decrypts if the E flag of `index_word` is set; returns the plain length.
    pub(crate) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        index_word: u32,
    ) -> Result<usize, Unauthentic> {
        match self {
            Self::AesCmHmacSha1(cipher) => cipher.rtcp.open_rtcp(packet, ssrc, index_word),
            Self::AesGcm(cipher) => cipher.rtcp.open_rtcp(packet, ssrc, index_word),
        }
    }
}
