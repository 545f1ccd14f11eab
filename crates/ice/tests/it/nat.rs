//! The peer's address changes under way.

use std::time::{Duration, Instant};

use headwater_ice::{Event, Path, Role};
use headwater_netsim::{EndpointId, Nat, NatId, Network, SECOND_ADDRESS};

use crate::peer::{Peer, address, is_connected, path};

const INSIDE: &str = "10.0.0.2:4000";

fn behind_nat(server: Peer, is_lite: bool) -> (Network<Peer>, NatId, EndpointId, EndpointId) {
    let inside = address(INSIDE);
    let mut network = Network::new();
    let nat = network.add_nat(Nat::endpoint_independent("198.51.100.7".parse().expect("an IP")));
    let mut client = Peer::full(1, Role::Controlling, network.now()).with_local(&[inside]);
    if is_lite {
        client.agent().set_remote_is_lite();
    }
    client.signal(2, &[SECOND_ADDRESS]);
    let client = network.add_behind(nat, client, &[inside]);
    let server = network.add(server, &[SECOND_ADDRESS]);
    (network, nat, client, server)
}

fn last_selected(peer: &Peer) -> Option<Path> {
    let mut selected = peer.events.iter().filter_map(|it| match it {
        Event::PathSelected(path) => Some(*path),
        _ => None,
    });
    selected.next_back()
}

#[test]
fn a_rebound_peer_stays_connected_and_the_lite_agent_tells_the_new_path() {
    let (mut network, nat, client, server) = behind_nat(Peer::lite(2, Some(1), Instant::now()), true);
    network.run_until(|n| n[client].is_nominated() && n[server].selected().is_some());
    let before = network[server].selected().expect("connected");

    network.advance(Duration::from_secs(2));
    network.rebind(nat);
    let rebound = network.elapsed();
    network.run_until(|n| n[server].selected() != Some(before));

    // The next consent check, at most 6 s away, comes from the new address; it nominates nothing.
    assert!(network.elapsed() - rebound < Duration::from_secs(7));
    let after = network[server].selected().expect("connected");
    assert_ne!(after.remote, before.remote);
    assert_eq!(last_selected(&network[server]), Some(after));
    assert!(network[server].has_told(&Event::Validated(after)));

    // It holds, and the old address is forgotten after its 30 s.
    network.advance(Duration::from_secs(60));
    assert_eq!(network[server].selected(), Some(after));
    assert!(network[server].has_told(&Event::Removed(before)));
    assert!(!network[server].events.iter().any(|it| matches!(it, Event::Closed { .. })));
    assert_eq!(network[client].selected(), Some(path(address(INSIDE), SECOND_ADDRESS)));
}

#[test]
fn while_media_still_comes_from_the_old_address_a_check_from_elsewhere_moves_nothing() {
    let (mut network, nat, client, server) = behind_nat(Peer::lite(2, Some(1), Instant::now()), true);
    network.run_until(|n| n[client].is_nominated() && n[server].selected().is_some());
    let before = network[server].selected().expect("connected");
    network.rebind(nat);
    for _ in 0..60 {
        network.advance(Duration::from_millis(200));
        let now = network.now();
        network.get_mut(server).note_received(now, &before);
    }
    assert_eq!(network[server].selected(), Some(before));
    // When that falls silent, the next check moves it: at most 6 s later, and not before 3 s have passed.
    network.advance(Duration::from_millis(2_900));
    assert_eq!(network[server].selected(), Some(before));
    network.advance(Duration::from_millis(3_200));
    assert_ne!(network[server].selected(), Some(before));
}

#[test]
fn media_alone_never_moves_or_validates_a_path() {
    let (mut network, _, client, server) = behind_nat(Peer::lite(2, Some(1), Instant::now()), true);
    network.run_until(|n| n[client].is_nominated() && n[server].selected().is_some());
    let before = network[server].selected();
    let elsewhere = path(SECOND_ADDRESS, address("203.0.113.66:6666"));
    for _ in 0..100 {
        network.advance(Duration::from_millis(100));
        let now = network.now();
        network.get_mut(server).note_received(now, &elsewhere);
    }
    assert_eq!(network[server].selected(), before);
    assert!(!network[server].lite_agent_ref().is_validated(&elsewhere));
}

#[test]
fn a_rebound_peer_of_a_full_controlled_agent_stays_connected() {
    let mut server = Peer::full(2, Role::Controlled, Instant::now()).with_local(&[SECOND_ADDRESS]);
    server.signal(1, &[]);
    let (mut network, nat, client, server) = behind_nat(server, false);
    network.run_until(|n| n[client].is_nominated() && n[server].is_nominated());
    network.rebind(nat);
    network.advance(Duration::from_secs(120));
    let closed = |it: &Event| matches!(it, Event::Closed { .. });
    assert!(
        !network[client].events.iter().any(closed),
        "{:?} {:?}",
        network[client].events,
        (&network[server].events, &network[server].refused)
    );
}

#[test]
fn a_rebound_peer_of_a_full_controlling_agent_is_nominated_at_its_new_address() {
    let inside = address(INSIDE);
    let mut network = Network::new();
    let nat = network.add_nat(Nat::endpoint_independent("198.51.100.7".parse().expect("an IP")));
    let mut viewer = Peer::full(1, Role::Controlled, network.now()).with_local(&[inside]);
    viewer.signal(2, &[SECOND_ADDRESS]);
    let mut server = Peer::full(2, Role::Controlling, network.now()).with_local(&[SECOND_ADDRESS]);
    server.signal(1, &[inside]);
    let viewer = network.add_behind(nat, viewer, &[inside]);
    let server = network.add(server, &[SECOND_ADDRESS]);
    network.run_until(|n| n[viewer].is_nominated() && n[server].is_nominated());
    let before = network[server].selected();
    network.rebind(nat);
    network.advance(Duration::from_secs(120));
    assert_ne!(network[server].selected(), before);
    let closed = |it: &Event| matches!(it, Event::Closed { .. });
    assert!(![viewer, server].iter().any(|it| network[*it].events.iter().any(closed)));
}

#[test]
fn two_agents_behind_nats_connect_by_their_server_reflexive_candidates() {
    use headwater_ice::Candidate;
    let mut network = Network::new();
    let sides = [
        ("10.0.0.2:4000", "198.51.100.7", Role::Controlling),
        ("10.9.0.2:4000", "203.0.113.7", Role::Controlled),
    ];
    let inside = sides.map(|it| address(it.0));
    // The first port that these NATs give out; a STUN server would have told it.
    let outside = sides.map(|it| address(&format!("{}:40000", it.1)));
    let mut ids = Vec::new();
    for (mine, other) in [(0, 1), (1, 0)] {
        let name = u8::try_from(mine + 1).expect("1 or 2");
        let mut peer = Peer::full(name, sides[mine].2, network.now()).with_local(&[inside[mine]]);
        let reflexive = Candidate::server_reflexive(outside[mine], inside[mine]);
        peer.agent().add_local_candidate(reflexive).expect("room");
        peer.signal(3 - name, &[inside[other], outside[other]]);
        let nat = network.add_nat(Nat::endpoint_independent(sides[mine].1.parse().expect("an IP")));
        ids.push(network.add_behind(nat, peer, &[inside[mine]]));
    }
    network.run_until(|n| n[ids[0]].is_nominated() && n[ids[1]].is_nominated());
    assert_eq!(network[ids[0]].selected(), Some(path(inside[0], outside[1])));
    assert_eq!(network[ids[1]].selected(), Some(path(inside[1], outside[0])));
    assert!(!is_connected(&network, ids[0], ids[1]), "each knows itself by its base");
}
