//! Ephemeral Diffie-Hellman on X25519 and P-256.

use ring::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use ring::rand::SystemRandom;
use zeroize::Zeroizing;

use super::CryptoFailure;
use crate::extension::supported_groups::NamedGroup;

/// Our half of one key exchange; used once.
pub(crate) struct EphemeralKey {
    group: NamedGroup,
    private: EphemeralPrivateKey,
    public: Vec<u8>,
}

impl EphemeralKey {
    /// `None` inside `Ok` is impossible: an unknown group is the caller's to refuse first.
    pub(crate) fn generate(group: NamedGroup) -> Result<Self, CryptoFailure> {
        let algorithm = algorithm(group)?;
        let private =
            EphemeralPrivateKey::generate(algorithm, &SystemRandom::new()).map_err(|_| CryptoFailure)?;
        let public = private.compute_public_key().map_err(|_| CryptoFailure)?.as_ref().to_vec();
        Ok(Self { group, private, public })
    }

    /// RFC 8422 §5.4: 32 bytes for X25519, an uncompressed point (65 bytes) for P-256.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// The premaster secret (RFC 8422 §5.10). Invalid points and, on X25519, an all-zero result are refused
    /// by the backend (RFC 7748 §6.1).
    pub(crate) fn agree(self, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoFailure> {
        let peer = UnparsedPublicKey::new(algorithm(self.group)?, peer);
        agreement::agree_ephemeral(self.private, &peer, |secret| Zeroizing::new(secret.to_vec()))
            .map_err(|_| CryptoFailure)
    }
}

fn algorithm(group: NamedGroup) -> Result<&'static agreement::Algorithm, CryptoFailure> {
    match group {
        NamedGroup::X25519 => Ok(&agreement::X25519),
        NamedGroup::SECP256R1 => Ok(&agreement::ECDH_P256),
        _ => Err(CryptoFailure),
    }
}
