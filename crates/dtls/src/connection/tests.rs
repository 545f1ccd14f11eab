//! What a peer may try that has keys. The harness reaches into one of two honest ends and makes it lie.

mod hellos;
mod later;
mod peers;
mod records;
mod rekey;
mod schedule;

use super::*;
use crate::handshake::Fragment;
use crate::handshake13::schedule::Schedule;
use crate::message::HandshakeType;
use crate::record::layer::Epoch;
use crate::{Certificate, Version, suite};

fn certificates() -> &'static [Certificate; 2] {
    static MADE: std::sync::OnceLock<[Certificate; 2]> = std::sync::OnceLock::new();
    MADE.get_or_init(|| [(); 2].map(|()| Certificate::generate().expect("the backend has entropy")))
}

/// A client and a server; both have been changed alike.
fn pair_with(change: impl Fn(Role, &mut Config)) -> (Connection, Connection) {
    let now = Instant::now();
    let [client, server] = certificates();
    let make = |role, own: &Certificate, peer: &Certificate| {
        let mut config = Config::new(own.clone());
        change(role, &mut config);
        Connection::new(Arc::new(config), role, vec![peer.fingerprint()], [role as u8; 32], now).unwrap()
    };
    (make(Role::Client, client, server), make(Role::Server, server, client))
}

fn small(_: Role, config: &mut Config) {
    config.groups.remove(0);
}

/// Over DTLS 1.3.
fn pair() -> (Connection, Connection) {
    pair_with(small)
}

fn connected() -> (Connection, Connection) {
    let (mut client, mut server) = pair();
    settle(&mut client, &mut server);
    assert!(client.is_connected() && server.is_connected());
    while client.poll_event().is_some() {}
    while server.poll_event().is_some() {}
    (client, server)
}

fn take(from: &mut Connection) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    loop {
        let mut datagram = Vec::new();
        if from.poll_transmit(from.now, &mut datagram).is_none() {
            return datagrams;
        }
        datagrams.push(datagram);
    }
}

/// Carries what one end has to say to the other, and returns what that made of it.
fn carry(from: &mut Connection, to: &mut Connection) -> Vec<Result<(), Error>> {
    take(from).iter().map(|datagram| to.handle_datagram(to.now, datagram)).collect()
}

fn settle(a: &mut Connection, b: &mut Connection) {
    for _ in 0..100 {
        if carry(a, b).is_empty() & carry(b, a).is_empty() {
            return;
        }
    }
    panic!("the two don't fall silent");
}

fn closed(end: &mut Connection) -> Option<CloseReason> {
    std::iter::from_fn(|| end.poll_event()).find_map(|event| match event {
        Event::Closed { reason } => Some(reason),
        _ => None,
    })
}

fn data(end: &mut Connection) -> Vec<Vec<u8>> {
    let data = |event| match event {
        Event::Data(data) => Some(data),
        _ => None,
    };
    std::iter::from_fn(|| end.poll_event()).filter_map(data).collect()
}

/// A record under the keys of `from`.
fn seal(from: &mut Connection, epoch: Epoch, kind: ContentType, content: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    from.exchange.records.seal(epoch, kind, content, &mut datagram).unwrap();
    datagram
}

fn message(kind: HandshakeType, number: u16, body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    Fragment::new(kind, body.len(), number, 0, body).emit(&mut content);
    content
}

/// Lets `end` send its present flight again after `change`.
fn lie(end: &mut Connection, change: impl FnMut(HandshakeType, &mut Epoch, &mut Vec<u8>) -> bool) {
    end.outgoing.clear();
    end.exchange.flight.falsify(change);
    end.send_flight();
}
