//! Who nominates how: once, with each check, or again and again with rising numbers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_ice::attribute::{IceControlling, Nomination, Priority, UseCandidate};
use headwater_ice::{
    Agent, AgentConfig, Candidate, Error, Event, LiteAgent, LiteConfig, NominationMode, Path, Role,
};
use headwater_netsim::{EndpointId, FIRST_ADDRESS, Link, Network, SECOND_ADDRESS, Verdict};
use headwater_stun::attribute::Username;
use headwater_stun::{
    Attribute, AttributeType, Datagram, Key, Message, MessageBuilder, Method, ParseError, RawAttribute,
    TransactionId, Transport,
};

use crate::peer::{Peer, address, credentials, is_connected, path};

const SECOND: Duration = Duration::from_secs(1);

fn better() -> SocketAddr {
    SocketAddr::new(SECOND_ADDRESS.ip(), 6000)
}

fn poor() -> Candidate {
    Candidate::host(SECOND_ADDRESS).with_local_preference(10)
}

fn good() -> Candidate {
    Candidate::host(better()).with_local_preference(20)
}

fn peer(name: u8, role: Role, renomination: (bool, bool), nomination: NominationMode) -> Peer {
    let mut config = AgentConfig::new(credentials(name), role);
    config.renomination = renomination.0;
    config.nomination = nomination;
    let mut peer = Peer::of(Agent::new(config, [name; 32], Instant::now()).expect("a valid config"));
    if renomination.1 {
        peer.agent().set_remote_renominates();
    }
    peer.signal(3 - name, &[]);
    peer
}

/// A client with one address that knows the poor one of the server's two.
fn two(
    client: (bool, bool),
    server: (bool, bool),
    mode: NominationMode,
) -> (Network<Peer>, EndpointId, EndpointId) {
    let mut client = peer(1, Role::Controlling, client, mode).with_local(&[FIRST_ADDRESS]);
    client.agent().add_remote_candidate(poor()).expect("room");
    let mut server = peer(2, Role::Controlled, server, NominationMode::Regular);
    for candidate in [good(), poor()] {
        server.agent().add_local_candidate(candidate).expect("room");
    }
    let mut network = Network::new().link(Link::default().latency(Duration::from_millis(5)));
    let client = network.add(client, &[FIRST_ADDRESS]);
    let server = network.add(server, &[SECOND_ADDRESS, better()]);
    network.run_until(|n| n[client].is_nominated() && n[server].is_nominated());
    (network, client, server)
}

/// Time goes on with media in both directions: no path that carries it falls silent.
fn flow(network: &mut Network<Peer>, ends: [EndpointId; 2], duration: Duration) {
    let step = SECOND / 2;
    for _ in 0..duration.as_millis() / step.as_millis() {
        network.advance(step);
        let now = network.now();
        for id in ends {
            let selected = network[id].selected();
            selected.into_iter().for_each(|it| network.get_mut(id).note_received(now, &it));
        }
    }
}

/// The numbers and USE-CANDIDATEs of what a peer heard.
fn nominations(peer: &Peer) -> Vec<(Option<u32>, bool)> {
    let parsed = peer.heard.iter().filter_map(|it| Message::parse(&it.2).ok());
    parsed
        .map(|it| {
            let number = it.attribute::<Nomination>().ok().flatten().map(|it| it.0);
            (number, it.attribute::<UseCandidate>().ok().flatten().is_some())
        })
        .filter(|it| it.0.is_some() || it.1)
        .collect()
}

#[test]
fn a_better_path_that_comes_later_is_nominated_with_a_higher_number() {
    let (mut network, client, server) = two((true, true), (true, true), NominationMode::Regular);
    assert_eq!(nominations(&network[server]), [(Some(1), true)]);
    network.get_mut(client).agent().add_remote_candidate(good()).expect("room");
    network.run_until(|n| n[server].selected() == Some(path(better(), FIRST_ADDRESS)));
    network.advance(60 * SECOND);
    assert_eq!(nominations(&network[server]), [(Some(1), true), (Some(2), true)]);
    assert_eq!(network[client].selected(), Some(path(FIRST_ADDRESS, better())));
}

