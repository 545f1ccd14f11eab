//! Senders who mean harm, and crowds (field classes S6, S8, S9, S27).

use crate::world::{Client, LISTENER, PEER, World, address, quota};
use allocation_counter::measure;
use headwater_stun::{Attempt, Datagram, MessageBuilder, Method, TransactionId, Transport};
use headwater_turn::attribute::{
    ALLOCATE, DATA, Data, REFRESH, RequestedTransport, SEND, UDP, XorPeerAddress,
};
use headwater_turn::{Error, FiveTuple, Server, channel_data};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// An Allocate without credentials: 28 bytes.
fn unproven() -> Vec<u8> {
    let mut request = Vec::new();
    MessageBuilder::request(ALLOCATE, TransactionId::new([3; 12]), &mut request)
        .attribute(&RequestedTransport(UDP))
        .finish();
    request
}

fn from(number: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(0x5000_0000 + number), 5000))
}

fn hand_over(world: &mut World, remote: SocketAddr, bytes: &[u8]) -> Result<bool, Error> {
    let datagram = Datagram::new(Transport::Udp, address(LISTENER), remote, bytes);
    world.server.handle_datagram(world.now, datagram).map(|it| it.is_some())
}

/// Polls everything, and says how many bytes it were.
fn drained(server: &mut Server, world_now: std::time::Instant, buf: &mut Vec<u8>) -> usize {
    buf.clear();
    while server.poll_transmit(world_now, buf).is_some() {}
    while server.poll_event().is_some() {}
    buf.len()
}

#[test]
fn ten_thousand_unproven_senders_a_second_cost_no_memory() {
    let mut world = World::new();
    let (mut buf, request) = (Vec::with_capacity(1 << 20), unproven());
    let second = |world: &mut World, buf: &mut Vec<u8>, first: u32| {
        for number in 0..10_000 {
            world.now += Duration::from_micros(100);
            let _ = hand_over(world, from(first + number), &request);
            if number % 64 == 0 {
                drained(&mut world.server, world.now, buf);
            }
        }
    };
    second(&mut world, &mut buf, 0);
    let used = measure(|| (1..3).for_each(|round| second(&mut world, &mut buf, round * 10_000)));
    assert_eq!(used.count_total, 0, "nothing is allocated, not even for a moment");
    assert_eq!(world.server.poll_timeout(), None);
    assert!(world.server.is_empty());
    assert_eq!(world.server.counters().errors_of(401), 30_000, "and all are answered");
}

#[test]
fn nobody_is_flooded_with_answers_to_what_others_sent_in_his_name() {
    let mut world = World::new();
    let mut binding = Vec::new();
    MessageBuilder::request(Method::BINDING, TransactionId::new([4; 12]), &mut binding).finish();
    let mut stale = Vec::new();
    let mut known = Client::new(1);
    known.allocate(&mut world).expect("an allocation");
    let mut elsewhere = World::with(|it| it.nonce_key = [1; 32]);
    stale.extend(known.build(&mut elsewhere, &mut Attempt::default(), REFRESH, &|it| it).0);
    for (name, request) in [("Allocate", unproven()), ("Binding", binding), ("a stale nonce", stale)] {
        let mut world = World::new();
        let victim = from(7);
        let (mut received, mut sent, mut answered) = (0, 0, 0);
        let mut buf = Vec::new();
        // Three seconds, 10,000 a second.
        for _ in 0..30_000 {
            world.now += Duration::from_micros(100);
            if hand_over(&mut world, victim, &request).is_ok() {
                (sent, answered) = (sent + request.len(), answered + 1);
            }
            received += drained(&mut world.server, world.now, &mut buf);
        }
        let more = received.saturating_sub(sent);
        assert!(more <= 7 * 16 * 1024, "{name}: {more} bytes more than were sent");
        assert!(answered < 30_000 || more == 0, "{name}");
        assert_eq!(world.server.counters().withheld_answers, 30_000 - answered, "{name}");
        // Others are served meanwhile.
        assert!(Client::new(9).allocate(&mut world).is_ok(), "{name}");
    }
}

#[test]
fn whoever_has_a_connection_is_where_he_says() {
    let mut world = World::with(|it| it.unproven_bytes_per_second = 0);
    let request = unproven();
    assert_eq!(hand_over(&mut world, from(1), &request), Err(Error::Overloaded));
    let tuple = FiveTuple::new(Transport::Tcp, address(LISTENER), from(1));
    assert_eq!(world.send(tuple, &request), Ok(None));
    assert_eq!(world.received(tuple).len(), 1);
}

