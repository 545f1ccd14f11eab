//! The cipher suites that we speak, best first.

use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::hash::SuiteHash;
use crate::event::Version;

/// What a server signs the key exchange with in DTLS 1.2; in 1.3 the suite does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authentication {
    Any,
    Ecdsa,
    Rsa,
}

/// A cipher suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    /// Its IANA number.
    pub(crate) number: u16,
    pub(crate) version: Version,
    pub(crate) aead: AeadAlgorithm,
    pub(crate) hash: SuiteHash,
    pub(crate) authentication: Authentication,
}

const fn suite(
    number: u16,
    version: Version,
    aead: AeadAlgorithm,
    hash: SuiteHash,
    authentication: Authentication,
) -> Suite {
    Suite { number, version, aead, hash, authentication }
}

use AeadAlgorithm::{Aes128Gcm, Aes256Gcm, ChaCha20Poly1305};
use Authentication::{Any, Ecdsa, Rsa};
use SuiteHash::{Sha256, Sha384};
use Version::{Dtls12, Dtls13};

/// In order of preference: AES-128-GCM is the fastest, and RFC 8827 §6.5 requires 0xC02B.
const SUITES: [Suite; 9] = [
    suite(0x1301, Dtls13, Aes128Gcm, Sha256, Any), // RFC 8446 §B.4
    suite(0x1302, Dtls13, Aes256Gcm, Sha384, Any),
    suite(0x1303, Dtls13, ChaCha20Poly1305, Sha256, Any),
    suite(0xC02B, Dtls12, Aes128Gcm, Sha256, Ecdsa), // RFC 5289 §3.2
    suite(0xC02F, Dtls12, Aes128Gcm, Sha256, Rsa),
    suite(0xC02C, Dtls12, Aes256Gcm, Sha384, Ecdsa),
    suite(0xC030, Dtls12, Aes256Gcm, Sha384, Rsa),
    suite(0xCCA9, Dtls12, ChaCha20Poly1305, Sha256, Ecdsa), // RFC 7905 §2
    suite(0xCCA8, Dtls12, ChaCha20Poly1305, Sha256, Rsa),
];

/// The suites of one version, best first.
pub(crate) fn of(version: Version) -> impl Iterator<Item = Suite> {
    SUITES.into_iter().filter(move |suite| suite.version == version)
}

/// The suite of that number and version.
pub(crate) fn find(version: Version, number: u16) -> Option<Suite> {
    of(version).find(|suite| suite.number == number)
}
