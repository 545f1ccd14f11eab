//! What anybody may send: hellos, answers to hellos, and requests to say hello again.

use super::*;
use crate::extension::key_share::{self, KeyShare, KeyShares};
use crate::extension::supported_groups::{NamedGroup, SupportedGroups};
use crate::extension::supported_versions::{self, SupportedVersions};
use crate::extension::{ExtensionType as E, cookie, put_extension};
use crate::message::client_hello::ClientHello;
use crate::message::hello_verify_request::HelloVerifyRequest;
use crate::message::server_hello::{RETRY_REQUEST_RANDOM, ServerHello};
use crate::record::{ProtocolVersion, Record};

fn datagram(kind: HandshakeType, number: u16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let content = message(kind, number, body);
    RecordLayer::default().seal(Epoch::PLAIN, ContentType::HANDSHAKE, &content, &mut out).unwrap();
    out
}

/// A ServerHello of DTLS 1.3, or a HelloRetryRequest, with these extensions beside the version.
fn answer(number: u16, random: &[u8; 32], suite: u16, extensions: &[(E, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    let write = |out: &mut Vec<u8>| {
        put_extension(out, E::SUPPORTED_VERSIONS, |out| {
            supported_versions::emit_selected(ProtocolVersion::DTLS_1_3, out);
        });
        for (kind, data) in extensions {
            put_extension(out, *kind, |out| out.extend_from_slice(data));
        }
    };
    ServerHello::emit(random, suite, write, &mut body);
    datagram(HandshakeType::SERVER_HELLO, number, &body)
}

fn retry(number: u16, group: NamedGroup) -> Vec<u8> {
    answer(number, &RETRY_REQUEST_RANDOM, 0x1301, &[(E::KEY_SHARE, &group.0.to_be_bytes())])
}

fn share(group: NamedGroup, key: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    KeyShare::new(group, key).emit(&mut data);
    data
}

fn refused(refusal: Refusal) -> Result<(), Error> {
    Err(Error::Refused(refusal))
}

#[test]
fn a_retry_request_that_asks_for_what_was_said_or_cannot_be_said_is_refused_and_harms_nothing() {
    let x25519 = NamedGroup::X25519.0.to_be_bytes();
    let p384 = NamedGroup::SECP384R1.0.to_be_bytes();
    let retry = |extensions: &[(E, &[u8])]| answer(0, &RETRY_REQUEST_RANDOM, 0x1301, extensions);
    let no_offer = refused(Refusal::NotOffered);
    let cases = [
        ("a share it has", retry(&[(E::KEY_SHARE, &x25519)]), no_offer),
        ("a group we don't speak", retry(&[(E::KEY_SHARE, &[0x12, 0x34])]), no_offer),
        ("nothing at all", retry(&[]), no_offer),
        ("more than it may", retry(&[(E::KEY_SHARE, &p384), (E::USE_SRTP, &[0, 2, 0, 7, 0])]), no_offer),
        ("an empty cookie", retry(&[(E::COOKIE, &[0, 0])]), Err(Error::Malformed(ParseError::BadLength))),
        (
            "a suite of 1.2",
            answer(0, &RETRY_REQUEST_RANDOM, 0xC02B, &[(E::KEY_SHARE, &p384)]),
            refused(Refusal::CipherSuite),
        ),
        (
            "a suite of nobody's",
            answer(0, &RETRY_REQUEST_RANDOM, 0x1304, &[(E::KEY_SHARE, &p384)]),
            refused(Refusal::CipherSuite),
        ),
        ("no share", answer(0, &[5; 32], 0x1301, &[]), refused(Refusal::KeyShare)),
        (
            "a share of ours not offered",
            answer(0, &[5; 32], 0x1301, &[(E::KEY_SHARE, &share(NamedGroup::SECP384R1, &[4; 97]))]),
            no_offer,
        ),
    ];
    for (name, bytes, outcome) in cases {
        let (mut client, mut server) = pair();
        let hello = take(&mut client);
        assert_eq!(client.handle_datagram(client.now, &bytes), outcome, "{name}");
        assert!(take(&mut client).is_empty(), "{name}: no answer");
        server.handle_datagram(server.now, &hello[0]).unwrap();
        settle(&mut client, &mut server);
        assert!(
            client.is_connected() && server.is_connected(),
            "{name}: the real server comes a moment later"
        );
    }
}

#[test]
fn a_second_retry_request_and_a_hello_that_contradicts_the_first_are_refused() {
    let x25519 = share(NamedGroup::X25519, &[9; 32]);
    for (name, bytes, outcome) in [
        ("another request", retry(1, NamedGroup::SECP256R1), Refusal::NotOffered),
        ("another suite", answer(1, &[5; 32], 0x1302, &[(E::KEY_SHARE, &x25519)]), Refusal::CipherSuite),
        ("the group of before", answer(1, &[5; 32], 0x1301, &[(E::KEY_SHARE, &x25519)]), Refusal::NotOffered),
    ] {
        let (mut client, _) = pair();
        let first = take(&mut client);
        client.handle_datagram(client.now, &retry(0, NamedGroup::SECP384R1)).unwrap();
        let second = take(&mut client);
        assert!(!second.is_empty() && first != second);
        assert_eq!(client.handle_datagram(client.now, &bytes), refused(outcome), "{name}");
        assert!(take(&mut client).is_empty());
    }
    // DTLS 1.2 after a request that only 1.3 has.
    let (mut client, _) = pair();
    client.handle_datagram(client.now, &retry(0, NamedGroup::SECP384R1)).unwrap();
    let mut body = Vec::new();
    ServerHello::emit(
        &[5; 32],
        0xC02B,
        |out| put_extension(out, E::EXTENDED_MASTER_SECRET, |_| ()),
        &mut body,
    );
    let old = datagram(HandshakeType::SERVER_HELLO, 1, &body);
    assert_eq!(client.handle_datagram(client.now, &old), refused(Refusal::Version));
}

#[test]
fn a_server_that_was_talked_down_is_refused_whichever_version_it_was_talked_from() {
    for end in [b"DOWNGRD\x01", b"DOWNGRD\x00"] {
        let (mut client, mut server) = pair();
        let hello = take(&mut client);
        let mut random = [5; 32];
        random[24..].copy_from_slice(end);
        let mut body = Vec::new();
        ServerHello::emit(
            &random,
            0xC02B,
            |out| put_extension(out, E::EXTENDED_MASTER_SECRET, |_| ()),
            &mut body,
        );
        let bytes = datagram(HandshakeType::SERVER_HELLO, 0, &body);
        assert_eq!(client.handle_datagram(client.now, &bytes), refused(Refusal::Downgrade), "{end:?}");
        server.handle_datagram(server.now, &hello[0]).unwrap();
        settle(&mut client, &mut server);
        assert!(client.is_connected());
    }
    // Our own server marks it, and a client that speaks 1.3 alone or not at all is none of its business.
    let (mut client, mut server) = pair_with(|role, config| {
        if role == Role::Client {
            config.max_version = Version::Dtls12;
        }
    });
    carry(&mut client, &mut server);
    let flight = take(&mut server).concat();
    assert!(flight.windows(8).any(|window| window == b"DOWNGRD\x01"));
}

#[test]
fn a_cookie_request_of_dtls_12_is_not_part_of_dtls_13() {
    let mut body = Vec::new();
    HelloVerifyRequest::emit(&[1; 20], &mut body);
    let request = datagram(HandshakeType::HELLO_VERIFY_REQUEST, 0, &body);
    let (mut client, _) = pair_with(|_, config| config.min_version = Version::Dtls13);
    take(&mut client);
    assert_eq!(client.handle_datagram(client.now, &request), Err(Error::Unexpected));
    // Who got the cookie may not answer with 1.3.
    let (mut client, _) = pair();
    client.handle_datagram(client.now, &request).unwrap();
    let x25519 = share(NamedGroup::X25519, &[9; 32]);
    let hello = answer(1, &[5; 32], 0x1301, &[(E::KEY_SHARE, &x25519)]);
    assert_eq!(client.handle_datagram(client.now, &hello), refused(Refusal::Version));
}

/// A hello of DTLS 1.3 that is right but for what a test changes.
#[derive(Clone)]
struct Hello {
    suites: Vec<u16>,
    groups: Vec<NamedGroup>,
    share: NamedGroup,
    cookie: Vec<u8>,
    cookie_12: Vec<u8>,
    versions: Vec<ProtocolVersion>,
    without: Option<E>,
    padding: usize,
}

impl Hello {
    fn new() -> Self {
        Self {
            suites: vec![0x1301, 0xC02B],
            groups: vec![NamedGroup::X25519, NamedGroup::SECP256R1],
            share: NamedGroup::X25519,
            cookie: Vec::new(),
            cookie_12: Vec::new(),
            versions: vec![ProtocolVersion::DTLS_1_3],
            without: None,
            padding: 0,
        }
    }

    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let key = match self.share {
            NamedGroup::X25519 => {
                let mut key = [0; 32];
                key[0] = 9; // the base point is as good as any
                key.to_vec()
            }
            group => crate::crypto::key_exchange::EphemeralKey::generate(group).unwrap().public().to_vec(),
        };
        let extensions = |out: &mut Vec<u8>| {
            let mut put = |kind: E, body: &dyn Fn(&mut Vec<u8>)| {
                if self.without != Some(kind) {
                    put_extension(out, kind, |out| body(out));
                }
            };
            put(E::SUPPORTED_VERSIONS, &|out| SupportedVersions::emit(&self.versions, out));
            put(E::SUPPORTED_GROUPS, &|out| SupportedGroups::emit(&self.groups, out));
            put(E::SIGNATURE_ALGORITHMS, &|out| out.extend_from_slice(&[0, 2, 4, 3]));
            put(E::KEY_SHARE, &|out| KeyShares::emit([KeyShare::new(self.share, &key)].into_iter(), out));
            if !self.cookie.is_empty() {
                put(E::COOKIE, &|out| cookie::emit(&self.cookie, out));
            }
            if self.padding > 0 {
                put(E::PADDING, &|out| out.resize(out.len() + self.padding, 0));
            }
        };
        ClientHello::emit(&[7; 32], &self.cookie_12, &self.suites, extensions, &mut body);
        body
    }

    fn datagram(&self, number: u16) -> Vec<u8> {
        datagram(HandshakeType::CLIENT_HELLO, number, &self.body())
    }
}

fn server(change: impl Fn(&mut Config)) -> Connection {
    pair_with(|_, config| change(config)).1
}

#[test]
fn hellos_of_13_that_lack_something_are_refused_by_name_and_leave_no_trace() {
    let with = |change: fn(&mut Hello)| {
        let mut hello = Hello::new();
        change(&mut hello);
        hello.datagram(0)
    };
    let mut compressed = Hello::new().body();
    let at = 2 + 32 + 1 + 1 + 2 + 4;
    assert_eq!(compressed[at..at + 2], [1, 0]);
    compressed.splice(at..at + 2, [2, 0, 1]);
    let low_order = {
        let mut body = Hello::new().body();
        let at = body.len() - 32;
        body[at..].fill(0);
        body
    };
    for (name, bytes, refusal) in [
        ("no suite", with(|it| it.suites = vec![0x1304]), Refusal::CipherSuite),
        ("null", with(|it| it.suites = vec![0]), Refusal::CipherSuite),
        ("no groups", with(|it| it.without = Some(E::SUPPORTED_GROUPS)), Refusal::Group),
        ("no common group", with(|it| it.groups = vec![NamedGroup(30)]), Refusal::Group),
        ("no shares", with(|it| it.without = Some(E::KEY_SHARE)), Refusal::KeyShare),
        ("no signatures", with(|it| it.without = Some(E::SIGNATURE_ALGORITHMS)), Refusal::SignatureAlgorithm),
        ("a cookie of 1.2", with(|it| it.cookie_12 = vec![1; 20]), Refusal::NotOffered),
        ("a version to come", with(|it| it.versions = vec![ProtocolVersion(0xFEFB)]), Refusal::Version),
        ("compression", datagram(HandshakeType::CLIENT_HELLO, 0, &compressed), Refusal::Compression),
        ("a point of low order", datagram(HandshakeType::CLIENT_HELLO, 0, &low_order), Refusal::KeyShare),
    ] {
        let mut server = server(|_| ());
        assert_eq!(server.handle_datagram(server.now, &bytes), refused(refusal), "{name}");
        assert!(take(&mut server).is_empty(), "{name}: no alert, the sender may not be the peer");
        let good = Hello { padding: 200, ..Hello::new() }.datagram(0);
        server.handle_datagram(server.now, &good).unwrap();
        assert!(!take(&mut server).is_empty(), "{name}: the real one is served");
    }
}

#[test]
fn the_second_hello_has_to_be_the_first_with_what_was_asked_for() {
    let asks = |config: &mut Config| {
        config.groups = vec![NamedGroup::SECP256R1];
        config.require_cookie = true;
    };
    let first = Hello { padding: 100, ..Hello::new() };
    let request = |server: &mut Connection| {
        server.handle_datagram(server.now, &first.datagram(0)).unwrap();
        let sent = take(server);
        let record = Record::parse(&mut &sent[0][..]).unwrap();
        let fragment = Fragment::parse(&mut &record.fragment[..]).unwrap();
        let hello = ServerHello::parse(fragment.data).unwrap();
        assert!(hello.is_retry_request());
        let group = key_share::parse_retry(hello.extensions.find(E::KEY_SHARE).unwrap()).unwrap();
        assert_eq!(group, NamedGroup::SECP256R1);
        cookie::parse(hello.extensions.find(E::COOKIE).unwrap()).unwrap().to_vec()
    };
    let mut forged = request(&mut server(asks));
    forged[0] ^= 1;
    for (name, change, refusal) in [
        ("the same again", None, Refusal::KeyShare),
        ("no cookie", Some(Hello { share: NamedGroup::SECP256R1, ..first.clone() }), Refusal::KeyShare),
        (
            "a forged cookie",
            Some(Hello { share: NamedGroup::SECP256R1, cookie: forged, ..first.clone() }),
            Refusal::KeyShare,
        ),
        (
            "other suites",
            Some(Hello { share: NamedGroup::SECP256R1, suites: vec![0x1302], ..first.clone() }),
            Refusal::KeyShare,
        ),
        (
            "an older version",
            Some(Hello { versions: vec![ProtocolVersion::DTLS_1_2], ..first.clone() }),
            Refusal::ExtendedMasterSecret,
        ),
    ] {
        let mut server = server(asks);
        let cookie = request(&mut server);
        let second = change.unwrap_or_else(|| first.clone());
        let outcome = server.handle_datagram(server.now, &second.datagram(1));
        assert_eq!(outcome, refused(refusal), "{name}");
        assert!(take(&mut server).is_empty(), "{name}");
        assert!(!server.has_taken_hello(), "{name}");
        let good = Hello { share: NamedGroup::SECP256R1, cookie, padding: 200, ..first.clone() };
        server.handle_datagram(server.now, &good.datagram(1)).unwrap();
        assert!(!take(&mut server).is_empty(), "{name}: the real one is served");
        assert!(server.has_taken_hello());
    }
}

/// Never more than three bytes for one, with and without a request to say hello again.
#[test]
fn a_server_of_13_sends_at_most_three_bytes_for_one_until_the_client_is_proven() {
    for (name, groups, cookie) in [
        ("at once", vec![NamedGroup::X25519], false),
        ("a retry request", vec![NamedGroup::SECP256R1], false),
        ("with a cookie", vec![NamedGroup::SECP256R1], true),
        ("only a cookie", vec![NamedGroup::X25519], true),
    ] {
        let mut server = server(|config| {
            config.groups = groups.clone();
            config.require_cookie = cookie;
        });
        let hello = Hello::new();
        let (mut received, mut sent) = (0, 0);
        for round in 0..400_u32 {
            let bytes = match round % 4 {
                0 | 1 => hello.datagram(0),
                2 => Hello { share: NamedGroup::SECP256R1, ..hello.clone() }.datagram(1),
                _ => vec![0x2F; 20],
            };
            let now = server.now + Duration::from_millis(60);
            let _ = server.handle_datagram(now, &bytes);
            received += bytes.len();
            server.handle_timeout(now);
            sent += take(&mut server).iter().map(Vec::len).sum::<usize>();
            assert!(sent <= 3 * received, "{name}: {sent} for {received}");
        }
        assert!(sent > 0, "{name}");
    }
}

#[test]
fn hellos_without_a_cookie_never_wear_a_server_out() {
    let mut server = server(|config| {
        config.require_cookie = true;
        config.max_version = Version::Dtls12;
    });
    let mut body = Vec::new();
    let extensions = |out: &mut Vec<u8>| {
        put_extension(out, E::EXTENDED_MASTER_SECRET, |_| ());
        put_extension(out, E::SIGNATURE_ALGORITHMS, |out| out.extend_from_slice(&[0, 2, 4, 3]));
    };
    ClientHello::emit(&[7; 32], &[3; 32], &[0xC02B], extensions, &mut body);
    let mut asked = 0;
    for number in (0..=u16::MAX).chain([u16::MAX; 10]) {
        let _ = server.handle_datagram(server.now, &datagram(HandshakeType::CLIENT_HELLO, number, &body));
        asked += take(&mut server).len();
    }
    assert!((1..=64).contains(&asked), "{asked}");
}

#[test]
fn answers_of_12_that_lack_something_or_say_too_much_are_refused_by_name() {
    for (name, suite, extensions, refusal) in [
        ("no extended master secret", 0xC02B, vec![], Refusal::ExtendedMasterSecret),
        ("renegotiation", 0xC02B, vec![(E::RENEGOTIATION_INFO, &[1, 5][..])], Refusal::Renegotiation),
        ("two profiles", 0xC02B, vec![(E::USE_SRTP, &[0, 4, 0, 7, 0, 1, 0])], Refusal::NotOffered),
        ("what nobody asked for", 0xC02B, vec![(E(16), &[0, 0])], Refusal::NotOffered),
        ("a suite of 1.3", 0x1301, vec![], Refusal::CipherSuite),
        ("no encryption", 0, vec![], Refusal::CipherSuite),
    ] {
        let (mut client, _) = pair();
        take(&mut client);
        let mut body = Vec::new();
        let write = |out: &mut Vec<u8>| {
            extensions
                .iter()
                .for_each(|(kind, data)| put_extension(out, *kind, |out| out.extend_from_slice(data)));
        };
        ServerHello::emit(&[5; 32], suite, write, &mut body);
        let bytes = datagram(HandshakeType::SERVER_HELLO, 0, &body);
        assert_eq!(client.handle_datagram(client.now, &bytes), refused(refusal), "{name}");
        assert!(take(&mut client).is_empty(), "{name}");
    }
}
