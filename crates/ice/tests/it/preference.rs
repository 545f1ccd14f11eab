//! The order of our own candidates (RFC 8421), and which of two pairs with one base stays (RFC 8445 §6.1.2.4).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_ice::attribute::Priority;
use headwater_ice::{Agent, AgentConfig, Candidate, Event, Role, TcpType, interleave};
use headwater_netsim::{FIRST, FIRST_ADDRESS, Network, SECOND, SECOND_ADDRESS, Verdict};
use headwater_stun::Message;

use crate::peer::{Peer, address, credentials, is_connected, path};

fn in_order(mut candidates: Vec<Candidate>) -> Vec<String> {
    interleave(&mut candidates);
    candidates.sort_by_key(|it| std::cmp::Reverse(it.priority));
    let priorities: Vec<_> = candidates.iter().map(|it| it.priority).collect();
    assert!(priorities.windows(2).all(|it| it[0] > it[1]), "{priorities:?}");
    candidates.iter().map(|it| it.socket_addr().expect("an address").ip().to_string()).collect()
}

fn hosts(ips: &[&str]) -> Vec<Candidate> {
    ips.iter().map(|ip| Candidate::host(SocketAddr::new(ip.parse().expect("an IP"), 5000))).collect()
}

#[test]
fn ipv6_and_ipv4_take_turns_and_ipv6_is_first() {
    for (given, wanted) in [
        (&["10.0.0.1", "2001:db8::1"][..], &["2001:db8::1", "10.0.0.1"][..]),
        (
            &["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2", "2001:db8::3"],
            &["2001:db8::1", "10.0.0.1", "2001:db8::2", "10.0.0.2", "2001:db8::3"],
        ),
        (
            &["10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1"],
            &["2001:db8::1", "10.0.0.1", "10.0.0.2", "10.0.0.3"],
        ),
        (&["10.0.0.2", "10.0.0.1"], &["10.0.0.2", "10.0.0.1"]),
        (&[], &[]),
    ] {
        assert_eq!(in_order(hosts(given)), wanted);
    }
}

#[test]
fn each_kind_and_transport_has_its_own_order_and_keeps_its_place() {
    let base = address("10.0.0.1:5000");
    let mut candidates = hosts(&["10.0.0.1", "10.0.0.2", "2001:db8::1"]);
    let tcp = hosts(&["10.0.0.1", "2001:db8::1"]).into_iter().map(|it| it.with_tcp(TcpType::Active));
    candidates.extend(tcp);
    candidates.push(Candidate::server_reflexive(address("203.0.113.5:6000"), base));
    candidates.push(Candidate::relayed(address("203.0.113.9:6000"), base));
    interleave(&mut candidates);
    let preference: Vec<_> = candidates.iter().map(|it| (it.priority >> 8) & 0xFFFF).collect();
    let active = |it: u32| (6 << 13) | it;
    assert_eq!(preference, [65_534, 65_533, 65_535, active(8_190), active(8_191), 65_535, 65_535]);
    let kinds: Vec<_> = candidates.iter().map(|it| it.priority >> 24).collect();
    assert_eq!(kinds, [126, 126, 126, 90, 90, 100, 0]);
}

