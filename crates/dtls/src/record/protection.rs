//! Sealing and opening records.
//!
//! ```text
//! DTLS 1.2, GCM (RFC 5288 §3)    nonce = write IV (4 bytes) | epoch (16) | record number (48); the latter eight are sent
//! DTLS 1.2, ChaCha (RFC 7905 §2) nonce = write IV (12 bytes) XOR (epoch | record number)
//!                                aad   = epoch | record number | content type | version | length of the plaintext
//! DTLS 1.3 (RFC 9147 §4)         nonce = write IV (12 bytes) XOR record number (64)
//!                                aad   = the record's header, before its number is masked
//! ```
//!
//! The nonce is made of the record's own number, which we never use twice (RFC 9325 §7.2.1): not on retransmission
//! either, since a flight is sealed anew each time it is sent.

use zeroize::Zeroizing;

use super::unified::UnifiedRecord;
use crate::crypto::CryptoFailure;
use crate::crypto::aead::{AeadAlgorithm, AeadKey, MaskKey, NONCE_LEN, SAMPLE_LEN, TAG_LEN};
use crate::record::{ContentType, ProtocolVersion};

const EXPLICIT_NONCE_LEN: usize = 8;

/// Length of the IV that the key block of DTLS 1.2 has for each direction.
pub(crate) fn fixed_iv_len(algorithm: AeadAlgorithm) -> usize {
    match algorithm {
        AeadAlgorithm::Aes128Gcm | AeadAlgorithm::Aes256Gcm => NONCE_LEN - EXPLICIT_NONCE_LEN,
        AeadAlgorithm::ChaCha20Poly1305 => NONCE_LEN,
    }
}

/// One direction's key and IV in DTLS 1.2.
pub(crate) struct Protection12 {
    key: AeadKey,
    iv: Zeroizing<[u8; NONCE_LEN]>,
    has_explicit_nonce: bool,
}

impl Protection12 {
    /// `iv` has [`fixed_iv_len`].
    pub(crate) fn new(algorithm: AeadAlgorithm, key: &[u8], iv: &[u8]) -> Self {
        Self {
            key: AeadKey::new(algorithm, key),
            iv: padded(iv),
            has_explicit_nonce: algorithm != AeadAlgorithm::ChaCha20Poly1305,
        }
    }

    /// What protection adds to a plaintext.
    pub(crate) fn overhead(&self) -> usize {
        TAG_LEN + if self.has_explicit_nonce { EXPLICIT_NONCE_LEN } else { 0 }
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
        if self.has_explicit_nonce {
            out.extend_from_slice(&number);
        }
        let start = out.len();
        out.extend_from_slice(plaintext);
        let aad = aad(number, content_type, plaintext.len());
        let tag = self.key.seal(self.nonce(number, number), &aad, &mut out[start..])?;
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
        let number = record_number(epoch, sequence_number);
        // The sender chooses its explicit nonce; ours is the record number, others may differ (RFC 5288 §3).
        let (explicit, sealed) = if self.has_explicit_nonce {
            let (explicit, sealed) =
                fragment.split_first_chunk::<EXPLICIT_NONCE_LEN>().ok_or(CryptoFailure)?;
            (*explicit, sealed)
        } else {
            (number, fragment)
        };
        let plain_len = sealed.len().checked_sub(TAG_LEN).ok_or(CryptoFailure)?;
        let aad = aad(number, content_type, plain_len);
        let mut plaintext = sealed.to_vec();
        self.key.open(self.nonce(explicit, number), &aad, &mut plaintext)?;
        plaintext.truncate(plain_len);
        Ok(plaintext)
    }

