//! What the peer says of its candidates, early, late, or falsely.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_ice::attribute::{IceControlling, Priority};
use headwater_ice::{Agent, AgentConfig, Candidate, Role};
use headwater_netsim::{FIRST_ADDRESS, Link, Network, SECOND_ADDRESS, Verdict};
use headwater_stun::attribute::{Username, XorMappedAddress};
use headwater_stun::{Class, Datagram, Key, Message, MessageBuilder, Method, TransactionId, Transport};

use crate::peer::{Peer, address, credentials};

#[test]
fn a_relay_that_was_found_by_its_checks_is_known_as_one_when_it_is_signalled() {
    let relayed = address("192.0.2.99:40000");
    let relay = Candidate::relayed(relayed, SECOND_ADDRESS);
    let mut first = Peer::full(1, Role::Controlling, Instant::now()).with_local(&[FIRST_ADDRESS]);
    first.agent().set_remote_credentials(credentials(2)).expect("valid");
    first.agent().add_remote_candidate(Candidate::host(SECOND_ADDRESS)).expect("room");
    let mut second = Peer::full(2, Role::Controlled, Instant::now()).with_local(&[SECOND_ADDRESS]);
    second.agent().add_local_candidate(relay.clone()).expect("room");
    second.signal(1, &[FIRST_ADDRESS]);
    let mut network = Network::new().link(Link::default().latency(Duration::from_millis(20)));
    let first = network.add(first, &[FIRST_ADDRESS]);
    // Its own address does not work at first.
    let second = network.add(second, &[SECOND_ADDRESS, relayed]);
    network.add_filter(|it| {
        let is_direct = [it.source, it.destination].contains(&SECOND_ADDRESS);
        if is_direct { Verdict::Drop } else { Verdict::Pass }
    });
    network.advance(Duration::from_millis(150));
    let selected = network[first].selected().expect("by the relay");
    assert_eq!(selected.remote, relayed);
    network.get_mut(first).agent().add_remote_candidate(relay).expect("room");
    network.advance(Duration::from_millis(250));
    network.clear_filters();
    network.run_until(|n| n[first].is_nominated() && n[second].is_nominated());
    network.advance(Duration::from_secs(10));
    assert_eq!(network[first].selected().map(|it| it.remote), Some(SECOND_ADDRESS));
}

#[test]
fn an_address_that_was_found_first_is_paired_with_all_our_addresses_when_it_is_signalled() {
    let other = SocketAddr::new(FIRST_ADDRESS.ip(), 7777);
    let mut first = Peer::full(1, Role::Controlling, Instant::now()).with_local(&[FIRST_ADDRESS, other]);
    first.agent().set_remote_credentials(credentials(2)).expect("valid");
    let mut second = Peer::full(2, Role::Controlled, Instant::now()).with_local(&[SECOND_ADDRESS]);
    // It knows one of ours only.
    second.signal(1, &[FIRST_ADDRESS]);
    let mut network = Network::new().link(Link::default().latency(Duration::from_millis(20)));
    let first = network.add(first, &[FIRST_ADDRESS, other]);
    let second = network.add(second, &[SECOND_ADDRESS]);
    network.advance(Duration::from_millis(30));
    network.get_mut(first).agent().add_remote_candidate(Candidate::host(SECOND_ADDRESS)).expect("room");
    network.run_until(|n| n[second].heard.iter().any(|it| it.0 == other));
}

#[test]
fn priorities_beyond_the_largest_do_no_harm() {
    let mut peer = Peer::full(1, Role::Controlling, Instant::now());
    let line = |ip: &str| format!("1 1 udp 4294967295 {ip} 5000 typ host");
    peer.agent().add_local_candidate(line("192.0.2.1").parse().expect("a candidate")).expect("room");
    peer.signal(2, &[]);
    for ip in ["192.0.2.2", "192.0.2.3"] {
        peer.agent().add_remote_candidate(line(ip).parse().expect("a candidate")).expect("room");
    }
    assert!(peer.agent().poll_transmit(Instant::now(), &mut Vec::new()).is_some());
}

