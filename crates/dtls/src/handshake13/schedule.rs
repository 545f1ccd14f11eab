//! The key schedule (RFC 8446 §7.1, with the labels of RFC 9147 §5.9).

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Role;
use crate::crypto::aead::{AeadAlgorithm, MAX_KEY_LEN, NONCE_LEN};
use crate::crypto::hash::{Output, SuiteHash};
use crate::crypto::hkdf::{expand_label, expand_secret, extract};
use crate::exporter::Exporter;
use crate::record::layer::Protection;
use crate::record::protection::Protection13;
use crate::suite::Suite;

/// Until the handshake is done.
pub(crate) struct Schedule {
    suite: Suite,
    handshake: Output,
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
        let zeros = Output::zero(hash.output_len());
        let early = extract(hash, &zeros, &zeros);
        let handshake = extract(hash, &derived(hash, &early), shared);
        let client = expand_secret(hash, &handshake, b"c hs traffic", transcript_hash);
        let server = expand_secret(hash, &handshake, b"s hs traffic", transcript_hash);
        Self { suite, handshake, client, server }
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
        let key = expand_secret(hash, self.secret(role), b"finished", b"");
        hash.hmac_key(&key).sign(&[transcript_hash])
    }

    pub(crate) fn is_finished_of(&self, role: Role, transcript_hash: &[u8], received: &[u8]) -> bool {
        self.verify_data(role, transcript_hash).ct_eq(received).into()
    }

    /// `transcript_hash` goes up to the server's Finished.
    pub(crate) fn data(&self, transcript_hash: &[u8]) -> (Traffic, Exporter) {
        let hash = self.suite.hash;
        let zeros = Output::zero(hash.output_len());
        let master = extract(hash, &derived(hash, &self.handshake), &zeros);
        let secret = |label: &[u8]| expand_secret(hash, &master, label, transcript_hash);
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
        let next = expand_secret(hash, self.secret(role), b"traffic upd", b"");
        *self.secret(role) = next;
        self.protection(role)
    }
}

fn derived(hash: SuiteHash, secret: &[u8]) -> Output {
    expand_secret(hash, secret, b"derived", &hash.digest(&[]))
}

fn protection(suite: Suite, secret: &[u8]) -> Protection {
    let (hash, aead) = (suite.hash, suite.aead);
    let mut iv = [0; NONCE_LEN];
    expand_label(hash, secret, b"iv", b"", &mut iv);
    let key = record_key(hash, aead, secret, b"key");
    let mask = record_key(hash, aead, secret, b"sn");
    let len = aead.key_len();
    Protection::Dtls13(Protection13::new(aead, &key[..len], iv, &mask[..len]))
}

fn record_key(
    hash: SuiteHash,
    aead: AeadAlgorithm,
    secret: &[u8],
    label: &[u8],
) -> Zeroizing<[u8; MAX_KEY_LEN]> {
    let mut key = Zeroizing::new([0; MAX_KEY_LEN]);
    expand_label(hash, secret, label, b"", &mut key[..aead.key_len()]);
    key
}
