//! New credentials in the middle of a session.

use std::time::{Duration, Instant};

use headwater_ice::{Candidate, Event, Role};
use headwater_netsim::{FIRST, FIRST_ADDRESS, Network, SECOND, SECOND_ADDRESS};

use crate::peer::{Peer, credentials, is_connected};

fn selections(peer: &Peer) -> usize {
    peer.events.iter().filter(|it| matches!(it, Event::PathSelected(_))).count()
}

fn is_closed(peer: &Peer) -> bool {
    peer.events.iter().any(|it| matches!(it, Event::Closed { .. }))
}

fn full_and_lite() -> Network<Peer> {
    let now = Instant::now();
    let mut client = Peer::full(1, Role::Controlling, now).with_local(&[FIRST_ADDRESS]);
    client.agent().set_remote_is_lite();
    client.signal(2, &[SECOND_ADDRESS]);
    let mut network = Network::pair(client, Peer::lite(2, Some(1), now));
    network.run_until(|n| is_connected(n, FIRST, SECOND));
    network
}

#[test]
fn a_restart_with_a_lite_agent_keeps_the_path_all_the_time() {
    let mut network = full_and_lite();
    let path = network[SECOND].selected();
    let now = network.now();

    network.get_mut(SECOND).lite_agent().restart(now, credentials(12), credentials(11));
    // The offer is still on its way: the old credentials answer, consent goes on.
    network.advance(Duration::from_secs(20));
    assert_eq!((network[SECOND].selected(), is_closed(&network[FIRST])), (path, false));

    let now = network.now();
    network.get_mut(FIRST).agent().restart(now, credentials(11)).expect("open");
    network.advance(Duration::from_secs(20));
    assert_eq!((network[FIRST].selected().is_some(), is_closed(&network[FIRST])), (true, false));
    network.get_mut(FIRST).signal(12, &[SECOND_ADDRESS]);
    network.run_until(|n| n[FIRST].is_nominated());
    network.advance(Duration::from_secs(60));
    assert_eq!(network[SECOND].selected(), path);
    assert!(!is_closed(&network[FIRST]) && !is_closed(&network[SECOND]));
    assert_eq!(network[SECOND].refused, []);
    assert_eq!(network[SECOND].lite_agent_ref().local_credentials(), &credentials(12));
}

#[test]
fn after_the_first_check_with_new_credentials_the_old_ones_are_refused() {
    let mut network = full_and_lite();
    let now = network.now();
    network.get_mut(SECOND).lite_agent().restart(now, credentials(12), credentials(11));
    network.get_mut(FIRST).agent().restart(now, credentials(11)).expect("open");
    let old = network[SECOND].heard[0].clone();
    network.get_mut(FIRST).signal(12, &[SECOND_ADDRESS]);
    network.run_until(|n| n[FIRST].is_nominated());
    network.inject(FIRST, FIRST_ADDRESS, SECOND_ADDRESS, &old.2);
    network.advance(Duration::from_secs(1));
    assert_eq!(network[SECOND].refused, [headwater_ice::Error::Unauthentic]);
}

#[test]
fn a_restart_of_two_full_agents_keeps_media_flowing() {
    let now = Instant::now();
    let mut a = Peer::full(1, Role::Controlling, now).with_local(&[FIRST_ADDRESS]);
    let mut b = Peer::full(2, Role::Controlled, now).with_local(&[SECOND_ADDRESS]);
    a.signal(2, &[SECOND_ADDRESS]);
    b.signal(1, &[FIRST_ADDRESS]);
    let mut network = Network::pair(a, b);
    network.run_until(|n| n[FIRST].is_nominated() && n[SECOND].is_nominated());
    network.advance(Duration::from_secs(10));

    let now = network.now();
    network.get_mut(FIRST).agent().restart(now, credentials(11)).expect("open");
    network.advance(Duration::from_secs(10));
    let now = network.now();
    network.get_mut(SECOND).agent().restart(now, credentials(12)).expect("open");
    network.get_mut(SECOND).signal(11, &[FIRST_ADDRESS]);
    network.advance(Duration::from_secs(10));
    assert!(network[FIRST].selected().is_some());
    network.get_mut(FIRST).signal(12, &[SECOND_ADDRESS]);
    network.run_until(|n| n[FIRST].is_nominated() && n[SECOND].is_nominated());
    network.advance(Duration::from_secs(60));
    assert!(!is_closed(&network[FIRST]) && !is_closed(&network[SECOND]));
    assert_eq!((selections(&network[FIRST]), selections(&network[SECOND])), (1, 1), "the path is the same");
}

#[test]
fn candidates_of_the_generation_before_are_not_used() {
    let mut network = full_and_lite();
    let now = network.now();
    let agent = network.get_mut(FIRST).agent();
    agent.restart(now, credentials(11)).expect("open");
    agent.set_remote_credentials(credentials(12)).expect("first of this generation");
    let mut stale = Candidate::host(SECOND_ADDRESS);
    stale.ufrag = Some(credentials(2).ufrag);
    agent.add_remote_candidate(stale).expect("taken and not used");
    let sent = network.counters().sent;
    network.advance(Duration::from_secs(2));
    assert!(network.counters().sent <= sent + 2, "consent at most");
}

#[test]
fn a_peer_that_restarts_and_never_answers_loses_the_session_by_consent() {
    let mut network = full_and_lite();
    let now = network.now();
    network.get_mut(FIRST).agent().restart(now, credentials(11)).expect("open");
    network.drop_next(|_| false);
    network.add_filter(|_| headwater_netsim::Verdict::Drop);
    network.run_until(|n| is_closed(&n[FIRST]) && is_closed(&n[SECOND]));
}
