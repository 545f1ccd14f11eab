//! TCP relays (RFC 6062).

use crate::world::{Client, LISTENER, PEER, Response, World, address};
use headwater_stun::{Message, Transport};
use headwater_turn::attribute::*;
use headwater_turn::{ConnectError, Error, Event, FiveTuple, PeerPolicy, RelayId};

fn at(port: u16) -> Client {
    Client::at(Transport::Tcp, LISTENER, &format!("192.0.2.1:{port}"))
}

/// A client with a TCP relay.
fn allocated(world: &mut World, port: u16) -> (Client, RelayId) {
    let mut client = at(port);
    let response = client.request(world, ALLOCATE, |it| it.attribute(&RequestedTransport(TCP)));
    let XorRelayedAddress(relayed) = response.attribute().expect("an address");
    world.events.clear();
    (client, world.relay_at(relayed))
}

/// Connect up to where the owner connects.
fn connect(world: &mut World, client: &mut Client, peer: &str) -> Result<ConnectionId, u16> {
    let peer = XorPeerAddress(address(peer));
    let response = client.try_request(world, CONNECT, |it| it.attribute(&peer));
    if let Some(response) = response {
        return Err(response.code());
    }
    match world.events.pop() {
        Some(Event::Connect { connection, peer: to, .. }) if to == peer.0 => Ok(connection),
        event => panic!("{event:?}"),
    }
}

fn made(
    world: &mut World,
    client: &Client,
    connection: ConnectionId,
    result: Result<(), ConnectError>,
) -> Response {
    world.server.connected(world.now, connection, result);
    world.drain();
    Response(world.received(client.tuple).pop().expect("an answer"))
}

fn bind(world: &mut World, data: &mut Client, connection: ConnectionId) -> u16 {
    data.request(world, CONNECTION_BIND, |it| it.attribute(&connection)).code()
}

#[test]
fn a_client_connects_to_a_peer_and_splices() {
    let mut world = World::new();
    let (mut client, _) = allocated(&mut world, 1);
    let connection = connect(&mut world, &mut client, PEER).expect("an event");
    let response = made(&mut world, &client, connection, Ok(()));
    assert_eq!((response.code(), response.attribute()), (0, Some(connection)));
    let mut data = at(2);
    assert_eq!(bind(&mut world, &mut data, connection), 0);
    assert_eq!(world.events.pop(), Some(Event::Splice { client: data.tuple, connection }));
    assert!(world.server.has_allocation(&data.tuple));
    world.wait(500);
    assert!(world.events.is_empty(), "it lasts");
    assert!(world.server.spliced(world.now, connection, 100, 200));
    let counters = world.server.counters();
    assert_eq!((counters.to_peers.bytes, counters.to_clients.bytes, counters.spliced), (100, 200, 1));
    world.server.client_closed(world.now, data.tuple);
    world.drain();
    assert_eq!(world.events.pop(), Some(Event::CloseConnection { connection }));
    assert!(!world.server.has_allocation(&data.tuple));
    assert!(connect(&mut world, &mut client, PEER).is_ok(), "the peer may be connected to again");
}

#[test]
fn a_peer_with_a_permission_connects() {
    let mut world = World::new();
    let (mut client, relay) = allocated(&mut world, 1);
    let peer = address("93.184.216.34:1234");
    assert_eq!(world.server.peer_connected(world.now, relay, peer), Err(Error::NotPermitted));
    assert_eq!(client.permit(&mut world, PEER), 0);
    let connection = world.server.peer_connected(world.now, relay, peer).expect("permitted");
    assert_eq!(world.server.peer_connected(world.now, relay, peer), Err(Error::Overloaded), "it is there");
    world.drain();
    let indication = world.received(client.tuple).pop().expect("an indication");
    let indication = Message::parse(&indication).expect("a message");
    assert_eq!(indication.method(), CONNECTION_ATTEMPT);
    assert_eq!(indication.attribute(), Ok(Some(connection)));
    assert_eq!(indication.attribute(), Ok(Some(XorPeerAddress(peer))));
    assert_eq!(bind(&mut world, &mut at(2), connection), 0);
    assert_eq!(bind(&mut world, &mut at(3), connection), 400, "once");
    world.server.connection_closed(world.now, connection);
    world.events.clear();
    world.drain();
    assert!(world.events.is_empty(), "the owner knows");
    world.wait(300);
    assert_eq!(world.server.peer_connected(world.now, relay, peer), Err(Error::NotPermitted), "expired");
}

