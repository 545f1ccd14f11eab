//! The stateless cookie exchange, between a server and those who may be anybody.

mod hostile;

use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dtls::alert::{Alert, AlertMessage};
use headwater_dtls::cookie::{CookieExchange, ProvenHello, SECRET_LIFETIME, Verdict};
use headwater_dtls::extension::supported_groups::NamedGroup;
use headwater_dtls::extension::{ExtensionType, cookie, key_share};
use headwater_dtls::message::HandshakeType;
use headwater_dtls::message::hello_verify_request::HelloVerifyRequest;
use headwater_dtls::message::server_hello::ServerHello;
use headwater_dtls::record::ContentType;
use headwater_dtls::{CloseReason, Config, Connected, Connection, Error, Event, Refusal, Role, Version};

use crate::pair::{LATENCY, Pair, certificates};
use crate::wire::{Hello, fragments, records};

const LIMIT: Duration = Duration::from_secs(60);
const ADDRESS: &[u8] = b"192.0.2.1:5000";

/// A server at its door.
struct Door {
    exchange: CookieExchange,
    config: Config,
    now: Instant,
}

/// What it did with a datagram.
#[derive(Debug)]
enum Outcome {
    Answer(Vec<u8>),
    Refuse(Refusal, Vec<u8>),
    Wait,
    Admit(Box<ProvenHello>),
    Drop(Error),
}

impl Door {
    fn new() -> Self {
        let now = Instant::now();
        let mut config = Config::new(certificates().1.clone());
        config.danger_accept_any_certificate = true;
        Self { exchange: CookieExchange::new([5; 32], now), config, now }
    }

    fn from(&mut self, address: &[u8], datagram: &[u8]) -> Outcome {
        let mut out = b"before".to_vec();
        let verdict = self.exchange.handle_datagram(self.now, &self.config, address, datagram, &mut out);
        let answer = out.split_off(6);
        assert_eq!(out, b"before");
        match verdict {
            Ok(Verdict::Answer(transmit)) => {
                assert_eq!(transmit.len, answer.len());
                return Outcome::Answer(answer);
            }
            Ok(Verdict::Refuse(refusal, transmit)) => {
                assert_eq!(transmit.len, answer.len());
                return Outcome::Refuse(refusal, answer);
            }
            _ => assert!(answer.is_empty()),
        }
        match verdict {
            Ok(Verdict::Admit(hello)) => Outcome::Admit(hello),
            Ok(Verdict::Wait) => Outcome::Wait,
            Err(error) => Outcome::Drop(error),
            Ok(other) => panic!("{other:?}"),
        }
    }

    fn take(&mut self, datagram: &[u8]) -> Outcome {
        self.from(ADDRESS, datagram)
    }

    /// The cookie that a hello is asked for, whichever version it leads to.
    fn cookie(&mut self, hello: &Hello) -> Vec<u8> {
        let Outcome::Answer(answer) = self.take(&hello.datagram(0)) else { panic!("no answer") };
        cookie_of(&answer)
    }

    /// The same hello with the cookie that it is asked for.
    fn second(&mut self, hello: &Hello) -> Hello {
        let cookie = self.cookie(hello);
        with_cookie(hello, &cookie)
    }

    fn accept(&self, hello: ProvenHello) -> Connection {
        let config = Arc::new(self.config.clone());
        Connection::accept(config, vec![], [6; 32], self.now, hello).expect("a valid config")
    }
}

fn is_13(hello: &Hello) -> bool {
    hello.extensions.iter().any(|(kind, _)| *kind == ExtensionType::SUPPORTED_VERSIONS)
}

fn with_cookie(hello: &Hello, value: &[u8]) -> Hello {
    if is_13(hello) {
        let mut data = Vec::new();
        cookie::emit(value, &mut data);
        hello.clone().with(ExtensionType::COOKIE, Some(&data))
    } else {
        Hello { cookie: value.to_vec(), ..hello.clone() }
    }
}

fn cookie_of(answer: &[u8]) -> Vec<u8> {
    let fragment = fragments(answer)[0];
    if fragment.kind == HandshakeType::HELLO_VERIFY_REQUEST {
        return HelloVerifyRequest::parse(fragment.data).unwrap().cookie.to_vec();
    }
    let hello = ServerHello::parse(fragment.data).unwrap();
    assert!(hello.is_retry_request());
    cookie::parse(hello.extensions.find(ExtensionType::COOKIE).unwrap()).unwrap().to_vec()
}

