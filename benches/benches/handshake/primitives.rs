//! The cryptographic operations of a handshake done bare, by the backends that `headwater-dtls` has chosen; and the same
//! operations by the backends that it could have chosen.
//!
//! A floor has all that a server cannot do without: its signature, the check of the client's, its half of the key
//! exchange, one hash of the transcript and its state at each message that wants it, the hash of the client's certificate, the
//! HMACs of the key derivation down to the SRTP keys with each HMAC key prepared once, and the records sealed and opened.

use std::hint::black_box;

use aws_lc_rs::agreement as aws_agreement;
use aws_lc_rs::kem::{DecapsulationKey, EncapsulationKey, ML_KEM_768};
use headwater_dtls::Version;
use headwater_dtls::extension::supported_groups::NamedGroup;
use hmac::{KeyInit, Mac};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use ring::{digest, hmac as ring_hmac};

use crate::{Identity, Subject, Turn, ours};

/// What a CertificateVerify of DTLS 1.3 signs, and about what a ServerKeyExchange of 1.2 does.
const SIGNED: usize = 130;
/// What an HMAC of the key derivation covers: label, hash or randoms, and the block before.
const DERIVED: usize = 80;

/// Numbers of what a handshake has more of in one version than in the other.
struct Counts {
    /// The transcript's hash is asked for so often.
    hashes: usize,
    /// HMAC keys, and HMACs made with them.
    hmac_keys: usize,
    hmacs: usize,
    /// Records sealed or opened.
    records: usize,
}

/// Master secret 4, key block 4, two Finished 2 each, SRTP keys 4; two keys. Two Finished records.
const COUNTS_12: Counts = Counts { hashes: 3, hmac_keys: 2, hmacs: 16, records: 2 };

/// Two extracts; from the handshake secret 3, from its two traffic secrets 4 each, two Finished; from the master secret 3, from
/// its two traffic secrets 3 each, exporter 3; the early secret is a constant. Both flights and an ACK.
const COUNTS_13: Counts = Counts { hashes: 6, hmac_keys: 12, hmacs: 27, records: 3 };

pub(crate) fn floors(client: &Identity, server: &Identity) -> Vec<Subject> {
    let floor = |name, version, groups: &[NamedGroup], counts: Counts| {
        let (_, bytes) = ours::Handshake::new(client, server, version, groups).run();
        let wire = bytes.from_client + bytes.from_server; // a few percent are headers and tags
        let verified = if version == Version::Dtls12 { wire } else { SIGNED };
        let signatures = Signatures::new(client, server, verified);
        let hybrid = (groups[0] == NamedGroup::X25519MLKEM768).then(mlkem_key);
        let (transcript, certificate) = (vec![7; wire], client.certificate_der.clone());
        let peer = x25519_pair().1;
        Subject::new(name, None, move || {
            let mut turn = Turn::default();
            turn.clock(|| {
                signatures.sign();
                signatures.verify();
                if let Some(key) = &hybrid {
                    mlkem(key);
                }
                x25519(&peer);
                black_box(digest::digest(&digest::SHA256, &certificate));
                hash(&transcript, counts.hashes);
                let key = hmac_key();
                for _ in 1..counts.hmac_keys {
                    black_box(hmac_key());
                }
                (0..counts.hmacs).for_each(|_| hmac(&key));
                (0..counts.records).for_each(|_| seal());
            });
            turn
        })
    };
    let (x25519, p256, hybrid) = (NamedGroup::X25519, NamedGroup::SECP256R1, NamedGroup::X25519MLKEM768);
    vec![
        floor("1.2 X25519, bare", Version::Dtls12, &[x25519, p256], COUNTS_12),
        floor("1.3 X25519, bare", Version::Dtls13, &[x25519, p256], COUNTS_13),
        floor("1.3 X25519MLKEM768, bare", Version::Dtls13, &[hybrid, x25519, p256], COUNTS_13),
    ]
}