#[test]
fn without_the_agreement_of_both_nobody_counts_and_the_first_nomination_stays() {
    for (client, server) in [((true, false), (false, true)), ((false, true), (true, false))] {
        let (mut network, client, server) = two(client, server, NominationMode::Regular);
        network.get_mut(client).agent().add_remote_candidate(good()).expect("room");
        network.advance(20 * SECOND);
        assert_eq!(network[client].selected(), Some(path(FIRST_ADDRESS, SECOND_ADDRESS)));
        assert_eq!(nominations(&network[server]), [(None, true)]);
        let (now, there) = (network.now(), path(FIRST_ADDRESS, better()));
        assert_eq!(network.get_mut(client).agent().renominate(now, &there), Err(Error::Unexpected));
    }
}

#[test]
fn the_owner_may_choose_a_worse_path_and_it_stays() {
    let (mut network, client, server) = two((true, true), (true, true), NominationMode::Regular);
    network.get_mut(client).agent().add_remote_candidate(good()).expect("room");
    network.run_until(|n| n[server].selected() == Some(path(better(), FIRST_ADDRESS)));
    let poor = path(FIRST_ADDRESS, SECOND_ADDRESS);
    for unknown in [path(FIRST_ADDRESS, FIRST_ADDRESS), Path::new(Transport::Tcp, poor.local, poor.remote)] {
        let now = network.now();
        assert_eq!(network.get_mut(client).agent().renominate(now, &unknown), Err(Error::Unexpected));
    }
    let now = network.now();
    network.get_mut(client).agent().renominate(now, &poor).expect("a valid pair");
    network.run_until(|n| n[server].selected() == Some(path(SECOND_ADDRESS, FIRST_ADDRESS)));
    network.advance(60 * SECOND);
    assert_eq!(network[client].selected(), Some(poor));
    let now = network.now();
    let theirs = path(SECOND_ADDRESS, FIRST_ADDRESS);
    assert_eq!(
        network.get_mut(server).agent().renominate(now, &theirs),
        Err(Error::Unexpected),
        "controlled"
    );
}

#[test]
fn an_owner_whose_choice_does_not_answer_gets_the_best_path_that_does() {
    let (mut network, client, server) = two((true, true), (true, true), NominationMode::Regular);
    let poor = path(FIRST_ADDRESS, SECOND_ADDRESS);
    network.get_mut(client).agent().add_remote_candidate(good()).expect("room");
    network.run_until(|n| n[server].selected() == Some(path(better(), FIRST_ADDRESS)));
    network.add_filter(|it| if it.destination == SECOND_ADDRESS { Verdict::Drop } else { Verdict::Pass });
    let now = network.now();
    network.get_mut(client).agent().renominate(now, &poor).expect("was valid once");
    flow(&mut network, [client, server], 60 * SECOND);
    assert_eq!(network[client].selected(), Some(path(FIRST_ADDRESS, better())), "nothing has changed");
    // A still better one may take over: the choice has come to nothing.
    let best = SocketAddr::new(SECOND_ADDRESS.ip(), 7000);
    network.set_addresses(server, &[SECOND_ADDRESS, better(), best]);
    network.get_mut(server).agent().add_local_candidate(Candidate::host(best)).expect("room");
    network.get_mut(client).agent().add_remote_candidate(Candidate::host(best)).expect("room");
    network.run_until(|n| n[server].selected() == Some(path(best, FIRST_ADDRESS)));
}

