//! DTLS clients, and those who only look like some.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use headwater_relay::Relay;

use super::client::{UdpClient, association};
use super::{LIMIT, identity, peer, secure_config};

/// The first flight of a client.
fn hello() -> Vec<Vec<u8>> {
    let mut client = association([7; 32]);
    let mut next = || {
        let mut datagram = Vec::new();
        client.poll_transmit(Instant::now(), &mut datagram).map(|_| datagram)
    };
    std::iter::from_fn(&mut next).collect()
}

/// Says the same hello from so many addresses, beginning with this one, and listens to no answer.
fn flood(server: SocketAddr, hello: &[Vec<u8>], first: u32, count: u32) {
    for number in first..first + count {
        let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number);
        let socket = UdpSocket::bind((ip, 0)).expect("a socket");
        for datagram in hello {
            socket.send_to(datagram, server).expect("sent");
        }
    }
}

/// Bytes of memory that this process has; 0 where the system does not tell.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

#[test]
fn a_hello_in_the_name_of_a_plain_client_does_not_concern_it() {
    let relay = Relay::start(secure_config(&identity().0)).expect("it starts");
    let mut client = UdpClient::new([127, 0, 0, 1], &relay);
    client.allocate().expect("allocated");
    let (socket, address) = peer();
    client.bind(address);
    hello().iter().for_each(|datagram| client.say(datagram));
    client.send(address, b"still plain");
    let mut buffer = [0; 64];
    let (len, relayed) = socket.recv_from(&mut buffer).expect("relayed");
    assert_eq!(&buffer[..len], b"still plain");
    socket.send_to(b"so are we", relayed).expect("sent");
    client.until("data of the peer", |client| client.data.pop());
    assert_eq!(relay.counters().associations, 0);
}

#[test]
fn nothing_that_anybody_can_make_ends_a_dtls_client() {
    let relay = Relay::start(secure_config(&identity().0)).expect("it starts");
    let mut client = UdpClient::new([127, 0, 0, 1], &relay).secured();
    client.allocate().expect("allocated");
    let (socket, address) = peer();
    client.bind(address);
    let record = |kind: u8, epoch: u8, content: &[u8]| {
        [&[kind, 0xFE, 0xFD, 0, epoch, 0, 0, 0, 0, 0, 9, 0, content.len() as u8], content].concat()
    };
    // Another hello; fatal and closing alerts, before and behind encryption; data in the clear; plain messages.
    let mut forged = hello();
    for epoch in 0..4 {
        forged.extend([&[2, 40][..], &[1, 0], &[0; 40]].map(|content| record(21, epoch, content)));
        forged.push(record(23, epoch, &[0x40, 0, 0, 1, 7]));
    }
    forged.extend([vec![0x40, 0, 0, 1, 7], vec![0x2F; 60], vec![0x14, 0xFE, 0xFD], Vec::new()]);
    forged.iter().for_each(|datagram| client.say(datagram));
    client.send(address, b"still here");
    let mut buffer = [0; 64];
    let (len, relayed) = socket.recv_from(&mut buffer).expect("relayed");
    assert_eq!(&buffer[..len], b"still here", "the first that comes");
    socket.send_to(b"so are we", relayed).expect("sent");
    client.until("data of the peer", |client| client.data.pop());
}

#[test]
fn a_flood_of_hellos_leaves_nothing_and_clients_go_on() {
    let relay = Relay::start(secure_config(&identity().0)).expect("it starts");
    let server = relay.local_addrs()[0];
    let mut client = UdpClient::new([127, 0, 0, 1], &relay).secured();
    client.allocate().expect("allocated");
    let (socket, address) = peer();
    client.bind(address);
    let hello = hello();
    let mut settled = 0;
    for round in 0..120 {
        flood(server, &hello, round * 50, 50);
        client.send(address, &round.to_be_bytes());
        let mut buffer = [0; 64];
        let (len, relayed) = socket.recv_from(&mut buffer).expect("relayed");
        assert_eq!(buffer[..len], round.to_be_bytes());
        socket.send_to(&buffer[..len], relayed).expect("sent");
        client.until("an echo", |client| client.data.pop());
        assert_eq!(relay.counters().associations, 1);
        if round == 10 {
            settled = resident();
        }
    }
    // Other tests need some, too.
    let grown = resident().saturating_sub(settled);
    assert!(grown < 16 << 20, "{grown} bytes");
    let mut late = UdpClient::new([127, 0, 0, 2], &relay).secured();
    late.allocate().expect("allocated");
    assert_eq!(relay.counters().associations, 2);
    relay.shutdown(LIMIT);
}

#[test]
fn a_handshake_outlives_a_flood_of_hellos() {
    let relay = Relay::start(secure_config(&identity().0)).expect("it starts");
    let server = relay.local_addrs()[0];
    let hello = hello();
    let mut client = UdpClient::new([127, 0, 0, 3], &relay).begin();
    client.exchange();
    flood(server, &hello, 10_000, 3_000);
    // The cookie is good although nothing was kept of who has it. Behind it, who says hello takes nothing away.
    client.exchange();
    flood(server, &hello, 20_000, 6_000);
    client.connect();
    client.allocate().expect("allocated");
    relay.shutdown(LIMIT);
}
