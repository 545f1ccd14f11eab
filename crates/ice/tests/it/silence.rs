//! What counts as silence: a path that answers is never left, one that doesn't is left soon.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_ice::attribute::{IceControlling, Priority};
use headwater_ice::{Agent, AgentConfig, Candidate, Event, LiteAgent, LiteConfig, Path, Role};
use headwater_netsim::{EndpointId, FIRST_ADDRESS, Link, Network, SECOND_ADDRESS, Verdict};
use headwater_stun::attribute::Username;
use headwater_stun::{Datagram, Key, MessageBuilder, Method, TransactionId, Transport};

use crate::peer::{Peer, address, credentials, is_connected, path};

const SECOND: Duration = Duration::from_secs(1);
const LATENCY: Duration = Duration::from_millis(20);

fn other() -> SocketAddr {
    SocketAddr::new(SECOND_ADDRESS.ip(), 6000)
}

fn full(name: u8, role: Role, renominates: bool) -> Peer {
    let mut config = AgentConfig::new(credentials(name), role);
    config.renomination = renominates;
    let mut peer = Peer::of(Agent::new(config, [name; 32], Instant::now()).expect("a valid config"));
    if renominates {
        peer.agent().set_remote_renominates();
    }
    peer.signal(3 - name, &[]);
    peer
}

/// Two agents that have nominated the path to the second's first address, and know that to `other` to be valid.
fn with_two_valid_pairs(renominates: bool) -> (Network<Peer>, EndpointId, EndpointId) {
    let preferences = if renominates { [20, 10] } else { [10, 20] };
    let [first, second] = [(SECOND_ADDRESS, preferences[0]), (other(), preferences[1])]
        .map(|(address, preference)| Candidate::host(address).with_local_preference(preference));
    let mut client = full(1, Role::Controlling, renominates).with_local(&[FIRST_ADDRESS]);
    client.agent().add_remote_candidate(first.clone()).expect("room");
    let mut server = full(2, Role::Controlled, renominates);
    for candidate in [first, second.clone()] {
        server.agent().add_local_candidate(candidate).expect("room");
    }
    let mut network = Network::new().link(Link::default().latency(LATENCY)).seed(3);
    let client = network.add(client, &[FIRST_ADDRESS]);
    let server = network.add(server, &[SECOND_ADDRESS, other()]);
    network.run_until(|n| n[client].is_nominated() && n[server].is_nominated());
    network.get_mut(client).agent().add_remote_candidate(second).expect("room");
    network.run_until(|n| n[client].has_told(&Event::Validated(path(FIRST_ADDRESS, other()))));
    assert_eq!(network[client].selected(), Some(path(FIRST_ADDRESS, SECOND_ADDRESS)));
    (network, client, server)
}

fn selections(peer: &Peer) -> usize {
    peer.events.iter().filter(|it| matches!(it, Event::PathSelected(_))).count()
}

fn is_on(network: &Network<Peer>, client: EndpointId, server: EndpointId, remote: SocketAddr) -> bool {
    network[client].selected().map(|it| it.remote) == Some(remote) && is_connected(network, client, server)
}

#[test]
fn a_session_without_media_stays_on_its_path() {
    for renominates in [false, true] {
        let (mut network, client, server) = with_two_valid_pairs(renominates);
        let before = [client, server].map(|it| selections(&network[it]));
        network.advance(60 * SECOND);
        assert_eq!([client, server].map(|it| selections(&network[it])), before, "{renominates}");
        assert!(is_on(&network, client, server, SECOND_ADDRESS));
    }
}

#[test]
fn a_session_without_media_stays_on_its_path_though_datagrams_are_lost() {
    for seed in 0..20 {
        let (network, client, server) = with_two_valid_pairs(false);
        let mut network = network.link(Link::default().latency(LATENCY).loss(0.05)).seed(seed);
        let before = [client, server].map(|it| selections(&network[it]));
        network.advance(120 * SECOND);
        assert_eq!([client, server].map(|it| selections(&network[it])), before, "seed {seed}");
    }
}

#[test]
fn consent_is_not_asked_for_more_often_because_there_is_another_pair() {
    let (mut network, client, server) = with_two_valid_pairs(false);
    network.advance(10 * SECOND);
    let before = network[server].heard.len();
    network.advance(600 * SECOND);
    // Checks of the client, and answers to the server's.
    let checks = (network[server].heard.len() - before) / 2;
    assert!((110..=135).contains(&checks), "{checks}");
    assert_eq!(network[client].refused.len(), 0);
}

#[test]
fn a_path_that_dies_in_a_quiet_session_is_left_after_the_next_consent_check() {
    for (renominates, quiet) in [(false, 0), (true, 0), (false, 45), (true, 45)] {
        let (mut network, client, server) = with_two_valid_pairs(renominates);
        network.advance(quiet * SECOND);
        network.add_filter(|it| {
            let is_dead = [it.source, it.destination].contains(&SECOND_ADDRESS);
            if is_dead { Verdict::Drop } else { Verdict::Pass }
        });
        let died = network.elapsed();
        network.run_until(|n| is_on(n, client, server, other()));
        let took = network.elapsed() - died;
        assert!(took < 8 * SECOND, "{renominates} {quiet}: {took:?}");
        network.advance(120 * SECOND);
        assert!(is_on(&network, client, server, other()));
        let closed = |it: &Event| matches!(it, Event::Closed { .. });
        assert!(![client, server].iter().any(|it| network[*it].events.iter().any(closed)));
    }
}

