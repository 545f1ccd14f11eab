//! AES128_CM_HMAC_SHA1_80 (RFC 3711 §4.1.1, §4.2.1), by the RustCrypto crates.

use aes::{
    Aes128Enc,
    cipher::{InnerIvInit, StreamCipher, StreamCipherCoreWrapper},
};
use ctr::{CtrCore, flavors::Ctr128BE};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::{SRTCP_E_FLAG, Unauthentic};
use crate::header::RTCP_FIXED;

pub(super) const TAG: usize = 10;
const INDEX_WORD: usize = 4;

pub(crate) struct AesCmHmacSha1 {
    pub(super) rtp: Keys,
    pub(super) rtcp: Keys,
}

pub(crate) struct Keys {
    cipher: Aes128Enc,
    mac: Hmac<Sha1>,
    salt: [u8; 14],
}

impl Keys {
    pub(super) fn new(cipher: &[u8; 16], authentication: &[u8; 20], salt: [u8; 14]) -> Self {
        let cipher = Aes128Enc::new(cipher.into());
        let mac = Hmac::new_from_slice(authentication).expect("HMAC takes keys of any length");
        Self { cipher, mac, salt }
    }

    /// RFC 3711 §4.1.1: IV = salt * 2^16  xor  SSRC * 2^64  xor  index * 2^16
    pub(super) fn apply_keystream(&self, payload: &mut [u8], ssrc: u32, index: u64) {
        let mut iv = [0; 16];
        iv[4..8].copy_from_slice(&ssrc.to_be_bytes());
        iv[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
        iv.iter_mut().zip(&self.salt).for_each(|(byte, salt)| *byte ^= salt);
        let core = CtrCore::<&Aes128Enc, Ctr128BE>::inner_iv_init(&self.cipher, &iv.into());
        StreamCipherCoreWrapper::from_core(core).apply_keystream(payload);
    }

    /// RFC 3711 §4.2: the tag covers header, encrypted payload and the rollover counter, which is not sent.
    fn rtp_mac(&self, packet: &[u8], index: u64) -> Hmac<Sha1> {
        let rollover_counter = (index >> 16) as u32;
        let mut mac = self.mac.clone();
        mac.update(packet);
        mac.update(&rollover_counter.to_be_bytes());
        mac
    }

    pub(super) fn seal_rtp(&self, buf: &mut Vec<u8>, start: usize, header_len: usize, ssrc: u32, index: u64) {
        self.apply_keystream(&mut buf[start + header_len..], ssrc, index);
        let tag = self.rtp_mac(&buf[start..], index).finalize().into_bytes();
        buf.extend_from_slice(&tag[..TAG]);
    }

    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Unauthentic> {
        let plain_len = packet.len() - TAG;
        let (sealed, tag) = packet.split_at_mut(plain_len);
        self.rtp_mac(sealed, index).verify_truncated_left(tag).map_err(|_| Unauthentic)?;
        self.apply_keystream(&mut sealed[header_len..], ssrc, index);
        Ok(plain_len)
    }

    pub(super) fn seal_rtcp(&self, buf: &mut Vec<u8>, start: usize, ssrc: u32, index: u32) {
        self.apply_keystream(&mut buf[start + RTCP_FIXED..], ssrc, index.into());
        buf.extend_from_slice(&(index | SRTCP_E_FLAG).to_be_bytes());
        let tag = self.mac.clone().chain_update(&buf[start..]).finalize().into_bytes();
        buf.extend_from_slice(&tag[..TAG]);
    }

    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        index_word: u32,
    ) -> Result<usize, Unauthentic> {
        let (authenticated, tag) = packet.split_at_mut(packet.len() - TAG);
        self.mac.clone().chain_update(&*authenticated).verify_truncated_left(tag).map_err(|_| Unauthentic)?;
        let plain_len = authenticated.len() - INDEX_WORD;
        if index_word & SRTCP_E_FLAG != 0 {
            let index = index_word & !SRTCP_E_FLAG;
            self.apply_keystream(&mut authenticated[RTCP_FIXED..plain_len], ssrc, index.into());
        }
        Ok(plain_len)
    }
}
