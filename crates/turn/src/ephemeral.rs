//! Time-limited credentials, for whoever hands them out.

use crate::crypto::Secret;

/// The password that belongs to `username`, which begins with the time of its end in Unix seconds, as `1700000000:name`
/// (draft-uberti-behave-turn-rest-00 §2.2): `base64(HMAC-SHA1(secret, username))`.
///
/// ```
/// // By `printf 1700000000:alice | openssl dgst -sha1 -hmac secret -binary | base64`.
/// assert_eq!(headwater_turn::password_for("secret", "1700000000:alice"), "d8soP47RbdIKLDUOpnJPVQyq5Ts=");
/// ```
#[must_use]
pub fn password_for(secret: &str, username: &str) -> String {
    Secret::new(secret).password(username).as_str().to_owned()
}
