//! AES128_CM_HMAC_SHA1_80 and _32 (RFC 3711 §4.1.1, §4.2.1), by the RustCrypto crates.

use aes::Aes128Enc;
use aes::cipher::KeyInit;
use subtle::ConstantTimeEq;

use super::{SRTCP_E_FLAG, Unauthentic, aes_cm, hmac_sha1};
use crate::cryptex::{CLEAR, Hidden};
use crate::header::RTCP_FIXED;

/// RFC 5764 §4.1.2: RTCP's tag has 80 bits in either profile.
pub(super) const RTCP_TAG: usize = 10;
const INDEX_WORD: usize = 4;

pub(crate) struct AesCmHmacSha1 {
    pub(super) rtp: Keys,
    pub(super) rtcp: Keys,
}

pub(crate) struct Keys {
    cipher: Aes128Enc,
    mac: hmac_sha1::Key,
    salt: [u8; 14],
    /// Bytes of the tag that are sent.
    tag: usize,
}

impl Keys {
    pub(super) fn new(cipher: &[u8; 16], authentication: &[u8; 20], salt: [u8; 14], tag: usize) -> Self {
        Self { cipher: Aes128Enc::new(cipher.into()), mac: hmac_sha1::Key::new(authentication), salt, tag }
    }

    /// RFC 3711 §4.1.1: IV = salt * 2^16  xor  SSRC * 2^64  xor  index * 2^16
    fn iv(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let mut iv = [0; 16];
        iv[4..8].copy_from_slice(&ssrc.to_be_bytes());
        iv[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
        iv.iter_mut().zip(&self.salt).for_each(|(byte, salt)| *byte ^= salt);
        iv
    }

    pub(super) fn apply_keystream(&self, payload: &mut [u8], ssrc: u32, index: u64) {
        aes_cm::apply_keystream(&self.cipher, self.iv(ssrc, index), payload);
    }

    /// Encrypts what is behind the header and returns the tag of the whole and of the bytes `behind` it.
    fn seal(&self, packet: &mut [u8], header_len: usize, ssrc: u32, index: u64, behind: [u8; 4]) -> [u8; 20] {
        let mut mac = self.mac.begin();
        aes_cm::encrypt_then_mac(&self.cipher, self.iv(ssrc, index), packet, header_len, &mut mac);
        self.mac.finish(mac, packet, &behind)
    }

    fn verify(&self, packet: &[u8], behind: [u8; 4], tag: &[u8]) -> Result<(), Unauthentic> {
        let genuine = self.mac.finish(self.mac.begin(), packet, &behind);
        if bool::from(genuine[..self.tag].ct_eq(tag)) { Ok(()) } else { Err(Unauthentic) }
    }

    pub(super) fn seal_rtp(&self, buf: &mut Vec<u8>, start: usize, header_len: usize, ssrc: u32, index: u64) {
        let tag = self.seal(&mut buf[start..], header_len, ssrc, index, rollover_counter(index));
        buf.extend_from_slice(&tag[..self.tag]);
    }

    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Unauthentic> {
        let plain_len = packet.len() - self.tag;
        let (sealed, tag) = packet.split_at_mut(plain_len);
        self.verify(sealed, rollover_counter(index), tag)?;
        self.apply_keystream(&mut sealed[header_len..], ssrc, index);
        Ok(plain_len)
    }

    /// The tag covers the packet as it is sent, where the parts that are encrypted don't lie together: two passes.
    pub(super) fn seal_gathered(
        &self,
        buf: &mut Vec<u8>,
        start: usize,
        hidden: Hidden,
        ssrc: u32,
        index: u64,
    ) {
        let packet = &mut buf[start..];
        hidden.gather(packet);
        self.apply_keystream(&mut packet[CLEAR..], ssrc, index);
        hidden.scatter(packet);
        let tag = self.mac.finish(self.mac.begin(), packet, &rollover_counter(index));
        buf.extend_from_slice(&tag[..self.tag]);
    }

    pub(super) fn open_gathered(
        &self,
        packet: &mut [u8],
        hidden: Hidden,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Unauthentic> {
        let plain_len = packet.len() - self.tag;
        let (sealed, tag) = packet.split_at_mut(plain_len);
        self.verify(sealed, rollover_counter(index), tag)?;
        hidden.gather(sealed);
        self.apply_keystream(&mut sealed[CLEAR..], ssrc, index);
        hidden.scatter(sealed);
        Ok(plain_len)
    }

    /// RFC 3711 §3.4: the tag covers the index word, which is sent before it.
    pub(super) fn seal_rtcp(&self, buf: &mut Vec<u8>, start: usize, ssrc: u32, index: u32) {
        let index_word = (index | SRTCP_E_FLAG).to_be_bytes();
        let tag = self.seal(&mut buf[start..], RTCP_FIXED, ssrc, index.into(), index_word);
        buf.extend_from_slice(&index_word);
        buf.extend_from_slice(&tag[..self.tag]);
    }

    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        index_word: u32,
    ) -> Result<usize, Unauthentic> {
        let (authenticated, tag) = packet.split_at_mut(packet.len() - self.tag);
        let plain_len = authenticated.len() - INDEX_WORD;
        self.verify(&authenticated[..plain_len], index_word.to_be_bytes(), tag)?;
        if index_word & SRTCP_E_FLAG != 0 {
            let index = index_word & !SRTCP_E_FLAG;
            self.apply_keystream(&mut authenticated[RTCP_FIXED..plain_len], ssrc, index.into());
        }
        Ok(plain_len)
    }
}

/// RFC 3711 §4.2: the tag covers the rollover counter, which is not sent.
fn rollover_counter(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}
