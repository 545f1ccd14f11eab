//! Strangers, damage and replay: nothing changes, nothing is sent.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_ice::attribute::{IceControlling, Priority, UseCandidate};
use headwater_ice::{Credentials, Error, Event, Role, ufrag_of_request};
use headwater_netsim::{EndpointId, FIRST, FIRST_ADDRESS, Network, SECOND, SECOND_ADDRESS};
use headwater_stun::attribute::{ErrorCode, UnknownAttributes, Username};
use headwater_stun::{
    Attribute, AttributeType, Class, Key, Message, MessageBuilder, Method, ParseError, RawAttribute,
    TransactionId,
};

use crate::peer::{Peer, address, credentials, is_connected, path};

const ATTACKER: &str = "203.0.113.66:6666";

/// A lite agent (SECOND), its client (FIRST), and somebody else.
fn three() -> (Network<Peer>, EndpointId, SocketAddr) {
    let now = Instant::now();
    let mut client = Peer::full(1, Role::Controlling, now).with_local(&[FIRST_ADDRESS]);
    client.agent().set_remote_is_lite();
    client.signal(2, &[SECOND_ADDRESS]);
    let mut network = Network::pair(client, Peer::lite(2, Some(1), now));
    let source = address(ATTACKER);
    let more = (10_000..10_060).map(|port| SocketAddr::new(source.ip(), port));
    let addresses: Vec<_> = std::iter::once(source).chain(more).collect();
    let attacker = network.add(Peer::bystander(), &addresses);
    network.run_until(|n| is_connected(n, FIRST, SECOND));
    (network, attacker, source)
}

/// Sends `bytes` to the lite agent from elsewhere and demands that nothing happens.
#[track_caller]
fn check_ignored(network: &mut Network<Peer>, attacker: EndpointId, bytes: &[u8], error: Error) {
    let before = (network[SECOND].selected(), network[SECOND].events.len(), network[SECOND].refused.len());
    network.inject(attacker, address(ATTACKER), SECOND_ADDRESS, bytes);
    network.advance(Duration::from_millis(50));
    let peer = &network[SECOND];
    assert_eq!(peer.refused.get(before.2), Some(&error));
    assert_eq!((peer.selected(), peer.events.len()), (before.0, before.1));
    assert!(network[attacker].heard.is_empty(), "an answer to a stranger");
}

/// A check as the client sends it, with things to change.
struct Forgery<'a> {
    id: u8,
    username: &'a str,
    password: &'a str,
    use_candidate: bool,
    unknown: Option<u16>,
    filling: usize,
}

impl Default for Forgery<'_> {
    fn default() -> Self {
        Self { id: 9, username: "", password: "", use_candidate: true, unknown: None, filling: 0 }
    }
}

/// Any attribute at all.
struct Any(AttributeType, Vec<u8>);

impl<'a> Attribute<'a> for Any {
    const TYPE: AttributeType = AttributeType(0);
    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        Ok(Self(raw.kind, raw.value.to_vec()))
    }
    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.1);
    }
    fn kind(&self) -> AttributeType {
        self.0
    }
}

impl Forgery<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut buf = Vec::new();
        let id = TransactionId::new([self.id; 12]);
        let mut message = MessageBuilder::request(Method::BINDING, id, &mut buf)
            .attribute(&Username(self.username))
            .attribute(&Priority(1))
            .attribute(&IceControlling(7));
        if self.use_candidate {
            message = message.attribute(&UseCandidate);
        }
        if let Some(kind) = self.unknown {
            message = message.attribute(&Any(AttributeType(kind), vec![1, 2, 3]));
        }
        if self.filling > 0 {
            message = message.attribute(&Any(AttributeType(0xC123), vec![0; self.filling]));
        }
        message.integrity(&Key::short_term(self.password)).fingerprint();
        buf
    }
}

fn username() -> String {
    format!("{}:{}", credentials(2).ufrag, credentials(1).ufrag)
}

#[test]
fn a_check_with_a_wrong_password_gets_no_answer() {
    let (mut network, attacker, _) = three();
    let Credentials { password, .. } = credentials(3);
    let bytes = Forgery { username: &username(), password: &password, ..Forgery::default() }.bytes();
    check_ignored(&mut network, attacker, &bytes, Error::Unauthentic);
}

