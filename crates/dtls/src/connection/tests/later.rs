//! Under protection: a handshake that lies, and what comes after one.

use super::*;
use crate::message::certificate::CertificateList13;

type Lie = fn(HandshakeType, &mut Epoch, &mut Vec<u8>) -> bool;

fn flip_last(body: &mut [u8]) -> bool {
    *body.last_mut().expect("a message with a body") ^= 1;
    true
}

/// S3.
#[test]
fn a_certificate_without_its_key_is_refused_in_both_roles_and_versions() {
    for version in [Version::Dtls12, Version::Dtls13] {
        for thief in [Role::Client, Role::Server] {
            let [client, server] = certificates();
            let (mut a, mut b) = pair_with(|role, config| {
                config.max_version = version;
                if role == thief {
                    let (victim, own) =
                        if role == Role::Client { (client, server) } else { (server, client) };
                    config.certificate = victim.with_key_of(own);
                }
            });
            settle(&mut a, &mut b);
            let (judge, refusal) = match (thief, version) {
                (Role::Client, _) => (&mut b, Refusal::CertificateVerify),
                (Role::Server, Version::Dtls12) => (&mut a, Refusal::KeyExchangeSignature),
                (Role::Server, _) => (&mut a, Refusal::CertificateVerify),
            };
            assert!(judge.export_keying_material("EXTRACTOR-dtls_srtp", None, &mut [0; 4]).is_err());
            assert_eq!(closed(judge), Some(CloseReason::Refused(refusal)), "{version:?} {thief:?}");
            if version == Version::Dtls13 {
                let told = if thief == Role::Client { &mut a } else { &mut b };
                assert_eq!(closed(told), Some(CloseReason::Alert(Alert::DECRYPT_ERROR)), "the thief is told");
            }
        }
    }
}

/// S3: the state machine has no way around CertificateVerify, and none around the order of messages.
#[test]
fn a_server_that_lies_under_protection_is_refused_by_name() {
    use HandshakeType as T;
    let lies: [(&str, Lie, Refusal); 9] = [
        ("no CertificateVerify", |kind, _, _| kind != T::CERTIFICATE_VERIFY, Refusal::UnexpectedMessage),
        ("no Certificate", |kind, _, _| kind != T::CERTIFICATE, Refusal::UnexpectedMessage),
        (
            "nothing but Finished",
            |kind, _, _| kind == T::FINISHED || kind == T::SERVER_HELLO,
            Refusal::UnexpectedMessage,
        ),
        (
            "a forged CertificateVerify",
            |kind, _, body| kind != T::CERTIFICATE_VERIFY || flip_last(body),
            Refusal::CertificateVerify,
        ),
        (
            "SHA-1 with RSA",
            |kind, _, body| {
                if kind == T::CERTIFICATE_VERIFY {
                    body[..2].copy_from_slice(&[2, 1]);
                }
                true
            },
            Refusal::SignatureAlgorithm,
        ),
        ("a forged Finished", |kind, _, body| kind != T::FINISHED || flip_last(body), Refusal::Finished),
        (
            "a short Finished",
            |kind, _, body| {
                if kind == T::FINISHED {
                    body.truncate(12);
                }
                true
            },
            Refusal::Malformed,
        ),
        (
            "an empty Certificate",
            |kind, _, body| {
                if kind == T::CERTIFICATE {
                    *body = vec![0, 0, 0, 0];
                }
                true
            },
            Refusal::NoCertificate,
        ),
        (
            "an extension nobody asked for",
            |kind, _, body| {
                if kind == T::ENCRYPTED_EXTENSIONS {
                    *body = vec![0, 4, 0, 23, 0, 0];
                }
                true
            },
            Refusal::NotOffered,
        ),
    ];
    for (name, change, refusal) in lies {
        let (mut client, mut server) = pair();
        carry(&mut client, &mut server);
        lie(&mut server, change);
        settle(&mut client, &mut server);
        assert_eq!(closed(&mut client), Some(CloseReason::Refused(refusal)), "{name}");
        assert_eq!(closed(&mut server), Some(CloseReason::Alert(refusal.alert())), "{name}");
    }
}

