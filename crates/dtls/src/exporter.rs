//! Keying material for others: the exporter (RFC 5705, RFC 8446 §7.5), and SRTP keys from it (RFC 5764 §4.2).

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Error;
use crate::crypto::hash::{Output, SuiteHash};
use crate::crypto::hkdf::{expand_label, expand_secret};
use crate::crypto::prf::prf;

/// Labels that the protocol itself uses and an exporter must not (RFC 5705 §4, RFC 7627 §4).
const RESERVED: [&str; 5] =
    ["client finished", "server finished", "master secret", "extended master secret", "key expansion"];

/// The longest label that fits its length field behind DTLS 1.3's prefix.
const MAX_LABEL: usize = 255 - 6;
/// HKDF gives so many hashes at most (RFC 5869 §2.3).
const MAX_OUTPUT_HASHES: usize = 255;

/// What an exporter needs of the finished handshake.
pub(crate) enum Exporter {
    Dtls12 { hash: SuiteHash, secrets: Zeroizing<Secrets12> },
    Dtls13 { hash: SuiteHash, secret: Output },
}

#[derive(Zeroize)]
pub(crate) struct Secrets12 {
    master_secret: [u8; 48],
    randoms: [u8; 64],
}

impl Exporter {
    pub(crate) fn dtls12(
        hash: SuiteHash,
        master_secret: &[u8; 48],
        client_random: &[u8; 32],
        server_random: &[u8; 32],
    ) -> Self {
        let mut randoms = [0; 64];
        randoms[..32].copy_from_slice(client_random);
        randoms[32..].copy_from_slice(server_random);
        let secrets = Zeroizing::new(Secrets12 { master_secret: *master_secret, randoms });
        Self::Dtls12 { hash, secrets }
    }

    pub(crate) fn dtls13(hash: SuiteHash, secret: Output) -> Self {
        Self::Dtls13 { hash, secret }
    }

    /// RFC 5705 §4, where an empty context and none differ; RFC 8446 §7.5, where they don't.
    pub(crate) fn export(&self, label: &str, context: Option<&[u8]>, out: &mut [u8]) -> Result<(), Error> {
        let len = match context.map(|context| u16::try_from(context.len())).transpose() {
            Ok(len) => len.unwrap_or_default().to_be_bytes(),
            Err(_) => return Err(Error::BadExporterInput),
        };
        match self {
            Self::Dtls12 { .. } if RESERVED.contains(&label) => return Err(Error::BadExporterInput),
            Self::Dtls12 { hash, secrets } => {
                let Secrets12 { master_secret, randoms } = &**secrets;
                match context {
                    None => prf(*hash, master_secret, label.as_bytes(), &[randoms], out),
                    Some(context) => {
                        prf(*hash, master_secret, label.as_bytes(), &[randoms, &len, context], out);
                    }
                }
            }
            Self::Dtls13 { hash, secret } => {
                if label.len() > MAX_LABEL || out.len() > MAX_OUTPUT_HASHES * hash.output_len() {
                    return Err(Error::BadExporterInput);
                }
                let derived = expand_secret(&hash.hmac_key(secret), label.as_bytes(), &hash.digest(&[]));
                let context = hash.digest(&[context.unwrap_or_default()]);
                expand_label(&hash.hmac_key(&derived), b"exporter", &context, out);
            }
        }
        Ok(())
    }

    /// RFC 5764 §4.2: client key, server key, client salt, server salt, in this order.
    pub(crate) fn srtp_keys(&self, profile: u16) -> Option<SrtpKeys> {
        let (key_len, salt_len) = srtp_lengths(profile)?;
        let mut material = Zeroizing::new(vec![0; 2 * (key_len + salt_len)]);
        self.export("EXTRACTOR-dtls_srtp", None, &mut material).expect("the label is not a reserved one");
        let (keys, salts) = material.split_at(2 * key_len);
        let (client_key, server_key) = keys.split_at(key_len);
        let (client_salt, server_salt) = salts.split_at(salt_len);
        Some(SrtpKeys {
            profile,
            client_key: client_key.to_vec(),
            client_salt: client_salt.to_vec(),
            server_key: server_key.to_vec(),
            server_salt: server_salt.to_vec(),
        })
    }
}

/// Lengths of master key and master salt by SRTP profile number (RFC 5764 §4.1.2, RFC 7714 §14.2).
pub(crate) fn srtp_lengths(profile: u16) -> Option<(usize, usize)> {
    match profile {
        1 | 2 => Some((16, 14)), // SRTP_AES128_CM_HMAC_SHA1_80, _32
        7 => Some((16, 12)),     // SRTP_AEAD_AES_128_GCM
        8 => Some((32, 12)),     // SRTP_AEAD_AES_256_GCM
        _ => None,
    }
}

/// SRTP master keys and salts of both directions. Wiped when dropped; `Debug` shows only the profile.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
#[non_exhaustive]
pub struct SrtpKeys {
    /// The profile's IANA number.
    #[zeroize(skip)]
    pub profile: u16,
    /// Protects what the DTLS client sends.
    pub client_key: Vec<u8>,
    /// The salt that belongs to `client_key`.
    pub client_salt: Vec<u8>,
    /// Protects what the DTLS server sends.
    pub server_key: Vec<u8>,
    /// The salt that belongs to `server_key`.
    pub server_salt: Vec<u8>,
}

impl fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpKeys").field("profile", &self.profile).finish_non_exhaustive()
    }
}
