//! Sessions that plain UDP does not carry.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use headwater_node::{Node, StreamKind, Transport, Turn};
use headwater_turn::{ClientEvent, Failure};

use crate::client::{Client, PATIENCE, node_with, until};
use crate::ways::{Relay, Way};

const SECRET: &str = "between us";

fn node(workers: usize) -> Node {
    node_with(|config| {
        config.workers = workers;
        config.turn = Some(Turn::new(SECRET, [5; 32]));
    })
}

/// How the connected sessions come, publishers first.
fn transports(node: &Node) -> Vec<Transport> {
    let (sender, receiver) = std::sync::mpsc::channel();
    node.sessions(move |sessions| drop(sender.send(sessions)));
    let mut sessions = receiver.recv_timeout(PATIENCE).expect("an answer");
    sessions.retain(|session| session.peer.is_connected);
    sessions.sort_by_key(|session| !session.peer.is_publisher);
    sessions.iter().filter_map(|session| session.peer.path).map(|path| path.transport).collect()
}

#[test]
fn a_turn_connection_without_an_allocation_that_promises_a_long_message_is_ended() {
    let node = node(1);
    let here = node.media_addresses()[0];
    let there = SocketAddr::from(([127, 0, 0, 1], 4));
    let stream = node.open_stream(StreamKind::Turn, here, there, || {}).expect("there is room");
    // An Allocate request of 65,532 bytes.
    let begin = [&[0, 3, 0xFF, 0xFC, 0x21, 0x12, 0xA4, 0x42][..], &[7; 12]].concat();
    let start = Instant::now();
    assert!(stream.push(&begin) && stream.push(&[0; 8192]));
    while !stream.has_ended() {
        // Sooner than for being idle.
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn live(node: &Node, publisher: Client) -> Vec<Client> {
    let mut clients = vec![publisher];
    until(&mut clients, "going live", |_| node.counters().streams == 1);
    clients
}

fn plays(clients: &mut [Client]) {
    let targets: Vec<usize> = clients.iter().map(|client| client.received + 30).collect();
    until(clients, "playing", |clients| {
        clients.iter().zip(&targets).skip(1).all(|(viewer, target)| viewer.received >= *target)
    });
}

#[test]
fn publisher_and_viewers_come_over_connections_to_any_worker() {
    for workers in [1, 2] {
        let node = node(workers);
        let mut clients = live(&node, Client::publisher(&node, "s").over_stream(&node));
        clients.extend((0..6).map(|_| Client::viewer(&node, "s").over_stream(&node)));
        plays(&mut clients);
        assert_eq!(transports(&node), [Transport::Tcp; 7]);
        assert_eq!(node.counters().connections, 7);
        drop(clients);
        let start = Instant::now();
        while node.counters().connections > 0 {
            assert!(start.elapsed() < PATIENCE);
        }
        node.shutdown(Duration::from_secs(1));
    }
}

#[test]
fn publisher_and_viewers_come_through_the_turn_server() {
    for workers in [1, 2] {
        let node = node(workers);
        let mut clients = live(&node, Client::publisher(&node, "s").over_relay(&node, SECRET, false));
        for number in 0..6 {
            clients.push(Client::viewer(&node, "s").over_relay(&node, SECRET, number % 2 == 0));
        }
        plays(&mut clients);
        assert_eq!(transports(&node), [Transport::Relayed; 7]);
        let turn = node.counters().turn;
        assert_eq!((turn.allocations, turn.failed_authentications), (7, 0), "{turn:?}");
        assert!(turn.packets.iter().all(|packets| *packets > 50), "{turn:?}");
        node.shutdown(Duration::from_secs(1));
    }
}

#[test]
fn a_session_moves_from_udp_to_a_connection_at_any_worker_and_on() {
    let node = node(2);
    let mut clients = live(&node, Client::publisher(&node, "s"));
    clients.push(Client::viewer(&node, "s"));
    plays(&mut clients);
    // Connections are given to the workers in turn, so that one of two is not where the session is.
    for _ in 0..2 {
        let viewer = clients.pop().expect("the viewer");
        clients.push(viewer.over_stream(&node));
        plays(&mut clients);
        assert_eq!(transports(&node)[1], Transport::Tcp);
    }
    let viewer = clients.pop().expect("the viewer");
    clients.push(viewer.over_relay(&node, SECRET, false));
    plays(&mut clients);
    assert_eq!(transports(&node)[1], Transport::Relayed);
    node.shutdown(Duration::from_secs(1));
}

#[test]
fn a_viewer_whose_connection_is_stuck_goes_on_where_it_was() {
    let node = node(1);
    let mut clients = live(&node, Client::publisher(&node, "s"));
    clients.push(Client::viewer(&node, "s"));
    clients.push(Client::viewer(&node, "s").over_stream(&node));
    plays(&mut clients);
    let stuck = clients.pop().expect("the one over a connection");
    let received = clients[1].received;
    // At 60 kB/s the room for 128 KiB is used up in some two seconds.
    until(&mut clients, "playing on", |clients| clients[1].received > received + 400);
    clients.push(stuck);
    plays(&mut clients);
    let waited = clients[2].way.most();
    assert!(
        (128 << 10..160 << 10).contains(&waited),
        "{waited} bytes waited for it: the rest is in the history"
    );
    let missed = clients[1].received - clients[2].received;
    assert!(missed < 250, "{missed} packets were not sent at all");
    node.shutdown(Duration::from_secs(1));
}

#[test]
fn the_turn_server_reaches_our_media_and_nothing_else() {
    let node = node(1);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound");
    socket.set_nonblocking(true).expect("it is a socket");
    let Way::Relay(mut relay) = Way::relay(&node, &socket, SECRET, false) else { unreachable!("made so") };
    let media = node.media_addresses()[0];
    for other in ["10.0.0.1", "169.254.169.254", "8.8.8.8", "127.0.0.2"] {
        let ip: IpAddr = other.parse().expect("an address");
        relay.events.clear();
        relay.client().permit(Instant::now(), ip).expect("can be asked for");
        relay.wait(&socket, |event| matches!(event, ClientEvent::PermitFailed(_, Failure::Refused(403))));
    }
    relay.events.clear();
    // The same host, another port.
    let other = SocketAddr::new(media.ip(), media.port() ^ 1);
    relay.client().bind_channel(Instant::now(), other).expect("can be asked for");
    relay.wait(&socket, |event| matches!(event, ClientEvent::ChannelFailed(_, Failure::Refused(403))));
    node.shutdown(Duration::from_secs(1));
}

#[test]
fn wrong_credentials_get_no_relay() {
    let node = node(1);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound");
    socket.set_nonblocking(true).expect("it is a socket");
    let (local, server) = (socket.local_addr().expect("bound"), node.media_addresses()[0]);
    let mut relay = Relay::new(&node, local, server, "a guess", false);
    relay
        .client()
        .allocate(Instant::now(), headwater_turn::AllocateOptions::default())
        .expect("can be asked");
    relay.wait(&socket, |event| matches!(event, ClientEvent::AllocateFailed(_)));
    assert_eq!(node.counters().turn.allocations, 0);
    assert!(node.counters().turn.failed_authentications > 0);
    node.shutdown(Duration::from_secs(1));
}