#[test]
fn a_check_for_another_ufrag_or_from_another_ufrag_gets_no_answer() {
    let (mut network, attacker, _) = three();
    let Credentials { password, ufrag } = credentials(2);
    let theirs = credentials(1).ufrag;
    for username in [
        format!("{theirs}:{ufrag}"),
        format!("{ufrag}x:{theirs}"),
        format!("{ufrag}:{theirs}x"),
        format!("{ufrag}:"),
        ufrag.clone(),
        String::new(),
    ] {
        let bytes = Forgery { username: &username, password: &password, ..Forgery::default() }.bytes();
        check_ignored(&mut network, attacker, &bytes, Error::Unauthentic);
    }
}

#[test]
fn a_check_without_username_or_without_integrity_gets_no_answer() {
    let (mut network, attacker, _) = three();
    let mut bytes = Vec::new();
    let id = TransactionId::new([1; 12]);
    MessageBuilder::request(Method::BINDING, id, &mut bytes).fingerprint();
    check_ignored(&mut network, attacker, &bytes, Error::Unauthentic);

    bytes.clear();
    let username = username();
    MessageBuilder::request(Method::BINDING, id, &mut bytes).attribute(&Username(&username)).fingerprint();
    check_ignored(&mut network, attacker, &bytes, Error::Unauthentic);

    // Integrity first: what follows isn't protected, so USERNAME doesn't count (str0m #1073).
    bytes.clear();
    let key = Key::short_term(&credentials(2).password);
    MessageBuilder::request(Method::BINDING, id, &mut bytes).integrity(&key).finish();
    let mut tail = Vec::new();
    MessageBuilder::request(Method::BINDING, id, &mut tail).attribute(&Username(&username)).finish();
    bytes.extend_from_slice(&tail[20..]);
    let length = u16::try_from(bytes.len() - 20).expect("short").to_be_bytes();
    bytes[2..4].copy_from_slice(&length);
    check_ignored(&mut network, attacker, &bytes, Error::Unauthentic);
}

#[test]
fn an_overheard_check_repeated_from_elsewhere_moves_nothing() {
    let (mut network, attacker, source) = three();
    network.advance(Duration::from_secs(30));
    let overheard: Vec<_> = network[SECOND].heard.iter().map(|it| it.2.clone()).collect();
    assert!(overheard.len() > 5);
    // Even while the client is silent for longer than it takes to move.
    network.add_filter(move |it| match it.from == FIRST {
        true => headwater_netsim::Verdict::Drop,
        false => headwater_netsim::Verdict::Pass,
    });
    network.advance(Duration::from_secs(4));
    for bytes in &overheard {
        check_ignored(&mut network, attacker, bytes, Error::Replayed);
    }
    assert!(!network[SECOND].lite_agent_ref().is_validated(&path(SECOND_ADDRESS, source)));
}

#[test]
fn an_overheard_check_repeated_from_its_own_address_does_not_prolong_consent() {
    let (mut network, ..) = three();
    let overheard = network[SECOND].heard[0].2.clone();
    network.get_mut(FIRST).agent().close();
    for _ in 0..40 {
        network.advance(Duration::from_secs(1));
        network.inject(FIRST, FIRST_ADDRESS, SECOND_ADDRESS, &overheard);
    }
    assert!(network[SECOND].events.iter().any(|it| matches!(it, Event::Closed { .. })));
}

#[test]
fn truncated_and_flipped_checks_change_nothing() {
    let (mut network, attacker, _) = three();
    let Credentials { password, .. } = credentials(2);
    let username = username();
    let good = Forgery { username: &username, password: &password, ..Forgery::default() }.bytes();
    for len in 0..good.len() {
        network.inject(attacker, address(ATTACKER), SECOND_ADDRESS, &good[..len]);
    }
    // FINGERPRINT may be missing, and with another type it is: those 16 bits are left out.
    let fingerprint = (good.len() - 8) * 8;
    for bit in (0..good.len() * 8).filter(|bit| !(fingerprint..fingerprint + 16).contains(bit)) {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        network.inject(attacker, address(ATTACKER), SECOND_ADDRESS, &bad);
    }
    network.advance(Duration::from_millis(50));
    assert_eq!(network[SECOND].refused.len(), good.len() * 9 - 16);
    assert!(network[attacker].heard.is_empty());
    assert_eq!(network[SECOND].events.len(), 2, "those of the connection");
}