#[test]
fn of_nominations_under_way_both_sides_settle_on_one_whatever_is_lost() {
    let mut late = 0;
    for seed in 0..40 {
        let (mut network, client, server) = two((true, true), (true, true), NominationMode::Regular);
        network.get_mut(client).agent().add_remote_candidate(good()).expect("room");
        network.run_until(|n| n[server].selected() == Some(path(better(), FIRST_ADDRESS)));
        let lossy = Link::default().latency(Duration::from_millis(20)).loss(0.1).reorder(0.3).duplicate(0.1);
        let mut network = network.link(lossy).seed(seed);
        let now = network.now();
        let agent = network.get_mut(client).agent();
        agent.renominate(now, &path(FIRST_ADDRESS, SECOND_ADDRESS)).expect("valid");
        agent.renominate(now, &path(FIRST_ADDRESS, better())).expect("valid");
        agent.renominate(now, &path(FIRST_ADDRESS, SECOND_ADDRESS)).expect("valid");
        flow(&mut network, [client, server], 60 * SECOND);
        assert!(is_connected(&network, client, server), "seed {seed}");
        late += usize::from(network[client].selected() != Some(path(FIRST_ADDRESS, SECOND_ADDRESS)));
    }
    assert!(late <= 6, "mostly it is the latest: {late}");
}

#[test]
fn a_path_that_was_silent_for_30_s_is_checked_before_it_takes_the_place_of_one_that_ended() {
    let (mut network, client, server) = two((true, true), (true, true), NominationMode::Regular);
    network.get_mut(client).agent().add_remote_candidate(good()).expect("room");
    network.run_until(|n| n[server].selected() == Some(path(better(), FIRST_ADDRESS)));
    flow(&mut network, [client, server], 40 * SECOND);
    let ended = network[client].selected().expect("selected");
    assert_eq!(ended.remote, better());
    let now = network.now();
    network.get_mut(client).end_connection(now, ended);
    network.get_mut(server).end_connection(now, path(ended.remote, ended.local));
    assert_eq!(network[client].selected(), None);
    network.run_until(|n| is_connected(n, client, server));
    assert_eq!(network[client].selected(), Some(path(FIRST_ADDRESS, SECOND_ADDRESS)));
}

#[test]
fn a_restart_counts_anew() {
    let (mut network, client, server) = two((true, true), (true, true), NominationMode::Regular);
    let now = network.now();
    network.get_mut(client).agent().restart(now, credentials(11)).expect("open");
    network.get_mut(server).agent().restart(now, credentials(12)).expect("open");
    network.get_mut(server).signal(11, &[]);
    network.get_mut(client).signal(12, &[better()]);
    network.run_until(|n| n[client].is_nominated() && n[server].is_nominated());
    assert_eq!(network[server].selected(), Some(path(better(), FIRST_ADDRESS)));
    assert_eq!(nominations(&network[server]), [(Some(1), true), (Some(1), true)]);
}

#[test]
fn aggressive_nomination_connects_earlier() {
    let mut took = Vec::new();
    for mode in [NominationMode::Regular, NominationMode::Aggressive] {
        let (network, ..) = two((false, false), (false, false), mode);
        took.push(network.elapsed());
    }
    assert!(took[1] < took[0], "{took:?}");
}

#[test]
fn with_aggressive_nomination_both_sides_settle_on_the_best_of_many_whatever_is_lost() {
    for seed in 0..40 {
        let mut client = peer(1, Role::Controlling, (false, false), NominationMode::Aggressive)
            .with_local(&[FIRST_ADDRESS]);
        let addresses: Vec<_> = (0..6).map(|n| SocketAddr::new(SECOND_ADDRESS.ip(), 6000 + n)).collect();
        let mut server = peer(2, Role::Controlled, (false, false), NominationMode::Regular);
        for (address, preference) in addresses.iter().zip(1..) {
            let mut candidate = Candidate::host(*address).with_local_preference(preference);
            candidate.foundation = format!("f{preference}");
            client.agent().add_remote_candidate(candidate.clone()).expect("room");
            server.agent().add_local_candidate(candidate).expect("room");
        }
        server.agent().add_remote_candidate(Candidate::host(FIRST_ADDRESS)).expect("room");
        let mut network = Network::new().link(Link::default().loss(0.15)).seed(seed);
        let client = network.add(client, &[FIRST_ADDRESS]);
        let server = network.add(server, &addresses);
        network.run_until(|n| n[client].is_nominated() && n[server].is_nominated());
        flow(&mut network, [client, server], 40 * SECOND);
        assert!(is_connected(&network, client, server), "seed {seed}");
        assert_eq!(network[client].selected(), Some(path(FIRST_ADDRESS, addresses[5])), "seed {seed}");
    }
}

