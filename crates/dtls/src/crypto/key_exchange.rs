//! Key exchange: Diffie-Hellman on X25519, P-256 and P-384, and X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem), which
//! stands even if one of its two halves falls.
//!
//! ```text
//! client's share   ML-KEM encapsulation key (1184) | X25519 (32)
//! server's share   ML-KEM ciphertext (1088)        | X25519 (32)
//! secret           ML-KEM secret (32)              | X25519 secret (32)
//! ```
//!
//! X25519 and ML-KEM come from aws-lc-rs, whose X25519 takes half the time; the NIST curves from ring.

use aws_lc_rs::agreement as aws;
use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768};
use ring::agreement as ring;
use zeroize::Zeroizing;

use super::CryptoFailure;
use crate::extension::supported_groups::NamedGroup;

const X25519_LEN: usize = 32;
const ENCAPSULATION_KEY_LEN: usize = 1184;
const CIPHERTEXT_LEN: usize = 1088;

/// A shared secret: 32, 48 or 64 bytes.
pub(crate) type Secret = Zeroizing<Vec<u8>>;

/// Our half of one key exchange; used once.
pub(crate) struct EphemeralKey {
    private: Private,
    public: Vec<u8>,
}

enum Private {
    X25519(aws::PrivateKey),
    Nist(ring::EphemeralPrivateKey, &'static ring::Algorithm),
    Hybrid(Box<DecapsulationKey>, aws::PrivateKey),
}

impl EphemeralKey {
    /// An unknown group is the caller's to refuse first.
    pub(crate) fn generate(group: NamedGroup) -> Result<Self, CryptoFailure> {
        match group {
            NamedGroup::X25519 => {
                let private = x25519()?;
                let public = x25519_public(&private)?;
                Ok(Self { private: Private::X25519(private), public })
            }
            NamedGroup::SECP256R1 => Self::nist(&ring::ECDH_P256),
            NamedGroup::SECP384R1 => Self::nist(&ring::ECDH_P384),
            NamedGroup::X25519MLKEM768 => {
                let decapsulation = DecapsulationKey::generate(&ML_KEM_768).map_err(failed)?;
                let encapsulation = decapsulation.encapsulation_key().map_err(failed)?;
                let mut public = encapsulation.key_bytes().map_err(failed)?.as_ref().to_vec();
                let private = x25519()?;
                public.extend_from_slice(&x25519_public(&private)?);
                Ok(Self { private: Private::Hybrid(Box::new(decapsulation), private), public })
            }
            _ => Err(CryptoFailure),
        }
    }

    fn nist(algorithm: &'static ring::Algorithm) -> Result<Self, CryptoFailure> {
        let rng = ::ring::rand::SystemRandom::new();
        let private = ring::EphemeralPrivateKey::generate(algorithm, &rng).map_err(|_| CryptoFailure)?;
        let public = private.compute_public_key().map_err(|_| CryptoFailure)?.as_ref().to_vec();
        Ok(Self { private: Private::Nist(private, algorithm), public })
    }

    /// What goes into the key share: 32 bytes for X25519, an uncompressed point (65, 97) for a NIST curve
    /// (RFC 8446 §4.2.8.2), 1216 for the hybrid.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// The shared secret. Invalid points and, on X25519, an all-zero result are refused by the backends (RFC 7748 §6.1).
    pub(crate) fn agree(self, peer: &[u8]) -> Result<Secret, CryptoFailure> {
        match self.private {
            Private::X25519(private) => x25519_agree(&private, peer),
            Private::Nist(private, algorithm) => {
                let peer = ring::UnparsedPublicKey::new(algorithm, peer);
                ring::agree_ephemeral(private, &peer, |secret| Zeroizing::new(secret.to_vec()))
                    .map_err(|_| CryptoFailure)
            }
            Private::Hybrid(decapsulation, private) => {
                let (ciphertext, point) = peer.split_at_checked(CIPHERTEXT_LEN).ok_or(CryptoFailure)?;
                let secret = decapsulation.decapsulate(Ciphertext::from(ciphertext)).map_err(failed)?;
                Ok(joined(secret.as_ref(), &x25519_agree(&private, point)?))
            }
        }
    }
}

/// A server's whole part: its share, and the secret that it makes with the client's.
pub(crate) fn respond(group: NamedGroup, peer: &[u8]) -> Result<(Vec<u8>, Secret), CryptoFailure> {
    if group != NamedGroup::X25519MLKEM768 {
        let key = EphemeralKey::generate(group)?;
        let public = key.public.clone();
        return Ok((public, key.agree(peer)?));
    }
    let (key, point) = peer.split_at_checked(ENCAPSULATION_KEY_LEN).ok_or(CryptoFailure)?;
    // FIPS 203 §7.2: the backend checks that the key's numbers are reduced.
    let key = EncapsulationKey::new(&ML_KEM_768, key).map_err(|_| CryptoFailure)?;
    let (ciphertext, secret) = key.encapsulate().map_err(failed)?;
    let private = x25519()?;
    let mut public = ciphertext.as_ref().to_vec();
    public.extend_from_slice(&x25519_public(&private)?);
    Ok((public, joined(secret.as_ref(), &x25519_agree(&private, point)?)))
}

fn x25519() -> Result<aws::PrivateKey, CryptoFailure> {
    aws::PrivateKey::generate(&aws::X25519).map_err(failed)
}

fn x25519_public(private: &aws::PrivateKey) -> Result<Vec<u8>, CryptoFailure> {
    Ok(private.compute_public_key().map_err(failed)?.as_ref().to_vec())
}

fn x25519_agree(private: &aws::PrivateKey, peer: &[u8]) -> Result<Secret, CryptoFailure> {
    if peer.len() != X25519_LEN {
        return Err(CryptoFailure);
    }
    let peer = aws::UnparsedPublicKey::new(&aws::X25519, peer);
    aws::agree(private, peer, CryptoFailure, |secret| Ok(Zeroizing::new(secret.to_vec())))
}

fn joined(first: &[u8], second: &[u8]) -> Secret {
    let mut secret = Zeroizing::new(Vec::with_capacity(first.len() + second.len()));
    secret.extend_from_slice(first);
    secret.extend_from_slice(second);
    secret
}

fn failed(_: aws_lc_rs::error::Unspecified) -> CryptoFailure {
    CryptoFailure
}