#[test]
fn a_check_longer_than_the_bound_is_refused() {
    let (mut network, ..) = three();
    let Credentials { password, .. } = credentials(2);
    let username = username();
    let forgery = Forgery { username: &username, password: &password, filling: 1400, ..Forgery::default() };
    let bytes = forgery.bytes();
    let refused = ParseError::TooLong { limit: 1500, got: bytes.len() };
    let now = network.now();
    let datagram =
        headwater_stun::Datagram::new(headwater_stun::Transport::Udp, SECOND_ADDRESS, FIRST_ADDRESS, &bytes);
    let result = network.get_mut(SECOND).lite_agent().handle_datagram(now, datagram);
    assert_eq!(result, Err(Error::Malformed(refused)));
}

#[test]
fn an_unknown_required_attribute_gets_420_only_if_the_check_is_authentic() {
    let (mut network, attacker, source) = three();
    let (username, right, wrong) = (username(), credentials(2).password, credentials(3).password);
    let forgery =
        |password| Forgery { username: &username, password, unknown: Some(0x7F01), ..Forgery::default() };
    check_ignored(&mut network, attacker, &forgery(&wrong).bytes(), Error::Unauthentic);

    network.inject(attacker, source, SECOND_ADDRESS, &forgery(&right).bytes());
    network.advance(Duration::from_millis(50));
    let (_, _, answer) = network[attacker].heard.last().expect("an answer").clone();
    let answer = Message::parse(&answer).expect("a message");
    assert_eq!(answer.class(), Class::Error);
    assert_eq!(answer.verify_integrity(&Key::short_term(&right)), Ok(()));
    assert_eq!(answer.attribute::<ErrorCode<'_>>().expect("well-formed"), Some(ErrorCode::UNKNOWN_ATTRIBUTE));
    let unknown = answer.attribute::<UnknownAttributes>().expect("well-formed").expect("listed");
    assert_eq!(unknown.types(), [AttributeType(0x7F01)]);
    assert!(!network[SECOND].lite_agent_ref().is_validated(&path(SECOND_ADDRESS, source)));
}

#[test]
fn indications_and_responses_to_nothing_change_nothing() {
    let (mut network, attacker, source) = three();
    let mut bytes = Vec::new();
    MessageBuilder::indication(Method::BINDING, TransactionId::new([1; 12]), &mut bytes).fingerprint();
    let before = network[SECOND].events.len();
    network.inject(attacker, source, SECOND_ADDRESS, &bytes);
    network.inject(attacker, source, FIRST_ADDRESS, &bytes);
    bytes.clear();
    MessageBuilder::new(Method::BINDING, Class::Success, TransactionId::new([1; 12]), &mut bytes)
        .mapped(source)
        .integrity(&Key::short_term(&credentials(2).password))
        .fingerprint();
    network.inject(attacker, source, SECOND_ADDRESS, &bytes);
    network.inject(attacker, source, FIRST_ADDRESS, &bytes);
    network.advance(Duration::from_millis(50));
    assert_eq!(network[SECOND].refused, [Error::Unexpected]);
    assert_eq!(network[FIRST].refused, [Error::Unexpected]);
    assert_eq!(network[SECOND].events.len(), before);
    assert!(network[attacker].heard.is_empty());
}

#[test]
fn an_overheard_response_repeated_from_elsewhere_is_refused_and_the_pair_lives() {
    let now = Instant::now();
    let mut a = Peer::full(1, Role::Controlling, now).with_local(&[FIRST_ADDRESS]);
    a.signal(2, &[SECOND_ADDRESS]);
    let mut b = Peer::full(2, Role::Controlled, now).with_local(&[SECOND_ADDRESS]);
    b.signal(1, &[FIRST_ADDRESS]);
    let mut network = Network::pair(a, b);
    let source = address(ATTACKER);
    let attacker = network.add(Peer::bystander(), &[source]);
    network.run_until(|n| n[FIRST].is_nominated() && n[SECOND].is_nominated());
    let all: Vec<_> = network[FIRST].heard.iter().map(|it| it.2.clone()).collect();
    let (events, selected) = (network[FIRST].events.len(), network[FIRST].selected());
    let refused = network[FIRST].refused.len();
    for bytes in &all {
        network.inject(attacker, source, FIRST_ADDRESS, bytes);
    }
    network.advance(Duration::from_millis(100));
    assert_eq!((network[FIRST].events.len(), network[FIRST].selected()), (events, selected));
    assert!(network[attacker].heard.is_empty());
    assert_eq!(network[FIRST].refused.len() - refused, all.len());
}

#[test]
fn a_peer_with_the_password_holds_at_most_8_addresses_and_the_selected_one_stays() {
    let (mut network, attacker, source) = three();
    let selected = network[SECOND].selected().expect("connected");
    let (username, password) = (username(), credentials(2).password);
    for n in 0..60 {
        let forgery = Forgery {
            id: 100 + n,
            username: &username,
            password: &password,
            use_candidate: false,
            ..Forgery::default()
        };
        let from = SocketAddr::new(source.ip(), 10_000 + u16::from(n));
        network.inject(attacker, from, SECOND_ADDRESS, &forgery.bytes());
        network.advance(Duration::from_millis(20));
    }
    let peer = network[SECOND].lite_agent_ref();
    let validated = (0..60)
        .filter(|n| peer.is_validated(&path(SECOND_ADDRESS, SocketAddr::new(source.ip(), 10_000 + n))))
        .count();
    assert_eq!(validated, 7);
    assert!(peer.is_validated(&selected));
    assert_eq!(network[SECOND].selected(), Some(selected));
    let removed = network[SECOND].events.iter().filter(|it| matches!(it, Event::Removed(_))).count();
    assert_eq!(removed, 53);
}

#[test]
fn unpolled_answers_and_events_are_bounded() {
    let now = Instant::now();
    let (username, password) = (username(), credentials(2).password);
    let mut peer = Peer::lite(2, None, now);
    let agent = peer.lite_agent();
    let mut overloaded = 0;
    for n in 0..=255 {
        let bytes = Forgery { id: n, username: &username, password: &password, ..Forgery::default() }.bytes();
        let from = SocketAddr::new(FIRST_ADDRESS.ip(), 1000 + u16::from(n));
        let datagram =
            headwater_stun::Datagram::new(headwater_stun::Transport::Udp, SECOND_ADDRESS, from, &bytes);
        overloaded += usize::from(agent.handle_datagram(now, datagram) == Err(Error::Overloaded));
    }
    let mut buf = Vec::new();
    let answers = std::iter::from_fn(|| agent.poll_transmit(now, &mut buf)).count();
    let events = std::iter::from_fn(|| agent.poll_event()).count();
    assert_eq!(answers + overloaded, 256);
    assert!(answers <= 32 && events <= 64, "{answers} {events}");
}

#[test]
fn a_controlled_agent_is_not_moved_by_a_check_in_the_wrong_role_without_the_password() {
    let (mut network, attacker, source) = three();
    let mut bytes = Vec::new();
    let username = format!("{}:{}", credentials(1).ufrag, credentials(2).ufrag);
    MessageBuilder::request(Method::BINDING, TransactionId::new([1; 12]), &mut bytes)
        .attribute(&Username(&username))
        .attribute(&IceControlling(u64::MAX))
        .integrity(&Key::short_term("a guess of twenty-two letters"))
        .fingerprint();
    network.inject(attacker, source, FIRST_ADDRESS, &bytes);
    network.advance(Duration::from_millis(50));
    assert_eq!(network.get_mut(FIRST).agent().role(), Role::Controlling);
}

#[test]
fn the_receivers_ufrag_is_read_from_requests_only() {
    let (username, password) = (username(), credentials(2).password);
    let good = Forgery { username: &username, password: &password, ..Forgery::default() }.bytes();
    assert_eq!(ufrag_of_request(&good), Some(&*credentials(2).ufrag));
    for len in 0..good.len() {
        assert_eq!(ufrag_of_request(&good[..len]), None);
    }
    for username in ["nocolon", ":abcd", "abc:abcd", "ab\u{e9}d:abcd", "with space:abcd"] {
        let bytes = Forgery { username, password: &password, ..Forgery::default() }.bytes();
        assert_eq!(ufrag_of_request(&bytes), None, "{username}");
    }
    let mut indication = Vec::new();
    MessageBuilder::indication(Method::BINDING, TransactionId::new([1; 12]), &mut indication)
        .attribute(&Username(&username))
        .finish();
    assert_eq!(ufrag_of_request(&indication), None);
    assert_eq!(ufrag_of_request(&[0; 19]), None);
}
