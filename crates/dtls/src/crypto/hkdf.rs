//! HKDF (RFC 5869) with the labels of DTLS 1.3 (RFC 8446 §7.1, RFC 9147 §5.9).

use super::hash::{HmacKey, Output, SuiteHash};
use crate::wire::{put_u16, put_vec};

/// DTLS 1.3 puts this where TLS 1.3 has "tls13 " (RFC 9147 §5.9: no space at its end).
const PREFIX: &[u8] = b"dtls13";

pub(crate) fn extract(hash: SuiteHash, salt: &[u8], input: &[u8]) -> Output {
    hash.hmac_key(salt).sign(&[input])
}

/// HKDF-Expand-Label of a secret that was prepared as an HMAC key, since most have several labels. `out` is at most 255 times the hash's length, and shorter than 64 KiB.
pub(crate) fn expand_label(secret: &HmacKey, label: &[u8], context: &[u8], out: &mut [u8]) {
    let mut info = Vec::with_capacity(4 + PREFIX.len() + label.len() + context.len());
    put_u16(&mut info, out.len() as u16);
    put_vec(&mut info, 1, |info| {
        info.extend_from_slice(PREFIX);
        info.extend_from_slice(label);
    });
    put_vec(&mut info, 1, |info| info.extend_from_slice(context));

    let mut previous = None::<Output>;
    for (index, chunk) in out.chunks_mut(secret.output_len()).enumerate() {
        let before = previous.as_deref().unwrap_or_default();
        let block = secret.sign(&[before, &info, &[index as u8 + 1]]);
        chunk.copy_from_slice(&block[..chunk.len()]);
        previous = Some(block);
    }
}

/// HKDF-Expand-Label to one hash's length: secrets, and the keys of Finished.
pub(crate) fn expand_secret(secret: &HmacKey, label: &[u8], context: &[u8]) -> Output {
    let mut out = Output::zero(secret.output_len());
    expand_label(secret, label, context, out.as_mut());
    out
}
