//! ICE-TCP (RFC 6544): who opens connections, what goes over them, what happens when they end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_ice::{Agent, AgentConfig, Candidate, CandidateKind, Error, Event, Path, Role, TcpType};
use headwater_netsim::{EndpointId, FIRST_ADDRESS, Link, Nat, Network, SECOND_ADDRESS, Verdict};
use headwater_stun::attribute::Username;
use headwater_stun::{Datagram, Key, MessageBuilder, Method, TransactionId, Transport};

use crate::peer::{Peer, address, credentials};

const SECOND: Duration = Duration::from_secs(1);
const LATENCY: Duration = Duration::from_millis(5);

fn listener() -> SocketAddr {
    SocketAddr::new(SECOND_ADDRESS.ip(), 443)
}

fn active() -> Candidate {
    Candidate::host(FIRST_ADDRESS).with_tcp(TcpType::Active)
}

fn passive() -> Candidate {
    Candidate::host(listener()).with_tcp(TcpType::Passive)
}

fn ports(ip: std::net::IpAddr) -> Vec<SocketAddr> {
    (50_000..50_100).map(|port| SocketAddr::new(ip, port)).collect()
}

/// A client with these candidates that knows the server's credentials, and no candidate of it yet.
fn client(role: Role, locals: &[Candidate]) -> Peer {
    let mut peer = Peer::full(1, role, Instant::now());
    locals.iter().for_each(|it| peer.agent().add_local_candidate(it.clone()).expect("room"));
    peer.signal(2, &[]);
    peer.stack.free = ports(FIRST_ADDRESS.ip()).into();
    peer
}

fn full_server(role: Role, locals: &[Candidate]) -> Peer {
    let mut peer = Peer::full(2, role, Instant::now());
    locals.iter().for_each(|it| peer.agent().add_local_candidate(it.clone()).expect("room"));
    peer.signal(1, &[]);
    peer
}

fn lite_server() -> Peer {
    Peer::lite(2, Some(1), Instant::now())
}

fn network(
    mut client: Peer,
    mut server: Peer,
    remotes: &[Candidate],
) -> (Network<Peer>, EndpointId, EndpointId) {
    remotes.iter().for_each(|it| client.agent().add_remote_candidate(it.clone()).expect("room"));
    server.stack.listen(listener());
    let mut network = Network::new().link(Link::default().latency(LATENCY));
    let mut addresses = ports(FIRST_ADDRESS.ip());
    addresses.push(FIRST_ADDRESS);
    let client = network.add(client, &addresses);
    let server = network.add(server, &[SECOND_ADDRESS, listener()]);
    (network, client, server)
}

fn tcp(local: SocketAddr, remote: SocketAddr) -> Path {
    Path::new(Transport::Tcp, local, remote)
}

fn port(n: u16) -> SocketAddr {
    SocketAddr::new(FIRST_ADDRESS.ip(), 50_000 + n)
}

fn is_closed(peer: &Peer) -> bool {
    peer.events.iter().any(|it| matches!(it, Event::Closed { .. }))
}

fn connects(peer: &Peer) -> usize {
    peer.events.iter().filter(|it| matches!(it, Event::Connect(_))).count()
}

#[test]
fn candidates_over_tcp_have_the_priorities_and_the_port_of_rfc_6544() {
    let host = Candidate::host(address("10.0.0.5:1000"));
    let reflexive = Candidate::server_reflexive(address("203.0.113.5:61000"), address("10.0.0.5:1000"));
    let local_preference = |it: &Candidate| (it.priority >> 8) & 0xFFFF;
    for (candidate, tcp_type, direction) in [
        (&host, TcpType::Active, 6),
        (&host, TcpType::Passive, 4),
        (&host, TcpType::SimultaneousOpen, 2),
        (&reflexive, TcpType::Active, 4),
        (&reflexive, TcpType::Passive, 2),
        (&reflexive, TcpType::SimultaneousOpen, 6),
    ] {
        let it = candidate.clone().with_tcp(tcp_type);
        assert_eq!(local_preference(&it), (direction << 13) | 8_191, "{tcp_type:?}");
        assert!(it.priority < candidate.priority, "UDP first");
        assert_ne!(it.foundation, candidate.foundation);
        let other = candidate.clone().with_tcp(tcp_type).with_local_preference(65_530);
        assert_eq!(local_preference(&other), (direction << 13) | 8_186, "{tcp_type:?}");
    }
    let active = host.clone().with_tcp(TcpType::Active);
    assert!(active.to_string().contains(" 10.0.0.5 9 typ host tcptype active"), "{active}");
    let passive = host.with_tcp(TcpType::Passive).to_string();
    assert!(passive.contains(" 1 tcp 1520435199 10.0.0.5 1000 typ host tcptype passive"), "{passive}");
    assert_eq!(passive.parse::<Candidate>().expect("a candidate").to_string(), passive);
}

