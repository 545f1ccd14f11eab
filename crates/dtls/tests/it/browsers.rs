//! Hellos recorded from browsers (tests/fixtures).

use std::sync::Arc;
use std::time::Instant;

use headwater_dtls::extension::ExtensionType;
use headwater_dtls::extension::key_share::KeyShares;
use headwater_dtls::extension::supported_groups::NamedGroup;
use headwater_dtls::extension::use_srtp::UseSrtp;
use headwater_dtls::handshake::Fragment;
use headwater_dtls::message::HandshakeType;
use headwater_dtls::message::client_hello::ClientHello;
use headwater_dtls::message::server_hello::ServerHello;
use headwater_dtls::message::server_key_exchange::ServerKeyExchange;
use headwater_dtls::record::{ProtocolVersion, Record};
use headwater_dtls::{Config, Connection, Role, Version};

use crate::pair::certificates;
use crate::wire::fragments;

const HELLOS: [(&str, &str); 6] = [
    ("chromium a", include_str!("../fixtures/chromium156-clienthello-a.datagrams.hex")),
    ("chromium b", include_str!("../fixtures/chromium156-clienthello-b.datagrams.hex")),
    ("chromium c", include_str!("../fixtures/chromium156-clienthello-c.datagrams.hex")),
    ("firefox a", include_str!("../fixtures/firefox153-clienthello-a.datagrams.hex")),
    ("firefox b", include_str!("../fixtures/firefox153-clienthello-b.datagrams.hex")),
    ("firefox 1.2", include_str!("../fixtures/firefox153-clienthello-dtls12only.datagrams.hex")),
];

fn datagrams(text: &str) -> Vec<Vec<u8>> {
    text.lines().map(|line| hex::decode(line).expect("hex")).collect()
}

fn server() -> Connection {
    let (client, server) = certificates();
    let mut config = Config::new(server.clone());
    config.max_version = Version::Dtls12;
    let config = Arc::new(config);
    Connection::new(config, Role::Server, vec![client.fingerprint()], [9; 32], Instant::now()).unwrap()
}

fn answer(connection: &mut Connection) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    loop {
        let mut buf = Vec::new();
        if connection.poll_transmit(Instant::now(), &mut buf).is_none() {
            return sent;
        }
        sent.push(buf);
    }
}

fn check_answer(name: &str, received: usize, sent: &[Vec<u8>]) {
    let [flight] = sent else { panic!("{name}: {} datagrams", sent.len()) };
    assert!(flight.len() <= 3 * received, "{name}: {} for {received}", flight.len());
    let messages = fragments(flight);
    let kinds: Vec<_> = messages.iter().map(|message| message.kind.0).collect();
    assert_eq!(kinds, [2, 11, 12, 13, 14], "{name}");

    let hello = ServerHello::parse(messages[0].data).unwrap();
    assert_eq!(hello.version, ProtocolVersion::DTLS_1_2, "{name}");
    assert_eq!(hello.cipher_suite, 0xC02B, "{name}");
    // RFC 8446 §4.1.3: a server that speaks no 1.3 must not claim that it was talked down.
    assert_ne!(&hello.random[24..], b"DOWNGRD\x01", "{name}");
    assert!(hello.extensions.find(ExtensionType::SUPPORTED_VERSIONS).is_none(), "{name}");
    assert_eq!(hello.extensions.find(ExtensionType::EXTENDED_MASTER_SECRET), Some(&[][..]), "{name}");
    assert_eq!(hello.extensions.find(ExtensionType::RENEGOTIATION_INFO), Some(&[0][..]), "{name}");
    let srtp = UseSrtp::parse(hello.extensions.find(ExtensionType::USE_SRTP).unwrap()).unwrap();
    assert_eq!(srtp.profiles().collect::<Vec<_>>(), [7], "{name}: GCM although Chromium lists it last");

    let exchange = ServerKeyExchange::parse(messages[2].data).unwrap();
    assert_eq!(exchange.group, NamedGroup::X25519, "{name}");
}

#[test]
fn every_recorded_hello_is_answered_with_dtls_1_2_on_x25519() {
    for (name, text) in HELLOS {
        let hello = datagrams(text);
        let mut server = server();
        for datagram in &hello {
            server.handle_datagram(Instant::now(), datagram).unwrap();
        }
        check_answer(name, hello.iter().map(Vec::len).sum(), &answer(&mut server));
    }
}

