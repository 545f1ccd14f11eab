//! What somebody who wishes us ill may send (S1 to S6 of the field's history).

use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dtls::extension::ExtensionType;
use headwater_dtls::message::HandshakeType;
use headwater_dtls::record::ContentType;
use headwater_dtls::{
    Certificate, CloseReason, Config, ConfigError, Connection, Error, Fingerprint, HashAlgorithm, Refusal,
    Role, Version,
};

use crate::pair::{End, Fate, Pair, certificates};
use crate::wire::{Hello, fragment, has, plain, records};

const LIMIT: Duration = Duration::from_secs(60);

fn server() -> End {
    server_up_to(Version::Dtls12)
}

fn server_up_to(version: Version) -> End {
    let (client, server) = certificates();
    let mut config = Config::new(server.clone());
    config.max_version = version;
    let config = Arc::new(config);
    End::new(
        Connection::new(config, Role::Server, vec![client.fingerprint()], [9; 32], Instant::now()).unwrap(),
    )
}

fn transmits(connection: &mut Connection) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    loop {
        let mut buf = Vec::new();
        if connection.poll_transmit(Instant::now(), &mut buf).is_none() {
            return sent;
        }
        sent.push(buf);
    }
}

#[test]
fn a_wrong_certificate_is_refused_in_both_roles_before_any_key_leaves() {
    for version in [Version::Dtls12, Version::Dtls13] {
        wrong_certificates(version);
    }
}

fn wrong_certificates(version: Version) {
    let (client, server) = certificates();
    let stranger = Certificate::generate().unwrap().fingerprint();
    let configs = || {
        let mut configs = (Config::new(client.clone()), Config::new(server.clone()));
        configs.0.max_version = version;
        configs
    };

    let (a, b) = configs();
    let mut pair = Pair::expecting(a, b, vec![stranger.clone()], vec![client.fingerprint()]);
    pair.run(LIMIT);
    assert!(pair.client.connected.is_none() && pair.server.connected.is_none());
    assert_eq!(pair.client.closed, Some(CloseReason::Refused(Refusal::Fingerprint)));
    assert!(matches!(pair.server.closed, Some(CloseReason::Alert(alert)) if alert.0 == 42));
    assert!(pair.client.connection.export_keying_material("EXTRACTOR-dtls_srtp", None, &mut [0; 4]).is_err());

    let (a, b) = configs();
    let mut pair = Pair::expecting(a, b, vec![server.fingerprint()], vec![stranger.clone()]);
    pair.run(LIMIT);
    assert!(pair.server.connected.is_none());
    assert_eq!(pair.server.closed, Some(CloseReason::Refused(Refusal::Fingerprint)));
    assert!(pair.server.connection.export_keying_material("EXTRACTOR-dtls_srtp", None, &mut [0; 4]).is_err());
    // In 1.3 the client speaks last and has proof of the server: it is connected before it is judged, and told by the
    // alert. In 1.2 the alert is in the clear, and believed when nothing else comes.
    assert_eq!(pair.client.connected.is_some(), version == Version::Dtls13);
    assert!(
        matches!(pair.client.closed, Some(CloseReason::Alert(alert)) if alert.0 == 42),
        "{:?}",
        pair.client.closed
    );

    // One of several fingerprints is enough.
    let (a, b) = configs();
    let sha512 = Fingerprint::of(HashAlgorithm::Sha512, client.der());
    let mut pair = Pair::expecting(a, b, vec![stranger, server.fingerprint()], vec![sha512]);
    pair.run(LIMIT);
    assert!(pair.both_connected());
}

#[test]
fn nothing_to_check_the_peer_against_is_a_config_error() {
    let (client, _) = certificates();
    let new = |config: Config, remote| {
        Connection::new(Arc::new(config), Role::Client, remote, [0; 32], Instant::now()).err()
    };
    let sha1 = Fingerprint::of(HashAlgorithm::Sha1, client.der());
    assert_eq!(new(Config::new(client.clone()), vec![]), Some(ConfigError::NoFingerprint));
    assert_eq!(new(Config::new(client.clone()), vec![sha1.clone()]), Some(ConfigError::NoFingerprint));
    let mut config = Config::new(client.clone());
    config.danger_accept_any_certificate = true;
    assert_eq!(new(config.clone(), vec![sha1]), Some(ConfigError::NoFingerprint));
    assert_eq!(new(config, vec![]), None);
}

