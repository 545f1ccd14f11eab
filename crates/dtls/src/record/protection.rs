//! Sealing and opening records with AES-128-GCM (RFC 5288 §3, RFC 6347 §4.1.2.1).
//!
//! ```text
//! nonce = write IV (4 bytes) | epoch (16) | sequence number (48)      the latter eight are sent in front of the ciphertext
//! aad   = epoch | sequence number | content type | version | length of the plaintext
//! ```
//!
//! The explicit nonce is the record's own number, which we never use twice (RFC 9325 §7.2.1): not on
//! retransmission either, since a flight is sealed anew each time it is sent.

use crate::crypto::CryptoFailure;
use crate::crypto::aead::{Aes128Gcm, KEY_LEN, NONCE_LEN, TAG_LEN};
use crate::record::{ContentType, ProtocolVersion};

pub(crate) const FIXED_IV_LEN: usize = 4;
const EXPLICIT_NONCE_LEN: usize = 8;

/// What protection adds to a plaintext.
pub(crate) const OVERHEAD: usize = EXPLICIT_NONCE_LEN + TAG_LEN;

/// One direction's key and IV.
pub(crate) struct Protection {
    cipher: Aes128Gcm,
    fixed_iv: [u8; FIXED_IV_LEN],
}

impl Protection {
    pub(crate) fn new(key: &[u8; KEY_LEN], fixed_iv: [u8; FIXED_IV_LEN]) -> Self {
        Self { cipher: Aes128Gcm::new(key), fixed_iv }
    }

    /// Appends the protected fragment of `plaintext`.
    pub(crate) fn seal(
        &self,
        content_type: ContentType,
        epoch: u16,
        sequence_number: u64,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoFailure> {
        let number = record_number(epoch, sequence_number);
        out.extend_from_slice(&number);
        let start = out.len();
        out.extend_from_slice(plaintext);
        let aad = aad(number, content_type, plaintext.len());
        let tag = self.cipher.seal(self.nonce(number), &aad, &mut out[start..])?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// The plaintext of a protected fragment.
    pub(crate) fn open(
        &self,
        content_type: ContentType,
        epoch: u16,
        sequence_number: u64,
        fragment: &[u8],
    ) -> Result<Vec<u8>, CryptoFailure> {
        // The sender chooses its explicit nonce; ours is the record number, others may differ (RFC 5288 §3).
        let (explicit, sealed) = fragment.split_first_chunk::<EXPLICIT_NONCE_LEN>().ok_or(CryptoFailure)?;
        let plain_len = sealed.len().checked_sub(TAG_LEN).ok_or(CryptoFailure)?;
        let aad = aad(record_number(epoch, sequence_number), content_type, plain_len);
        let mut plaintext = sealed.to_vec();
        self.cipher.open(self.nonce(*explicit), &aad, &mut plaintext)?;
        plaintext.truncate(plain_len);
        Ok(plaintext)
    }

    fn nonce(&self, explicit: [u8; EXPLICIT_NONCE_LEN]) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        nonce[..FIXED_IV_LEN].copy_from_slice(&self.fixed_iv);
        nonce[FIXED_IV_LEN..].copy_from_slice(&explicit);
        nonce
    }
}

fn record_number(epoch: u16, sequence_number: u64) -> [u8; 8] {
    (u64::from(epoch) << 48 | sequence_number).to_be_bytes()
}

fn aad(number: [u8; 8], content_type: ContentType, len: usize) -> [u8; 13] {
    let mut aad = [0; 13];
    aad[..8].copy_from_slice(&number);
    aad[8] = content_type.0;
    aad[9..11].copy_from_slice(&ProtocolVersion::DTLS_1_2.0.to_be_bytes());
    aad[11..].copy_from_slice(&(len as u16).to_be_bytes());
    aad
}
