//! Signatures: ours by ECDSA on P-256, the peer's by ECDSA on P-256 and P-384 or by RSA from 2048 bits on.

use ring::rand::SystemRandom;
use ring::signature::{
    self, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey, VerificationAlgorithm,
};

use super::CryptoFailure;
use crate::event::Version;
use crate::extension::signature_algorithms::SignatureScheme;

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

    /// By [`SignatureScheme::ECDSA_SECP256R1_SHA256`].
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoFailure> {
        let signature = self.0.sign(&SystemRandom::new(), message).map_err(|_| CryptoFailure)?;
        Ok(signature.as_ref().to_vec())
    }
}

/// A kind of key that we can verify with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// An uncompressed point.
    P256,
    /// An uncompressed point.
    P384,
    /// RSAPublicKey in DER (RFC 8017 §A.1.1).
    Rsa,
}

/// The public key of a peer's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    pub(crate) kind: KeyKind,
    pub(crate) bytes: Vec<u8>,
}

/// What we can verify, best first: the list that we send.
pub(crate) const VERIFIABLE: [SignatureScheme; 8] = [
    SignatureScheme::ECDSA_SECP256R1_SHA256,
    SignatureScheme::RSA_PSS_RSAE_SHA256,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::ECDSA_SECP384R1_SHA384,
    SignatureScheme::RSA_PSS_RSAE_SHA384,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PSS_RSAE_SHA512,
    SignatureScheme::RSA_PKCS1_SHA512,
];

impl PublicKey {
    /// Whether the scheme is one of ours and goes with this key.
    pub(crate) fn takes(&self, version: Version, scheme: SignatureScheme) -> bool {
        algorithm(version, self.kind, scheme).is_some()
    }

    /// Checks a signature of this key.
    pub(crate) fn verify(
        &self,
        version: Version,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoFailure> {
        let algorithm = algorithm(version, self.kind, scheme).ok_or(CryptoFailure)?;
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).map_err(|_| CryptoFailure)
    }
}

/// In DTLS 1.2 an ECDSA scheme names the hash alone and any curve goes with it; 1.3 names the curve as well, and has no
/// PKCS #1 v1.5 (RFC 8446 §4.2.3).
fn algorithm(
    version: Version,
    kind: KeyKind,
    scheme: SignatureScheme,
) -> Option<&'static dyn VerificationAlgorithm> {
    use SignatureScheme as S;
    let is_12 = version == Version::Dtls12;
    Some(match (kind, scheme) {
        (KeyKind::P256, S::ECDSA_SECP256R1_SHA256) => &signature::ECDSA_P256_SHA256_ASN1,
        (KeyKind::P384, S::ECDSA_SECP384R1_SHA384) => &signature::ECDSA_P384_SHA384_ASN1,
        (KeyKind::P256, S::ECDSA_SECP384R1_SHA384) if is_12 => &signature::ECDSA_P256_SHA384_ASN1,
        (KeyKind::P384, S::ECDSA_SECP256R1_SHA256) if is_12 => &signature::ECDSA_P384_SHA256_ASN1,
        (KeyKind::Rsa, S::RSA_PSS_RSAE_SHA256) => &signature::RSA_PSS_2048_8192_SHA256,
        (KeyKind::Rsa, S::RSA_PSS_RSAE_SHA384) => &signature::RSA_PSS_2048_8192_SHA384,
        (KeyKind::Rsa, S::RSA_PSS_RSAE_SHA512) => &signature::RSA_PSS_2048_8192_SHA512,
        (KeyKind::Rsa, S::RSA_PKCS1_SHA256) if is_12 => &signature::RSA_PKCS1_2048_8192_SHA256,
        (KeyKind::Rsa, S::RSA_PKCS1_SHA384) if is_12 => &signature::RSA_PKCS1_2048_8192_SHA384,
        (KeyKind::Rsa, S::RSA_PKCS1_SHA512) if is_12 => &signature::RSA_PKCS1_2048_8192_SHA512,
        _ => return None,
    })
}

/// Signatures that only peers make.
#[cfg(test)]
pub(crate) mod foreign {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, RSA_PSS_SHA256, RsaKeyPair};

    pub(crate) fn rsa_pss(pkcs8: &[u8], content: &[u8]) -> Vec<u8> {
        let key = RsaKeyPair::from_pkcs8(pkcs8).unwrap();
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), content, &mut signature).unwrap();
        signature
    }

    pub(crate) fn p384(pkcs8: &[u8], content: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8, &random).unwrap();
        key.sign(&random, content).unwrap().as_ref().to_vec()
    }
}
