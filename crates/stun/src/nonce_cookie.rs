//! The head of a nonce that says what the server can do, where nobody can take it away (RFC 8489 §9.2).
//!
//! ```text
//!  "obMatJos2" | base64 of 24 feature bits (4 characters) | the server's own
//! ```

/// Starts each nonce of a server that speaks RFC 8489.
const MAGIC: &[u8; 9] = b"obMatJos2";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The features that a server announces in its nonces.
///
/// The client refuses a challenge whose attributes fall short of the nonce's features; if both were changed on
/// the way, the nonce is no longer the server's. So nobody between can talk the two into less than both speak.
#[expect(clippy::exhaustive_structs, reason = "the other 22 bits are unassigned since 2020")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecurityFeatures {
    /// PASSWORD-ALGORITHMS is in the challenge.
    pub password_algorithms: bool,
    /// The server finds users by USERHASH.
    pub username_anonymity: bool,
}

impl SecurityFeatures {
    /// Length of the cookie in bytes; all are ASCII.
    pub const COOKIE_LEN: usize = 13;

    /// The cookie that a server puts before what it makes its nonce of.
    #[must_use]
    pub fn cookie(self) -> String {
        // Verified erratum 6290 of RFC 8489: bit 0 is the least significant one, as in appendix B.1.
        let bits = u32::from(self.password_algorithms) | u32::from(self.username_anonymity) << 1;
        let digits = [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 0x3F) as usize]);
        MAGIC.iter().chain(&digits).map(|byte| char::from(*byte)).collect()
    }

    /// The features that a nonce announces; `None` if it has no cookie: the server is older than RFC 8489.
    #[must_use]
    pub fn of_nonce(nonce: &str) -> Option<Self> {
        let rest = nonce.as_bytes().strip_prefix(MAGIC)?;
        let digits: &[u8; 4] = rest.first_chunk()?;
        let bits = digits.iter().try_fold(0, |bits: usize, digit| {
            Some(bits << 6 | ALPHABET.iter().position(|it| it == digit)?)
        })?;
        // Some servers follow the text as it was before the erratum and count from the other end. The bits
        // there are unassigned otherwise.
        let has = |bit: usize| bits & (1 << bit | 1 << (23 - bit)) != 0;
        Some(Self { password_algorithms: has(0), username_anonymity: has(1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn features(password_algorithms: bool, username_anonymity: bool) -> SecurityFeatures {
        SecurityFeatures { password_algorithms, username_anonymity }
    }

    #[test]
    fn cookies_and_features() {
        for (cookie, announced) in [
            ("obMatJos2AAAA", features(false, false)),
            ("obMatJos2AAAB", features(true, false)),
            ("obMatJos2AAAC", features(false, true)),
            ("obMatJos2AAAD", features(true, true)),
        ] {
            assert_eq!(announced.cookie(), cookie);
            assert_eq!(SecurityFeatures::of_nonce(cookie), Some(announced));
            assert_eq!(SecurityFeatures::of_nonce(&format!("{cookie}f//499k95")), Some(announced));
        }
        for (nonce, announced) in [
            ("obMatJos2gAAA", Some(features(true, false))), // bits counted from the left
            ("obMatJos2wAAA", Some(features(true, true))),
            ("obMatJos2AA/A", Some(features(false, false))), // unassigned bits
            ("obMatJos2AAA", None),
            ("obMatJos2AA-A", None),
            ("obMatJos1AAAA", None),
            ("", None),
            ("f//499k954d6OL34oL9FSTvy64sA", None),
        ] {
            assert_eq!(SecurityFeatures::of_nonce(nonce), announced, "{nonce}");
        }
    }
}
