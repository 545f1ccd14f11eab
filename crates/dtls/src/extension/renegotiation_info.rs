//! Renegotiation info (RFC 5746 §3.2): | length (8) | verify data of the former handshake |
//!
//! We never renegotiate, so the only right content is the empty one of a first handshake.

use crate::ParseError;
use crate::wire::Reader;

/// The cipher suite number that stands for an empty extension (RFC 5746 §3.3).
pub const EMPTY_RENEGOTIATION_INFO_SCSV: u16 = 0x00FF;

/// Whether the content is that of a first handshake.
///
/// # Errors
/// [`ParseError`] if it is not well-formed.
pub fn is_initial(data: &[u8]) -> Result<bool, ParseError> {
    let mut reader = Reader::new(data);
    let verify_data = reader.vec8()?;
    reader.finish()?;
    Ok(verify_data.is_empty())
}

/// Writes the content of a first handshake.
pub fn emit(out: &mut Vec<u8>) {
    out.push(0);
}
