//! EncryptedExtensions (RFC 8446 §4.3.1): | length (16) | extensions |

use crate::ParseError;
use crate::extension::Extensions;
use crate::wire::{Reader, put_vec};

/// Reads a body.
///
/// # Errors
/// [`ParseError`] if a length is wrong or an extension appears twice.
pub fn parse(body: &[u8]) -> Result<Extensions<'_>, ParseError> {
    let mut reader = Reader::new(body);
    let extensions = Extensions::take(&mut reader)?;
    reader.finish()?;
    Ok(extensions)
}

/// Appends a body; `extensions` writes the extensions.
pub fn emit(extensions: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    put_vec(out, 2, extensions);
}
