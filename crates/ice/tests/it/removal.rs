//! Addresses of ours that go away.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_ice::{Candidate, CandidateKind, Error, Event, Role, TcpType};
use headwater_netsim::{EndpointId, FIRST_ADDRESS, Link, Network, SECOND_ADDRESS};
use headwater_stun::{Datagram, Transport};

use crate::peer::{Peer, address, credentials, path};

const SECOND: Duration = Duration::from_secs(1);
const LATENCY: Duration = Duration::from_millis(20);

fn wifi() -> SocketAddr {
    SocketAddr::new(FIRST_ADDRESS.ip(), 1000)
}

fn relayed() -> SocketAddr {
    address("192.0.2.99:40000")
}

/// The first has a host and a relayed candidate, and both work.
fn with_relay(role: Role) -> (Network<Peer>, EndpointId, EndpointId) {
    let now = Instant::now();
    let mut mobile = Peer::full(1, role, now).with_local(&[wifi()]);
    let relay = Candidate::relayed(relayed(), wifi());
    mobile.agent().add_local_candidate(relay.clone()).expect("room");
    mobile.signal(2, &[SECOND_ADDRESS]);
    let other = if role == Role::Controlling { Role::Controlled } else { Role::Controlling };
    let mut server = Peer::full(2, other, now).with_local(&[SECOND_ADDRESS]);
    server.signal(1, &[wifi()]);
    server.agent().add_remote_candidate(relay).expect("room");
    let mut network = Network::new().link(Link::default().latency(LATENCY));
    let mobile = network.add(mobile, &[wifi(), relayed()]);
    let server = network.add(server, &[SECOND_ADDRESS]);
    network.run_until(|n| {
        let relay = Event::Validated(path(relayed(), SECOND_ADDRESS));
        n[mobile].is_nominated() && n[server].is_nominated() && n[mobile].has_told(&relay)
    });
    assert_eq!(network[mobile].selected(), Some(path(wifi(), SECOND_ADDRESS)));
    (network, mobile, server)
}

fn remove(network: &mut Network<Peer>, id: EndpointId, candidate: &Candidate) -> Result<(), Error> {
    let now = network.now();
    let result = network.get_mut(id).agent().remove_local_candidate(now, candidate);
    network.advance(Duration::ZERO);
    result
}

#[test]
fn media_goes_on_at_once_where_another_pair_is_valid_and_the_peer_follows() {
    for role in [Role::Controlling, Role::Controlled] {
        let (mut network, mobile, server) = with_relay(role);
        network.advance(5 * SECOND);
        network.set_addresses(mobile, &[relayed()]);
        let removed = network.elapsed();
        remove(&mut network, mobile, &Candidate::host(wifi())).expect("it is there");
        assert_eq!(network[mobile].selected(), Some(path(relayed(), SECOND_ADDRESS)), "at once");
        let tail = &network[mobile].events[network[mobile].events.len() - 2..];
        let (old, new) = (path(wifi(), SECOND_ADDRESS), path(relayed(), SECOND_ADDRESS));
        assert_eq!(tail, [Event::Removed(old), Event::PathSelected(new)]);
        network.run_until(|n| n[server].selected() == Some(path(SECOND_ADDRESS, relayed())));
        let took = network.elapsed() - removed;
        assert!(took < 5 * SECOND, "{role:?}: {took:?}");
        network.advance(60 * SECOND);
        for id in [mobile, server] {
            assert!(!network[id].events.iter().any(|it| matches!(it, Event::Closed { .. })), "{role:?}");
            assert!(network[id].is_nominated(), "{role:?}");
        }
    }
}

#[test]
fn a_valid_pair_that_was_not_heard_of_for_long_is_checked_and_takes_over() {
    for role in [Role::Controlling, Role::Controlled] {
        let (mut network, mobile, server) = with_relay(role);
        network.advance(100 * SECOND);
        assert!(network[mobile].has_told(&Event::Removed(path(relayed(), SECOND_ADDRESS))));
        remove(&mut network, mobile, &Candidate::host(wifi())).expect("it is there");
        let removed = network.elapsed();
        network.run_until(|n| n[mobile].selected().is_some());
        assert!(network.elapsed() - removed <= 3 * LATENCY, "one check: {:?}", network.elapsed() - removed);
        network.run_until(|n| n[server].selected() == Some(path(SECOND_ADDRESS, relayed())));
        network.advance(60 * SECOND);
        assert_eq!(network[mobile].selected(), Some(path(relayed(), SECOND_ADDRESS)));
    }
}

#[test]
fn what_is_not_selected_goes_without_a_change() {
    let (mut network, mobile, server) = with_relay(Role::Controlling);
    let selected = network[mobile].selected();
    remove(&mut network, mobile, &Candidate::relayed(relayed(), wifi())).expect("it is there");
    assert!(network[mobile].has_told(&Event::Removed(path(relayed(), SECOND_ADDRESS))));
    assert!(!network[mobile].agent_ref().is_validated(&path(relayed(), SECOND_ADDRESS)));
    network.advance(60 * SECOND);
    assert_eq!(network[mobile].selected(), selected);
    assert!(network[mobile].is_nominated() && network[server].is_nominated());
}