/// S3, the other way round.
#[test]
fn a_client_that_lies_under_protection_is_refused_by_name() {
    use HandshakeType as T;
    let lies: [(&str, Lie, Refusal); 6] = [
        ("no CertificateVerify", |kind, _, _| kind != T::CERTIFICATE_VERIFY, Refusal::UnexpectedMessage),
        ("nothing but Finished", |kind, _, _| kind == T::FINISHED, Refusal::UnexpectedMessage),
        (
            "a forged CertificateVerify",
            |kind, _, body| kind != T::CERTIFICATE_VERIFY || flip_last(body),
            Refusal::CertificateVerify,
        ),
        ("a forged Finished", |kind, _, body| kind != T::FINISHED || flip_last(body), Refusal::Finished),
        (
            "no certificate",
            |kind, _, body| {
                if kind == T::CERTIFICATE {
                    body.clear();
                    CertificateList13::emit(&[], None, body);
                }
                kind != T::CERTIFICATE_VERIFY
            },
            Refusal::NoCertificate,
        ),
        (
            "somebody's context",
            |kind, _, body| {
                if kind == T::CERTIFICATE {
                    body[0] = 1;
                    body.insert(1, 7);
                }
                true
            },
            Refusal::NotOffered,
        ),
    ];
    for (name, change, refusal) in lies {
        let (mut client, mut server) = pair();
        carry(&mut client, &mut server);
        carry(&mut server, &mut client);
        assert!(client.is_connected(), "the client speaks last, so it is connected first");
        lie(&mut client, change);
        settle(&mut client, &mut server);
        assert_eq!(closed(&mut server), Some(CloseReason::Refused(refusal)), "{name}");
        assert_eq!(
            closed(&mut client),
            Some(CloseReason::Alert(refusal.alert())),
            "{name}: the client is told"
        );
    }
}

#[test]
fn handshake_messages_count_only_with_the_keys_of_the_handshake() {
    // The client's last flight in epoch 3 and in the clear; then as it should be.
    for wrong in [Epoch::DATA, Epoch::PLAIN] {
        let (mut client, mut server) = pair();
        carry(&mut client, &mut server);
        carry(&mut server, &mut client);
        lie(&mut client, |_, epoch, _| {
            *epoch = wrong;
            true
        });
        assert_eq!(carry(&mut client, &mut server), [Err(Error::Unexpected)]);
        assert!(!server.is_connected() && take(&mut server).is_empty(), "{wrong:?}");
        lie(&mut client, |_, epoch, _| {
            *epoch = Epoch::HANDSHAKE;
            true
        });
        settle(&mut client, &mut server);
        assert!(server.is_connected());
    }
    // What the server says after its hello, in the clear.
    let (mut client, mut server) = pair();
    carry(&mut client, &mut server);
    server.credit(2_000); // for two flights
    lie(&mut server, |_, epoch, _| {
        *epoch = Epoch::PLAIN;
        true
    });
    carry(&mut server, &mut client);
    assert!(!client.is_connected() && closed(&mut client).is_none());
    lie(&mut server, |kind, epoch, _| {
        *epoch = if kind == HandshakeType::SERVER_HELLO { Epoch::PLAIN } else { Epoch::HANDSHAKE };
        true
    });
    settle(&mut client, &mut server);
    assert!(client.is_connected() && server.is_connected());
}

#[test]
fn nothing_new_comes_with_the_keys_of_a_handshake_that_is_over() {
    let (mut client, mut server) = connected();
    let number = client.exchange.next_message_seq;
    let late = seal(
        &mut server,
        Epoch::HANDSHAKE,
        ContentType::HANDSHAKE,
        &message(HandshakeType::NEW_SESSION_TICKET, 6, b"x"),
    );
    assert_eq!(client.handle_datagram(client.now, &late), Err(Error::Unexpected));
    client.exchange.records.install_write(Epoch::HANDSHAKE, stale_keys());
    // With what was handled before in front of it.
    let mut content = message(HandshakeType::FINISHED, number - 1, &[0; 32]);
    content.extend(message(HandshakeType::KEY_UPDATE, number, &[0]));
    let opened = crate::record::layer::Opened {
        content_type: ContentType::HANDSHAKE,
        plaintext: content,
        number: crate::record::layer::RecordNumber { epoch: Epoch::HANDSHAKE, sequence_number: 99 },
    };
    let _ = server.handle_opened(opened);
    assert_eq!(server.exchange.records.read_epoch(), Epoch::DATA, "no KeyUpdate from there");
    assert_eq!(closed(&mut server), None);
}

