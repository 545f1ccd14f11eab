//! The short-term credentials that both sides exchange by signalling (RFC 8839 §5.4).

use std::fmt;

use headwater_stun::Key;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::CredentialsError;

/// Longest ufrag and password accepted.
const MAX_LEN: usize = 256;
/// Shortest ufrag: 24 bits of randomness.
const MIN_UFRAG_LEN: usize = 4;
/// Shortest password: 128 bits of randomness.
const MIN_PASSWORD_LEN: usize = 22;
/// Random characters behind the prefix of a generated ufrag: 48 bits.
const UFRAG_RANDOM_LEN: usize = 8;
/// Length of a generated password: 144 bits.
const PASSWORD_LEN: usize = 24;
/// The characters of RFC 8839's `ice-char`: 64, so that 6 random bits choose one without bias.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A username fragment and a password.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the protocol has exactly these two")]
pub struct Credentials {
    /// The username fragment: 4 to 256 characters.
    pub ufrag: String,
    /// The password: 22 to 256 characters.
    pub password: String,
}

impl Credentials {
    /// Credentials from elsewhere, checked.
    ///
    /// # Errors
    /// [`CredentialsError`] says which of the two breaks RFC 8839 §5.4.
    pub fn new(ufrag: impl Into<String>, password: impl Into<String>) -> Result<Self, CredentialsError> {
        let this = Self { ufrag: ufrag.into(), password: password.into() };
        this.validate().map(|()| this)
    }

    /// Makes fresh credentials: a ufrag of `prefix` and 8 random characters, a password of 24.
    ///
    /// The prefix serves routing: the owner finds it again with [`ufrag_of_request`](crate::ufrag_of_request).
    /// Characters of it that a ufrag can't have are left out, and so is all after the 64th. `seed` must be
    /// secret and used once.
    #[must_use]
    pub fn generate(seed: [u8; 32], prefix: &str) -> Self {
        const MAX_PREFIX_LEN: usize = 64;
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut random = |n: usize| -> String {
            (0..n).map(|_| char::from(ICE_CHARS[(rng.next_u32() >> 26) as usize])).collect()
        };
        let prefix =
            prefix.chars().filter(|&it| u8::try_from(it).is_ok_and(is_ice_char)).take(MAX_PREFIX_LEN);
        let mut ufrag: String = prefix.collect();
        ufrag.push_str(&random(UFRAG_RANDOM_LEN));
        Self { ufrag, password: random(PASSWORD_LEN) }
    }

    /// Checks lengths and characters.
    ///
    /// # Errors
    /// [`CredentialsError`] says which of the two breaks RFC 8839 §5.4.
    pub fn validate(&self) -> Result<(), CredentialsError> {
        if !is_ufrag(&self.ufrag) {
            return Err(CredentialsError::Ufrag);
        }
        let length_is_right = (MIN_PASSWORD_LEN..=MAX_LEN).contains(&self.password.len());
        match length_is_right && self.password.bytes().all(is_ice_char) {
            true => Ok(()),
            false => Err(CredentialsError::Password),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// Credentials with their key prepared: one HMAC per check and nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Keyed {
    pub(crate) credentials: Credentials,
    pub(crate) key: Key,
}

impl Keyed {
    pub(crate) fn new(credentials: Credentials) -> Self {
        let key = Key::short_term(&credentials.password);
        Self { credentials, key }
    }

    pub(crate) fn ufrag(&self) -> &str {
        &self.credentials.ufrag
    }
}

/// Whether `text` can be a ufrag.
pub(crate) fn is_ufrag(text: &str) -> bool {
    (MIN_UFRAG_LEN..=MAX_LEN).contains(&text.len()) && text.bytes().all(is_ice_char)
}

/// RFC 8839 §5.1: `ice-char = ALPHA / DIGIT / "+" / "/"`.
pub(crate) fn is_ice_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_credentials_are_valid_and_carry_the_prefix() {
        let it = Credentials::generate([3; 32], "w3:x");
        assert_eq!(it.validate(), Ok(()));
        assert!(it.ufrag.starts_with("w3x"), "{}", it.ufrag);
        assert_eq!((it.ufrag.len(), it.password.len()), (11, 24));
        assert_ne!(it, Credentials::generate([4; 32], "w3:x"));
        assert!(!format!("{it:?}").contains(&it.password));
    }

    #[test]
    fn sizes_and_characters_are_checked() {
        let password = "p".repeat(22);
        assert!(Credentials::new("abcd", &*password).is_ok());
        assert_eq!(Credentials::new("abc", &*password), Err(CredentialsError::Ufrag));
        assert_eq!(Credentials::new("ab:d", &*password), Err(CredentialsError::Ufrag));
        assert_eq!(Credentials::new("abcd", &password[1..]), Err(CredentialsError::Password));
        assert_eq!(Credentials::new("abcd", "p".repeat(257)), Err(CredentialsError::Password));
    }
}
