//! Nonces that need no memory: the time they were made, and a MAC over it and the client's IP address.
//!
//! ```text
//!  cookie (13) | base64 of: seconds since 1970 (32) | HMAC-SHA256, first 64 bits   (16)
//! ```
//!
//! The port is left out: a data connection (RFC 6062) and a client whose NAT rebinds may use the nonce that they have.

use std::net::IpAddr;
use std::time::Duration;

use headwater_stun::SecurityFeatures;

use crate::crypto::{self, MacKey};

/// After this a nonce is stale, and the client is given another (438).
pub(super) const NONCE_LIFETIME: Duration = Duration::from_secs(3600);
/// How far the clock of another server with the same key may be ahead, in seconds.
const MAX_AHEAD: u32 = 60;
/// Length of a nonce in bytes.
const LEN: usize = SecurityFeatures::COOKIE_LEN + 16;

/// Makes and checks nonces.
pub(super) struct Nonces {
    key: MacKey,
    cookie: [u8; SecurityFeatures::COOKIE_LEN],
}

/// A nonce.
pub(super) struct NonceText([u8; LEN]);

impl NonceText {
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("cookie and Base64 are ASCII")
    }
}

impl Nonces {
    pub(super) fn new(key: &[u8; 32], features: SecurityFeatures) -> Self {
        let cookie = features.cookie();
        let cookie = *cookie.as_bytes().first_chunk().expect("COOKIE_LEN bytes");
        Self { key: MacKey::new(key), cookie }
    }

    /// A nonce for this client, good from now on. `unix` is the time since 1970.
    pub(super) fn make(&self, unix: Duration, client: IpAddr) -> NonceText {
        self.of_second(seconds(unix), client)
    }

    /// Whether `nonce` was made for this client and is not stale.
    pub(super) fn is_good(&self, nonce: &str, unix: Duration, client: IpAddr) -> bool {
        let Some(made) = second_of(nonce.as_bytes()) else { return false };
        if !crypto::equal(&self.of_second(made, client).0, nonce.as_bytes()) {
            return false;
        }
        // Wraps in 2106.
        let age = seconds(unix).wrapping_sub(made);
        u64::from(age) < NONCE_LIFETIME.as_secs() || age.wrapping_neg() <= MAX_AHEAD
    }

    fn of_second(&self, second: u32, client: IpAddr) -> NonceText {
        let second = second.to_be_bytes();
        let tag = match client.to_canonical() {
            IpAddr::V4(ip) => self.key.tag(&[b"nonce", &second, &ip.octets()]),
            IpAddr::V6(ip) => self.key.tag(&[b"nonce", &second, &ip.octets()]),
        };
        let mut text = [0; LEN];
        let (cookie, rest) = text.split_at_mut(self.cookie.len());
        cookie.copy_from_slice(&self.cookie);
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&second);
        bytes[4..].copy_from_slice(&tag);
        crypto::base64(&bytes, rest);
        NonceText(text)
    }
}

/// Reads the time off a nonce, which may be anybody's.
fn second_of(nonce: &[u8]) -> Option<u32> {
    if nonce.len() != LEN {
        return None;
    }
    let (digits, _) = nonce.get(SecurityFeatures::COOKIE_LEN..)?.as_chunks::<4>();
    let ([a, b, c], [d, ..]) =
        (crypto::base64_decode(digits.first()?)?, crypto::base64_decode(digits.get(1)?)?);
    Some(u32::from_be_bytes([a, b, c, d]))
}

const fn seconds(unix: Duration) -> u32 {
    unix.as_secs() as u32
}