#[test]
fn an_active_agent_and_a_lite_one_that_listens_connect() {
    let mut client = client(Role::Controlling, &[active()]);
    client.agent().set_remote_is_lite();
    let (mut network, client, server) = network(client, lite_server(), &[passive()]);
    network.run_until(|n| n[client].is_nominated());
    // Open, opened; check, answer; nomination, answer.
    assert!(network.elapsed() <= 6 * LATENCY, "{:?}", network.elapsed());
    assert_eq!(network[client].selected(), Some(tcp(port(0), listener())));
    assert_eq!(network[server].selected(), Some(tcp(listener(), port(0))));
    assert_eq!(connects(&network[client]), 1);
    assert!(network[client].refused.is_empty() && network[server].refused.is_empty());
    assert_eq!(
        network[client].agent().local_candidates().len(),
        1,
        "without a NAT there is nothing to learn"
    );

    // Consent goes over it for as long as it lasts.
    network.advance(120 * SECOND);
    assert!(!is_closed(&network[client]) && !is_closed(&network[server]));
}

#[test]
fn two_full_agents_connect_whoever_controls() {
    for role in [Role::Controlling, Role::Controlled] {
        let other = if role == Role::Controlling { Role::Controlled } else { Role::Controlling };
        let (mut network, client, server) =
            network(client(role, &[active()]), full_server(other, &[passive()]), &[passive()]);
        network.get_mut(server).agent().add_remote_candidate(active()).expect("taken and not used");
        network.run_until(|n| n[client].is_nominated() && n[server].is_nominated());
        assert_eq!(network[server].selected(), Some(tcp(listener(), port(0))));
        assert_eq!(connects(&network[server]), 0, "a passive agent opens nothing");
        network.advance(120 * SECOND);
        assert!(!is_closed(&network[client]) && !is_closed(&network[server]));
        assert_eq!(network[client].stack.connections().len(), 1);
    }
}

#[test]
fn behind_a_nat_the_connection_becomes_a_peer_reflexive_tcp_candidate() {
    let inside = address("10.0.0.2:50000");
    let mut network = Network::new();
    let nat = network.add_nat(Nat::endpoint_independent("198.51.100.7".parse().expect("an IP")));
    let mut peer = client(Role::Controlling, &[Candidate::host(inside).with_tcp(TcpType::Active)]);
    peer.agent().add_remote_candidate(passive()).expect("room");
    peer.stack.free = [inside].into();
    let client = network.add_behind(nat, peer, &[inside]);
    let mut server = full_server(Role::Controlled, &[passive()]);
    server.stack.listen(listener());
    let server = network.add(server, &[listener()]);
    network.run_until(|n| n[client].is_nominated() && n[server].is_nominated());
    let found = network[client].agent_ref().local_candidates().last().cloned().expect("found");
    assert_eq!((found.kind, found.transport), (CandidateKind::PeerReflexive, Transport::Tcp));
    assert_eq!((found.tcp_type, found.base()), (Some(TcpType::Active), Some(inside)));
    assert_eq!(found.socket_addr(), network[server].selected().map(|it| it.remote));
}

#[test]
fn where_udp_works_it_is_preferred_and_the_connection_closed() {
    let udp = Candidate::host(FIRST_ADDRESS);
    let (mut network, client, server) = network(
        client(Role::Controlling, &[active(), udp]),
        full_server(Role::Controlled, &[Candidate::host(SECOND_ADDRESS), passive()]),
        &[passive(), Candidate::host(SECOND_ADDRESS)],
    );
    network.run_until(|n| n[client].is_nominated() && n[server].is_nominated());
    assert_eq!(network[client].selected().map(|it| it.transport), Some(Transport::Udp));
    network.advance(60 * SECOND);
    assert_eq!(network[client].stack.connections(), []);
    assert_eq!(network[server].stack.connections(), []);
    assert_eq!(network[client].stack.opening(), 0);
}