/// Changes one byte of the last byte of the first handshake message of this kind.
fn tampered(datagram: &[u8], kind: HandshakeType) -> Fate {
    let Some(found) = crate::wire::fragments(datagram).into_iter().find(|message| message.kind == kind)
    else {
        return Fate::Deliver;
    };
    let at = found.data.as_ptr() as usize - datagram.as_ptr() as usize + found.data.len() - 1;
    let mut changed = datagram.to_vec();
    changed[at] ^= 1;
    Fate::Replace(changed)
}

#[test]
fn a_forged_certificate_verify_is_refused() {
    let mut pair = Pair::new();
    pair.run_with(LIMIT, &mut |_, _, datagram| tampered(datagram, HandshakeType::CERTIFICATE_VERIFY));
    assert_eq!(pair.server.closed, Some(CloseReason::Refused(Refusal::CertificateVerify)));
    assert!(pair.server.connected.is_none() && pair.client.connected.is_none());
}

#[test]
fn a_forged_key_exchange_is_refused() {
    let mut pair = Pair::new();
    pair.run_with(LIMIT, &mut |_, _, datagram| tampered(datagram, HandshakeType::SERVER_KEY_EXCHANGE));
    assert_eq!(pair.client.closed, Some(CloseReason::Refused(Refusal::KeyExchangeSignature)));
    assert!(pair.client.connected.is_none());
}

#[test]
fn a_hello_changed_on_its_way_connects_nobody() {
    let mut pair = Pair::new();
    pair.run_with(LIMIT, &mut |_, _, datagram| {
        // The last byte of our hello is padding: harmless by itself, but not what the client said.
        tampered(datagram, HandshakeType::CLIENT_HELLO)
    });
    assert!(pair.client.connected.is_none() && pair.server.connected.is_none());
    assert_eq!(pair.server.closed, Some(CloseReason::Refused(Refusal::CertificateVerify)));
}

#[test]
fn a_client_without_a_certificate_is_refused_unless_anything_goes() {
    // Somebody in the middle asks for RSA (type 1) so that our client says it has nothing.
    let rsa_only = |datagram: &[u8]| {
        let request = crate::wire::fragments(datagram)
            .into_iter()
            .find(|message| message.kind == HandshakeType::CERTIFICATE_REQUEST)
            .map(|message| message.data.as_ptr() as usize - datagram.as_ptr() as usize);
        request.map_or(Fate::Deliver, |at| {
            let mut changed = datagram.to_vec();
            changed[at + 1] = 1;
            Fate::Replace(changed)
        })
    };
    let mut pair = Pair::new();
    pair.run_with(LIMIT, &mut |_, _, datagram| rsa_only(datagram));
    assert_eq!(pair.server.closed, Some(CloseReason::Refused(Refusal::NoCertificate)));
}

#[test]
fn hellos_that_lack_something_are_refused_by_name_and_leave_no_trace() {
    let none = None::<&[u8]>;
    let cases = [
        (Hello::new().with(ExtensionType::EXTENDED_MASTER_SECRET, none), Refusal::ExtendedMasterSecret),
        (Hello::new().with(ExtensionType::SIGNATURE_ALGORITHMS, none), Refusal::SignatureAlgorithm),
        (
            Hello::new().with(ExtensionType::SIGNATURE_ALGORITHMS, Some(&[0, 2, 8, 4])),
            Refusal::SignatureAlgorithm,
        ),
        (Hello::new().with(ExtensionType::SUPPORTED_GROUPS, Some(&[0, 2, 0, 24])), Refusal::Group),
        (Hello::new().with(ExtensionType::SUPPORTED_GROUPS, Some(&[0, 2, 0, 29])), Refusal::Group),
        (Hello::new().with(ExtensionType::EC_POINT_FORMATS, Some(&[1, 1])), Refusal::PointFormat),
        (Hello::new().with(ExtensionType::SUPPORTED_VERSIONS, Some(&[2, 0xFE, 0xFC])), Refusal::Version),
        (Hello::new().with(ExtensionType::RENEGOTIATION_INFO, Some(&[1, 5])), Refusal::Renegotiation),
        (Hello { suites: vec![0], ..Hello::new() }, Refusal::CipherSuite), // TLS_NULL_WITH_NULL_NULL
    ];
    for (hello, refusal) in cases {
        let mut server = server();
        let now = Instant::now();
        assert_eq!(server.connection.handle_datagram(now, &hello.datagram(0)), Err(Error::Refused(refusal)));
        assert!(transmits(&mut server.connection).is_empty(), "no alert: the sender may not be the peer");

        // The real one comes a moment later and is served.
        server.connection.handle_datagram(now, &Hello::new().datagram(0)).unwrap();
        assert_eq!(transmits(&mut server.connection).len(), 1, "{refusal:?}");
        server.drain_events();
        assert_eq!(server.closed, None);
    }
}