    fn nonce(&self, explicit: [u8; EXPLICIT_NONCE_LEN], number: [u8; 8]) -> [u8; NONCE_LEN] {
        if !self.has_explicit_nonce {
            return xor_nonce(&self.iv, u64::from_be_bytes(number));
        }
        let mut nonce = *self.iv;
        nonce[NONCE_LEN - EXPLICIT_NONCE_LEN..].copy_from_slice(&explicit);
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

/// One direction's keys in one epoch of DTLS 1.3.
pub(crate) struct Protection13 {
    key: AeadKey,
    iv: Zeroizing<[u8; NONCE_LEN]>,
    mask: MaskKey,
}

/// What protection adds to a plaintext beside the header: the content type and the tag.
pub(crate) const OVERHEAD_13: usize = 1 + TAG_LEN;

impl Protection13 {
    pub(crate) fn new(algorithm: AeadAlgorithm, key: &[u8], iv: [u8; NONCE_LEN], mask: &[u8]) -> Self {
        Self {
            key: AeadKey::new(algorithm, key),
            iv: Zeroizing::new(iv),
            mask: MaskKey::new(algorithm, mask),
        }
    }

    /// Appends a whole record. The content type keeps even an empty plaintext's ciphertext long enough for a mask.
    pub(crate) fn seal(
        &self,
        content_type: ContentType,
        epoch: u64,
        sequence_number: u64,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoFailure> {
        let len = u16::try_from(plaintext.len() + OVERHEAD_13).map_err(|_| CryptoFailure)?;
        let start = out.len();
        UnifiedRecord::emit_header(epoch, sequence_number, len, out);
        let body = out.len();
        out.extend_from_slice(plaintext);
        out.push(content_type.0);
        let (head, sealed) = out.split_at_mut(body);
        let header = &mut head[start..];
        let tag = self.key.seal(xor_nonce(&self.iv, sequence_number), header, sealed)?;
        out.extend_from_slice(&tag);
        let sample = out[body..].first_chunk::<SAMPLE_LEN>().expect("the tag alone has as many bytes");
        let [a, b] = self.mask.mask(sample);
        out[start + 1] ^= a;
        out[start + 2] ^= b;
        Ok(())
    }

    /// The low bits of a record's number. `None`: the ciphertext is too short for any record (RFC 9147 §4.2.3).
    pub(crate) fn unmask(&self, record: &UnifiedRecord<'_>) -> Option<u16> {
        let [a, b] = self.mask.mask(record.ciphertext.first_chunk::<SAMPLE_LEN>()?);
        Some(match record.header.get(1..1 + record.number_len)? {
            [high, low] => u16::from_be_bytes([high ^ a, low ^ b]),
            [low] => u16::from(low ^ a),
            _ => return None,
        })
    }

    /// The plaintext with its type and padding. `low` is what [`Self::unmask`] said, `sequence_number` the whole number.
    pub(crate) fn open(
        &self,
        record: &UnifiedRecord<'_>,
        low: u16,
        sequence_number: u64,
    ) -> Result<Vec<u8>, CryptoFailure> {
        let mut aad = [0; super::unified::HEADER_LEN];
        let aad = aad.get_mut(..record.header.len()).ok_or(CryptoFailure)?;
        aad.copy_from_slice(record.header);
        match &mut aad[1..=record.number_len] {
            [byte] => *byte = low as u8,
            bytes => bytes.copy_from_slice(&low.to_be_bytes()),
        }
        let mut plaintext = record.ciphertext.to_vec();
        let len = self.key.open(xor_nonce(&self.iv, sequence_number), aad, &mut plaintext)?.len();
        plaintext.truncate(len);
        Ok(plaintext)
    }
}

fn xor_nonce(iv: &[u8; NONCE_LEN], number: u64) -> [u8; NONCE_LEN] {
    let mut nonce = *iv;
    nonce[NONCE_LEN - 8..].iter_mut().zip(number.to_be_bytes()).for_each(|(byte, n)| *byte ^= n);
    nonce
}

fn padded(iv: &[u8]) -> Zeroizing<[u8; NONCE_LEN]> {
    let mut bytes = Zeroizing::new([0; NONCE_LEN]);
    bytes[..iv.len()].copy_from_slice(iv);
    bytes
}