fn take(from: &mut Connection, now: Instant) -> Vec<Vec<u8>> {
    let mut next = || {
        let mut datagram = Vec::new();
        from.poll_transmit(now, &mut datagram).map(|_| datagram)
    };
    std::iter::from_fn(&mut next).collect()
}

/// A client that anybody may answer.
fn client(change: impl FnOnce(&mut Config), now: Instant) -> Connection {
    let mut config = Config::new(certificates().0.clone());
    config.danger_accept_any_certificate = true;
    change(&mut config);
    Connection::new(Arc::new(config), Role::Client, vec![], [8; 32], now).unwrap()
}

#[test]
fn a_cookie_costs_one_round_trip_in_every_version() {
    for (name, make) in Pair::ALL {
        let mut pair = make();
        pair.run(LIMIT);
        let without = pair.elapsed();
        let mut pair = make().guarded();
        pair.run(LIMIT);
        assert!(pair.both_connected(), "{name}: {:?} {:?}", pair.client.errors, pair.server.errors);
        assert_eq!(pair.elapsed(), without + 2 * LATENCY, "{name}");
        let (client, server) = (pair.client.connected.take().unwrap(), pair.server.connected.take().unwrap());
        assert_eq!(client.srtp, server.srtp);
        assert_eq!((client.version, client.group), (server.version, server.group));
        assert_eq!(client.version == Version::Dtls12, name == "1.2");
        pair.client.connection.send(b"data").unwrap();
        pair.server.connection.send(b"too").unwrap();
        pair.run(LIMIT);
        assert_eq!((&pair.server.data[0][..], &pair.client.data[0][..]), (&b"data"[..], &b"too"[..]));
    }
}

#[test]
fn what_is_agreed_on_is_what_a_connection_alone_would_agree_on() {
    let versions = [Version::Dtls12, Version::Dtls13];
    let ranges = [(0, 0), (0, 1), (1, 1)];
    for client in ranges {
        for server in ranges {
            for groups in [0..4, 1..4, 2..4, 3..4] {
                let make = || {
                    let set = |range: (usize, usize), groups: std::ops::Range<usize>| {
                        move |config: &mut Config| {
                            (config.min_version, config.max_version) = (versions[range.0], versions[range.1]);
                            config.groups = NamedGroup::ALL[groups].to_vec();
                        }
                    };
                    Pair::with(set(client, 0..4), set(server, groups.clone()))
                };
                let (mut alone, mut guarded) = (make(), make().guarded());
                alone.run(LIMIT);
                guarded.run(LIMIT);
                let agreed = |pair: &mut Pair| {
                    let connected = pair.server.connected.take();
                    let profile = |it: &Connected| it.srtp.as_ref().map(|keys| keys.profile);
                    connected.map(|it| (it.version, it.group, it.cipher_suite, profile(&it)))
                };
                let (alone, guarded) = (agreed(&mut alone), agreed(&mut guarded));
                assert_eq!(alone.is_some(), client.1 >= server.0 && server.1 >= client.0);
                assert!(alone == guarded, "{client:?} {server:?} {groups:?}");
            }
        }
    }
}

/// RFC 6347 §4.2.1, §4.2.2.
#[test]
fn answers_and_what_follows_have_the_numbers_of_the_hello() {
    for first in [Hello::new(), Hello::dtls13()] {
        let mut door = Door::new();
        for (seq, number) in [(0, 0), (0, 5), (1, 7), (64, (1 << 48) - 1)] {
            let Outcome::Answer(answer) = door.take(&first.record(seq, number)) else { panic!("no answer") };
            assert_eq!(records(&answer)[0].sequence_number, number);
            assert_eq!(fragments(&answer)[0].message_seq, seq);
        }
        assert!(matches!(door.take(&first.record(65, 0)), Outcome::Drop(Error::Unexpected)));
        let second = door.second(&first);
        for (seq, number) in [(1, 9), (0, 1 << 40), (64, 0)] {
            let Outcome::Admit(hello) = door.take(&second.record(seq, number)) else {
                panic!("not admitted")
            };
            let mut server = door.accept(*hello);
            let flight = take(&mut server, door.now);
            assert_eq!(records_in_clear(&flight[0]), number);
            let hello = fragments(&flight[0])[0];
            assert_eq!((hello.kind, hello.message_seq), (HandshakeType::SERVER_HELLO, seq));
        }
    }
}

/// The number of the first record.
fn records_in_clear(datagram: &[u8]) -> u64 {
    crate::wire::split(datagram).0[0].sequence_number
}

