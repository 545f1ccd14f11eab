//! ECDSA on P-256 with SHA-256 (`ecdsa_secp256r1_sha256`), signatures in DER.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};

use super::CryptoFailure;

pub(crate) struct SigningKey(EcdsaKeyPair);

impl SigningKey {
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, CryptoFailure> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &SystemRandom::new())
            .map(Self)
            .map_err(|_| CryptoFailure)
    }

    /// The uncompressed point.
    pub(crate) fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoFailure> {
        let signature = self.0.sign(&SystemRandom::new(), message).map_err(|_| CryptoFailure)?;
        Ok(signature.as_ref().to_vec())
    }
}

/// Checks a signature by the key at `point` (uncompressed).
pub(crate) fn verify(point: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoFailure> {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
        .verify(message, signature)
        .map_err(|_| CryptoFailure)
}
