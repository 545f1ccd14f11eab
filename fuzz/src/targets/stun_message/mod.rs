//! STUN: one message or a stream of them. Parse, all attributes of the table, integrity, fingerprint, a Binding answer; what
//! a client makes of them as answers (`dialogue`), and what both sides of long-term credentials do (`credentials`); URIs.

mod credentials;
mod dialogue;

use headwater_stun::attribute::TABLE;
use headwater_stun::{Datagram, Key, Message, MessageBuilder, RawAttribute, Transport, Uri, respond};
use std::net::SocketAddr;

/// Messages of one input that are looked at, so that none takes long.
const MAX_MESSAGES: usize = 16;

/// Takes the input as one datagram, and as a stream.
pub fn stun_message(data: &[u8]) {
    answer(data);
    uri(data);
    dialogue::raw(data);
    let messages = cut(data);
    for message in &messages {
        look(message);
    }
    dialogue::dialogue(&messages);
    if let Ok(message) = Message::parse(data) {
        assert_eq!(message.as_bytes().len(), data.len(), "a message is the whole datagram");
    }
}

/// The messages that the bytes begin with, cut as a stream's.
fn cut(mut data: &[u8]) -> Vec<Message<'_>> {
    let mut messages = Vec::new();
    while messages.len() < MAX_MESSAGES
        && let Ok(Some(len)) = Message::len_in_stream(data)
        && let Some((first, rest)) = data.split_at_checked(len)
    {
        messages.extend(Message::parse(first));
        data = rest;
    }
    messages
}

fn look(message: &Message<'_>) {
    let key = Key::short_term("VOkJxbRl1RmTxUk/WvJxBt");
    let authentic = message.verify_integrity(&key);
    assert!(authentic.is_err() || message.has_integrity());
    if let Err(error) = message.verify_fingerprint() {
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(message.transaction_id().to_string().len(), 24);
    message.attributes().for_each(rewrite);
    copy(message, &key);
    credentials::learn(message);
    credentials::ask(message);
}

/// What an attribute's value is written as parses again, to the same bytes.
fn rewrite(raw: RawAttribute<'_>) {
    let Some(row) = TABLE.iter().find(|row| row.kind == raw.kind) else {
        assert!(raw.kind.to_string().starts_with("0x"));
        return;
    };
    assert_eq!(raw.kind.to_string(), row.name);
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

/// A URI that we read is written to one that says the same.
fn uri(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(uri) = text.parse::<Uri>() else { return };
    let written = uri.to_string();
    let again: Uri = written.parse().unwrap_or_else(|error| panic!("`{written}`: {error}"));
    assert_eq!(again.host(), uri.host());
    assert_eq!(
        (again.is_turn(), again.is_secure(), again.port()),
        (uri.is_turn(), uri.is_secure(), uri.port())
    );
    assert_eq!((again.scheme(), again.transport()), (uri.scheme(), uri.transport()));
}
