//! Two agents find each other.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_ice::{Candidate, CandidateKind, Event, Role};
use headwater_netsim::{FIRST, FIRST_ADDRESS, Link, Network, SECOND, SECOND_ADDRESS};

use crate::peer::{Peer, address, credentials, is_connected, path};

const LATENCY: Duration = Duration::from_millis(5);

fn full_and_lite(link: Link, seed: u64) -> Network<Peer> {
    let now = Instant::now();
    let mut client = Peer::full(1, Role::Controlling, now).with_local(&[FIRST_ADDRESS]);
    client.agent().set_remote_is_lite();
    client.signal(2, &[SECOND_ADDRESS]);
    let server = Peer::lite(2, Some(1), now);
    let mut network = Network::pair(client, server).link(link).seed(seed);
    // Same start for the machines and the network.
    network.advance(Duration::ZERO);
    network
}

fn full_and_full(link: Link, seed: u64) -> Network<Peer> {
    let now = Instant::now();
    let mut offerer = Peer::full(1, Role::Controlling, now).with_local(&[FIRST_ADDRESS]);
    let mut answerer = Peer::full(2, Role::Controlled, now).with_local(&[SECOND_ADDRESS]);
    offerer.signal(2, &[SECOND_ADDRESS]);
    answerer.signal(1, &[FIRST_ADDRESS]);
    Network::pair(offerer, answerer).link(link).seed(seed)
}

#[test]
fn full_and_lite_connect_within_two_round_trips() {
    let mut network = full_and_lite(Link::default().latency(LATENCY), 1);
    network.run_until(|n| is_connected(n, FIRST, SECOND));
    assert!(network.elapsed() <= 4 * LATENCY, "{:?}", network.elapsed());
    assert!(network[FIRST].refused.is_empty() && network[SECOND].refused.is_empty());
    let there = path(SECOND_ADDRESS, FIRST_ADDRESS);
    assert_eq!(network[SECOND].events, [Event::Validated(there), Event::PathSelected(there)]);
    assert!(network[SECOND].lite_agent_ref().is_validated(&there));
}

#[test]
fn a_check_that_is_answered_tells_the_round_trip() {
    let mut network = full_and_lite(Link::default().latency(LATENCY), 1);
    assert_eq!(network[FIRST].agent().round_trip(), None);
    network.run_until(|n| is_connected(n, FIRST, SECOND));
    assert_eq!(network[FIRST].agent().round_trip(), Some(2 * LATENCY));
}

#[test]
fn the_answer_to_a_repeated_check_tells_no_round_trip() {
    let latency = Duration::from_millis(400);
    let mut network = full_and_lite(Link::default().latency(latency), 1);
    network.run_until(|n| is_connected(n, FIRST, SECOND));
    assert_eq!(network[FIRST].agent().round_trip(), None, "repeated after 500 ms, answered after 800 ms");
}

#[test]
fn full_and_full_connect_and_agree_on_the_nominated_path() {
    let mut network = full_and_full(Link::default().latency(LATENCY), 1);
    network
        .run_until(|n| is_connected(n, FIRST, SECOND) && n[FIRST].is_nominated() && n[SECOND].is_nominated());
    assert!(network.elapsed() <= 6 * LATENCY, "{:?}", network.elapsed());
}

#[test]
fn media_can_flow_before_the_nomination() {
    let mut network = full_and_full(Link::default().latency(LATENCY), 1);
    network.run_until(|n| n[FIRST].selected().is_some());
    assert!(!network[FIRST].is_nominated());
}

#[test]
fn thirty_percent_loss_delays_and_does_not_prevent() {
    for seed in 0..40 {
        let mut network = full_and_lite(Link::default().latency(LATENCY).loss(0.3), seed);
        network.run_until(|n| is_connected(n, FIRST, SECOND));
        let mut network = full_and_full(Link::default().latency(LATENCY).loss(0.3), seed);
        network.run_until(|n| {
            is_connected(n, FIRST, SECOND) && n[FIRST].is_nominated() && n[SECOND].is_nominated()
        });
        assert!(network.elapsed() < Duration::from_secs(40), "seed {seed}: {:?}", network.elapsed());
    }
}

#[test]
fn reordered_and_doubled_checks_do_no_harm() {
    for seed in 0..20 {
        let link = Link::default().latency(LATENCY).reorder(0.3).duplicate(0.3);
        let mut network = full_and_full(link, seed);
        network.run_until(|n| {
            is_connected(n, FIRST, SECOND) && n[FIRST].is_nominated() && n[SECOND].is_nominated()
        });
    }
}