#[test]
fn a_peer_that_has_only_a_bad_hello_is_told_after_a_while() {
    let mut server = server();
    let hello = Hello::new().with(ExtensionType::EXTENDED_MASTER_SECRET, None);
    let _ = server.connection.handle_datagram(Instant::now(), &hello.datagram(0));
    let at = server.connection.poll_timeout().unwrap();
    server.connection.handle_timeout(at);
    server.drain_events();
    assert_eq!(server.closed, Some(CloseReason::Refused(Refusal::ExtendedMasterSecret)));
    let sent = transmits(&mut server.connection);
    let alerts: Vec<_> = sent.iter().flat_map(|datagram| records(datagram)).collect();
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].content_type, alerts[0].fragment), (ContentType::ALERT, &[2, 40][..]));
}

#[test]
fn nothing_unauthenticated_changes_an_established_session() {
    for (_, make) in Pair::ALL {
        unauthenticated(make());
    }
}

fn unauthenticated(mut pair: Pair) {
    pair.run(LIMIT);
    let recorded = pair.client.sent.clone();
    pair.client.connection.send(b"one").unwrap();
    pair.run(LIMIT);
    let data = pair.client.sent.last().unwrap().clone();

    let mut forged = data.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut renumbered = data.clone();
    renumbered[if data[0] == 23 { 10 } else { 2 }] ^= 9;
    let null_hello = Hello { suites: vec![0], ..Hello::new() }.datagram(0);
    let attacks = [
        plain(ContentType::ALERT, 9, &[2, 40]),
        plain(ContentType::ALERT, 9, &[1, 0]),
        plain(ContentType::CHANGE_CIPHER_SPEC, 9, &[1]),
        plain(ContentType::APPLICATION_DATA, 9, b"clear"),
        null_hello,
        Hello::new().datagram(0),
        data,
        forged,
        renumbered,
        vec![0x2F; 40],
        vec![22],
        vec![],
    ];
    for attack in attacks.iter().chain(&recorded[..1]) {
        for _ in 0..150 {
            let refused = pair.server.connection.handle_datagram(pair.now, attack);
            assert!(refused.is_err(), "{}", hex::encode(attack));
        }
    }
    assert!(transmits(&mut pair.server.connection).is_empty(), "and nobody gets an answer");
    pair.client.connection.send(b"two").unwrap();
    pair.server.connection.send(b"back").unwrap();
    pair.run(LIMIT);
    assert_eq!(pair.server.data, [b"one", b"two"]);
    assert_eq!(pair.client.data, [b"back"]);
    assert_eq!((pair.client.closed, pair.server.closed), (None, None));
}

#[test]
fn a_replayed_record_is_named_as_one() {
    let mut pair = Pair::new();
    pair.run(LIMIT);
    pair.client.connection.send(b"once").unwrap();
    pair.run(LIMIT);
    let data = pair.client.sent.last().unwrap().clone();
    assert_eq!(pair.server.connection.handle_datagram(pair.now, &data), Err(Error::Replayed));
    let mut forged = data;
    forged[10] = 77; // a number that is new
    assert_eq!(pair.server.connection.handle_datagram(pair.now, &forged), Err(Error::Unauthentic));
}

#[test]
fn a_plaintext_alert_during_the_handshake_does_not_stop_it() {
    let mut pair = Pair::new();
    let alert = plain(ContentType::ALERT, 5, &[2, 40]);
    pair.client.connection.handle_datagram(pair.now, &alert).unwrap();
    // A server has not even said anything that one could object to.
    assert_eq!(pair.server.connection.handle_datagram(pair.now, &alert), Err(Error::Unexpected));
    pair.run(LIMIT);
    assert!(pair.both_connected());
    assert_eq!((pair.client.closed, pair.server.closed), (None, None));
}

