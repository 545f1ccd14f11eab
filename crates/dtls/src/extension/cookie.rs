//! The cookie of a HelloRetryRequest, and of the hello that returns it (RFC 8446 §4.2.2): | length (16) | cookie |

use crate::ParseError;
use crate::wire::{Reader, put_vec};

/// Reads the content.
///
/// # Errors
/// [`ParseError`] if the length is wrong or the cookie is empty.
pub fn parse(data: &[u8]) -> Result<&[u8], ParseError> {
    let mut reader = Reader::new(data);
    let cookie = reader.vec16()?;
    reader.finish()?;
    if cookie.is_empty() { Err(ParseError::BadLength) } else { Ok(cookie) }
}

/// Writes the content.
pub fn emit(cookie: &[u8], out: &mut Vec<u8>) {
    put_vec(out, 2, |out| out.extend_from_slice(cookie));
}