#[test]
fn each_fault_has_its_code() {
    let mut world = World::new();
    let (mut client, _) = allocated(&mut world, 1);
    let connection = connect(&mut world, &mut client, PEER).expect("an event");
    assert_eq!(connect(&mut world, &mut client, PEER), Err(446), "while it connects");
    assert_eq!(bind(&mut world, &mut at(2), connection), 400, "not connected yet");
    made(&mut world, &client, connection, Ok(()));
    assert_eq!(connect(&mut world, &mut client, PEER), Err(446), "while it waits");
    assert_eq!(connect(&mut world, &mut client, "127.0.0.1:80"), Err(403));
    assert_eq!(connect(&mut world, &mut client, "[::ffff:127.0.0.1]:80"), Err(403));
    assert_eq!(connect(&mut world, &mut client, LISTENER), Err(403));
    assert_eq!(connect(&mut world, &mut client, "8.8.8.8:0"), Err(403));
    assert_eq!(connect(&mut world, &mut client, "[2600::2]:80"), Err(443));
    assert_eq!(client.request(&mut world, CONNECT, |it| it).code(), 400);
    assert_eq!(client.bind(&mut world, 0x4000, PEER), 400, "channels are for datagrams");
    assert_eq!(connect(&mut world, &mut at(7), PEER), Err(437));

    assert_eq!(bind(&mut world, &mut at(2), ConnectionId(connection.0 ^ 1)), 400, "no such connection");
    assert_eq!(bind(&mut world, &mut at(2).user("other", "word"), connection), 400, "another user's");
    assert_eq!(bind(&mut world, &mut client, connection), 400, "on the control connection");
    let mut datagrams = Client::new(9);
    assert_eq!(bind(&mut world, &mut datagrams, connection), 400, "over UDP");
    assert_eq!(at(2).request(&mut world, CONNECTION_BIND, |it| it).code(), 400, "of nothing");
    assert_eq!(bind(&mut world, &mut at(2), connection), 0, "none of them took it");

    let failed = connect(&mut world, &mut client, "8.8.8.8:80").expect("an event");
    assert_eq!(made(&mut world, &client, failed, Err(ConnectError::Failed)).code(), 447);
    assert!(connect(&mut world, &mut client, "8.8.8.8:80").is_ok(), "it may be tried again");
}

#[test]
fn who_does_not_come_in_30_s_finds_nothing() {
    let mut world = World::new();
    let (mut client, _) = allocated(&mut world, 1);
    let connection = connect(&mut world, &mut client, PEER).expect("an event");
    world.wait(29);
    made(&mut world, &client, connection, Ok(()));
    world.wait(29);
    assert!(world.events.is_empty());
    world.wait(1);
    assert_eq!(world.events.pop(), Some(Event::CloseConnection { connection }));
    assert_eq!(bind(&mut world, &mut at(2), connection), 400);

    let connection = connect(&mut world, &mut client, PEER).expect("an event");
    world.wait(30);
    assert_eq!(world.events.pop(), Some(Event::CloseConnection { connection }), "the peer does not answer");
    assert_eq!(Response(world.received(client.tuple).pop().expect("an answer")).code(), 447);
    world.server.connected(world.now, connection, Ok(()));
    world.drain();
    assert!(world.received(client.tuple).is_empty(), "too late");
}

#[test]
fn connections_end_with_their_allocation() {
    let mut world = World::new();
    let (mut client, relay) = allocated(&mut world, 1);
    let [connecting, waiting, spliced] = ["8.8.8.8:1", "8.8.8.8:2", "8.8.8.8:3"]
        .map(|peer| connect(&mut world, &mut client, peer).expect("an event"));
    made(&mut world, &client, waiting, Ok(()));
    made(&mut world, &client, spliced, Ok(()));
    let mut data = at(2);
    assert_eq!(bind(&mut world, &mut data, spliced), 0);
    world.events.clear();
    assert_eq!(client.refresh(&mut world, 0).code(), 0);
    for connection in [connecting, waiting, spliced] {
        assert!(world.events.contains(&Event::CloseConnection { connection }));
        assert!(!world.server.spliced(world.now, connection, 1, 1));
    }
    assert!(!world.server.has_allocation(&data.tuple));
    assert_eq!(world.server.peer_connected(world.now, relay, address(PEER)), Err(Error::NotAllocated));
    assert_eq!(world.server.poll_timeout(), None);
    world.server.connected(world.now, connecting, Ok(()));
    world.server.connection_closed(world.now, spliced);
    world.drain();
}

#[test]
fn there_are_only_so_many() {
    let mut world = World::new();
    let (mut client, relay) = allocated(&mut world, 1);
    assert_eq!(client.permit(&mut world, "8.8.8.8:1"), 0);
    for port in 1..=64 {
        assert!(world.server.peer_connected(world.now, relay, address(&format!("8.8.8.8:{port}"))).is_ok());
    }
    assert_eq!(world.server.peer_connected(world.now, relay, address("8.8.8.8:65")), Err(Error::Overloaded));
    world.drain();
    assert_eq!(connect(&mut world, &mut client, PEER), Err(508));
    world.wait(30);
    assert!(connect(&mut world, &mut client, PEER).is_ok(), "the others have gone");
}

#[test]
fn a_spliced_connection_keeps_to_its_user_s_bandwidth() {
    let mut world = World::with(|it| {
        it.per_user = crate::world::quota(None, Some(8_000));
        it.peers = PeerPolicy::public();
    });
    let (mut client, _) = allocated(&mut world, 1);
    let connection = connect(&mut world, &mut client, PEER).expect("an event");
    made(&mut world, &client, connection, Ok(()));
    let mut data = at(2);
    assert_eq!(bind(&mut world, &mut data, connection), 0);
    assert!(!world.server.spliced(world.now, connection, 1000, 2000), "three seconds' worth");
    for second in 1..=2 {
        world.wait(1);
        assert!(!world.server.spliced(world.now, connection, 0, 0), "after {second} s");
    }
    world.wait(1);
    assert!(world.server.spliced(world.now, connection, 0, 0));
    let unknown: FiveTuple = at(9).tuple;
    world.server.client_closed(world.now, unknown);
    assert!(!world.server.spliced(world.now, ConnectionId(connection.0 ^ 1), 0, 0));
}