#[test]
fn answers_that_nobody_polls_are_bounded() {
    let mut world = World::new();
    let request = unproven();
    let answered =
        (0..10_000).filter(|number| hand_over(&mut world, from(*number), &request).is_ok()).count();
    assert_eq!(answered, 256);
    assert_eq!(hand_over(&mut world, from(0), &request), Err(Error::Overloaded));
    drained(&mut world.server, world.now, &mut Vec::new());
    assert_eq!(hand_over(&mut world, from(0), &request), Ok(false));
}

#[test]
fn a_burst_of_allocates_is_counted_before_any_relay_is_open() {
    let mut world = World::with(|it| it.per_user = quota(Some(3), None));
    world.open = |_| None;
    let answered = (1..=10).filter(|number| {
        let mut client = Client::new(*number);
        client.try_request(&mut world, ALLOCATE, |it| it.attribute(&RequestedTransport(UDP))).is_some()
    });
    assert_eq!(answered.count(), 7, "they hear 486 while three wait");
    assert_eq!(world.server.allocations(), 3);
}

#[test]
fn no_shortened_or_changed_request_does_anything() {
    let mut world = World::new();
    let (mut client, relay) = world.allocated(1);
    assert_eq!(client.bind(&mut world, 0x4000, PEER), 0);
    let peer = XorPeerAddress(address("8.8.8.8:1"));
    let (request, _) = client.build(
        &mut world,
        &mut Attempt::default(),
        headwater_turn::attribute::CREATE_PERMISSION,
        &|it| it.attribute(&peer),
    );
    let permitted = |world: &mut World| world.peer_sends(relay, "8.8.8.8:1", b"x").is_ok();
    for len in 0..request.len() {
        let _ = world.send(client.tuple, &request[..len]);
    }
    for place in 0..request.len() {
        for bit in 0..8 {
            let mut changed = request.clone();
            changed[place] ^= 1 << bit;
            let _ = world.send(client.tuple, &changed);
            world.received(client.tuple);
            assert!(!permitted(&mut world), "bit {bit} of byte {place}");
        }
    }
    assert_eq!(world.send(client.tuple, &request), Ok(None));
    assert!(permitted(&mut world));
}

#[test]
fn what_is_no_request_is_refused_without_an_answer() {
    let mut world = World::new();
    let (client, _) = world.allocated(1);
    let mut messages = Vec::new();
    for method in [ALLOCATE, DATA, SEND, Method::new(0xFFF)] {
        let mut message = Vec::new();
        MessageBuilder::indication(method, TransactionId::new([1; 12]), &mut message).finish();
        messages.push(message);
        let mut response = unproven();
        response[0] = 1;
        messages.push(response);
    }
    messages.extend([
        vec![],
        vec![0x40],
        vec![0x40, 0, 0, 9, 1],
        vec![0x80; 100],
        vec![0; 20],
        vec![0x16; 60],
    ]);
    // Longer than any request.
    let mut long = Vec::new();
    MessageBuilder::request(ALLOCATE, TransactionId::new([1; 12]), &mut long)
        .attribute(&Data(&[0; 5000]))
        .finish();
    messages.push(long);
    let count = messages.len() as u64;
    for message in messages {
        assert!(world.send(client.tuple, &message).is_err(), "{message:?}");
        assert!(world.received(client.tuple).is_empty());
    }
    let dropped = world.server.counters().refused_from_clients;
    assert_eq!(dropped.malformed + dropped.unexpected + dropped.not_allocated, count);
}

#[test]
fn permissions_and_channels_are_bounded_and_the_old_ones_stay() {
    let mut world = World::new();
    let (mut client, relay) = world.allocated(1);
    let peer = |number: u16| format!("8.8.{}.{}:1", number >> 8, number & 0xFF);
    for number in 0..256 {
        assert_eq!(client.bind(&mut world, 0x4000 + number, &peer(number)), 0);
    }
    assert_eq!(client.bind(&mut world, 0x4200, &peer(256)), 508);
    assert_eq!(client.permit(&mut world, &peer(256)), 508);
    assert_eq!(client.permit(&mut world, &peer(255)), 0, "renewed");
    for number in 0..256 {
        assert!(world.peer_sends(relay, &peer(number), b"x").is_ok());
    }
    world.wait(299);
    assert_eq!(client.permit(&mut world, &peer(256)), 508);
    world.wait(1);
    assert_eq!(client.permit(&mut world, &peer(256)), 0, "those that expired make room");
}

