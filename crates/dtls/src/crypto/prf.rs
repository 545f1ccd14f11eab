//! The TLS 1.2 pseudorandom function (RFC 5246 §5), with the suite's hash.

use super::hash::SuiteHash;

/// Fills `out` with `PRF(secret, label, seed)`; `seed` is given in parts.
pub(crate) fn prf(hash: SuiteHash, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let key = hash.hmac_key(secret);
    let mut parts = vec![&[][..], label];
    parts.extend_from_slice(seed);

    let mut a = key.sign(&parts[1..]); // A(1)
    let mut chunks = out.chunks_mut(hash.output_len()).peekable();
    while let Some(chunk) = chunks.next() {
        let mut with_a = parts.clone();
        with_a[0] = &a;
        let block = key.sign(&with_a);
        chunk.copy_from_slice(&block[..chunk.len()]);
        if chunks.peek().is_some() {
            a = key.sign(&[&a]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SuiteHash, prf};

    /// The SHA-256 vector that circulated on the IETF TLS list (2009) and is kept by several libraries;
    /// checked against `openssl kdf -kdfopt digest:SHA256 ... TLS1-PRF`.
    #[test]
    fn public_vector() {
        let secret = hex::decode("9bbe436ba940f017b17652849a71db35").unwrap();
        let seed = hex::decode("a0ba9f936cda311827a6f796ffd5198c").unwrap();
        let mut out = [0; 100];
        prf(SuiteHash::Sha256, &secret, b"test label", &[&seed], &mut out);
        let expected = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14\
                        baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e\
                        5a5110fff70187347b66";
        assert_eq!(hex::encode(out), expected);
    }
}
