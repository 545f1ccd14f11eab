//! Keys of message integrity: short-term and long-term credentials (RFC 8489 §9.1, §9.2).

use std::fmt;

use crate::integrity::{PreparedKey, md5_of_joined, sha256_of_joined};

/// A key for MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256, prepared once.
///
/// Making one costs a few hash blocks; verifying or signing with it afterwards costs only the message's own.
/// Usernames, realms and passwords are taken as they are: whoever accepts them from people prepares them by
/// the OpaqueString profile (RFC 8265) first. ICE's are ASCII.
#[derive(Clone)]
pub struct Key(pub(crate) PreparedKey);

impl Key {
    /// The short-term key: the password itself (RFC 8489 §9.1.1).
    #[must_use]
    pub fn short_term(password: &str) -> Self {
        Self::from_bytes(password.as_bytes())
    }

    /// The long-term key of password algorithm MD5, the only one before RFC 8489 and still the one that most
    /// TURN clients speak: `MD5(username ":" realm ":" password)` (RFC 8489 §18.5.1.1).
    #[must_use]
    pub fn long_term_md5(username: &str, realm: &str, password: &str) -> Self {
        Self::from_bytes(&md5_of_joined(&[username, realm, password]))
    }

    /// The long-term key of password algorithm SHA-256: `SHA-256(username ":" realm ":" password)`
    /// (RFC 8489 §18.5.1.2).
    #[must_use]
    pub fn long_term_sha256(username: &str, realm: &str, password: &str) -> Self {
        Self::from_bytes(&sha256_of_joined(&[username, realm, password]))
    }

    /// A key given as bytes.
    #[must_use]
    pub fn from_bytes(key: &[u8]) -> Self {
        Self(PreparedKey::new(key))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// The value of USERHASH: `SHA-256(username ":" realm)` (RFC 8489 §14.4).
#[must_use]
pub fn userhash(username: &str, realm: &str) -> [u8; 32] {
    sha256_of_joined(&[username, realm])
}
