//! What one user and one address may have, and what ICMP says, as clients see it.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use headwater_relay::{Config, Counters, Relay};
use headwater_turn::{ClientEvent, Failure};

use super::client::UdpClient;
use super::{LIMIT, config, peer};

fn start(change: impl FnOnce(&mut Config)) -> Relay {
    let mut config = config();
    change(&mut config);
    Relay::start(config).expect("it starts")
}

#[test]
fn a_user_has_no_more_allocations_than_it_may_whatever_its_addresses_and_workers() {
    for workers in [1, 3] {
        let relay = start(|config| {
            config.workers = workers;
            config.turn.per_user.allocations = Some(4);
        });
        let mut clients: Vec<_> = (1..=4).map(|last| UdpClient::new([127, 0, 4, last], &relay)).collect();
        for client in &mut clients {
            client.allocate().expect("allocated");
        }
        let mut more: Vec<_> = (5..=8).map(|last| UdpClient::new([127, 0, 4, last], &relay)).collect();
        for client in &mut more {
            assert_eq!(client.allocate(), Err(Failure::Refused(486)), "{workers} workers");
        }
        UdpClient::of([127, 0, 4, 1], &relay, "bob").allocate().expect("another user's");
        clients[0].close();
        more[0].allocate().expect("there is one less");
        assert_eq!(more[1].allocate(), Err(Failure::Refused(486)));
        counted(&relay, |it| it.over_quota, 5);
    }
}

#[test]
fn an_address_has_no_more_allocations_than_it_may_whatever_its_users() {
    let relay = start(|config| config.turn.per_address.allocations = Some(2));
    let mut clients = ["alice", "bob", "alice"].map(|user| UdpClient::of([127, 0, 4, 20], &relay, user));
    clients[0].allocate().expect("the first");
    clients[1].allocate().expect("the second");
    assert_eq!(clients[2].allocate(), Err(Failure::Refused(486)));
    UdpClient::new([127, 0, 4, 21], &relay).allocate().expect("another address");
    clients[1].close();
    clients[2].allocate().expect("there is one less");
}

/// Waits until the workers show so many.
#[track_caller]
fn counted(relay: &Relay, what: impl Fn(&Counters) -> u64, expected: u64) {
    let end = Instant::now() + LIMIT;
    while what(&relay.counters()) != expected {
        assert!(Instant::now() < end, "{:?}", relay.counters());
        std::thread::yield_now();
    }
}

#[test]
fn what_an_operator_should_know_is_counted_as_what_it_is() {
    let relay = start(|config| config.turn.per_user.bits_per_second = Some(40_000));
    assert!(UdpClient::of([127, 0, 4, 30], &relay, "mallory").allocate().is_err());
    counted(&relay, |it| it.failed_authentications, 1);
    let mut client = UdpClient::new([127, 0, 4, 31], &relay);
    client.allocate().expect("allocated");
    assert!(arrived(&mut client, 20) < 20);
    let counters = relay.counters();
    assert!(counters.over_bitrate >= 10, "{counters:?}");
    assert_eq!((counters.refused, counters.not_permitted, counters.over_quota), (0, 0, 0), "{counters:?}");
}

/// How many of these datagrams of 1,000 bytes reach the peer.
fn arrived(client: &mut UdpClient, count: usize) -> usize {
    let (socket, address) = peer();
    client.bind(address);
    (0..count).for_each(|_| client.send(address, &[0; 1_000]));
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a limit");
    (0..count).take_while(|_| socket.recv(&mut [0; 1_500]).is_ok()).count()
}

#[test]
fn a_user_sends_no_faster_than_it_may_with_all_its_allocations_together() {
    // Ten datagrams a second, and those of one second at once.
    let relay = start(|config| config.turn.per_user.bits_per_second = Some(80_000));
    let begun = Instant::now();
    let mut clients = [1, 2].map(|last| UdpClient::new([127, 0, 4, 30 + last], &relay));
    for client in &mut clients {
        client.allocate().expect("allocated");
    }
    let first = arrived(&mut clients[0], 50);
    let second = arrived(&mut clients[1], 50);
    let most = 11 + begun.elapsed().as_secs() as usize * 10 + 10;
    assert!(first >= 10 && first + second <= most, "{first} and {second} of 50 each, at most {most}");
    let mut other = UdpClient::of([127, 0, 4, 31], &relay, "bob");
    other.allocate().expect("allocated");
    let third = arrived(&mut other, 10);
    assert_eq!(third, 10, "another user's share is its own");
}

#[test]
fn what_peers_send_counts_as_well() {
    let relay = start(|config| config.turn.per_address.bits_per_second = Some(80_000));
    let begun = Instant::now();
    let mut client = UdpClient::new([127, 0, 4, 40], &relay);
    let relayed = client.allocate().expect("allocated");
    let (socket, address) = peer();
    client.bind(address);
    for _ in 0..50 {
        socket.send_to(&[0; 1_000], relayed).expect("sent");
    }
    client.until("ten of them", |client| (client.data.len() >= 10).then_some(()));
    (0..20).for_each(|_| client.step());
    let most = 11 + begun.elapsed().as_secs() as usize * 10 + 10;
    assert!(client.data.len() <= most, "{} of 50, at most {most}", client.data.len());
    assert!(relay.counters().over_bitrate > 0, "{:?}", relay.counters());
}

#[cfg(target_os = "linux")]
#[test]
fn a_closed_port_of_a_peer_is_told_to_the_client_and_the_relay_goes_on() {
    let relay = start(|_| ());
    let mut client = UdpClient::new([127, 0, 4, 50], &relay);
    client.allocate().expect("allocated");
    let (gone, closed) = peer();
    let (socket, open) = peer();
    client.bind(open);
    client.bind(closed);
    drop(gone);
    for round in 0..3_u8 {
        client.send(closed, &[round]);
        let told = client.event("what ICMP says", |event| match event {
            ClientEvent::Icmp(peer, icmp) => Some((*peer, icmp.kind, icmp.code)),
            _ => None,
        });
        // RFC 792: destination unreachable, port unreachable.
        assert_eq!(told, (closed, 3, 3));
        client.send(open, &[round]);
        let mut buffer = [0; 64];
        let (len, relayed) = socket.recv_from(&mut buffer).expect("relayed");
        assert_eq!(buffer[..len], [round]);
        socket.send_to(&buffer[..len], relayed).expect("sent");
        assert_eq!(client.until("an answer", |client| client.data.pop()), (open, vec![round]));
    }
    assert!(relay.counters().unreachable >= 3, "{:?}", relay.counters());

    // One who has no permission is told nothing, and a peer that comes to that port is heard.
    let back = UdpSocket::bind(closed);
    match back {
        Ok(back) => {
            client.send(closed, b"back");
            back.set_read_timeout(Some(LIMIT)).expect("a limit");
            assert_eq!(back.recv(&mut [0; 64]).expect("relayed"), 4);
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse, "another test took it"),
    }
}
