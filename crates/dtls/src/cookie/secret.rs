//! Secrets that change with time, and the tags that they make.

use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;

use crate::crypto::hash::{HmacKey, SuiteHash};

/// How long a secret makes cookies. For as long again they are taken, so that one is good for this long at least and for twice as
/// long at most (RFC 9147 §5.1: secrets overlap, and change so that cookies cannot be gathered).
pub const SECRET_LIFETIME: Duration = Duration::from_secs(60);

/// The length of a tag. Each guess takes a datagram, so 128 bits are plenty; what is shorter leaves an answer shorter.
pub(super) const TAG_LEN: usize = 16;

pub(super) struct Secrets {
    /// All others come from this one.
    seed: HmacKey,
    began: Instant,
    /// The number of the present secret.
    number: u64,
    present: HmacKey,
    former: HmacKey,
}

impl Secrets {
    pub(super) fn new(seed: &[u8; 32], now: Instant) -> Self {
        let seed = SuiteHash::Sha256.hmac_key(seed);
        let (present, former) = (secret(&seed, 1), secret(&seed, 0));
        Self { seed, began: now, number: 1, present, former }
    }

    /// Has the secrets be those of `now`.
    pub(super) fn rotate(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.began).as_secs() / SECRET_LIFETIME.as_secs();
        let number = age + 1;
        if number > self.number {
            self.number = number;
            self.present = secret(&self.seed, number);
            self.former = secret(&self.seed, number - 1);
        }
    }

    /// The tag of these parts; they have to be told apart by themselves.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> [u8; TAG_LEN] {
        tag(&self.present, parts)
    }

    /// Whether a tag was made of these parts, not long ago.
    pub(super) fn is_ours(&self, parts: &[&[u8]], given: &[u8]) -> bool {
        // The length is no secret.
        given.len() == TAG_LEN
            && [&self.present, &self.former].iter().any(|key| tag(key, parts).ct_eq(given).into())
    }
}

fn secret(seed: &HmacKey, number: u64) -> HmacKey {
    SuiteHash::Sha256.hmac_key(&seed.sign(&[&number.to_be_bytes()]))
}

fn tag(key: &HmacKey, parts: &[&[u8]]) -> [u8; TAG_LEN] {
    let output = key.sign(parts);
    *output.first_chunk().expect("SHA-256 is longer")
}
