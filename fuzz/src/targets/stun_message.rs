//! STUN messages: parse, all attributes of the table, integrity, fingerprint, a Binding answer, what a client
//! makes of it as an answer, and what both sides of long-term credentials do.

use headwater_stun::attribute::{PasswordAlgorithms, TABLE};
use headwater_stun::{
    Attempt, Claim, Client, ClientConfig, Datagram, Event, Key, LongTerm, Message, MessageBuilder, Method,
    RawAttribute, Transport, Verdict, respond,
};
use std::net::SocketAddr;
use std::time::Instant;

/// Takes the input as one datagram.
pub fn stun_message(data: &[u8]) {
    answer(data);
    client(data);
    let Ok(message) = Message::parse(data) else { return };
    assert_eq!(message.as_bytes().len(), data.len(), "a message is the whole datagram");
    let key = Key::short_term("VOkJxbRl1RmTxUk/WvJxBt");
    let authentic = message.verify_integrity(&key);
    assert!(authentic.is_err() || message.has_integrity());
    let _ = message.verify_fingerprint();
    for raw in message.attributes() {
        rewrite(raw);
    }
    copy(&message, &key);
    credentials(&message);
}

/// A client asks, is answered by these bytes as far as they can be an answer, and comes to an end.
fn client(data: &[u8]) {
    let Some((head, rest)) = data.split_at_checked(20) else { return };
    let (local, server) = (SocketAddr::from(([192, 0, 2, 1], 1)), SocketAddr::from(([192, 0, 2, 2], 2)));
    let mut now = Instant::now();
    let transport = if head[0] & 1 == 0 { Transport::Udp } else { Transport::Tcp };
    let mut config = ClientConfig::default();
    config.credentials = (head[1] & 1 == 0).then(|| LongTerm::new("user", "password"));
    let mut client = Client::new(config, [1; 32], now).expect("a valid config");
    client.binding(now, transport, local, server).expect("room");
    let (mut asked, mut ends, mut turns) = (Vec::new(), 0, 0);
    loop {
        while let Some(transmit) = client.poll_transmit(now, &mut asked) {
            assert_eq!(transmit.len, asked.len());
            let mut answer = [head, rest].concat();
            answer[0] = 0x01;
            answer[1] = if head[0] & 2 == 0 { 0x11 } else { 0x01 };
            answer[8..20].copy_from_slice(&asked[8..20]);
            let _ = client.handle_datagram(now, Datagram::new(transport, local, transmit.remote, &answer));
            asked.clear();
            turns += 1;
            assert!(turns < 100, "it doesn't end");
        }
        while let Some(event) = client.poll_event() {
            ends += usize::from(!matches!(event, Event::Redirected { .. }));
        }
        let Some(due) = client.poll_timeout() else { break };
        now = now.max(due);
        client.handle_timeout(now);
    }
    assert_eq!(ends, 1, "a request comes to one end");
}

/// Whatever a server answers, the next request is a proper message, and one request is not sent again for ever.
fn credentials(message: &Message<'_>) {
    let _ = Claim::of(message, Some(PasswordAlgorithms::SHA256_AND_MD5));
    let (mut credentials, mut attempt) = (LongTerm::new("user", "password"), Attempt::default());
    let mut retries = 0;
    while credentials.handle_response(&mut attempt, message) == Verdict::Retry {
        retries += 1;
        assert!(retries <= 3, "it doesn't end");
        let mut request = Vec::new();
        let builder = MessageBuilder::request(Method::BINDING, message.transaction_id(), &mut request);
        let len = credentials.sign(&mut attempt, builder).fingerprint();
        assert_eq!(len, request.len());
        let request = Message::parse(&request).expect("we write proper messages");
        assert!(request.has_integrity());
        Claim::of(&request, None).expect("we claim by the rules");
    }
}

/// What an attribute's value is written as parses again, to the same bytes.
fn rewrite(raw: RawAttribute<'_>) {
    let Some(row) = TABLE.iter().find(|row| row.kind == raw.kind) else { return };
    let mut once = Vec::new();
    if (row.rewrite)(raw, &mut once).is_err() {
        return;
    }
    let mut twice = Vec::new();
    let again = RawAttribute::new(raw.kind, &once, raw.transaction_id);
    (row.rewrite)(again, &mut twice)
        .unwrap_or_else(|error| panic!("{} is refused after writing: {error}", row.name));
    assert_eq!(once, twice, "{} is not stable", row.name);
}

/// A message that we protect is authentic to us, and a changed one is not.
fn copy(message: &Message<'_>, key: &Key) {
    let mut buf = Vec::new();
    let len = MessageBuilder::new(message.method(), message.class(), message.transaction_id(), &mut buf)
        .integrity(key)
        .fingerprint();
    assert_eq!(len, buf.len());
    let written = Message::parse(&buf).expect("we write proper messages");
    assert_eq!(
        (written.method(), written.class(), written.transaction_id()),
        (message.method(), message.class(), message.transaction_id())
    );
    assert_eq!(written.verify_integrity(key), Ok(()));
    assert_eq!(written.verify_fingerprint(), Ok(true));
    assert!(written.verify_integrity(&Key::short_term("another")).is_err());
}

/// The answer to anybody is a proper message, and not much longer than the question.
fn answer(data: &[u8]) {
    let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
    let mut buf = vec![0; 3];
    let datagram = Datagram::new(Transport::Udp, address(1), address(2), data);
    match respond(datagram, &mut buf) {
        Ok(transmit) => {
            assert_eq!(transmit.len, buf.len() - 3);
            assert_eq!(transmit.remote, address(2));
            Message::parse(&buf[3..]).expect("we answer with proper messages");
            assert!(transmit.len <= 3 * data.len(), "{} bytes answer {}", transmit.len, data.len());
        }
        Err(_) => assert_eq!(buf.len(), 3, "a refused datagram leaves nothing behind"),
    }
}