#[test]
fn where_udp_is_blocked_the_connection_carries_media_within_a_second() {
    let udp = Candidate::host(FIRST_ADDRESS);
    let (mut network, client, server) = network(
        client(Role::Controlling, &[udp, active()]),
        full_server(Role::Controlled, &[Candidate::host(SECOND_ADDRESS), passive()]),
        &[Candidate::host(SECOND_ADDRESS), passive()],
    );
    network.add_filter(|it| if it.destination == SECOND_ADDRESS { Verdict::Drop } else { Verdict::Pass });
    network.run_until(|n| n[client].is_nominated() && n[server].is_nominated());
    assert!(network.elapsed() < SECOND, "{:?}", network.elapsed());
    assert_eq!(network[client].selected(), Some(tcp(port(0), listener())));
}

#[test]
fn a_check_over_tcp_is_sent_once_and_given_up_after_the_time_of_rfc_8489() {
    let (mut network, client, server) =
        network(client(Role::Controlling, &[active()]), Peer::bystander(), &[passive()]);
    network.run_until(|n| n[client].has_told(&Event::Failed));
    assert_eq!(network[client].stack.sent.len(), 1);
    let seconds = network.elapsed().as_secs();
    assert!((39..=41).contains(&seconds), "{seconds} s");
    let failed = tcp(port(0), listener());
    assert!(network[client].has_told(&Event::Removed(failed)), "the connection is useless");
    network.advance(SECOND);
    assert_eq!(network[server].stack.connections(), []);
}

#[test]
fn a_refused_connection_leaves_the_other_candidates() {
    let closed = Candidate::host(SECOND_ADDRESS).with_tcp(TcpType::Passive);
    let mut client = client(Role::Controlling, &[active()]);
    client.agent().set_remote_is_lite();
    let (mut network, client, server) = network(client, lite_server(), &[closed, passive()]);
    network.run_until(|n| n[client].is_nominated() && n[server].selected().is_some());
    assert_eq!(network[client].selected().map(|it| it.remote), Some(listener()));
    assert_eq!(connects(&network[client]), 2);
}

#[test]
fn if_all_are_refused_the_agent_has_failed_after_the_time_of_rfc_8863_and_not_before() {
    let closed = Candidate::host(SECOND_ADDRESS).with_tcp(TcpType::Passive);
    let (mut network, client, _) = network(client(Role::Controlling, &[active()]), lite_server(), &[closed]);
    network.advance(39 * SECOND);
    assert!(!network[client].has_told(&Event::Failed), "the peer's checks might still come");
    network.advance(SECOND);
    assert!(network[client].has_told(&Event::Failed));
    assert_eq!(connects(&network[client]), 1, "what never worked is not tried again");
}

#[test]
fn sides_that_both_wait_or_both_open_are_no_pair() {
    let so = Candidate::host(listener()).with_tcp(TcpType::SimultaneousOpen);
    for (local, remote) in [
        (passive(), passive()),
        (active(), active()),
        (passive(), active()),
        (active(), so.clone()),
        (so.clone(), so),
        (active(), Candidate::host(SECOND_ADDRESS)),
        (Candidate::host(FIRST_ADDRESS), passive()),
    ] {
        let what = format!("{local} {remote}");
        let mut client = client(Role::Controlling, &[local]);
        client.agent().add_remote_candidate(remote).expect("taken and not used");
        let (mut network, client, _) = network(client, Peer::bystander(), &[]);
        network.advance(SECOND);
        assert_eq!((connects(&network[client]), network.counters().sent), (0, 0), "{what}");
    }
}

