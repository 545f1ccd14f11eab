//! Retransmission payloads (RFC 4588 §4): the original sequence number, then the original payload.
//!
//! An RTX packet has its own SSRC, sequence numbers and payload type; timestamp and marker are the
//! original's.

use crate::SequenceNumber;

/// Bytes that RTX adds to a payload.
pub const OVERHEAD: usize = 2;

/// Original sequence number and original payload of an RTX payload. HOT.
///
/// `None` if the payload is too short to hold anything: browsers probe with such packets (padding
/// alone) on the RTX stream.
pub fn unwrap(payload: &[u8]) -> Option<(SequenceNumber, &[u8])> {
    let (sequence_number, rest) = payload.split_first_chunk::<OVERHEAD>()?;
    (!rest.is_empty()).then_some((SequenceNumber(u16::from_be_bytes(*sequence_number)), rest))
}

/// Appends the RTX payload that resends `payload`, once sent under `original`. HOT.
pub fn wrap(original: SequenceNumber, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&original.0.to_be_bytes());
    out.extend_from_slice(payload);
}
