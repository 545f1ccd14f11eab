//! Finished (RFC 5246 §7.4.9): | verify data (12 bytes) |

use crate::ParseError;
use crate::wire::Reader;

/// The length of the verify data.
pub const VERIFY_DATA_LEN: usize = 12;

/// Reads a body.
///
/// # Errors
/// [`ParseError`] unless it has exactly 12 bytes.
pub fn parse(body: &[u8]) -> Result<[u8; VERIFY_DATA_LEN], ParseError> {
    let mut reader = Reader::new(body);
    let verify_data = reader.array()?;
    reader.finish()?;
    Ok(verify_data)
}