#[test]
fn a_path_on_which_media_stops_is_left_within_five_seconds_if_it_is_dead_and_not_if_it_answers() {
    for is_dead in [false, true] {
        let (mut network, client, server) = with_two_valid_pairs(false);
        for _ in 0..200 {
            network.advance(SECOND / 20);
            let now = network.now();
            for id in [client, server] {
                let selected = network[id].selected().expect("connected");
                network.get_mut(id).note_received(now, &selected);
            }
        }
        if !is_dead {
            network.advance(60 * SECOND);
            assert!(is_on(&network, client, server, SECOND_ADDRESS));
            continue;
        }
        network.add_filter(|it| {
            let is_dead = [it.source, it.destination].contains(&SECOND_ADDRESS);
            if is_dead { Verdict::Drop } else { Verdict::Pass }
        });
        let died = network.elapsed();
        network.run_until(|n| is_on(n, client, server, other()));
        assert!(network.elapsed() - died < 5 * SECOND, "{:?}", network.elapsed() - died);
    }
}

#[test]
fn with_no_other_pair_a_silent_path_is_kept_until_consent_ends() {
    let mut client = full(1, Role::Controlling, false).with_local(&[FIRST_ADDRESS]);
    client.signal(2, &[SECOND_ADDRESS]);
    let mut server = full(2, Role::Controlled, false).with_local(&[SECOND_ADDRESS]);
    server.signal(1, &[FIRST_ADDRESS]);
    let mut network = Network::new().link(Link::default().latency(LATENCY));
    let client = network.add(client, &[FIRST_ADDRESS]);
    let server = network.add(server, &[SECOND_ADDRESS]);
    network.run_until(|n| n[client].is_nominated() && n[server].is_nominated());
    network.add_filter(|_| Verdict::Drop);
    network.advance(23 * SECOND);
    assert!(is_connected(&network, client, server));
    network.advance(10 * SECOND);
    assert_eq!(network[client].selected(), None);
}

/// A lite agent, and a peer whose checks are made by hand.
struct Lite {
    agent: LiteAgent,
    now: Instant,
    checks: u8,
}

impl Lite {
    fn new() -> Self {
        let now = Instant::now();
        let config = LiteConfig::new(credentials(2), Some(credentials(1)));
        Self { agent: LiteAgent::new(config, [2; 32], now).expect("valid"), now, checks: 0 }
    }

    fn path(port: u16) -> Path {
        path(SECOND_ADDRESS, SocketAddr::new(address("192.0.2.1:1").ip(), port))
    }

    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.agent.poll_timeout().filter(|it| *it <= end) {
            self.now = self.now.max(at);
            self.agent.handle_timeout(self.now);
        }
        self.now = end;
    }

    /// A check from this port that nominates nothing.
    fn check(&mut self, port: u16) {
        self.checks += 1;
        let mut bytes = Vec::new();
        let ours = self.agent.local_credentials().clone();
        let username = format!("{}:{}", ours.ufrag, credentials(1).ufrag);
        MessageBuilder::request(Method::BINDING, TransactionId::new([self.checks; 12]), &mut bytes)
            .attribute(&Username(&username))
            .attribute(&IceControlling(1))
            .attribute(&Priority(1))
            .integrity(&Key::short_term(&ours.password))
            .fingerprint();
        let remote = Self::path(port).remote;
        let datagram = Datagram::new(Transport::Udp, SECOND_ADDRESS, remote, &bytes);
        assert_eq!(self.agent.handle_datagram(self.now, datagram), Ok(()));
        while self.agent.poll_transmit(self.now, &mut Vec::new()).is_some() {}
    }

    /// Media from this port, all the time.
    fn stream(&mut self, port: u16, time: Duration) {
        for _ in 0..time.as_millis() / 100 {
            self.advance(SECOND / 10);
            self.agent.note_received(self.now, &Self::path(port));
        }
    }

    fn selected(&self) -> Option<u16> {
        self.agent.selected_path().map(|it| it.remote.port())
    }
}

#[test]
fn a_lite_agent_without_media_stays_where_consent_comes() {
    let mut lite = Lite::new();
    lite.check(1);
    for _ in 0..12 {
        lite.advance(SECOND / 10);
        // Valid too, and newer each time.
        lite.check(2);
        assert_eq!(lite.selected(), Some(1));
        lite.advance(6 * SECOND);
        assert_eq!(lite.selected(), Some(1));
        lite.check(1);
    }
}

#[test]
fn a_lite_agent_without_media_leaves_a_path_that_has_missed_consent() {
    let mut lite = Lite::new();
    lite.check(1);
    lite.advance(5 * SECOND);
    lite.check(2);
    lite.advance(SECOND);
    assert_eq!(lite.selected(), Some(1));
    lite.advance(Duration::from_millis(1_001));
    assert_eq!(lite.selected(), Some(2));
}

#[test]
fn a_lite_agent_leaves_a_path_three_seconds_after_the_end_of_its_stream() {
    let mut lite = Lite::new();
    lite.check(1);
    lite.stream(1, 10 * SECOND);
    lite.advance(SECOND);
    lite.check(2);
    lite.advance(Duration::from_millis(1_900));
    assert_eq!(lite.selected(), Some(1));
    lite.advance(Duration::from_millis(200));
    assert_eq!(lite.selected(), Some(2));
}

#[test]
fn a_few_datagrams_are_no_stream() {
    let mut lite = Lite::new();
    lite.check(1);
    lite.stream(1, 2 * SECOND);
    lite.check(2);
    lite.advance(6 * SECOND);
    assert_eq!(lite.selected(), Some(1));
}
