//! How long better pairs are waited for, and that the wait ends.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use headwater_ice::{Agent, AgentConfig, Candidate, Event, Role};
use headwater_netsim::{EndpointId, FIRST_ADDRESS, Link, Network, SECOND_ADDRESS, Verdict};

use crate::peer::{Peer, address, credentials, path};

const LATENCY: Duration = Duration::from_millis(20);
const RELAYED: &str = "192.0.2.99:40000";

/// Two peers with a direct path, and one over a relay of the first. Datagrams on the direct one are lost until `works`.
struct Two {
    network: Network<Peer>,
    works: Option<Duration>,
    is_blocked: Rc<Cell<bool>>,
    first: EndpointId,
    second: EndpointId,
}

impl Two {
    fn new(renominates: bool, works: Option<Duration>) -> Self {
        let start = Instant::now();
        let relay = Candidate::relayed(address(RELAYED), FIRST_ADDRESS);
        let peer = |name: u8, role| {
            let mut config = AgentConfig::new(credentials(name), role);
            config.renomination = renominates;
            let mut peer = Peer::of(Agent::new(config, [name; 32], start).expect("a valid config"));
            if renominates {
                peer.agent().set_remote_renominates();
            }
            peer
        };
        let mut first = peer(1, Role::Controlling).with_local(&[FIRST_ADDRESS]);
        first.agent().add_local_candidate(relay.clone()).expect("room");
        first.signal(2, &[SECOND_ADDRESS]);
        let mut second = peer(2, Role::Controlled).with_local(&[SECOND_ADDRESS]);
        second.agent().add_remote_candidate(relay).expect("room");
        second.signal(1, &[FIRST_ADDRESS]);
        let mut network = Network::new().link(Link::default().latency(LATENCY));
        let first = network.add(first, &[FIRST_ADDRESS, address(RELAYED)]);
        let second = network.add(second, &[SECOND_ADDRESS]);
        let is_blocked = Rc::new(Cell::new(true));
        let blocked = Rc::clone(&is_blocked);
        network.add_filter(move |it| {
            let is_direct = [it.source, it.destination].contains(&FIRST_ADDRESS);
            if is_direct && blocked.get() { Verdict::Drop } else { Verdict::Pass }
        });
        Self { network, works, is_blocked, first, second }
    }

    /// Both have nominated the pair with this address of the first; how long that took.
    fn connects_by(&mut self, local: SocketAddr) -> Duration {
        let (first, second) = (self.first, self.second);
        let is_done = |n: &Network<Peer>| n[first].is_nominated() && n[second].is_nominated();
        let mut took = None;
        while let Some(works) = self.works.filter(|it| self.network.elapsed() < *it) {
            self.network.advance(Duration::from_millis(10).min(works));
            took = took.or_else(|| is_done(&self.network).then(|| self.network.elapsed()));
        }
        self.is_blocked.set(self.works.is_none());
        self.network.run_until(|n| is_done(n));
        let took = took.unwrap_or_else(|| self.network.elapsed());
        self.network.advance(Duration::from_secs(60));
        for id in [first, second] {
            let selected = self.network[id].selected().expect("connected");
            assert!([selected.local, selected.remote].contains(&local), "{selected:?}");
        }
        took
    }
}

#[test]
fn if_the_first_direct_checks_are_lost_the_direct_pair_is_nominated_all_the_same() {
    let mut two = Two::new(false, Some(Duration::from_millis(400)));
    let took = two.connects_by(FIRST_ADDRESS);
    assert!(took < Duration::from_millis(800), "{took:?}");
}

#[test]
fn media_flows_over_the_relay_while_a_direct_pair_is_waited_for() {
    let two = &mut Two::new(false, Some(Duration::from_millis(400)));
    let relayed = Event::PathSelected(path(address(RELAYED), SECOND_ADDRESS));
    let first = two.first;
    two.network.run_until(|n| n[first].has_told(&relayed));
    assert!(two.network.elapsed() < Duration::from_millis(150), "{:?}", two.network.elapsed());
    assert!(!two.network[first].is_nominated());
}

#[test]
fn where_only_the_relay_works_it_is_nominated_when_the_direct_checks_have_been_repeated() {
    let took = Two::new(false, None).connects_by(address(RELAYED));
    assert!(took < Duration::from_millis(700), "{took:?}");
}

#[test]
fn where_a_nomination_can_be_taken_back_it_comes_early_and_the_better_pair_later() {
    let took = Two::new(true, None).connects_by(address(RELAYED));
    assert!(took < Duration::from_millis(500), "{took:?}");
    // Later than any patience.
    let took = Two::new(true, Some(Duration::from_secs(10))).connects_by(FIRST_ADDRESS);
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn without_a_better_pair_in_progress_the_relay_is_nominated_at_once() {
    let mut first = Peer::full(1, Role::Controlling, Instant::now());
    let relay = Candidate::relayed(address(RELAYED), FIRST_ADDRESS);
    first.agent().add_local_candidate(relay.clone()).expect("room");
    first.signal(2, &[SECOND_ADDRESS]);
    let mut second = Peer::full(2, Role::Controlled, Instant::now()).with_local(&[SECOND_ADDRESS]);
    second.agent().add_remote_candidate(relay).expect("room");
    second.signal(1, &[]);
    let mut network = Network::new().link(Link::default().latency(LATENCY));
    let first = network.add(first, &[address(RELAYED)]);
    let second = network.add(second, &[SECOND_ADDRESS]);
    network.run_until(|n| n[first].is_nominated() && n[second].is_nominated());
    assert!(network.elapsed() <= 5 * LATENCY, "{:?}", network.elapsed());
}

#[test]
fn the_wait_is_bounded_whatever_the_peer_names() {
    // 60 direct candidates that swallow everything, and a relay that works.
    let mut two = Two::new(false, None);
    let first = two.first;
    for n in 0..60 {
        let dead = Candidate::host(address(&format!("203.0.113.{n}:9")));
        two.network.get_mut(first).agent().add_remote_candidate(dead).expect("room");
    }
    let relayed = Event::PathSelected(path(address(RELAYED), SECOND_ADDRESS));
    two.network.run_until(|n| n[first].has_told(&relayed));
    let valid = two.network.elapsed();
    let took = two.connects_by(address(RELAYED));
    assert!(took - valid <= Duration::from_millis(1_100), "{:?}", took - valid);
}
