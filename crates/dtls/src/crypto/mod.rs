//! The crypto door: nothing outside this folder names the backends (ring, and aws-lc-rs for X25519 and ML-KEM).
//!
//! Key shares and signature nonces are drawn from the backend's own generator, not from the connection's seed.

pub(crate) mod aead;
pub(crate) mod hash;
pub(crate) mod hkdf;
pub(crate) mod key_exchange;
pub(crate) mod prf;
pub(crate) mod signature;

/// The backend refused: a failed check, or no entropy. It tells no more, on purpose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CryptoFailure;
