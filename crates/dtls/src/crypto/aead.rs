//! The three ciphers that protect records: AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey, quic};
use zeroize::Zeroizing;

use super::CryptoFailure;

pub(crate) const MAX_KEY_LEN: usize = 32;
pub(crate) const NONCE_LEN: usize = 12;
pub(crate) const TAG_LEN: usize = 16;
/// How much ciphertext a record number's mask is made of (RFC 9147 §4.2.3).
pub(crate) const SAMPLE_LEN: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AeadAlgorithm {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

impl AeadAlgorithm {
    pub(crate) fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
        }
    }

    fn backend(self) -> &'static ring::aead::Algorithm {
        match self {
            Self::Aes128Gcm => &AES_128_GCM,
            Self::Aes256Gcm => &AES_256_GCM,
            Self::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        }
    }

    fn mask_backend(self) -> &'static quic::Algorithm {
        match self {
            Self::Aes128Gcm => &quic::AES_128,
            Self::Aes256Gcm => &quic::AES_256,
            Self::ChaCha20Poly1305 => &quic::CHACHA20,
        }
    }
}

/// A key for one direction. The caller sees to it that a nonce seals only once.
///
/// It is prepared for each record anew: that takes a fraction of a microsecond, while prepared it has half a kilobyte,
/// in each of thousands of associations that have nothing to say once SRTP has its keys.
pub(crate) struct AeadKey {
    algorithm: AeadAlgorithm,
    bytes: Zeroizing<[u8; MAX_KEY_LEN]>,
}

impl AeadKey {
    /// `key` has the algorithm's length: it was cut to it.
    pub(crate) fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Self {
        Self { algorithm, bytes: padded(key) }
    }

    fn prepared(&self) -> LessSafeKey {
        let key = &self.bytes[..self.algorithm.key_len()];
        LessSafeKey::new(
            UnboundKey::new(self.algorithm.backend(), key).expect("the key has the cipher's length"),
        )
    }

    /// Encrypts in place and returns the tag.
    pub(crate) fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<[u8; TAG_LEN], CryptoFailure> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .prepared()
            .seal_in_place_separate_tag(nonce, Aad::from(aad), in_out)
            .map_err(|_| CryptoFailure)?;
        Ok(tag.as_ref().try_into().expect("the tag of all three has 16 bytes"))
    }

    /// Decrypts `in_out` (ciphertext and tag) in place and returns the plaintext's part of it.
    pub(crate) fn open<'a>(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        in_out: &'a mut [u8],
    ) -> Result<&'a mut [u8], CryptoFailure> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.prepared().open_in_place(nonce, Aad::from(aad), in_out).map_err(|_| CryptoFailure)
    }
}

/// The key that hides record numbers (RFC 9147 §4.2.3; the same construction as QUIC's header protection).
pub(crate) struct MaskKey {
    algorithm: AeadAlgorithm,
    bytes: Zeroizing<[u8; MAX_KEY_LEN]>,
}

impl MaskKey {
    /// `key` has the algorithm's length: it was cut to it.
    pub(crate) fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Self {
        Self { algorithm, bytes: padded(key) }
    }

    /// What to XOR the two bytes of a record number with, given the first bytes of the ciphertext.
    pub(crate) fn mask(&self, sample: &[u8; SAMPLE_LEN]) -> [u8; 2] {
        let key = &self.bytes[..self.algorithm.key_len()];
        let key = quic::HeaderProtectionKey::new(self.algorithm.mask_backend(), key)
            .expect("the key has the cipher's length");
        let [a, b, ..] = key.new_mask(sample).expect("the sample has the cipher's length");
        [a, b]
    }
}

fn padded(key: &[u8]) -> Zeroizing<[u8; MAX_KEY_LEN]> {
    let mut bytes = Zeroizing::new([0; MAX_KEY_LEN]);
    bytes[..key.len()].copy_from_slice(key);
    bytes
}
