//! The TLS 1.2 pseudorandom function with SHA-256 (RFC 5246 §5).

use ring::hmac;
use zeroize::Zeroize;

use super::hash::hmac_with;

/// Fills `out` with `PRF(secret, label, seed)`; `seed` is given in parts.
pub(crate) fn prf(secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut label_and_seed = vec![label];
    label_and_seed.extend_from_slice(seed);

    let mut a = hmac_with(&key, &label_and_seed); // A(1)
    for chunk in out.chunks_mut(32) {
        let mut parts = vec![&a[..]];
        parts.extend_from_slice(&label_and_seed);
        let mut block = hmac_with(&key, &parts);
        chunk.copy_from_slice(&block[..chunk.len()]);
        block.zeroize();
        a = hmac_with(&key, &[&a]);
    }
    a.zeroize();
}

#[cfg(test)]
mod tests {
    use super::prf;

    /// The SHA-256 vector that circulated on the IETF TLS list (2009) and is kept by several libraries;
    /// checked against `openssl kdf -kdfopt digest:SHA256 ... TLS1-PRF`.
    #[test]
    fn public_vector() {
        let secret = hex::decode("9bbe436ba940f017b17652849a71db35").unwrap();
        let seed = hex::decode("a0ba9f936cda311827a6f796ffd5198c").unwrap();
        let mut out = [0; 100];
        prf(&secret, b"test label", &[&seed], &mut out);
        let expected = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14\
                        baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e\
                        5a5110fff70187347b66";
        assert_eq!(hex::encode(out), expected);
    }
}
