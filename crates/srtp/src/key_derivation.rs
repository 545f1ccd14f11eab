//! Session keys from a master key and salt (RFC 3711 §4.3, with a key derivation rate of 0).

use aes::{
    Aes128, Aes256,
    cipher::{KeyIvInit, StreamCipher},
};
use ctr::Ctr128BE;
use zeroize::Zeroizing;

use crate::profile::Profile;

/// What a derived key is for (RFC 3711 §4.3.1 and §4.3.2).
#[derive(Clone, Copy)]
pub(crate) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// The `N` bytes of key for `label`. The lengths of `key` and `salt` were checked against `profile` before.
pub(crate) fn derive<const N: usize>(
    profile: Profile,
    key: &[u8],
    salt: &[u8],
    label: Label,
) -> Zeroizing<[u8; N]> {
    // The 112-bit master salt times 2^16 (a GCM salt of 96 bits is first padded to 112, RFC 7714 §11),
    // with the label's 8 bits above the 48-bit index, which stays 0.
    let mut block = Zeroizing::new([0; 16]);
    block[..salt.len()].copy_from_slice(salt);
    block[7] ^= label as u8;

    let mut out = Zeroizing::new([0; N]);
    match profile {
        Profile::Aes128CmHmacSha1_80 | Profile::Aes128CmHmacSha1_32 | Profile::AeadAes128Gcm => {
            Ctr128BE::<Aes128>::new_from_slices(key, &block[..])
                .expect("Context::new checked the key's length")
                .apply_keystream(&mut out[..]);
        }
        Profile::AeadAes256Gcm => {
            Ctr128BE::<Aes256>::new_from_slices(key, &block[..])
                .expect("Context::new checked the key's length")
                .apply_keystream(&mut out[..]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711 B.3; the SRTCP keys were computed by an independent implementation.
    #[test]
    fn rfc_3711_b3_session_keys_come_out() {
        let key = hex::decode("e1f97a0d3e018be0d64fa32c06de4139").unwrap();
        let salt = hex::decode("0ec675ad498afeebb6960b3aabe6").unwrap();
        let derive_hex = |label, length: usize| {
            let bytes = derive::<94>(Profile::Aes128CmHmacSha1_80, &key, &salt, label);
            hex::encode(&bytes[..length])
        };
        assert_eq!(derive_hex(Label::RtpEncryption, 16), "c61e7a93744f39ee10734afe3ff7a087");
        assert_eq!(derive_hex(Label::RtpSalt, 14), "30cbbc08863d8c85d49db34a9ae1");
        assert_eq!(
            derive_hex(Label::RtpAuthentication, 94),
            "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef72270\
             986371c10c9a369ac2f94a8c5fbcdddc256d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2"
        );
        assert_eq!(derive_hex(Label::RtcpEncryption, 16), "4c1aa45a81f73d61c800bbb00fbb1eaa");
        assert_eq!(derive_hex(Label::RtcpAuthentication, 20), "8d54534feb49ae8e7993a6bd0b844fc323a93dfd");
        assert_eq!(derive_hex(Label::RtcpSalt, 14), "9581c7ad87b3e530bf3e4454a8b3");
    }
}
