//! What a dishonest client cannot do, and what honest ones did.

use std::sync::Arc;

use super::*;
use crate::certificate::{Certificate, Fingerprint, HashAlgorithm, public_key};
use crate::config::Config;
use crate::crypto::hash::SuiteHash;
use crate::extension::signature_algorithms::SignatureAlgorithms;
use crate::extension::supported_groups::SupportedGroups;
use crate::extension::{ExtensionType, put_extension};
use crate::handshake::Fragment;
use crate::handshake::accept::Accept;
use crate::handshake::flight::Flight;
use crate::handshake::side::Side;
use crate::handshake::transcript::Transcript;
use crate::record::layer::RecordLayer;
use crate::record::{ContentType, Record};

fn exchange(own: &Certificate, peer: &Certificate) -> Exchange {
    let config = Arc::new(Config::new(own.clone()));
    Exchange {
        remote: vec![Fingerprint::of(HashAlgorithm::Sha256, peer.der())],
        random: [1; 32],
        cookie_secret: [2; 32],
        records: RecordLayer::default(),
        transcript: Transcript::new(),
        flight: Flight::new(config.initial_timeout),
        next_message_seq: 0,
        config,
    }
}

fn message(kind: HandshakeType, message_seq: u16, body: impl FnOnce(&mut Vec<u8>)) -> Message {
    let mut bytes = Vec::new();
    body(&mut bytes);
    Message { kind, message_seq, body: bytes }
}

/// S3: somebody shows the right certificate without having its key.
#[test]
fn a_certificate_without_proof_of_its_key_leads_nowhere() {
    let (own, victim) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
    let mut exchange = exchange(&own, &victim);
    let mut server = Side::Accept(Accept::new());
    let mut step = |message: &Message| server.handle_message(&mut exchange, message);

    let hello = message(HandshakeType::CLIENT_HELLO, 0, |out| {
        let extensions = |out: &mut Vec<u8>| {
            put_extension(out, ExtensionType::EXTENDED_MASTER_SECRET, |_| ());
            put_extension(out, ExtensionType::SUPPORTED_GROUPS, |out| {
                SupportedGroups::emit(&[NamedGroup::X25519, NamedGroup::SECP256R1], out);
            });
            put_extension(out, ExtensionType::SIGNATURE_ALGORITHMS, |out| {
                SignatureAlgorithms::emit(&[SignatureScheme::ECDSA_SECP256R1_SHA256], out);
            });
        };
        ClientHello::emit(&[3; 32], &[], &[0xC02B], extensions, out);
    });
    assert!(step(&hello).is_ok());
    let certificate = message(HandshakeType::CERTIFICATE, 1, |out| {
        CertificateList::emit(Some(victim.der()), out);
    });
    assert!(step(&certificate).is_ok());
    let key = EphemeralKey::generate(NamedGroup::X25519).unwrap();
    let share = message(HandshakeType::CLIENT_KEY_EXCHANGE, 2, |out| {
        ClientKeyExchange::emit(key.public(), out);
    });
    assert!(step(&share).is_ok());

    // No CertificateVerify at all. (Under protection the connection makes this the end: `UnexpectedMessage`.)
    let finished = message(HandshakeType::FINISHED, 3, |out| out.extend_from_slice(&[0; 12]));
    assert!(matches!(step(&finished), Err(Failure::Discard(Error::Unexpected))));

    // One by another key, over something else, or none.
    let signature = own.key().sign(b"anything").unwrap();
    let forged = message(HandshakeType::CERTIFICATE_VERIFY, 3, |out| {
        DigitallySigned::emit(SignatureScheme::ECDSA_SECP256R1_SHA256, &signature, out);
    });
    assert!(matches!(step(&forged), Err(Failure::Fatal(Refusal::CertificateVerify))));
    assert!(step(&finished).is_err());
}

/// The signatures in recorded DTLS 1.2 handshakes verify over our transcript.
#[test]
fn recorded_handshakes_are_signed_over_the_transcript_as_we_build_it() {
    let recordings = [
        include_str!("../../../tests/fixtures/dtls12-client-chromium156-server-firefox153.transcript.txt"),
        include_str!("../../../tests/fixtures/dtls12-client-firefox153-server-chromium156.transcript.txt"),
    ];
    for recording in recordings {
        let mut transcript = Transcript::new();
        transcript.decide(Version::Dtls12, SuiteHash::Sha256);
        let (mut randoms, mut keys) = (Vec::new(), Vec::new());
        let scheme = SignatureScheme::ECDSA_SECP256R1_SHA256;
        let mut verified = 0;
        for message in messages(recording) {
            match message.kind {
                HandshakeType::CLIENT_HELLO => {
                    randoms.push(ClientHello::parse(&message.body).unwrap().random);
                }
                HandshakeType::SERVER_HELLO => {
                    randoms.push(ServerHello::parse(&message.body).unwrap().random);
                }
                HandshakeType::CERTIFICATE => {
                    let list = CertificateList::parse(&message.body).unwrap();
                    keys.push(public_key(list.leaf().unwrap()).unwrap());
                }
                HandshakeType::SERVER_KEY_EXCHANGE => {
                    let exchange = ServerKeyExchange::parse(&message.body).unwrap();
                    let content = exchange.signed_content(&randoms[0], &randoms[1]);
                    keys[0].verify(Version::Dtls12, scheme, &content, exchange.signed.signature).unwrap();
                    verified += 1;
                }
                HandshakeType::CERTIFICATE_VERIFY => {
                    let verify = DigitallySigned::parse(&message.body).unwrap();
                    let content = transcript.take_bytes();
                    keys[1].verify(Version::Dtls12, scheme, &content, verify.signature).unwrap();
                    verified += 1;
                }
                _ => {}
            }
            transcript.add(message.kind, message.message_seq, &message.body);
        }
        assert_eq!(verified, 2);
    }
}

/// The plaintext messages of both sides in order; repetitions left out.
fn messages(recording: &str) -> Vec<Message> {
    let mut sides =
        [crate::handshake::reassembly::Reassembly::new(), crate::handshake::reassembly::Reassembly::new()];
    let mut whole = Vec::new();
    for line in recording.lines() {
        let side = &mut sides[usize::from(line.starts_with('S'))];
        let datagram = hex::decode(line.rsplit(' ').next().unwrap()).unwrap();
        let mut rest = &datagram[..];
        while !rest.is_empty() {
            let record = Record::parse(&mut rest).unwrap();
            let mut content = record.fragment;
            while record.epoch == 0 && record.content_type == ContentType::HANDSHAKE && !content.is_empty() {
                side.insert(&Fragment::parse(&mut content).unwrap(), false).unwrap();
                while let Some((message, _)) = side.take_next() {
                    side.advance();
                    whole.push(message);
                }
            }
        }
    }
    whole
}