#[test]
fn candidates_may_trickle_in_either_order() {
    let now = Instant::now();
    let offerer = Peer::full(1, Role::Controlling, now).with_local(&[FIRST_ADDRESS]);
    let answerer = Peer::full(2, Role::Controlled, now);
    let mut network = Network::pair(offerer, answerer);
    // The answerer knows the offer but has no address yet; the offerer knows nothing.
    network.get_mut(SECOND).signal(1, &[FIRST_ADDRESS]);
    network.advance(Duration::from_secs(1));
    assert_eq!(network.counters().sent, 0);
    network.get_mut(SECOND).agent().add_local_candidate(Candidate::host(SECOND_ADDRESS)).expect("room");
    // Its checks come before its answer: they are answered, and ours wait for its credentials.
    network.run_until(|n| n[SECOND].selected().is_some());
    assert!(network[FIRST].selected().is_none());
    network.get_mut(FIRST).signal(2, &[]);
    network.run_until(|n| is_connected(n, FIRST, SECOND));
}

#[test]
fn a_peer_whose_candidates_are_all_hidden_names_is_found_by_its_own_checks() {
    let now = Instant::now();
    let mut server = Peer::full(1, Role::Controlled, now).with_local(&[FIRST_ADDRESS]);
    server.signal(2, &[]);
    let hidden = "candidate:1 1 udp 2113937151 0b8c3f4e-1111-4222-8333-444455556666.local 61000 typ host";
    let hidden = hidden.parse().expect("a candidate");
    server.agent().add_remote_candidate(hidden).expect("taken and not used");
    let mut browser = Peer::full(2, Role::Controlling, now).with_local(&[SECOND_ADDRESS]);
    browser.signal(1, &[FIRST_ADDRESS]);
    let mut network = Network::pair(server, browser);
    network.run_until(|n| is_connected(n, FIRST, SECOND));
}

#[test]
fn of_two_addresses_the_preferred_one_is_nominated() {
    let now = Instant::now();
    let (good, poor) = (address("192.0.2.1:1000"), address("192.0.2.1:2000"));
    let mut client = Peer::full(1, Role::Controlling, now);
    for (address, preference) in [(poor, 10), (good, 20)] {
        let candidate = Candidate::host(address).with_local_preference(preference);
        client.agent().add_local_candidate(candidate).expect("room");
    }
    client.signal(2, &[SECOND_ADDRESS]);
    let mut server = Peer::full(2, Role::Controlled, now).with_local(&[SECOND_ADDRESS]);
    server.signal(1, &[poor, good]);
    let mut network = Network::new();
    let client = network.add(client, &[good, poor]);
    let server = network.add(server, &[SECOND_ADDRESS]);
    network.run_until(|n| is_connected(n, client, server) && n[server].is_nominated());
    assert_eq!(network[client].selected(), Some(path(good, SECOND_ADDRESS)));
}

#[test]
fn an_address_that_does_not_work_is_passed_over() {
    let now = Instant::now();
    let mut client = Peer::full(1, Role::Controlling, now).with_local(&[FIRST_ADDRESS]);
    client.signal(2, &[]);
    let dead = Candidate::host(address("203.0.113.9:9")).with_local_preference(65_535);
    let alive = Candidate::host(SECOND_ADDRESS).with_local_preference(1);
    for candidate in [dead, alive] {
        client.agent().add_remote_candidate(candidate).expect("room");
    }
    let mut network = Network::pair(client, Peer::lite(2, Some(1), now));
    network.run_until(|n| is_connected(n, FIRST, SECOND));
    assert!(network.elapsed() < Duration::from_secs(1), "{:?}", network.elapsed());
}

#[test]
fn a_port_that_a_firewall_swallows_delays_the_other_port_of_its_host_by_half_a_second() {
    let now = Instant::now();
    let mut client = Peer::full(1, Role::Controlling, now).with_local(&[FIRST_ADDRESS]);
    client.signal(2, &[]);
    let dead = Candidate::host(SocketAddr::new(SECOND_ADDRESS.ip(), 9)).with_local_preference(65_535);
    let alive = Candidate::host(SECOND_ADDRESS).with_local_preference(1);
    assert_eq!(dead.foundation, alive.foundation);
    for candidate in [dead, alive] {
        client.agent().add_remote_candidate(candidate).expect("room");
    }
    let mut network = Network::pair(client, Peer::lite(2, Some(1), now));
    network.run_until(|n| is_connected(n, FIRST, SECOND));
    let elapsed = network.elapsed();
    assert!((Duration::from_millis(490)..Duration::from_secs(1)).contains(&elapsed), "{elapsed:?}");
}

#[test]
fn nobody_there_means_failed_after_the_time_of_rfc_8863() {
    let now = Instant::now();
    let mut client = Peer::full(1, Role::Controlling, now).with_local(&[FIRST_ADDRESS]);
    client.signal(2, &[SECOND_ADDRESS]);
    let mut network = Network::pair(client, Peer::bystander());
    network.run_until(|n| n[FIRST].has_told(&Event::Failed));
    assert!((39..=41).contains(&network.elapsed().as_secs()), "{:?}", network.elapsed());
    network.run_until_silent();
}