/// Which backend is the fastest at what.
pub(crate) fn backends() -> Vec<Subject> {
    let (client, server) = (Identity::new(), Identity::new());
    let signatures = || Signatures::new(&client, &server, SIGNED);
    let subject = |name, floor, operation: Box<dyn Fn()>| {
        Subject::new(name, floor, move || {
            let mut turn = Turn::default();
            turn.clock(&operation);
            turn
        })
    };
    let aws_key = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING,
        &server.key_der,
    )
    .expect("rcgen made it");
    let (ring_sign, ring_verify, aws_verify) = (signatures(), signatures(), signatures());
    let (encapsulation, peer, ring_peer) = (mlkem_key(), x25519_pair().1, x25519_pair().1);
    vec![
        subject("ECDSA P-256 sign, ring", None, Box::new(move || ring_sign.sign())),
        subject(
            "ECDSA P-256 sign, aws-lc-rs",
            Some("ECDSA P-256 sign, ring"),
            Box::new(move || {
                let rng = aws_lc_rs::rand::SystemRandom::new();
                black_box(aws_key.sign(&rng, &[7; SIGNED]).expect("it can sign"));
            }),
        ),
        subject("ECDSA P-256 verify, ring", None, Box::new(move || ring_verify.verify())),
        subject(
            "ECDSA P-256 verify, aws-lc-rs",
            Some("ECDSA P-256 verify, ring"),
            Box::new(move || {
                let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1;
                aws_lc_rs::signature::UnparsedPublicKey::new(algorithm, &aws_verify.peer)
                    .verify(&aws_verify.message, &aws_verify.signature)
                    .expect("it is right");
            }),
        ),
        subject("X25519 keygen + agree, aws-lc-rs", None, Box::new(move || x25519(&peer))),
        subject(
            "X25519 keygen + agree, ring",
            Some("X25519 keygen + agree, aws-lc-rs"),
            Box::new(move || {
                use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
                let private = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).expect("a key");
                black_box(private.compute_public_key().expect("it has one"));
                agree_ephemeral(private, &UnparsedPublicKey::new(&X25519, &ring_peer), |secret| {
                    black_box(secret[0])
                })
                .expect("the peer's key is one");
            }),
        ),
        subject("ML-KEM-768 encapsulate, aws-lc-rs", None, Box::new(move || mlkem(&encapsulation))),
        subject("SHA-256 of 1 kB, ring", None, Box::new(|| hash(&[7; 1024], 1))),
        subject(
            "SHA-256 of 1 kB, aws-lc-rs",
            Some("SHA-256 of 1 kB, ring"),
            Box::new(|| {
                black_box(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &[7; 1024]));
            }),
        ),
        subject(
            "SHA-256 of 1 kB, RustCrypto",
            Some("SHA-256 of 1 kB, ring"),
            Box::new(|| {
                use sha2::Digest;
                black_box(sha2::Sha256::digest([7; 1024]));
            }),
        ),
        subject("10 x HMAC-SHA256, ring", None, Box::new(|| (0..10).for_each(|_| hmac(&hmac_key())))),
        subject(
            "10 x HMAC-SHA256, aws-lc-rs",
            Some("10 x HMAC-SHA256, ring"),
            Box::new(|| {
                for _ in 0..10 {
                    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &black_box([7; 32]));
                    black_box(aws_lc_rs::hmac::sign(&key, &[7; DERIVED]));
                }
            }),
        ),
        subject(
            "10 x HMAC-SHA256, RustCrypto",
            Some("10 x HMAC-SHA256, ring"),
            Box::new(|| {
                for _ in 0..10 {
                    let key = hmac::Hmac::<sha2::Sha256>::new_from_slice(&black_box([7; 32]));
                    black_box(key.expect("any length").chain_update([7; DERIVED]).finalize());
                }
            }),
        ),
        subject("10 x AES-128-GCM key and record, ring", None, Box::new(|| (0..10).for_each(|_| seal()))),
        subject(
            "10 x AES-128-GCM key and record, aws-lc-rs",
            Some("10 x AES-128-GCM key and record, ring"),
            Box::new(|| {
                use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
                for _ in 0..10 {
                    let key = UnboundKey::new(&AES_128_GCM, &black_box([7; 16])).expect("lengths fit");
                    let (nonce, mut record) = (Nonce::assume_unique_for_key([9; 12]), [7; DERIVED]);
                    let key = LessSafeKey::new(key);
                    let sealed = key.seal_in_place_separate_tag(nonce, Aad::from([7; 13]), &mut record);
                    let _ = black_box((sealed.expect("it fits"), record));
                }
            }),
        ),
    ]
}

struct Signatures {
    ours: EcdsaKeyPair,
    peer: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Signatures {
    fn new(client: &Identity, server: &Identity, verified: usize) -> Self {
        let key = |identity: &Identity| {
            let rng = SystemRandom::new();
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &identity.key_der, &rng)
                .expect("rcgen made it")
        };
        let (theirs, message) = (key(client), vec![7; verified]);
        let signature = theirs.sign(&SystemRandom::new(), &message).expect("it can sign").as_ref().to_vec();
        Self { ours: key(server), peer: theirs.public_key().as_ref().to_vec(), message, signature }
    }

    fn sign(&self) {
        black_box(self.ours.sign(&SystemRandom::new(), &[7; SIGNED]).expect("it can sign"));
    }

    fn verify(&self) {
        ring::signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.peer)
            .verify(&self.message, &self.signature)
            .expect("it is right");
    }
}

fn x25519_pair() -> (aws_agreement::PrivateKey, Vec<u8>) {
    let private = aws_agreement::PrivateKey::generate(&aws_agreement::X25519).expect("a key");
    let public = private.compute_public_key().expect("it has one").as_ref().to_vec();
    (private, public)
}

fn x25519(peer: &[u8]) {
    let (private, public) = x25519_pair();
    black_box(public);
    let peer = aws_agreement::UnparsedPublicKey::new(&aws_agreement::X25519, peer);
    aws_agreement::agree(&private, peer, (), |secret| {
        black_box(secret[0]);
        Ok(())
    })
    .expect("the peer's key is one");
}

fn mlkem_key() -> Vec<u8> {
    let key = DecapsulationKey::generate(&ML_KEM_768).and_then(|key| key.encapsulation_key()).expect("a key");
    key.key_bytes().expect("it has bytes").as_ref().to_vec()
}

fn mlkem(key: &[u8]) {
    let key = EncapsulationKey::new(&ML_KEM_768, key).expect("it is a key");
    black_box(key.encapsulate().expect("it can"));
}

fn hash(bytes: &[u8], outputs: usize) {
    let mut running = digest::Context::new(&digest::SHA256);
    running.update(bytes);
    for _ in 0..outputs {
        black_box(running.clone().finish());
    }
}

fn hmac_key() -> ring_hmac::Key {
    ring_hmac::Key::new(ring_hmac::HMAC_SHA256, &black_box([7; 32]))
}

fn hmac(key: &ring_hmac::Key) {
    black_box(ring_hmac::sign(key, &[7; DERIVED]));
}

fn seal() {
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &black_box([7; 16])).expect("lengths fit"));
    let (nonce, mut record) = (Nonce::assume_unique_for_key([9; 12]), [7; DERIVED]);
    let sealed = key.seal_in_place_separate_tag(nonce, Aad::from([7; 13]), &mut record);
    let _ = black_box((sealed.expect("it fits"), record));
}
