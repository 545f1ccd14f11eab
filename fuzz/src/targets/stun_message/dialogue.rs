//! A client that asks a server, which answers with the input's messages.

use super::credentials::{USER, key_of};
use crate::odd::Odd;
use headwater_stun::attribute::{Fingerprint, MessageIntegrity, MessageIntegritySha256, PasswordAlgorithms};
use headwater_stun::{
    Attribute, AttributeType, Class, Client, ClientConfig, Datagram, Event, LongTerm, Message,
    MessageBuilder, Method, Transport,
};
use std::net::SocketAddr;
use std::time::Instant;

/// More than one request and its repetitions take, at three servers and with three challenges each.
const MAX_TURNS: usize = 100;
/// What the copy of a message gets anew.
const PROTECTION: [AttributeType; 3] =
    [MessageIntegrity::TYPE, MessageIntegritySha256::TYPE, Fingerprint::TYPE];

/// A client asks, is answered by these bytes as far as they can be an answer, and comes to an end.
pub(super) fn raw(data: &[u8]) {
    let Some((head, rest)) = data.split_at_checked(20) else { return };
    let transport = if head[0] & 1 == 0 { Transport::Udp } else { Transport::Tcp };
    run(transport, head[1] & 1 == 0, false, |_, asked| {
        let mut answer = [head, rest].concat();
        answer[0] = 0x01;
        answer[1] = if head[0] & 2 == 0 { 0x11 } else { 0x01 };
        answer[8..20].copy_from_slice(&asked[8..20]);
        answer
    });
}

/// A client asks, and is answered by the messages in their order, over and over: with the attributes that they have, and
/// the proof that was asked for.
pub(super) fn dialogue(messages: &[Message<'_>]) {
    let Some(first) = messages.first() else { return };
    let choices = first.transaction_id().as_bytes()[0];
    let transport = if choices & 1 == 0 { Transport::Udp } else { Transport::Tcp };
    run(transport, choices & 2 == 0, choices & 4 == 0, |turn, asked| {
        let template = messages[turn % messages.len()];
        let asked = Message::parse(asked).expect("a client asks with proper messages");
        let mut bytes = Vec::new();
        let id = asked.transaction_id();
        let mut answer = MessageBuilder::new(template.method(), template.class(), id, &mut bytes);
        for raw in template.attributes().filter(|raw| !PROTECTION.contains(&raw.kind)) {
            answer = answer.attribute(&Odd(raw.kind, raw.value));
        }
        match key_of(&asked).filter(|_| template.transaction_id().as_bytes()[1] & 1 == 0) {
            Some(key) if matches!(asked.attribute::<PasswordAlgorithms<'_>>(), Ok(Some(_))) => {
                answer.integrity_sha256(&key).fingerprint()
            }
            Some(key) => answer.integrity(&key).fingerprint(),
            None => answer.finish(),
        };
        bytes
    });
}

/// Asks once and answers each request by `answer`, which is told how many there were.
fn run(
    transport: Transport,
    has_credentials: bool,
    has_software: bool,
    mut answer: impl FnMut(usize, &[u8]) -> Vec<u8>,
) {
    let (local, server) = (SocketAddr::from(([192, 0, 2, 1], 1)), SocketAddr::from(([192, 0, 2, 2], 2)));
    let mut now = Instant::now();
    let mut config = ClientConfig::default();
    config.credentials = has_credentials.then(|| LongTerm::new(USER.0, USER.1));
    config.software = has_software.then(|| "fuzzing".to_owned());
    let mut client = Client::new(config, [1; 32], now).expect("a valid config");
    let name = client.binding(now, transport, local, server).expect("room");
    let (mut asked, mut ends, mut turns) = (Vec::new(), 0, 0);
    loop {
        while let Some(transmit) = client.poll_transmit(now, &mut asked) {
            assert_eq!(transmit.len, asked.len());
            let request = Message::parse(&asked).expect("a client asks with proper messages");
            assert_eq!((request.class(), request.method()), (Class::Request, Method::BINDING));
            let bytes = answer(turns, &asked);
            let before = client.poll_timeout();
            let datagram = Datagram::new(transport, local, transmit.remote, &bytes);
            if client.handle_datagram(now, datagram).is_err() {
                assert_eq!(client.poll_timeout(), before, "refused, yet changed");
            }
            asked.clear();
            turns += 1;
            assert!(turns < MAX_TURNS, "it doesn't end");
        }
        while let Some(event) = client.poll_event() {
            ends += usize::from(!matches!(event, Event::Redirected { .. }));
        }
        let Some(due) = client.poll_timeout() else { break };
        now = now.max(due);
        client.handle_timeout(now);
    }
    assert_eq!(ends, 1, "a request comes to one end");
    client.cancel(name);
    assert!(client.poll_timeout().is_none());
}