#[test]
fn where_ipv6_is_broken_ipv4_connects_at_once() {
    let now = Instant::now();
    let v6: Vec<SocketAddr> = (1..=8).map(|n| address(&format!("[2001:db8::{n}]:5000"))).collect();
    let mut locals: Vec<_> = v6.iter().map(|it| Candidate::host(*it)).collect();
    locals.push(Candidate::host(FIRST_ADDRESS));
    interleave(&mut locals);
    let mut client = Peer::full(1, Role::Controlling, now);
    locals.into_iter().for_each(|it| client.agent().add_local_candidate(it).expect("room"));
    let theirs = address("[2001:db8:1::1]:5000");
    client.signal(2, &[theirs, SECOND_ADDRESS]);
    let mut server = Peer::full(2, Role::Controlled, now).with_local(&[SECOND_ADDRESS, theirs]);
    server.signal(1, &[]);
    let mut network = Network::pair(client, server);
    network.set_addresses(FIRST, &[&v6[..], &[FIRST_ADDRESS]].concat());
    network.set_addresses(SECOND, &[SECOND_ADDRESS, theirs]);
    network.add_filter(|it| if it.destination.is_ipv6() { Verdict::Drop } else { Verdict::Pass });
    network.run_until(|n| n[FIRST].selected().is_some());
    // The second pair to be checked, 50 ms after the first.
    assert!(network.elapsed() < Duration::from_millis(200), "{:?}", network.elapsed());
    network.run_until(|n| is_connected(n, FIRST, SECOND));
    assert!(network.elapsed() < Duration::from_secs(1), "{:?}", network.elapsed());
}

#[test]
fn of_two_candidates_with_one_base_the_better_one_is_checked_whichever_came_first() {
    let host = Candidate::host(FIRST_ADDRESS);
    let reflexive = Candidate::server_reflexive(address("203.0.113.5:61000"), FIRST_ADDRESS);
    for locals in [[host.clone(), reflexive.clone()], [reflexive, host]] {
        let now = Instant::now();
        let mut agent =
            Agent::new(AgentConfig::new(credentials(1), Role::Controlling), [1; 32], now).expect("valid");
        agent.add_remote_candidate(Candidate::host(SECOND_ADDRESS)).expect("room");
        locals.into_iter().for_each(|it| agent.add_local_candidate(it).expect("room"));
        agent.set_remote_credentials(credentials(2)).expect("valid");
        let mut buf = Vec::new();
        let it = agent.poll_transmit(now, &mut buf).expect("a check");
        assert_eq!((it.local, it.remote), (FIRST_ADDRESS, SECOND_ADDRESS));
        assert!(agent.poll_transmit(now + Duration::from_millis(60), &mut buf).is_none(), "one pair");
        buf.truncate(it.len);
        let priority = Message::parse(&buf).expect("a message").attribute::<Priority>();
        let wanted = (110 << 24) | (65_535 << 8) | 255;
        assert_eq!(priority, Ok(Some(Priority(wanted))));
    }
}

#[test]
fn a_relayed_candidate_is_used_when_nothing_better_works() {
    let now = Instant::now();
    let relayed = address("203.0.113.9:49152");
    let mut client = Peer::full(1, Role::Controlling, now).with_local(&[FIRST_ADDRESS]);
    let reflexive = Candidate::server_reflexive(address("203.0.113.5:61000"), FIRST_ADDRESS);
    for candidate in [reflexive.clone(), Candidate::relayed(relayed, address("203.0.113.5:61000"))] {
        client.agent().add_local_candidate(candidate).expect("room");
    }
    client.signal(2, &[SECOND_ADDRESS]);
    let mut server = Peer::full(2, Role::Controlled, now).with_local(&[SECOND_ADDRESS]);
    server.signal(1, &[]);
    let mut network = Network::pair(client, server);
    // The TURN server is one more address of the client, as it is for the agent.
    network.set_addresses(FIRST, &[FIRST_ADDRESS, relayed]);
    network.add_filter(|it| {
        let is_direct = [it.source, it.destination].contains(&FIRST_ADDRESS);
        if is_direct { Verdict::Drop } else { Verdict::Pass }
    });
    network.run_until(|n| is_connected(n, FIRST, SECOND) && n[SECOND].is_nominated());
    assert_eq!(network[FIRST].selected(), Some(path(relayed, SECOND_ADDRESS)));
    // What the peer sees is the relayed address: nothing was learned.
    assert!(!network[FIRST].events.iter().any(|it| matches!(it, Event::LocalCandidate(_))));
    assert!(reflexive.priority > Candidate::relayed(relayed, relayed).priority);
}
