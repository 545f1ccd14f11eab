//! Finished: | verify data |, 12 bytes in DTLS 1.2 (RFC 5246 §7.4.9), a whole hash in 1.3 (RFC 8446 §4.4.4).

use crate::ParseError;

/// The length of the verify data in DTLS 1.2.
pub const VERIFY_DATA_LEN: usize = 12;

/// Reads a body of which `len` bytes are expected.
///
/// # Errors
/// [`ParseError`] unless it has exactly so many.
pub fn parse(body: &[u8], len: usize) -> Result<&[u8], ParseError> {
    match body.len() {
        n if n == len => Ok(body),
        n if n < len => Err(ParseError::Truncated),
        _ => Err(ParseError::TrailingBytes),
    }
}
