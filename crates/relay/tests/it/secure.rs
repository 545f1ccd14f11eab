//! DTLS clients, and those who only look like some.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use headwater_relay::Relay;

use super::client::{UdpClient, association};
use super::{LIMIT, identity, peer, secure_config};

/// Handshakes that one worker has under way at most.
const MOST_HANDSHAKES: u64 = 1_000;

/// The first flight of a client.
fn hello() -> Vec<u8> {
    let mut hello = Vec::new();
    association([7; 32]).poll_transmit(Instant::now(), &mut hello).expect("a hello");
    hello
}

/// Says the same hello from so many addresses, beginning with this one, and listens to no answer.
fn flood(server: SocketAddr, hello: &[u8], first: u32, count: u32) {
    for number in first..first + count {
        let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number);
        let socket = UdpSocket::bind((ip, 0)).expect("a socket");
        socket.send_to(hello, server).expect("sent");
    }
}

/// Bytes of memory that this process has; 0 where the system does not tell.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

#[test]
fn a_flood_of_hellos_is_capped_and_clients_go_on() {
    let relay = Relay::start(secure_config(&identity().0)).expect("it starts");
    let server = relay.local_addrs()[0];
    let mut client = UdpClient::new([127, 0, 0, 1], &relay).secured();
    client.allocate().expect("allocated");
    let (socket, address) = peer();
    client.bind(address);
    let hello = hello();
    let mut full = 0;
    for round in 0..60 {
        flood(server, &hello, round * 50, 50);
        client.send(address, &round.to_be_bytes());
        let mut buffer = [0; 64];
        let (len, relayed) = socket.recv_from(&mut buffer).expect("relayed");
        assert_eq!(buffer[..len], round.to_be_bytes());
        socket.send_to(&buffer[..len], relayed).expect("sent");
        client.until("an echo", |client| client.data.pop());
        let associations = relay.counters().associations;
        assert!(associations <= MOST_HANDSHAKES + 1, "{associations}");
        if round == 30 {
            full = resident();
        }
    }
    // The table was full half-way. Other tests need some, too.
    let grown = resident().saturating_sub(full);
    assert!(grown < 16 << 20, "{grown} bytes");
    assert!(relay.counters().associations >= MOST_HANDSHAKES / 2, "{:?}", relay.counters());
    // The oldest gives way to who is new.
    let mut late = UdpClient::new([127, 0, 0, 2], &relay).secured();
    late.allocate().expect("allocated");
    assert!(relay.counters().associations <= MOST_HANDSHAKES + 2);
    relay.shutdown(LIMIT);
}
