//! Digests and HMAC.

use ring::{digest, hmac};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::certificate::HashAlgorithm;

/// The longest output of a suite's hash.
pub(crate) const MAX_HASH_LEN: usize = 48;

/// The hash of a cipher suite: that of its transcript, PRF and HKDF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SuiteHash {
    Sha256,
    Sha384,
}

impl SuiteHash {
    pub(crate) fn output_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    /// The hash of all parts together.
    pub(crate) fn digest(self, parts: &[&[u8]]) -> Output {
        let mut hash = RunningHash::new(self);
        parts.iter().for_each(|part| hash.update(part));
        hash.finish()
    }

    pub(crate) fn hmac_key(self, key: &[u8]) -> HmacKey {
        HmacKey(match self {
            Self::Sha256 => hmac::Key::new(hmac::HMAC_SHA256, key),
            Self::Sha384 => hmac::Key::new(hmac::HMAC_SHA384, key),
        })
    }
}

/// A hash or secret of a suite's length. Wiped when dropped: some are keys.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Output {
    bytes: [u8; MAX_HASH_LEN],
    len: u8,
}

impl Output {
    /// `len` zero bytes, at most [`MAX_HASH_LEN`].
    pub(crate) fn zero(len: usize) -> Self {
        Self { bytes: [0; MAX_HASH_LEN], len: len as u8 }
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..usize::from(self.len)]
    }

    /// At most [`MAX_HASH_LEN`] bytes.
    pub(crate) fn from_slice(slice: &[u8]) -> Self {
        let mut output = Self::zero(slice.len());
        output.as_mut().copy_from_slice(slice);
        output
    }
}

impl AsRef<[u8]> for Output {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl std::ops::Deref for Output {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_ref()
    }
}

/// A hash that goes on.
#[derive(Clone)]
pub(crate) struct RunningHash(digest::Context);

impl RunningHash {
    pub(crate) fn new(hash: SuiteHash) -> Self {
        Self(digest::Context::new(match hash {
            SuiteHash::Sha256 => &digest::SHA256,
            SuiteHash::Sha384 => &digest::SHA384,
        }))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Output {
        Output::from_slice(self.0.finish().as_ref())
    }
}

/// A prepared HMAC key.
pub(crate) struct HmacKey(hmac::Key);

impl HmacKey {
    pub(crate) fn output_len(&self) -> usize {
        self.0.algorithm().digest_algorithm().output_len()
    }

    pub(crate) fn sign(&self, parts: &[&[u8]]) -> Output {
        let mut context = hmac::Context::with_key(&self.0);
        parts.iter().for_each(|part| context.update(part));
        Output::from_slice(context.sign().as_ref())
    }
}

/// The digest of a certificate for its SDP fingerprint.
pub(crate) fn digest(algorithm: HashAlgorithm, bytes: &[u8]) -> Vec<u8> {
    let algorithm = match algorithm {
        HashAlgorithm::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        HashAlgorithm::Sha256 => &digest::SHA256,
        HashAlgorithm::Sha384 => &digest::SHA384,
        HashAlgorithm::Sha512 => &digest::SHA512,
    };
    digest::digest(algorithm, bytes).as_ref().to_vec()
}