#[test]
fn data_costs_no_allocation() {
    let mut world = World::with(|it| {
        it.per_user = quota(None, Some(1 << 40));
        it.per_address = quota(None, Some(1 << 40));
    });
    let (mut client, relay) = world.allocated(1);
    assert_eq!(client.bind(&mut world, 0x4000, PEER), 0);
    assert_eq!(client.permit(&mut world, "8.8.8.8:1"), 0);
    let mut through = Vec::new();
    channel_data::emit(Transport::Udp, 0x4000, &[7; 1200], &mut through).expect("short");
    let mut send = Vec::new();
    MessageBuilder::indication(SEND, TransactionId::new([1; 12]), &mut send)
        .attribute(&XorPeerAddress(address("8.8.8.8:1")))
        .attribute(&Data(&[7; 1200]))
        .finish();
    let mut buf = Vec::with_capacity(4096);
    let used = measure(|| {
        for _ in 0..1000 {
            for message in [&through, &send] {
                let datagram =
                    Datagram::new(Transport::Udp, client.tuple.local, client.tuple.remote, message);
                assert!(world.server.handle_datagram(world.now, datagram).expect("permitted").is_some());
            }
            for peer in [PEER, "8.8.8.8:1"] {
                buf.clear();
                let peer = peer.parse().expect("an address");
                assert!(world.server.handle_peer_data(world.now, relay, peer, &[7; 1200], &mut buf).is_ok());
            }
        }
    });
    assert_eq!(used.count_total, 0);
}

#[test]
fn an_allocation_with_a_permission_and_a_channel_takes_less_than_a_kibibyte() {
    const ALLOCATIONS: u16 = 3000;
    let mut world = World::with(|it| {
        it.per_user = quota(None, None);
        it.max_allocations = 100_000;
    });
    let client = |world: &mut World, number: u16| {
        let remote = format!("10.{}.{}.1:5000", number >> 8, number & 0xFF);
        let mut client = Client::at(Transport::Udp, LISTENER, &remote);
        client.allocate(world).expect("an allocation");
        assert_eq!(client.bind(world, 0x4000, PEER), 0);
        assert_eq!(client.permit(world, PEER), 0);
        world.events = Vec::new();
        world.relays = std::collections::HashMap::new();
    };
    // The world's own tables have grown by then.
    (0..100).for_each(|number| client(&mut world, number));
    let used = measure(|| (100..100 + ALLOCATIONS).for_each(|number| client(&mut world, number)));
    let each = used.bytes_current / i64::from(ALLOCATIONS);
    assert!(each < 1024, "{each} bytes");
    eprintln!("{each} bytes for each allocation");
    let before = world.server.allocations();
    let freed = measure(|| {
        world.wait(600);
        assert_eq!(world.server.allocations(), 0);
    });
    assert_eq!(before, 3100);
    assert!(freed.bytes_current < -(used.bytes_current / 2), "memory goes back: {}", freed.bytes_current);
}

#[test]
fn fifty_thousand_allocations_come_and_go() {
    let mut world = World::with(|it| {
        it.per_user = quota(None, None);
        it.per_address = quota(None, None);
        it.unproven_bytes_per_second = 1 << 30;
    });
    let mut seed = Client::new(1);
    seed.allocate(&mut world).expect("an allocation");
    for number in 1..50_000_u32 {
        // One address, so that its nonce is good for all.
        let (ip, port) = ("192.0.2.1", 6000 + number);
        let local = format!("198.51.100.1:{}", 3478 + number / 50_000);
        let remote =
            if port <= 65_535 { format!("{ip}:{port}") } else { format!("192.0.2.2:{}", port - 59_536) };
        seed.tuple = FiveTuple::new(Transport::Udp, address(&local), address(&remote));
        seed.allocate(&mut world).expect("an allocation");
        world.events.clear();
        world.now += Duration::from_millis(5);
    }
    assert_eq!(world.server.allocations(), 50_000);
    world.wait(700);
    assert!(world.server.is_empty() && world.relays.is_empty());
    assert_eq!(world.server.poll_timeout(), None);
}
