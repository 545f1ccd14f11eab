//! The crypto door: the only room that names the crypto crates.
//!
//! HMAC-SHA1 and HMAC-SHA256 with keys whose first block is hashed once, MD5 and SHA-256 of long-term
//! credentials, CRC-32, constant-time comparison.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Length of an HMAC-SHA1.
pub(crate) const SHA1_LEN: usize = 20;
/// Length of an HMAC-SHA256, and of a SHA-256.
pub(crate) const SHA256_LEN: usize = 32;
/// Length of an MD5.
const MD5_LEN: usize = 16;
/// RFC 8489 §14.7: what FINGERPRINT's CRC is combined with ("STUN" in ASCII).
const FINGERPRINT_XOR: u32 = 0x5354_554E;

/// A key after its inner and outer pads were hashed, for both algorithms.
#[derive(Clone)]
pub(crate) struct PreparedKey {
    sha1: Hmac<Sha1>,
    sha256: Hmac<Sha256>,
}

impl PreparedKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self {
            sha1: Hmac::new_from_slice(key).expect("HMAC takes a key of any length"),
            sha256: Hmac::new_from_slice(key).expect("HMAC takes a key of any length"),
        }
    }

    /// HMAC-SHA1 over a header and what follows it.
    pub(crate) fn hmac_sha1(&self, header: &[u8], body: &[u8]) -> [u8; SHA1_LEN] {
        let mut mac = self.sha1.clone();
        mac.update(header);
        mac.update(body);
        mac.finalize().into_bytes().into()
    }

    /// HMAC-SHA256 over a header and what follows it.
    pub(crate) fn hmac_sha256(&self, header: &[u8], body: &[u8]) -> [u8; SHA256_LEN] {
        let mut mac = self.sha256.clone();
        mac.update(header);
        mac.update(body);
        mac.finalize().into_bytes().into()
    }
}

/// SHA-256 of the parts joined by colons.
pub(crate) fn sha256_of_joined(parts: &[&str]) -> [u8; SHA256_LEN] {
    joined::<Sha256>(parts).finalize().into()
}

/// MD5 of the parts joined by colons. MD5 is broken as a hash; here it only turns a password into a key.
pub(crate) fn md5_of_joined(parts: &[&str]) -> [u8; MD5_LEN] {
    joined::<Md5>(parts).finalize().into()
}

fn joined<H: Digest>(parts: &[&str]) -> H {
    let mut hash = H::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    hash
}

/// The value of FINGERPRINT for a message: header with the final length, then the attributes before FINGERPRINT.
pub(crate) fn fingerprint(header: &[u8], body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(header);
    crc.update(body);
    crc.finalize() ^ FINGERPRINT_XOR
}

/// Whether both are equal, in a time that depends on the lengths only.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