#[test]
fn nothing_is_sent_to_addresses_that_are_no_host() {
    let mut peer = Peer::full(1, Role::Controlling, Instant::now()).with_local(&[FIRST_ADDRESS]);
    peer.agent().add_local_candidate(Candidate::host(address("[2001:db8::1]:1"))).expect("room");
    let none = ["0.0.0.0:9", "255.255.255.255:9", "224.0.0.1:9", "[::]:9", "[ff02::1]:9", "192.0.2.7:0"];
    peer.signal(2, &none.map(address));
    let mut network = Network::pair(peer, Peer::bystander());
    network.advance(Duration::from_secs(5));
    assert_eq!(network.counters().sent, 0);
}

#[test]
fn candidates_that_name_another_generation_are_not_checked_though_they_came_before_the_credentials() {
    let mut peer = Peer::full(1, Role::Controlling, Instant::now()).with_local(&[FIRST_ADDRESS]);
    let old = format!("1 1 udp 77 192.0.2.66 5000 typ host ufrag {}", credentials(9).ufrag);
    let new = format!("2 1 udp 77 192.0.2.67 5000 typ host ufrag {}", credentials(2).ufrag);
    for line in [old, new] {
        peer.agent().add_remote_candidate(line.parse().expect("a candidate")).expect("room");
    }
    peer.signal(2, &[]);
    let mut to = Vec::new();
    let mut now = Instant::now();
    for _ in 0..100 {
        now += Duration::from_millis(50);
        to.extend(
            std::iter::from_fn(|| peer.agent().poll_transmit(now, &mut Vec::new())).map(|it| it.remote),
        );
    }
    assert!(!to.is_empty() && to.iter().all(|it| *it == address("192.0.2.67:5000")), "{to:?}");
}

#[test]
fn a_peer_that_tells_of_ever_new_addresses_of_ours_leaves_room_for_those_that_we_add() {
    let mut now = Instant::now();
    let config = AgentConfig::new(credentials(1), Role::Controlled);
    let mut agent = Agent::new(config, [1; 32], now).expect("valid");
    agent.add_local_candidate(Candidate::host(FIRST_ADDRESS)).expect("room");
    agent.set_remote_credentials(credentials(2)).expect("valid");
    let (ours, theirs) = (credentials(1), credentials(2));
    for port in 1..=60_u8 {
        let remote = SocketAddr::new(SECOND_ADDRESS.ip(), u16::from(port));
        let mut check = Vec::new();
        MessageBuilder::request(Method::BINDING, TransactionId::new([port; 12]), &mut check)
            .attribute(&Username(&format!("{}:{}", ours.ufrag, theirs.ufrag)))
            .attribute(&IceControlling(1))
            .attribute(&Priority(1))
            .integrity(&Key::short_term(&ours.password))
            .fingerprint();
        let datagram = Datagram::new(Transport::Udp, FIRST_ADDRESS, remote, &check);
        agent.handle_datagram(now, datagram).expect("authentic");
        now += Duration::from_millis(60);
        let mut buf = Vec::new();
        while let Some(sent) = agent.poll_transmit(now, &mut buf) {
            let request = buf.split_off(buf.len() - sent.len);
            let request = Message::parse(&request).expect("ours");
            if request.class() != Class::Request {
                continue;
            }
            let mut answer = Vec::new();
            MessageBuilder::new(Method::BINDING, Class::Success, request.transaction_id(), &mut answer)
                .attribute(&XorMappedAddress(SocketAddr::from(([203, 0, 113, port], sent.remote.port()))))
                .integrity(&Key::short_term(&theirs.password))
                .fingerprint();
            let datagram = Datagram::new(Transport::Udp, sent.local, sent.remote, &answer);
            agent.handle_datagram(now, datagram).expect("an answer");
        }
        while agent.poll_event().is_some() {}
    }
    let found = agent.local_candidates().len() - 1;
    assert_eq!(found, 16);
    for n in 0..31 {
        agent.add_local_candidate(Candidate::host(address(&format!("10.0.0.{n}:5000")))).expect("room");
    }
    assert!(agent.add_local_candidate(Candidate::host(address("10.0.0.99:5000"))).is_err());
}