#[test]
fn a_lite_agent_that_nobody_checks_says_so_once() {
    let mut network = Network::pair(Peer::lite(1, None, Instant::now()), Peer::bystander());
    network.run_until_silent();
    assert_eq!(network[FIRST].events, [Event::Failed]);
    assert!((29..=30).contains(&network.elapsed().as_secs()), "{:?}", network.elapsed());
}

#[test]
fn the_limits_on_candidates_hold() {
    let mut peer = Peer::full(1, Role::Controlling, Instant::now()).with_local(&[FIRST_ADDRESS]);
    let candidate = |n: u16| Candidate::host(address(&format!("203.0.113.1:{n}")));
    let taken = (1..=1000).filter(|n| peer.agent().add_remote_candidate(candidate(*n)).is_ok()).count();
    assert_eq!(taken, 64);
    let taken = (1..=1000).filter(|n| peer.agent().add_local_candidate(candidate(*n)).is_ok()).count();
    assert_eq!(taken, 31);
    assert_eq!(peer.agent().set_remote_credentials(credentials(2)), Ok(()));
    assert!(peer.agent().set_remote_credentials(credentials(3)).is_err());
}

#[test]
fn a_nat_shows_us_a_peer_reflexive_candidate_of_ours() {
    use headwater_netsim::Nat;
    let now = Instant::now();
    let inside = address("10.0.0.2:4000");
    let mut network = Network::new();
    let nat = network.add_nat(Nat::endpoint_independent("198.51.100.7".parse().expect("an IP")));
    let mut client = Peer::full(1, Role::Controlling, now).with_local(&[inside]);
    client.signal(2, &[SECOND_ADDRESS]);
    let client = network.add_behind(nat, client, &[inside]);
    let server = network.add(Peer::lite(2, Some(1), now), &[SECOND_ADDRESS]);
    network.run_until(|n| n[client].is_nominated() && n[server].selected().is_some());
    let seen = network[server].selected().expect("connected").remote;
    let found = network[client].events.iter().find_map(|it| match it {
        Event::LocalCandidate(it) => Some(it.clone()),
        _ => None,
    });
    let found = found.expect("a local candidate was found");
    assert_eq!(
        (found.kind, found.socket_addr(), found.base()),
        (CandidateKind::PeerReflexive, Some(seen), Some(inside))
    );
}

#[test]
fn an_agent_that_knows_no_candidate_yet_waits_for_the_peers_checks_before_it_has_failed() {
    let now = Instant::now();
    for (is_complete, seconds) in [(false, 79.0), (true, 39.5)] {
        let mut client = Peer::full(1, Role::Controlling, now).with_local(&[FIRST_ADDRESS]);
        client.agent().set_remote_credentials(credentials(2)).expect("valid");
        if is_complete {
            client.agent().end_of_remote_candidates();
        }
        let mut network = Network::pair(client, Peer::bystander());
        network.run_until(|n| n[FIRST].has_told(&Event::Failed));
        // The machine began a moment before the network.
        let elapsed = network.elapsed().as_secs_f64();
        assert!((elapsed - seconds).abs() < 0.1, "{elapsed}");
    }
    // The peer, behind its NAT, begins a little earlier than that.
    let mut server = Peer::full(1, Role::Controlled, now).with_local(&[FIRST_ADDRESS]);
    server.signal(2, &[]);
    let mut network =
        Network::pair(server, Peer::full(2, Role::Controlling, now).with_local(&[SECOND_ADDRESS]));
    network.advance(Duration::from_secs(39));
    network.get_mut(SECOND).signal(1, &[FIRST_ADDRESS]);
    network.run_until(|n| is_connected(n, FIRST, SECOND) && n[FIRST].is_nominated());
    assert!(!network[FIRST].has_told(&Event::Failed));
}

#[test]
fn a_restart_has_its_own_time_before_it_has_failed() {
    let now = Instant::now();
    let mut client = Peer::full(1, Role::Controlling, now).with_local(&[FIRST_ADDRESS]);
    client.signal(2, &[]);
    let mut network = Network::pair(client, Peer::bystander());
    network.advance(Duration::from_secs(30));
    let now = network.now();
    network.get_mut(FIRST).agent().restart(now, credentials(11)).expect("open");
    network.get_mut(FIRST).signal(12, &[]);
    network.advance(Duration::from_secs(39));
    assert!(!network[FIRST].has_told(&Event::Failed));
    network.advance(Duration::from_secs(1));
    assert!(network[FIRST].has_told(&Event::Failed));
}