#[test]
fn at_most_8_connections_are_being_opened_whatever_the_peer_names() {
    let mut client = client(Role::Controlling, &[active()]);
    for n in 0..64 {
        // Each of another foundation, else they would be tried one after the other.
        let candidate = Candidate::host(address(&format!("203.0.113.{n}:443")));
        client.agent().add_remote_candidate(candidate.with_tcp(TcpType::Passive)).expect("room");
    }
    let (mut network, client, _) = network(client, Peer::bystander(), &[]);
    for _ in 0..400 {
        network.advance(SECOND);
        assert!(network[client].stack.opening() <= 8);
    }
    let given_up = network[client].events.iter().filter(|it| matches!(it, Event::Removed(_))).count();
    assert_eq!((connects(&network[client]), given_up, network[client].stack.opening()), (64, 64, 0));
}

#[test]
fn a_connection_that_ends_is_opened_again_and_the_session_goes_on() {
    for lite in [true, false] {
        let mut client = client(Role::Controlling, &[active()]);
        let server = match lite {
            true => lite_server(),
            false => full_server(Role::Controlled, &[passive()]),
        };
        if lite {
            client.agent().set_remote_is_lite();
        }
        let (mut network, client, server) = network(client, server, &[passive()]);
        network.run_until(|n| n[client].is_nominated() && n[server].selected().is_some());
        for round in 1..100 {
            network.advance(3 * SECOND);
            let now = network.now();
            let path = network[client].selected().expect("selected");
            network.get_mut(client).end_connection(now, path);
            assert_eq!((network[client].selected(), network[client].is_nominated()), (None, false));
            network.run_until(|n| n[client].is_nominated() && n[server].selected().is_some());
            let path = tcp(port(round), listener());
            network.run_until(|n| n[server].selected() == Some(tcp(path.remote, path.local)));
            assert_eq!(network[client].selected(), Some(path));
        }
        assert!(!is_closed(&network[client]) && !is_closed(&network[server]));
    }
}

#[test]
fn a_connection_that_does_not_come_back_ends_the_session_when_consent_runs_out() {
    let mut client = client(Role::Controlling, &[active()]);
    client.agent().set_remote_is_lite();
    let (mut network, client, server) = network(client, lite_server(), &[passive()]);
    network.run_until(|n| n[client].is_nominated());
    network.advance(2 * SECOND);
    network.add_filter(|_| Verdict::Drop);
    let now = network.now();
    for (id, path) in [(client, tcp(port(0), listener())), (server, tcp(listener(), port(0)))] {
        network.get_mut(id).end_connection(now, path);
    }
    network.advance(27 * SECOND);
    assert!(!is_closed(&network[client]) && !is_closed(&network[server]));
    network.advance(4 * SECOND);
    assert!(is_closed(&network[client]) && is_closed(&network[server]));
    assert_eq!(network[client].agent().poll_timeout(), None);
}

#[test]
fn when_a_connection_ends_another_valid_path_is_selected_and_nominated() {
    let other = SocketAddr::new(SECOND_ADDRESS.ip(), 444);
    let second = Candidate::host(other).with_tcp(TcpType::Passive).with_local_preference(65_534);
    let renomination = |role, name: u8| {
        let mut config = AgentConfig::new(credentials(name), role);
        config.renomination = true;
        let mut peer = Peer::of(Agent::new(config, [name; 32], Instant::now()).expect("valid"));
        peer.agent().set_remote_renominates();
        peer.signal(3 - name, &[]);
        peer
    };
    let mut client = renomination(Role::Controlling, 1);
    client.agent().add_local_candidate(active()).expect("room");
    client.stack.free = ports(FIRST_ADDRESS.ip()).into();
    let mut server = renomination(Role::Controlled, 2);
    for candidate in [passive(), second.clone()] {
        server.agent().add_local_candidate(candidate).expect("room");
    }
    server.stack.listen(other);
    let (mut network, client, server) = network(client, server, &[second]);
    network.set_addresses(server, &[SECOND_ADDRESS, listener(), other]);
    network.run_until(|n| n[client].is_nominated() && n[server].is_nominated());
    // A better one comes later: it takes over, and the first stays as it is.
    network.get_mut(client).agent().add_remote_candidate(passive()).expect("room");
    network.run_until(|n| n[server].selected().is_some_and(|it| it.local == listener()));
    network.advance(10 * SECOND);
    assert_eq!(network[client].stack.connections().len(), 2);

    let now = network.now();
    let path = network[client].selected().expect("selected");
    assert_eq!(path.remote, listener());
    network.get_mut(client).end_connection(now, path);
    assert_eq!(network[client].selected().map(|it| it.remote), Some(other));
    network.run_until(|n| n[client].is_nominated() && n[server].is_nominated());
    assert_eq!(network[server].selected().map(|it| it.local), Some(other));
}