#[test]
fn the_halves_of_a_hello_come_in_any_order_and_number() {
    for (name, text) in &HELLOS[..5] {
        let hello = datagrams(text);
        assert_eq!(hello.len(), 2);
        for order in [&[1, 0][..], &[1, 1, 0], &[0, 0, 1], &[1, 0, 1, 0]] {
            let mut server = server();
            let mut received = 0;
            for (i, index) in order.iter().enumerate() {
                assert_eq!(answer(&mut server).len(), 0, "{name} {order:?} {i}");
                server.handle_datagram(Instant::now(), &hello[*index]).unwrap();
                received += hello[*index].len();
                if order[..=i].contains(&0) && order[..=i].contains(&1) {
                    break;
                }
            }
            check_answer(name, received, &answer(&mut server));
        }
    }
}

#[test]
fn a_hello_in_overlapping_pieces_is_put_together() {
    let hello = datagrams(HELLOS[0].1);
    let mut body = vec![0; 1413];
    for datagram in &hello {
        for fragment in fragments(datagram) {
            body[fragment.offset..fragment.offset + fragment.data.len()].copy_from_slice(fragment.data);
        }
    }
    let mut server = server();
    let mut received = 0;
    for (number, start) in (0..body.len()).step_by(100).rev().enumerate() {
        let piece = &body[start..(start + 150).min(body.len())];
        let datagram =
            crate::wire::fragment(HandshakeType::CLIENT_HELLO, body.len(), 0, start, piece, number as u64);
        received += datagram.len();
        server.handle_datagram(Instant::now(), &datagram).unwrap();
    }
    check_answer("overlapping", received, &answer(&mut server));
}

#[test]
fn what_a_1_3_server_will_need_is_readable() {
    for (name, text) in &HELLOS[..5] {
        let mut body = Vec::new();
        for datagram in datagrams(text) {
            for fragment in fragments(&datagram) {
                body.extend_from_slice(fragment.data);
            }
        }
        let hello = ClientHello::parse(&body).unwrap();
        let shares = KeyShares::parse(hello.extensions.find(ExtensionType::KEY_SHARE).unwrap()).unwrap();
        let headwater_dtls::extension::key_share::KeyShare { group, key, .. } = shares.iter().next().unwrap();
        assert_eq!((group, key.len()), (NamedGroup::X25519MLKEM768, 1216), "{name}");
    }
}

#[test]
fn recorded_handshakes_parse_whole() {
    let transcripts = [
        include_str!("../fixtures/dtls12-client-chromium156-server-firefox153.transcript.txt"),
        include_str!("../fixtures/dtls12-client-firefox153-server-chromium156.transcript.txt"),
    ];
    for line in transcripts.iter().flat_map(|text| text.lines()) {
        let datagram = hex::decode(line.rsplit(' ').next().unwrap()).unwrap();
        let mut rest = &datagram[..];
        while !rest.is_empty() {
            let record = Record::parse(&mut rest).unwrap();
            if record.epoch == 0 && record.content_type.0 == 22 {
                let mut content = record.fragment;
                while !content.is_empty() {
                    Fragment::parse(&mut content).unwrap();
                }
            }
        }
    }
}

/// A hello of 118 bytes, as str0m 0.25 sends it (captured on loopback): three times that is less than the server's flight.
const SHORT_HELLO: &str = "16fefd000000000000000000690100005d000000000000005dfefd6b037f0b4c521579e73d9f7aa1c7f570babf002ceeea0d22e7a7730475a4b10000000006c02bc02ccca90100002d000a00080006001d00170018000b00020100000d0006000404030503000e000900060008000700010000170000";

#[test]
fn a_short_hello_is_answered_at_once_when_other_bytes_came_before_it() {
    let hello = hex::decode(SHORT_HELLO).expect("hex");
    let mut alone = server();
    alone.handle_datagram(Instant::now(), &hello).unwrap();
    assert!(answer(&mut alone).is_empty(), "three bytes for one do not pay for the flight");

    let mut credited = server();
    credited.credit(100);
    credited.handle_datagram(Instant::now(), &hello).unwrap();
    let sent: usize = answer(&mut credited).iter().map(Vec::len).sum();
    assert!((400..=3 * (100 + hello.len())).contains(&sent), "{sent}");
}