#[test]
fn a_lite_peer_gets_one_nomination_even_from_an_aggressive_agent() {
    let mut client =
        peer(1, Role::Controlling, (false, false), NominationMode::Aggressive).with_local(&[FIRST_ADDRESS]);
    client.agent().set_remote_is_lite();
    client.agent().add_remote_candidate(poor()).expect("room");
    client.agent().add_remote_candidate(good()).expect("room");
    let mut network = Network::new();
    let client = network.add(client, &[FIRST_ADDRESS]);
    let server = network.add(Peer::lite(2, Some(1), network.now()), &[SECOND_ADDRESS, better()]);
    network.run_until(|n| n[client].is_nominated() && n[server].selected().is_some());
    network.advance(20 * SECOND);
    assert_eq!(nominations(&network[server]), [(None, true)]);
    assert!(is_connected(&network, client, server));
}

#[test]
fn a_peer_that_nominates_aggressively_is_followed_even_when_the_conflict_of_roles_comes_first() {
    let mut client =
        peer(1, Role::Controlling, (false, false), NominationMode::Aggressive).with_local(&[FIRST_ADDRESS]);
    client.agent().add_remote_candidate(poor()).expect("room");
    let mut server = peer(2, Role::Controlling, (false, false), NominationMode::Aggressive);
    server.agent().add_local_candidate(poor()).expect("room");
    server.agent().add_remote_candidate(Candidate::host(FIRST_ADDRESS)).expect("room");
    let mut network = Network::new();
    let client = network.add(client, &[FIRST_ADDRESS]);
    let server = network.add(server, &[SECOND_ADDRESS]);
    network.run_until(|n| n[client].is_nominated() && n[server].is_nominated());
    network.advance(20 * SECOND);
    assert!(is_connected(&network, client, server));
    assert_ne!(network[client].agent_ref().role(), network[server].agent_ref().role());
}

/// Any bytes under the number of NOMINATION.
struct Odd(Vec<u8>);

impl<'a> Attribute<'a> for Odd {
    const TYPE: AttributeType = Nomination::TYPE;
    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        Ok(Self(raw.value.to_vec()))
    }
    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// A lite agent, and checks by hand.
struct Lite {
    agent: LiteAgent,
    now: Instant,
    next_id: u8,
}

impl Lite {
    fn new(renomination: bool) -> Self {
        let now = Instant::now();
        let mut config = LiteConfig::new(credentials(2), Some(credentials(1)));
        config.renomination = renomination;
        Self { agent: LiteAgent::new(config, [2; 32], now).expect("valid"), now, next_id: 0 }
    }

    /// A check from this port with this number; then the port that is selected.
    fn check(&mut self, port: u16, number: Option<&[u8]>, use_candidate: bool) -> Option<u16> {
        self.next_id += 1;
        let mut bytes = Vec::new();
        let ours = self.agent.local_credentials().clone();
        let theirs = self.agent.remote_credentials().expect("known").ufrag.clone();
        let username = format!("{}:{theirs}", ours.ufrag);
        let mut request =
            MessageBuilder::request(Method::BINDING, TransactionId::new([self.next_id; 12]), &mut bytes)
                .attribute(&Username(&username))
                .attribute(&IceControlling(1))
                .attribute(&Priority(1));
        if let Some(number) = number {
            request = request.attribute(&Odd(number.to_vec()));
        }
        if use_candidate {
            request = request.attribute(&UseCandidate);
        }
        request.integrity(&Key::short_term(&ours.password)).fingerprint();
        let from = SocketAddr::new(address("192.0.2.1:1").ip(), port);
        let datagram = Datagram::new(Transport::Udp, SECOND_ADDRESS, from, &bytes);
        assert_eq!(self.agent.handle_datagram(self.now, datagram), Ok(()));
        while self.agent.poll_transmit(self.now, &mut Vec::new()).is_some() {}
        self.agent.selected_path().map(|it| it.remote.port())
    }

    fn number(&mut self, port: u16, number: u32) -> Option<u16> {
        self.check(port, Some(&number.to_be_bytes()), false)
    }
}