#[test]
fn a_client_of_12_whose_cookie_is_too_old_is_asked_again_and_gets_in() {
    let mut door = Door::new();
    let mut client = client(|config| config.max_version = Version::Dtls12, door.now);
    let mut flight = take(&mut client, door.now);
    for seq in 0..3 {
        let Outcome::Answer(answer) = door.take(&flight[0]) else { panic!("no answer") };
        assert_eq!(fragments(&answer)[0].message_seq, seq);
        client.handle_datagram(door.now, &answer).unwrap();
        flight = take(&mut client, door.now);
        if seq < 2 {
            door.now += 2 * SECRET_LIFETIME;
        }
    }
    let Outcome::Admit(hello) = door.take(&flight[0]) else { panic!("not admitted") };
    let mut server = door.accept(*hello);
    for _ in 0..3 {
        take(&mut server, door.now).iter().for_each(|it| client.handle_datagram(door.now, it).unwrap());
        take(&mut client, door.now).iter().for_each(|it| server.handle_datagram(door.now, it).unwrap());
    }
    assert!(client.is_connected() && server.is_connected());
}

/// RFC 8446 §4.1.2.
#[test]
fn a_second_hello_of_13_may_have_other_padding_another_order_and_the_share_that_was_asked_for() {
    let mut door = Door::new();
    let first = Hello::dtls13();
    let second = door.second(&first);
    let padded = second.clone().with(ExtensionType(21), Some(&[0; 9]));
    let bare = second.clone().with(ExtensionType(21), None);
    let mut turned = second.clone();
    turned.extensions.reverse();
    for hello in [second, padded, bare, turned] {
        assert!(matches!(door.take(&hello.datagram(1)), Outcome::Admit(_)));
    }

    door.config.groups = vec![NamedGroup::SECP256R1];
    let Outcome::Answer(answer) = door.take(&first.datagram(0)) else { panic!("no answer") };
    let request = ServerHello::parse(fragments(&answer)[0].data).unwrap();
    let asked = request.extensions.find(ExtensionType::KEY_SHARE).map(key_share::parse_retry);
    assert_eq!(asked, Some(Ok(NamedGroup::SECP256R1)));
    let second = with_cookie(&first, &cookie_of(&answer));
    assert!(matches!(door.take(&second.datagram(1)), Outcome::Refuse(Refusal::KeyShare, _)), "no such share");
    let mut share = vec![0, 69, 0, 23, 0, 65];
    share.resize(6 + 65, 4);
    let second = second.with(ExtensionType::KEY_SHARE, Some(&share));
    assert!(matches!(door.take(&second.datagram(1)), Outcome::Admit(_)));
}

#[test]
fn a_hello_that_cannot_be_served_is_told_so_at_once() {
    for (name, hello, refusal) in [
        ("no suite of 1.2", Hello { suites: vec![0], ..Hello::new() }, Refusal::CipherSuite),
        ("no suite of 1.3", Hello { suites: vec![0xC02B], ..Hello::dtls13() }, Refusal::CipherSuite),
        ("a cookie of 1.2 in 1.3", Hello { cookie: vec![1], ..Hello::dtls13() }, Refusal::NotOffered),
    ] {
        let mut door = Door::new();
        let Outcome::Refuse(said, alert) = door.take(&hello.record(0, 3)) else { panic!("{name}") };
        assert_eq!(said, refusal, "{name}");
        let record = records(&alert)[0];
        assert_eq!((record.content_type, record.sequence_number), (ContentType::ALERT, 3));
        assert_eq!(AlertMessage::parse(record.fragment), Ok(AlertMessage::fatal(refusal.alert())));
    }
    assert_eq!(Refusal::Cookie.alert(), Alert::ILLEGAL_PARAMETER); // RFC 9147 §5.1
}

/// Whether a share is a key is only known when it is used.
#[test]
fn an_admitted_hello_that_leads_nowhere_ends_soon() {
    let mut door = Door::new();
    let mut share = vec![0, 36, 0, 29, 0, 32];
    share.resize(6 + 32, 0); // a point of low order
    let first = Hello::dtls13().with(ExtensionType::KEY_SHARE, Some(&share));
    let second = door.second(&first);
    let Outcome::Admit(hello) = door.take(&second.datagram(1)) else { panic!("not admitted") };
    let mut server = door.accept(*hello);
    assert!(take(&mut server, door.now).is_empty());
    let due = server.poll_timeout().expect("it does not wait for ever");
    assert!(due <= door.now + Duration::from_secs(2));
    server.handle_timeout(due);
    assert!(matches!(
        server.poll_event(),
        Some(Event::Closed { reason: CloseReason::Refused(Refusal::KeyShare) })
    ));
    assert_eq!(take(&mut server, due).len(), 1, "the alert");
}
