//! Certificates are only carriers of a key: what binds them to a person is the fingerprint in the SDP (RFC 8122).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::Refusal;
use crate::crypto::hash::digest;
use crate::crypto::signature::{KeyKind, PublicKey, SigningKey};
use crate::error::CertificateError;

/// Our certificate and its private key. Cloning is cheap.
#[derive(Clone)]
pub struct Certificate {
    der: Arc<[u8]>,
    key: Arc<SigningKey>,
}

impl Certificate {
    /// Makes a self-signed ECDSA P-256 certificate. The key comes from the crypto backend's own generator.
    ///
    /// It is valid from 1975 to 2049: peers check the fingerprint and nothing else (RFC 8827 §6.5), and this crate knows
    /// no clock. It is also kept short, for what a server may send to a client that it doesn't know yet.
    ///
    /// # Errors
    /// [`CertificateError::Generation`] if the backend fails.
    pub fn generate() -> Result<Self, CertificateError> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
            .map_err(|_| CertificateError::Generation)?;
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "WebRTC");
        let hash = digest(HashAlgorithm::Sha256, key.public_key_raw());
        let serial: Vec<u8> = hash.iter().take(8).map(|byte| byte & 0x7F | 1).collect();
        params.serial_number = Some(rcgen::SerialNumber::from(serial));
        params.not_after = rcgen::date_time_ymd(2049, 12, 31);
        let certificate = params.self_signed(&key).map_err(|_| CertificateError::Generation)?;
        let signing =
            SigningKey::from_pkcs8(key.serialized_der()).map_err(|_| CertificateError::Generation)?;
        Ok(Self { der: certificate.der().as_ref().into(), key: Arc::new(signing) })
    }

    /// Loads a certificate and its PKCS #8 key (`BEGIN PRIVATE KEY`), both as PEM.
    ///
    /// # Errors
    /// [`CertificateError`] says which of the two cannot be used, or that they don't belong together.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, CertificateError> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(certificate.as_bytes())
            .map_err(|_| CertificateError::BadCertificate)?;
        let public = public_key(&pem.contents).map_err(|_| CertificateError::BadCertificate)?;
        let pair = rcgen::KeyPair::from_pem(key).map_err(|_| CertificateError::BadKey)?;
        let signing = SigningKey::from_pkcs8(pair.serialized_der()).map_err(|_| CertificateError::BadKey)?;
        if public.kind != KeyKind::P256 || signing.public() != public.bytes {
            return Err(CertificateError::KeyMismatch);
        }
        Ok(Self { der: pem.contents.into(), key: Arc::new(signing) })
    }

    /// The fingerprint to signal: SHA-256 (RFC 8122 §5).
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(HashAlgorithm::Sha256, &self.der)
    }

    /// The certificate as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// What a thief has who got hold of a certificate, which is public, but not of its key.
    #[cfg(test)]
    pub(crate) fn with_key_of(&self, thief: &Self) -> Self {
        Self { der: self.der.clone(), key: thief.key.clone() }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

/// The key in a peer's certificate. Nothing else of the certificate matters to us.
pub(crate) fn public_key(der: &[u8]) -> Result<PublicKey, Refusal> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| Refusal::BadCertificate)?;
    if !rest.is_empty() {
        return Err(Refusal::BadCertificate);
    }
    let spki = &certificate.tbs_certificate.subject_pki;
    let bytes = spki.subject_public_key.data.as_ref();
    let curve = spki.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
    let (kind, len) = if spki.algorithm.algorithm == OID_PKCS1_RSAENCRYPTION {
        (KeyKind::Rsa, bytes.len()) // its parts are read when it has to verify
    } else if spki.algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY || bytes.first() != Some(&4) {
        return Err(Refusal::CertificateKey);
    } else if curve == Some(OID_EC_P256) {
        (KeyKind::P256, 65)
    } else if curve == Some(OID_NIST_EC_P384) {
        (KeyKind::P384, 97)
    } else {
        return Err(Refusal::CertificateKey);
    };
    if bytes.len() != len {
        return Err(Refusal::CertificateKey);
    }
    Ok(PublicKey { kind, bytes: bytes.to_vec() })
}

/// The hash functions of RFC 8122 §5 that are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HashAlgorithm {
    /// Read so that an offer with it parses; never good enough to verify a peer.
    Sha1,
    /// What everybody sends.
    Sha256,
    /// Accepted.
    Sha384,
    /// Accepted.
    Sha512,
}

impl HashAlgorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Whether a match by this hash proves anything.
    #[must_use]
    pub fn is_trusted(self) -> bool {
        self != Self::Sha1
    }
}

/// The hash of a certificate as `a=fingerprint` writes it: `sha-256 AB:CD:..`. Case does not matter (RFC 8122 §5).
///
/// ```
/// use headwater_dtls::Fingerprint;
/// let signalled: Fingerprint = "SHA-256 4a:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:\
///                               4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF".parse()?;
/// assert!(signalled.to_string().starts_with("sha-256 4A:AD:B9"));
/// # Ok::<(), headwater_dtls::ParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    algorithm: HashAlgorithm,
    value: Vec<u8>,
}

impl Fingerprint {
    /// The fingerprint of a DER certificate.
    #[must_use]
    pub fn of(algorithm: HashAlgorithm, der: &[u8]) -> Self {
        Self { algorithm, value: digest(algorithm, der) }
    }

    /// The hash function.
    #[must_use]
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The hash.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Whether this is the fingerprint of that certificate, by a hash that can be trusted.
    #[must_use]
    pub fn matches(&self, der: &[u8]) -> bool {
        self.algorithm.is_trusted() && bool::from(digest(self.algorithm, der).ct_eq(&self.value))
    }
}

impl FromStr for Fingerprint {
    type Err = crate::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use crate::ParseError::{BadLength, BadValue, Truncated};
        let mut words = text.split_ascii_whitespace();
        let (Some(name), Some(hex), None) = (words.next(), words.next(), words.next()) else {
            return Err(Truncated);
        };
        let algorithm =
            [HashAlgorithm::Sha1, HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512]
                .into_iter()
                .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
                .ok_or(BadValue)?;
        if hex.len() != algorithm.output_len() * 3 - 1 {
            return Err(BadLength);
        }
        let value = hex
            .split(':')
            .map(|pair| match pair.as_bytes() {
                [a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                    u8::from_str_radix(pair, 16).map_err(|_| BadValue)
                }
                _ => Err(BadValue),
            })
            .collect::<Result<Vec<u8>, _>>()?;
        if value.len() != algorithm.output_len() {
            return Err(BadLength);
        }
        Ok(Self { algorithm, value })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        for (i, byte) in self.value.iter().enumerate() {
            write!(f, "{}{byte:02X}", if i == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
