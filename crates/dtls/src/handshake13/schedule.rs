//! The key schedule (RFC 8446 §7.1, with the labels of RFC 9147 §5.9).

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Role;
use crate::crypto::aead::{AeadAlgorithm, MAX_KEY_LEN, NONCE_LEN};
use crate::crypto::hash::{HmacKey, Output, SuiteHash};
use crate::crypto::hkdf::{expand_label, expand_secret, extract};
use crate::exporter::Exporter;
use crate::record::layer::Protection;
use crate::record::protection::Protection13;
use crate::suite::Suite;

/// What the shared secret is extracted with: "derived" from an early secret without PSK, a constant of the hash.
const SALT_SHA256: [u8; 32] = [
    0xB1, 0x7B, 0xCE, 0x94, 0x51, 0xEE, 0x8B, 0xC6, 0xE8, 0xAE, 0xBC, 0x0A, 0xA9, 0xE9, 0x82, 0x95, 0x67,
    0x7A, 0x4A, 0x6A, 0x91, 0xF7, 0x84, 0x40, 0x83, 0x31, 0x46, 0xE4, 0x65, 0xF2, 0xFF, 0x95,
];
const SALT_SHA384: [u8; 48] = [
    0x27, 0x00, 0x86, 0x05, 0xD3, 0x39, 0x6F, 0x88, 0x44, 0x19, 0x75, 0x65, 0xCA, 0xEC, 0xC5, 0x92, 0xB3,
    0xE5, 0x8F, 0x2E, 0xAE, 0x55, 0xF8, 0x41, 0xB5, 0x77, 0xCF, 0xBC, 0xAB, 0xB4, 0x7E, 0x22, 0x1F, 0x67,
    0x4E, 0xD3, 0xA6, 0x8A, 0xA8, 0x93, 0x43, 0x9C, 0xF5, 0x57, 0xF1, 0x11, 0xC0, 0xFC,
];

/// Until the handshake is done.
pub(crate) struct Schedule {
    suite: Suite,
    /// What the master secret is extracted with.
    master_salt: Output,
    client: Output,
    server: Output,
}

/// The secrets that data is protected with; they change with each KeyUpdate.
pub(crate) struct Traffic {
    suite: Suite,
    client: Output,
    server: Output,
}

impl Schedule {
    /// `transcript_hash` covers the hellos.
    pub(crate) fn new(suite: Suite, shared: &[u8], transcript_hash: &[u8]) -> Self {
        let hash = suite.hash;
        let salt = match hash {
            SuiteHash::Sha256 => &SALT_SHA256[..],
            SuiteHash::Sha384 => &SALT_SHA384,
        };
        let handshake = hash.hmac_key(&extract(hash, salt, shared));
        let client = expand_secret(&handshake, b"c hs traffic", transcript_hash);
        let server = expand_secret(&handshake, b"s hs traffic", transcript_hash);
        Self { suite, master_salt: derived(hash, &handshake), client, server }
    }

    fn secret(&self, role: Role) -> &Output {
        match role {
            Role::Client => &self.client,
            Role::Server => &self.server,
        }
    }

    /// What `role` writes with in epoch 2.
    pub(crate) fn protection(&self, role: Role) -> Protection {
        protection(self.suite, self.secret(role))
    }

    /// The Finished of `role` (RFC 8446 §4.4.4).
    pub(crate) fn verify_data(&self, role: Role, transcript_hash: &[u8]) -> Output {
        let hash = self.suite.hash;
        let key = expand_secret(&hash.hmac_key(self.secret(role)), b"finished", b"");
        hash.hmac_key(&key).sign(&[transcript_hash])
    }

    pub(crate) fn is_finished_of(&self, role: Role, transcript_hash: &[u8], received: &[u8]) -> bool {
        self.verify_data(role, transcript_hash).ct_eq(received).into()
    }

    /// `transcript_hash` goes up to the server's Finished.
    pub(crate) fn data(&self, transcript_hash: &[u8]) -> (Traffic, Exporter) {
        let hash = self.suite.hash;
        let zeros = Output::zero(hash.output_len());
        let master = hash.hmac_key(&extract(hash, &self.master_salt, &zeros));
        let secret = |label: &[u8]| expand_secret(&master, label, transcript_hash);
        let traffic =
            Traffic { suite: self.suite, client: secret(b"c ap traffic"), server: secret(b"s ap traffic") };
        (traffic, Exporter::dtls13(hash, secret(b"exp master")))
    }
}

impl Traffic {
    fn secret(&mut self, role: Role) -> &mut Output {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// What `role` writes with at present.
    pub(crate) fn protection(&mut self, role: Role) -> Protection {
        protection(self.suite, self.secret(role))
    }

    /// The keys of `role` after a KeyUpdate (RFC 8446 §7.2); the former are gone.
    pub(crate) fn update(&mut self, role: Role) -> Protection {
        let hash = self.suite.hash;
        let next = expand_secret(&hash.hmac_key(self.secret(role)), b"traffic upd", b"");
        *self.secret(role) = next;
        self.protection(role)
    }
}

fn derived(hash: SuiteHash, secret: &HmacKey) -> Output {
    expand_secret(secret, b"derived", &hash.digest(&[]))
}

fn protection(suite: Suite, secret: &[u8]) -> Protection {
    let aead = suite.aead;
    let secret = suite.hash.hmac_key(secret);
    let mut iv = [0; NONCE_LEN];
    expand_label(&secret, b"iv", b"", &mut iv);
    let key = record_key(aead, &secret, b"key");
    let mask = record_key(aead, &secret, b"sn");
    let len = aead.key_len();
    Protection::Dtls13(Protection13::new(aead, &key[..len], iv, &mask[..len]))
}

fn record_key(aead: AeadAlgorithm, secret: &HmacKey, label: &[u8]) -> Zeroizing<[u8; MAX_KEY_LEN]> {
    let mut key = Zeroizing::new([0; MAX_KEY_LEN]);
    expand_label(secret, label, b"", &mut key[..aead.key_len()]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constant_salts_are_those_of_an_early_secret_without_psk() {
        for (hash, salt) in [(SuiteHash::Sha256, &SALT_SHA256[..]), (SuiteHash::Sha384, &SALT_SHA384)] {
            let zeros = Output::zero(hash.output_len());
            let early = hash.hmac_key(&extract(hash, &zeros, &zeros));
            assert_eq!(*derived(hash, &early), *salt);
        }
    }
}
