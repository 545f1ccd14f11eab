//! Peers with other certificates than ours: RSA, P-384. See `tests/peers/README.md` for where they come from.

use super::*;
use crate::certificate::{HashAlgorithm, public_key};
use crate::crypto::hash::SuiteHash;
use crate::crypto::signature;
use crate::extension::signature_algorithms::SignatureScheme;
use crate::handshake13::signed_content;
use crate::message::certificate::CertificateList13;
use crate::message::certificate_verify::DigitallySigned;

const RSA: (&[u8], &[u8]) = (
    include_bytes!("../../../tests/peers/rsa2048.crt.der"),
    include_bytes!("../../../tests/peers/rsa2048.key.der"),
);
const P384: (&[u8], &[u8]) = (
    include_bytes!("../../../tests/peers/p384.crt.der"),
    include_bytes!("../../../tests/peers/p384.key.der"),
);
const WEAK: &[u8] = include_bytes!("../../../tests/peers/rsa1024.crt.der");
const P256: &[u8] = include_bytes!("../../../tests/peers/p256.crt.der");
const SIGNATURES: &str = include_str!("../../../tests/peers/signatures.txt");

fn sign(name: &str, content: &[u8]) -> (SignatureScheme, Vec<u8>) {
    if name == "rsa2048" {
        (SignatureScheme::RSA_PSS_RSAE_SHA256, signature::foreign::rsa_pss(RSA.1, content))
    } else {
        (SignatureScheme::ECDSA_SECP384R1_SHA384, signature::foreign::p384(P384.1, content))
    }
}

/// The client's last flight comes in two parts, so that the second can sign what the server made of the first.
#[test]
fn clients_with_rsa_and_p384_certificates_prove_themselves_and_forgers_do_not() {
    for (name, der) in [("rsa2048", RSA.0), ("p384", P384.0)] {
        for is_forged in [false, true] {
            let (mut client, mut server) = pair();
            server.exchange.remote = vec![Fingerprint::of(HashAlgorithm::Sha384, der)];
            carry(&mut client, &mut server);
            carry(&mut server, &mut client);
            take(&mut client);
            let number = client.exchange.next_message_seq - 3;
            let mut body = Vec::new();
            CertificateList13::emit(&[], Some(der), &mut body);
            let first = message(HandshakeType::CERTIFICATE, number, &body);
            let first = seal(&mut client, Epoch::HANDSHAKE, ContentType::HANDSHAKE, &first);
            server.handle_datagram(server.now, &first).unwrap();

            let content = signed_content(Role::Client, &server.exchange.transcript.hash());
            let (scheme, mut signed) = sign(name, &content);
            if is_forged {
                *signed.last_mut().unwrap() ^= 1;
            }
            let mut body = Vec::new();
            DigitallySigned::emit(scheme, &signed, &mut body);
            let mut second = message(HandshakeType::CERTIFICATE_VERIFY, number + 1, &body);
            // This Finished is wrong; that it is looked at means that all before it was right.
            second.extend(message(HandshakeType::FINISHED, number + 2, &[0; 32]));
            let second = seal(&mut client, Epoch::HANDSHAKE, ContentType::HANDSHAKE, &second);
            server.handle_datagram(server.now, &second).unwrap();
            let refusal = if is_forged { Refusal::CertificateVerify } else { Refusal::Finished };
            assert_eq!(closed(&mut server), Some(CloseReason::Refused(refusal)), "{name}");
        }
    }
}

#[test]
fn each_scheme_goes_with_its_kind_of_key_and_version() {
    let content = signed_content(Role::Client, &SuiteHash::Sha256.digest(&[b"transcript"]));
    let mut count = 0;
    for line in SIGNATURES.lines() {
        let mut words = line.split(' ');
        let (name, scheme, signed) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let der = match name {
            "rsa2048" => RSA.0,
            "rsa1024" => WEAK,
            "p384" => P384.0,
            _ => P256,
        };
        let key = public_key(der).unwrap();
        let scheme = SignatureScheme(u16::from_str_radix(scheme, 16).unwrap());
        let signed = hex::decode(signed).unwrap();
        // 1.3 has no PKCS #1 v1.5, and each curve has its hash.
        let is_old = scheme.0 & 0xFF == 1
            || (name, scheme.0) == ("p384", 0x0403)
            || (name, scheme.0) == ("p256", 0x0503);
        for (version, is_good) in
            [(Version::Dtls12, name != "rsa1024"), (Version::Dtls13, name != "rsa1024" && !is_old)]
        {
            let verified =
                key.takes(version, scheme) && key.verify(version, scheme, &content, &signed).is_ok();
            assert_eq!(verified, is_good, "{name} {scheme:x?} {version:?}");
            let mut other = content.clone();
            other[70] ^= 1;
            assert!(key.verify(version, scheme, &other, &signed).is_err());
        }
        count += 1;
    }
    assert_eq!(count, 12);
}