fn stale_keys() -> crate::record::layer::Protection {
    let suite = suite::find(Version::Dtls13, 0x1301).unwrap();
    Schedule::new(suite, &[1; 32], &[2; 32]).protection(Role::Client)
}

#[test]
fn messages_that_have_no_place_after_the_handshake_end_it() {
    use HandshakeType as T;
    for (from, kind) in [
        (Role::Server, T::CERTIFICATE_REQUEST), // we never offered to authenticate later
        (Role::Server, T::CLIENT_HELLO),
        (Role::Server, T::SERVER_HELLO),
        (Role::Server, T::FINISHED),
        (Role::Client, T::NEW_SESSION_TICKET), // not the client's to give
        (Role::Client, T::CLIENT_HELLO),       // no renegotiation
        (Role::Client, T::CERTIFICATE),
        (Role::Client, T(99)),
    ] {
        let (mut client, mut server) = connected();
        let (from, to) =
            if from == Role::Client { (&mut client, &mut server) } else { (&mut server, &mut client) };
        let number = from.exchange.next_message_seq;
        let datagram = seal(from, Epoch::DATA, ContentType::HANDSHAKE, &message(kind, number, &[0; 8]));
        to.handle_datagram(to.now, &datagram).unwrap();
        assert_eq!(closed(to), Some(CloseReason::Refused(Refusal::UnexpectedMessage)), "{kind:?}");
        carry(to, from);
        assert_eq!(closed(from), Some(CloseReason::Alert(Alert::UNEXPECTED_MESSAGE)), "{kind:?}");
    }
    let (mut client, mut server) = connected();
    let number = server.exchange.next_message_seq;
    let ticket = message(HandshakeType::NEW_SESSION_TICKET, number, &[0; 8]);
    let ticket = seal(&mut server, Epoch::DATA, ContentType::HANDSHAKE, &ticket);
    client.handle_datagram(client.now, &ticket).unwrap();
    assert_eq!(closed(&mut client), None, "a ticket is allowed, and of no use");
    assert_eq!(take(&mut client).len(), 1, "it is acknowledged");
}

#[test]
fn in_the_clear_acks_mean_nothing_and_alerts_only_while_there_are_no_keys() {
    let plain = |kind, content: &[u8]| {
        let mut datagram = Vec::new();
        RecordLayer::default().seal(Epoch::PLAIN, kind, content, &mut datagram).unwrap();
        datagram
    };
    let alert = plain(ContentType::ALERT, &[2, 40]);
    let ack = plain(ContentType::ACK, &[0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let (mut client, mut server) = pair();
    // A server that has said nothing has given no cause for an alert.
    assert_eq!(server.handle_datagram(server.now, &alert), Err(Error::Unexpected));
    assert_eq!(server.poll_timeout(), None, "nor does it end");
    assert_eq!(client.handle_datagram(client.now, &ack), Err(Error::Unexpected));
    assert!(!client.exchange.flight.is_empty(), "the hello is still to be repeated");
    carry(&mut client, &mut server);
    assert_eq!(server.handle_datagram(server.now, &ack), Err(Error::Unexpected));
    assert_eq!(server.handle_datagram(server.now, &alert), Ok(()), "the client may have no keys");
    carry(&mut server, &mut client);
    for end in [&mut client, &mut server] {
        let _ = end.handle_datagram(end.now, &ack);
    }
    settle(&mut client, &mut server);
    for end in [&mut client, &mut server] {
        assert_eq!(end.handle_datagram(end.now, &alert), Err(Error::Unexpected));
        assert_eq!(end.handle_datagram(end.now, &ack), Err(Error::Unexpected));
        assert!(end.is_connected());
    }
}
