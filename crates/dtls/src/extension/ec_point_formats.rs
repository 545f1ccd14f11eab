//! Point formats (RFC 8422 §5.1.2): | length (8) | format (8) ... |

use crate::ParseError;
use crate::wire::{Reader, put_vec};

/// The one format in use.
pub const UNCOMPRESSED: u8 = 0;

/// Whether the list has the uncompressed format, which it has to (RFC 8422 §5.1.2).
///
/// # Errors
/// [`ParseError`] if the list is not well-formed.
pub fn has_uncompressed(data: &[u8]) -> Result<bool, ParseError> {
    let mut reader = Reader::new(data);
    let formats = reader.vec8()?;
    reader.finish()?;
    Ok(formats.contains(&UNCOMPRESSED))
}

/// Writes the list that has only the uncompressed format.
pub fn emit(out: &mut Vec<u8>) {
    put_vec(out, 1, |out| out.push(UNCOMPRESSED));
}