#[test]
fn a_lite_agent_follows_the_highest_number_as_chrome_sends_it() {
    let mut lite = Lite::new(true);
    assert_eq!(lite.check(1, None, false), Some(1));
    assert_eq!(lite.check(2, None, true), Some(2), "before the first number as ever");
    assert_eq!(lite.number(3, 5), Some(3));
    assert_eq!(lite.number(4, 5), Some(3), "not the same number again");
    assert_eq!(lite.number(4, 4), Some(3), "one that was overtaken");
    assert_eq!(lite.check(4, None, true), Some(3), "no number");
    assert_eq!(lite.number(4, 0), Some(3));
    assert_eq!(lite.check(4, Some(&[0, 0, 9]), false), Some(3), "malformed, so it isn't there");
    assert_eq!(lite.number(4, u32::MAX), Some(4));
    assert_eq!(lite.number(1, u32::MAX), Some(4));
}

#[test]
fn a_lite_agent_that_has_not_agreed_ignores_numbers() {
    let mut lite = Lite::new(false);
    assert_eq!(lite.check(1, None, true), Some(1));
    assert_eq!(lite.number(2, 7), Some(1));
    assert_eq!(lite.check(2, None, true), Some(2));
    assert_eq!(lite.check(3, Some(&[1]), true), Some(3));
}

#[test]
fn a_silent_path_is_left_even_when_its_number_is_the_highest() {
    let mut lite = Lite::new(true);
    assert_eq!(lite.number(1, u32::MAX), Some(1));
    lite.now += SECOND;
    assert_eq!(lite.check(2, None, false), Some(1));
    lite.now += 6 * SECOND;
    assert_eq!(lite.check(2, None, false), Some(2));
}

#[test]
fn the_latest_nomination_of_a_peer_that_has_agreed_and_never_counts_wins() {
    for renomination in [true, false] {
        let mut lite = Lite::new(renomination);
        for port in [1, 2, 3, 2, 1] {
            assert_eq!(lite.check(port, None, true), Some(port));
        }
    }
}

#[test]
fn a_restart_of_a_lite_agent_counts_anew() {
    let mut lite = Lite::new(true);
    assert_eq!(lite.number(1, 9), Some(1));
    let now = lite.now;
    lite.agent.restart(now, credentials(12), credentials(11));
    assert_eq!(lite.check(2, None, false), Some(2), "the first with new credentials");
    assert_eq!(lite.number(3, 1), Some(3));
}

#[test]
fn a_full_agent_and_a_lite_one_renominate_together() {
    let mut client =
        peer(1, Role::Controlling, (true, true), NominationMode::Regular).with_local(&[FIRST_ADDRESS]);
    client.agent().set_remote_is_lite();
    client.agent().add_remote_candidate(poor()).expect("room");
    let mut config = LiteConfig::new(credentials(2), Some(credentials(1)));
    config.renomination = true;
    let mut network = Network::new();
    let client = network.add(client, &[FIRST_ADDRESS]);
    let server = LiteAgent::new(config, [2; 32], network.now()).expect("valid");
    let server = network.add(Peer::of_lite(server), &[SECOND_ADDRESS, better()]);
    network.run_until(|n| n[client].is_nominated());
    network.get_mut(client).agent().add_remote_candidate(good()).expect("room");
    network.run_until(|n| n[server].selected() == Some(path(better(), FIRST_ADDRESS)));
    // The better one dies: its checks are unanswered, and the owner goes back.
    network.add_filter(|it| if it.destination == better() { Verdict::Drop } else { Verdict::Pass });
    network.advance(SECOND);
    let (now, poor) = (network.now(), path(FIRST_ADDRESS, SECOND_ADDRESS));
    network.get_mut(client).agent().renominate(now, &poor).expect("valid");
    network.run_until(|n| n[server].selected() == Some(path(SECOND_ADDRESS, FIRST_ADDRESS)));
    network.advance(60 * SECOND);
    assert_eq!(network[client].selected(), Some(poor));
    assert!(!network[client].events.iter().any(|it| matches!(it, Event::Closed { .. })));
}
