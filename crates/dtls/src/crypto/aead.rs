//! AES-128-GCM.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use zeroize::Zeroizing;

use super::CryptoFailure;

pub(crate) const KEY_LEN: usize = 16;
pub(crate) const NONCE_LEN: usize = 12;
pub(crate) const TAG_LEN: usize = 16;

/// A key for one direction. The caller sees to it that a nonce seals only once.
///
/// It is prepared for each record anew: that takes a fraction of a microsecond, while prepared it has half a kilobyte,
/// in each of thousands of associations that have nothing to say once SRTP has its keys.
pub(crate) struct Aes128Gcm(Zeroizing<[u8; KEY_LEN]>);

impl Aes128Gcm {
    pub(crate) fn new(key: &[u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(*key))
    }

    fn prepared(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &self.0[..]).expect("the key has the cipher's length"))
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
        Ok(tag.as_ref().try_into().expect("a GCM tag has 16 bytes"))
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