#[test]
fn a_server_sends_at_most_three_bytes_for_one_until_the_client_is_proven() {
    let mut server = server();
    let now = Instant::now();
    let mut hello = Hello::new();
    hello.extensions.pop(); // no padding: 97 bytes
    let hello = hello.datagram(0);
    let (mut received, mut sent) = (0, 0);
    for round in 0..200 {
        // Its answer is lost each time, and time passes.
        let now = now + Duration::from_millis(100) * round;
        let _ = server.connection.handle_datagram(now, &hello);
        received += hello.len();
        server.connection.handle_timeout(now);
        sent += transmits(&mut server.connection).iter().map(Vec::len).sum::<usize>();
        assert!(sent <= 3 * received, "{sent} for {received}");
    }
    assert!(sent > 0);
}

#[test]
fn fragments_that_lie_about_their_size_cost_nothing() {
    fragments_that_lie(server());
    fragments_that_lie(server_up_to(Version::Dtls13));
}

fn fragments_that_lie(mut server: End) {
    let kind = HandshakeType::CLIENT_HELLO;
    let now = Instant::now();
    let cases = [
        // 16 MiB in all, beyond the end, ahead of everything, and a Finished in the clear
        (fragment(kind, (1 << 24) - 1, 0, 0, &[1; 50], 0), false),
        (fragment(kind, 10, 0, 9, &[1; 2], 0), false),
        (fragment(kind, 100, 8, 0, &[1; 50], 0), false),
        (fragment(HandshakeType::FINISHED, 12, 0, 0, &[1; 12], 0), false),
        // empty ones are allowed and mean nothing
        (fragment(kind, 100, 0, 0, &[], 0), true),
        (fragment(kind, 100, 0, 100, &[], 0), true),
    ];
    for (datagram, is_fine) in cases {
        for _ in 0..1000 {
            assert_eq!(server.connection.handle_datagram(now, &datagram).is_ok(), is_fine);
        }
    }
    // Messages ahead fill their share and no more; the next one still gets through.
    let mut refused = 0;
    for seq in 1..8 {
        let datagram = fragment(HandshakeType::CERTIFICATE, 16_000, seq, 0, &[1; 100], 0);
        refused += u32::from(server.connection.handle_datagram(now, &datagram) == Err(Error::LimitReached));
    }
    assert_eq!(refused, 5);
    server.connection.handle_datagram(now, &Hello::new().datagram(0)).unwrap();
    assert_eq!(transmits(&mut server.connection).len(), 1);
}

#[test]
fn holes_in_a_message_are_bounded_and_a_later_whole_one_wins() {
    let mut server = server();
    let now = Instant::now();
    let hello = Hello::new().datagram(0);
    let len = hello.len() - 25;
    let mut refused = 0;
    for offset in (0..len).step_by(2) {
        let datagram = fragment(HandshakeType::CLIENT_HELLO, len, 0, offset, &[0xEE], 0);
        refused += u32::from(server.connection.handle_datagram(now, &datagram).is_err());
    }
    assert_eq!(refused as usize, len.div_ceil(2) - 64);
    server.connection.handle_datagram(now, &hello).unwrap();
    assert_eq!(transmits(&mut server.connection).len(), 1);
}

#[test]
fn a_poisoned_first_fragment_is_overcome_by_the_clients_repetition() {
    let mut server = server();
    let now = Instant::now();
    let hello = Hello::new().datagram(0);
    // Same length, other bytes: puts together to something that doesn't parse, and is forgotten.
    let len = hello.len() - 25;
    let half = fragment(HandshakeType::CLIENT_HELLO, len, 0, 0, &vec![0xFF; len / 2], 0);
    server.connection.handle_datagram(now, &half).unwrap();
    let body = &hello[25..];
    let rest = fragment(HandshakeType::CLIENT_HELLO, len, 0, len / 2, &body[len / 2..], 1);
    assert!(matches!(server.connection.handle_datagram(now, &rest), Err(Error::Malformed(_))));
    server.connection.handle_datagram(now, &hello).unwrap();
    assert_eq!(transmits(&mut server.connection).len(), 1);
}

#[test]
fn a_new_client_hello_does_not_renegotiate() {
    for (_, make) in Pair::ALL {
        renegotiate(make());
    }
}

fn renegotiate(mut pair: Pair) {
    pair.run(LIMIT);
    let before = pair.server.sent.len();
    assert_eq!(
        pair.server.connection.handle_datagram(pair.now, &Hello::new().datagram(9)),
        Err(Error::Unexpected)
    );
    pair.run(LIMIT);
    assert_eq!(pair.server.sent.len(), before);
    assert!(!has(pair.server.sent.last().unwrap(), HandshakeType::SERVER_HELLO));
}