#[test]
fn without_another_pair_nothing_is_selected_until_an_address_comes_back() {
    let now = Instant::now();
    let mut mobile = Peer::full(1, Role::Controlling, now).with_local(&[wifi()]);
    mobile.signal(2, &[SECOND_ADDRESS]);
    let mut server = Peer::full(2, Role::Controlled, now).with_local(&[SECOND_ADDRESS]);
    server.signal(1, &[]);
    let mut network = Network::new().link(Link::default().latency(LATENCY));
    let lte = SocketAddr::new(FIRST_ADDRESS.ip(), 2000);
    let mobile = network.add(mobile, &[wifi(), lte]);
    let server = network.add(server, &[SECOND_ADDRESS]);
    network.run_until(|n| n[mobile].is_nominated() && n[server].is_nominated());
    remove(&mut network, mobile, &Candidate::host(wifi())).expect("it is there");
    assert_eq!(network[mobile].selected(), None);
    assert!(network[mobile].agent_ref().local_candidates().is_empty());
    let sent = network.counters().sent;
    network.advance(2 * SECOND);
    assert_eq!(network.counters().sent, sent, "nothing leaves from there");
    let now = network.now();
    let datagram = Datagram::new(Transport::Udp, wifi(), SECOND_ADDRESS, &[]);
    assert!(network.get_mut(mobile).agent().handle_datagram(now, datagram).is_err());

    network.get_mut(mobile).agent().add_local_candidate(Candidate::host(lte)).expect("room");
    network.run_until(|n| n[server].selected() == Some(path(SECOND_ADDRESS, lte)));
    assert_eq!(network[mobile].selected(), Some(path(lte, SECOND_ADDRESS)));
}

#[test]
fn with_a_base_goes_what_was_seen_of_it_and_a_reflexive_one_goes_alone() {
    let mut peer = Peer::full(1, Role::Controlling, Instant::now());
    let host = Candidate::host(wifi());
    let reflexive = Candidate::server_reflexive(address("203.0.113.5:61000"), wifi());
    let relay = Candidate::relayed(relayed(), address("203.0.113.5:61001"));
    let tcp = host.clone().with_tcp(TcpType::Active);
    let all = [&host, &reflexive, &relay, &tcp];
    all.iter().for_each(|it| peer.agent().add_local_candidate((*it).clone()).expect("room"));
    let now = Instant::now();
    let kinds =
        |peer: &Peer| peer.agent_ref().local_candidates().iter().map(|it| it.kind).collect::<Vec<_>>();

    assert_eq!(peer.agent().remove_local_candidate(now, &reflexive), Ok(()));
    assert_eq!(peer.agent().remove_local_candidate(now, &reflexive), Err(Error::Unexpected), "once");
    assert_eq!(kinds(&peer), [CandidateKind::Host, CandidateKind::Relayed, CandidateKind::Host]);
    peer.agent().add_local_candidate(reflexive).expect("room");
    let preferred = host.with_local_preference(7);
    assert_eq!(peer.agent().remove_local_candidate(now, &preferred), Ok(()), "priorities don't matter");
    assert_eq!(kinds(&peer), [CandidateKind::Relayed, CandidateKind::Host]);
    assert_eq!(peer.agent_ref().local_candidates()[1].transport, Transport::Tcp);
    peer.agent().close();
    assert_eq!(peer.agent().remove_local_candidate(now, &relay), Err(Error::Closed));
}

#[test]
fn connections_of_an_active_candidate_end_with_it() {
    let now = Instant::now();
    let active = Candidate::host(FIRST_ADDRESS).with_tcp(TcpType::Active);
    let mut client = Peer::full(1, Role::Controlling, now);
    client.agent().add_local_candidate(active.clone()).expect("room");
    client.signal(2, &[]);
    let listener = SocketAddr::new(SECOND_ADDRESS.ip(), 443);
    let passive = Candidate::host(listener).with_tcp(TcpType::Passive);
    client.agent().add_remote_candidate(passive).expect("room");
    let local = SocketAddr::new(FIRST_ADDRESS.ip(), 50_000);
    client.stack.free = [local].into();
    let mut server = Peer::lite(2, Some(1), now);
    server.stack.listen(listener);
    let mut network = Network::new().link(Link::default().latency(LATENCY));
    let client = network.add(client, &[FIRST_ADDRESS, local]);
    let server = network.add(server, &[listener]);
    network.run_until(|n| n[client].selected().is_some() && n[server].selected().is_some());
    remove(&mut network, client, &active).expect("it is there");
    assert_eq!(network[client].selected(), None);
    network.advance(SECOND);
    assert!(network[client].stack.connections().is_empty() && network[server].stack.connections().is_empty());
    assert_eq!(network[server].selected(), None);
}

#[test]
fn a_restart_under_way_survives_the_loss_of_the_old_path() {
    let (mut network, mobile, server) = with_relay(Role::Controlling);
    let now = network.now();
    network.get_mut(mobile).agent().restart(now, credentials(11)).expect("open");
    network.set_addresses(mobile, &[relayed()]);
    remove(&mut network, mobile, &Candidate::host(wifi())).expect("it is there");
    assert_eq!(network[mobile].selected(), None, "checks of the old generation are gone");
    let now = network.now();
    network.get_mut(server).agent().restart(now, credentials(12)).expect("open");
    network.get_mut(server).signal(11, &[relayed()]);
    network.get_mut(mobile).signal(12, &[SECOND_ADDRESS]);
    network.run_until(|n| n[server].selected() == Some(path(SECOND_ADDRESS, relayed())));
}
