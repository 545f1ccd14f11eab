//! The crypto door: the only room that names the crypto crates.
//!
//! HMAC-SHA1 (passwords of time-limited credentials), HMAC-SHA256 (nonces), Base64, constant-time comparison.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Length of an HMAC-SHA1.
const SHA1_LEN: usize = 20;
/// Length of a Base64-encoded HMAC-SHA1.
const PASSWORD_LEN: usize = 28;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A shared secret of time-limited credentials, its inner and outer pads hashed.
#[derive(Clone)]
pub(crate) struct Secret(Hmac<Sha1>);

impl Secret {
    pub(crate) fn new(secret: &str) -> Self {
        Self(Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length"))
    }

    /// `base64(HMAC-SHA1(secret, username))`.
    pub(crate) fn password(&self, username: &str) -> Password {
        let mut mac = self.0.clone();
        mac.update(username.as_bytes());
        let mac: [u8; SHA1_LEN] = mac.finalize().into_bytes().into();
        let mut text = [0; PASSWORD_LEN];
        base64(&mac, &mut text);
        Password(text)
    }
}

/// A password that was made from a secret.
pub(crate) struct Password([u8; PASSWORD_LEN]);

impl Password {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("Base64 is ASCII")
    }
}

/// A key for HMAC-SHA256, prepared.
#[derive(Clone)]
pub(crate) struct MacKey(Hmac<Sha256>);

impl MacKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    /// The first 8 bytes of the HMAC over the parts.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> [u8; 8] {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        let mac: [u8; 32] = mac.finalize().into_bytes().into();
        *mac.first_chunk().expect("32 bytes")
    }
}

/// Whether both are equal, in a time that depends on the lengths only.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// Writes the Base64 of `bytes`, padding included, to `out`, which has just that length.
pub(crate) fn base64(bytes: &[u8], out: &mut [u8]) {
    for (group, digits) in bytes.chunks(3).zip(out.chunks_mut(4)) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (index, digit) in digits.iter_mut().enumerate() {
            let shift = 18 - 6 * index;
            *digit = if index <= group.len() { ALPHABET[(bits >> shift & 0x3F) as usize] } else { b'=' };
        }
    }
}

/// The bytes of four Base64 digits without padding.
pub(crate) fn base64_decode(digits: &[u8; 4]) -> Option<[u8; 3]> {
    let bits = digits.iter().try_fold(0, |bits: u32, digit| {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        Some(bits << 6 | u32::from(value))
    })?;
    let [_, a, b, c] = bits.to_be_bytes();
    Some([a, b, c])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_both_ways() {
        // RFC 4648 §10.
        for (bytes, text) in [
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = vec![0; text.len()];
            base64(bytes.as_bytes(), &mut out);
            assert_eq!(out, text.as_bytes());
        }
        for bytes in [[0, 0, 0], [255, 255, 255], [251, 239, 190], [1, 2, 3]] {
            let mut digits = [0; 4];
            base64(&bytes, &mut digits);
            assert_eq!(base64_decode(&digits), Some(bytes));
        }
        assert_eq!(base64_decode(b"Zg=="), None);
        assert_eq!(base64_decode(b"Zg-_"), None);
    }

    #[test]
    fn passwords_of_time_limited_credentials() {
        // Checked with: printf 1433895918:ninefingers | openssl dgst -sha1 -hmac logen -binary | base64
        let password = Secret::new("logen").password("1433895918:ninefingers");
        assert_eq!(password.as_str(), EXPECTED);
    }

    const EXPECTED: &str = "HY+Vd729N0UZ/xCzjg1F0GsoMK8=";
}