#[test]
fn a_restart_opens_a_new_connection_and_closes_the_old_one_after_it() {
    let mut client = client(Role::Controlling, &[active()]);
    client.agent().set_remote_is_lite();
    let (mut network, client, server) = network(client, lite_server(), &[passive()]);
    network.run_until(|n| n[client].is_nominated());
    network.advance(10 * SECOND);
    let now = network.now();
    network.get_mut(server).lite_agent().restart(now, credentials(12), credentials(11));
    network.get_mut(client).agent().restart(now, credentials(11)).expect("open");
    network.advance(10 * SECOND);
    assert_eq!(network[client].selected(), Some(tcp(port(0), listener())), "until the answer comes");
    network.get_mut(client).signal(12, &[]);
    network.get_mut(client).agent().add_remote_candidate(passive()).expect("room");
    network.run_until(|n| n[client].is_nominated());
    assert_eq!(network[client].selected(), Some(tcp(port(1), listener())));
    network.advance(60 * SECOND);
    assert_eq!(network[client].stack.connections(), [tcp(port(1), listener())]);
    assert_eq!(network[server].selected(), Some(tcp(listener(), port(1))));
    assert!(!is_closed(&network[client]) && !is_closed(&network[server]));
}

#[test]
fn a_restart_gives_up_what_was_being_opened() {
    let dead = Candidate::host(address("203.0.113.9:443")).with_tcp(TcpType::Passive);
    let (mut network, client, _) = network(client(Role::Controlling, &[active()]), lite_server(), &[dead]);
    network.advance(SECOND);
    assert_eq!(network[client].stack.opening(), 1);
    let now = network.now();
    network.get_mut(client).agent().restart(now, credentials(11)).expect("open");
    network.advance(SECOND);
    assert_eq!(network[client].stack.opening(), 0);
}

#[test]
fn what_the_owner_says_of_connections_that_nobody_asked_for_changes_nothing() {
    let now = Instant::now();
    let mut agent =
        Agent::new(AgentConfig::new(credentials(1), Role::Controlling), [1; 32], now).expect("valid");
    agent.add_local_candidate(active()).expect("room");
    agent.set_remote_credentials(credentials(2)).expect("valid");
    let asked = tcp(SocketAddr::new(FIRST_ADDRESS.ip(), 9), listener());
    assert_eq!(agent.connected(now, &asked, port(0)), Err(Error::Unexpected));
    agent.add_remote_candidate(passive()).expect("room");
    assert_eq!(agent.connected(now, &asked, port(0)), Err(Error::Unexpected), "not asked for yet");
    agent.handle_timeout(now);
    assert_eq!(agent.poll_event(), Some(Event::Connect(asked)));
    agent.path_closed(now, &tcp(port(7), listener()));
    assert_eq!(agent.connected(now, &asked, port(0)), Ok(()));
    assert_eq!(agent.connected(now, &asked, port(1)), Err(Error::Unexpected), "once");
    agent.path_closed(now, &tcp(port(0), listener()));
    agent.path_closed(now, &tcp(port(0), listener()));
    assert_eq!((agent.poll_event(), agent.poll_transmit(now, &mut Vec::new())), (None, None));
    agent.close();
    assert_eq!(agent.connected(now, &asked, port(0)), Err(Error::Closed));
}

