//! AEAD_AES_128_GCM and AEAD_AES_256_GCM (RFC 7714), by ring.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};

use super::{SRTCP_E_FLAG, Unauthentic};
use crate::header::RTCP_FIXED;

const TAG: usize = 16;
const INDEX_WORD: usize = 4;

pub(crate) struct AesGcm {
    pub(super) rtp: Keys,
    pub(super) rtcp: Keys,
}

pub(crate) struct Keys {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Keys {
    pub(super) fn new(key: &[u8], salt: [u8; 12]) -> Self {
        let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, key).expect("a derived key has 16 or 32 bytes");
        Self { key: LessSafeKey::new(key), salt }
    }

    /// RFC 7714 §8.1   | 00 00 | SSRC (32) | ROC (32) | SEQ (16) |  xor salt
    fn rtp_nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut nonce = [0; 12];
        nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
        nonce[6..12].copy_from_slice(&index.to_be_bytes()[2..]);
        self.salted(nonce)
    }

    /// RFC 7714 §9.1   | 00 00 | SSRC (32) | 00 00 | 0, SRTCP index (31) |  xor salt
    fn rtcp_nonce(&self, ssrc: u32, index: u32) -> Nonce {
        let mut nonce = [0; 12];
        nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
        nonce[8..12].copy_from_slice(&index.to_be_bytes());
        self.salted(nonce)
    }

    fn salted(&self, mut nonce: [u8; 12]) -> Nonce {
        nonce.iter_mut().zip(&self.salt).for_each(|(byte, salt)| *byte ^= salt);
        Nonce::assume_unique_for_key(nonce)
    }

    pub(super) fn seal_rtp(&self, buf: &mut Vec<u8>, start: usize, header_len: usize, ssrc: u32, index: u64) {
        let (header, payload) = buf[start..].split_at_mut(header_len);
        let tag = self.seal(self.rtp_nonce(ssrc, index), header, payload);
        buf.extend_from_slice(tag.as_ref());
    }

    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Unauthentic> {
        let (header, sealed) = packet.split_at_mut(header_len);
        let nonce = self.rtp_nonce(ssrc, index);
        let plain = self.key.open_in_place(nonce, Aad::from(&*header), sealed).map_err(|_| Unauthentic)?;
        Ok(header_len + plain.len())
    }

    /// RFC 7714 §9.2: the associated data are the first eight bytes and the index word.
    pub(super) fn seal_rtcp(&self, buf: &mut Vec<u8>, start: usize, ssrc: u32, index: u32) {
        let index_word = index | SRTCP_E_FLAG;
        let (header, payload) = buf[start..].split_at_mut(RTCP_FIXED);
        let tag = self.seal(self.rtcp_nonce(ssrc, index), &rtcp_aad(header, index_word), payload);
        buf.extend_from_slice(tag.as_ref());
        buf.extend_from_slice(&index_word.to_be_bytes());
    }

    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        index_word: u32,
    ) -> Result<usize, Unauthentic> {
        let nonce = self.rtcp_nonce(ssrc, index_word & !SRTCP_E_FLAG);
        let end = packet.len() - INDEX_WORD;
        if index_word & SRTCP_E_FLAG == 0 {
            return self.verify_rtcp(packet, nonce, index_word);
        }
        let (header, sealed) = packet[..end].split_at_mut(RTCP_FIXED);
        let aad = rtcp_aad(header, index_word);
        let plain = self.key.open_in_place(nonce, Aad::from(aad), sealed).map_err(|_| Unauthentic)?;
        Ok(RTCP_FIXED + plain.len())
    }

    /// RFC 7714 §9.3: without encryption the whole packet and the index word are associated data, which ring
    /// wants in one piece; so the word is moved up to the packet and the tag kept aside.
    fn verify_rtcp(&self, packet: &mut [u8], nonce: Nonce, index_word: u32) -> Result<usize, Unauthentic> {
        let plain_len = packet.len() - INDEX_WORD - TAG;
        let tag = Tag::try_from(&packet[plain_len..plain_len + TAG]).map_err(|_| Unauthentic)?;
        packet[plain_len..plain_len + INDEX_WORD].copy_from_slice(&index_word.to_be_bytes());
        let aad = Aad::from(&packet[..plain_len + INDEX_WORD]);
        self.key.open_in_place_separate_tag(nonce, aad, tag, &mut [], 0..).map_err(|_| Unauthentic)?;
        Ok(plain_len)
    }

    fn seal(&self, nonce: Nonce, aad: &[u8], payload: &mut [u8]) -> Tag {
        self.key
            .seal_in_place_separate_tag(nonce, Aad::from(aad), payload)
            .expect("a packet is far shorter than GCM's limit of 64 GiB")
    }
}

fn rtcp_aad(header: &[u8], index_word: u32) -> [u8; RTCP_FIXED + INDEX_WORD] {
    let mut aad = [0; RTCP_FIXED + INDEX_WORD];
    aad[..RTCP_FIXED].copy_from_slice(header);
    aad[RTCP_FIXED..].copy_from_slice(&index_word.to_be_bytes());
    aad
}
