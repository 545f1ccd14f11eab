//! KeyUpdate (RFC 8446 §4.6.3): | request (8) |

use crate::ParseError;
use crate::wire::Reader;

/// Reads a body: whether the sender wants our keys to be updated, too.
///
/// # Errors
/// [`ParseError`] unless it is one byte, 0 or 1.
pub fn parse(body: &[u8]) -> Result<bool, ParseError> {
    let mut reader = Reader::new(body);
    let request = reader.u8()?;
    reader.finish()?;
    match request {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(ParseError::BadValue),
    }
}

/// Appends a body.
pub fn emit(requests_update: bool, out: &mut Vec<u8>) {
    out.push(u8::from(requests_update));
}
