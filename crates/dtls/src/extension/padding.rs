//! Padding of a ClientHello (RFC 7685): zero bytes.
//!
//! A server must not send more than three times what it got from a client that it doesn't know yet, so a short hello
//! would cost a round trip: its answer, with a certificate, has about 550 bytes.

use super::{ExtensionType, put_extension};

/// The length that the extensions of our hello are brought to; the hello then has about 250 bytes.
const TARGET: usize = 192;

/// Pads the extensions that begin at `start`, unless they are long enough.
pub(crate) fn emit(start: usize, out: &mut Vec<u8>) {
    let missing = TARGET.saturating_sub(out.len() - start + 4);
    if missing > 0 {
        put_extension(out, ExtensionType::PADDING, |out| out.resize(out.len() + missing, 0));
    }
}