#[test]
fn a_stranger_that_connects_learns_and_changes_nothing() {
    let now = Instant::now();
    let mut agent =
        Agent::new(AgentConfig::new(credentials(1), Role::Controlled), [1; 32], now).expect("valid");
    agent.add_local_candidate(passive()).expect("room");
    agent.add_local_candidate(active()).expect("room");
    agent.set_remote_credentials(credentials(2)).expect("valid");
    let request = |name: u8| {
        let mut bytes = Vec::new();
        let username = format!("{}:{}", credentials(1).ufrag, credentials(2).ufrag);
        MessageBuilder::request(Method::BINDING, TransactionId::new([name; 12]), &mut bytes)
            .attribute(&Username(&username))
            .integrity(&Key::short_term(&credentials(name).password))
            .fingerprint();
        bytes
    };
    let mut take = |path: Path, bytes: &[u8]| {
        agent.handle_datagram(now, Datagram::new(path.transport, path.local, path.remote, bytes))
    };
    let stranger = address("203.0.113.66:6666");
    assert!(matches!(take(tcp(listener(), stranger), b"GET / HTTP/1.1\r\n"), Err(Error::Malformed(_))));
    assert_eq!(take(tcp(listener(), stranger), &request(3)), Err(Error::Unauthentic));
    // Even the peer itself can't come to where nobody listens.
    for path in [
        tcp(port(0), stranger),
        tcp(SocketAddr::new(FIRST_ADDRESS.ip(), 9), stranger),
        Path::new(Transport::Udp, listener(), stranger),
    ] {
        assert_eq!(take(path, &request(1)), Err(Error::UnknownLocalAddress), "{path:?}");
    }
    assert_eq!(take(tcp(listener(), stranger), &request(1)), Ok(()));
    assert_eq!(agent.poll_event(), Some(Event::Validated(tcp(listener(), stranger))));
}

#[test]
fn a_peer_that_reconnects_for_ever_is_always_found_and_takes_no_more_memory() {
    let now = Instant::now();
    let mut agent =
        Agent::new(AgentConfig::new(credentials(1), Role::Controlled), [1; 32], now).expect("valid");
    agent.add_local_candidate(passive()).expect("room");
    agent.set_remote_credentials(credentials(2)).expect("valid");
    let username = format!("{}:{}", credentials(1).ufrag, credentials(2).ufrag);
    for n in 0..1000_u16 {
        let mut bytes = Vec::new();
        let mut id = [0; 12];
        id[..2].copy_from_slice(&n.to_be_bytes());
        MessageBuilder::request(Method::BINDING, TransactionId::new(id), &mut bytes)
            .attribute(&Username(&username))
            .integrity(&Key::short_term(&credentials(1).password))
            .fingerprint();
        let path = tcp(listener(), SocketAddr::new(FIRST_ADDRESS.ip(), 1000 + n));
        let datagram = Datagram::new(path.transport, path.local, path.remote, &bytes);
        let now = now + u32::from(n) * SECOND / 10;
        assert_eq!(agent.handle_datagram(now, datagram), Ok(()), "{n}");
        let mut answers = 0;
        let mut checks = 0;
        let mut buf = Vec::new();
        while let Some(it) = agent.poll_transmit(now, &mut buf) {
            assert_eq!((it.transport, it.remote), (Transport::Tcp, path.remote));
            answers += u32::from(checks == 0 && answers == 0);
            checks += 1;
        }
        assert_eq!((answers, checks), (1, 2), "{n}: an answer and a check of our own");
        agent.path_closed(now, &path);
        while agent.poll_event().is_some() {}
    }
}

#[test]
fn datagrams_that_a_relay_hands_over_are_answered_and_checked_through_it() {
    let now = Instant::now();
    let ours = SECOND_ADDRESS;
    let mut agent =
        Agent::new(AgentConfig::new(credentials(1), Role::Controlled), [1; 32], now).expect("valid");
    agent.add_local_candidate(Candidate::host(ours)).expect("room");
    agent.set_remote_credentials(credentials(2)).expect("valid");
    let mut bytes = Vec::new();
    let username = format!("{}:{}", credentials(1).ufrag, credentials(2).ufrag);
    MessageBuilder::request(Method::BINDING, TransactionId::new([1; 12]), &mut bytes)
        .attribute(&Username(&username))
        .integrity(&Key::short_term(&credentials(1).password))
        .fingerprint();
    let relayed = Path::new(Transport::Relayed, ours, address("192.0.2.200:49152"));
    let datagram = Datagram::new(relayed.transport, relayed.local, relayed.remote, &bytes);
    assert_eq!(agent.handle_datagram(now, datagram), Ok(()));
    let mut buf = Vec::new();
    let sent: Vec<_> = std::iter::from_fn(|| agent.poll_transmit(now, &mut buf)).collect();
    assert_eq!(sent.len(), 2);
    for it in sent {
        assert_eq!(Path::new(it.transport, it.local, it.remote), relayed);
    }
}
