//! ICE agents: two of them on a network that loses, repeats and forges datagrams, and ends connections; frames, candidates
//! and attributes.

mod ends;
mod forged;
mod wire;

use crate::Input;
use crate::machine::{advance, drain};
use ends::{Any, End, Recorded};
use forged::{forged, forged_answer};
use headwater_ice::{
    Agent, AgentConfig, Candidate, Credentials, LiteAgent, LiteConfig, NominationMode, Path, Role, TcpType,
    interleave, ufrag_of_request,
};
use headwater_stun::Transport;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Datagrams under way in one direction; the oldest is lost when there are more.
const MAX_UNDER_WAY: usize = 64;
/// More than an agent may have to say at one moment: answers, checks and consent of a few generations.
const MAX_BURST: usize = 256;
/// Operations of one input, so that none takes long.
const MAX_OPERATIONS: usize = 200;

/// The first byte chooses the agents, the rest is operations.
pub fn ice_agent(data: &[u8]) {
    let mut input = Input::new(data);
    wire::deframe(data);
    wire::candidate(data);
    wire::attributes(data);
    let mut now = Instant::now();
    let kinds = input.byte();
    let credentials = [1, 2].map(|seed| Credentials::generate([seed; 32], "fz"));
    let addresses = [SocketAddr::from(([192, 0, 2, 1], 1)), SocketAddr::from(([198, 51, 100, 2], 2))];
    let renomination = kinds & 16 != 0;
    let mut ends = [0, 1].map(|index| {
        let (local, remote) = (credentials[index].clone(), credentials[1 - index].clone());
        let agent = if index == 1 && kinds & 1 != 0 {
            let mut config = LiteConfig::new(local, Some(remote));
            config.renomination = renomination;
            Any::Lite(LiteAgent::new(config, [3; 32], now).expect("a valid config"))
        } else {
            let role = if index == 0 || kinds & 2 != 0 { Role::Controlling } else { Role::Controlled };
            let mut config = AgentConfig::new(local, role);
            config.renomination = renomination;
            if kinds & 32 != 0 {
                config.nomination = NominationMode::Aggressive;
            }
            let mut agent = Agent::new(config, [4; 32], now).expect("a valid config");
            for candidate in candidates(addresses[index], kinds) {
                agent.add_local_candidate(candidate).expect("room for five");
            }
            agent.set_remote_credentials(remote).expect("valid credentials");
            if kinds & 4 == 0 {
                for candidate in candidates(addresses[1 - index], kinds) {
                    agent.add_remote_candidate(candidate).expect("room for five");
                }
            }
            if renomination && kinds & 64 == 0 {
                agent.set_remote_renominates();
            }
            Any::Full(agent)
        };
        End {
            machine: Recorded { agent, sent_along: Vec::new(), told: Vec::new() },
            address: addresses[index],
            credentials: credentials[index].clone(),
            under_way: Vec::new(),
            asked: Vec::new(),
            open: Vec::new(),
            next_port: 50_000,
        }
    });
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        let operation = input.byte();
        let who = usize::from(operation & 1);
        operate(operation >> 1, who, &mut ends, &mut now, &mut input);
        for end in &mut ends {
            let sent = drain(&mut end.machine, now);
            assert!(sent.len() <= MAX_BURST, "{} datagrams at one moment", sent.len());
            end.send(now, sent);
        }
    }
}

/// Over UDP, and if the input wants it over TCP, in both directions.
fn candidates(address: SocketAddr, kinds: u8) -> Vec<Candidate> {
    let udp = Candidate::host(address);
    let mut candidates = vec![udp.clone()];
    if kinds & 8 != 0 {
        candidates.extend([TcpType::Active, TcpType::Passive].map(|it| udp.clone().with_tcp(it)));
    }
    if kinds & 128 != 0 {
        let mapped = SocketAddr::from(([203, 0, 113, 1], address.port()));
        let relayed = SocketAddr::from(([203, 0, 113, 2], address.port()));
        candidates
            .extend([Candidate::server_reflexive(mapped, address), Candidate::relayed(relayed, mapped)]);
    }
    interleave(&mut candidates);
    candidates
}

fn operate(operation: u8, who: usize, ends: &mut [End; 2], now: &mut Instant, input: &mut Input<'_>) {
    let other = 1 - who;
    match operation % 8 {
        // The network carries what it has, one way or both, and time goes on.
        0 => {
            for _ in 0..=input.byte() % 16 {
                for from in [0, 1] {
                    deliver(ends, from, 0, *now);
                }
                wait(ends, now, Duration::from_millis(50));
            }
        }
        // One datagram arrives (out of order, perhaps), and perhaps again.
        1 => {
            let choice = input.byte();
            let index = usize::from(choice >> 1) % ends[who].under_way.len().max(1);
            if choice & 1 != 0 {
                let copy = ends[who].under_way.get(index).cloned();
                ends[who].under_way.extend(copy);
            }
            deliver(ends, who, index, *now);
        }
        // One is lost, or all.
        2 => {
            let lost = if input.byte() == 0 { ends[who].under_way.len() } else { 1 };
            let lost = lost.min(ends[who].under_way.len());
            ends[who].under_way.drain(..lost);
        }
        3 => wait(ends, now, Duration::from_millis(u64::from(input.u16()))),
        // Anything, from anywhere.
        4 => {
            let from = SocketAddr::from(([203, 0, 113, input.byte()], 9));
            let contents = input.chunk();
            let path = Path::new(Transport::Udp, ends[who].address, from);
            ends[who].receive(*now, path, contents);
        }
        // A check as the peer could make it, with attributes that it never would.
        5 => {
            let flags = input.byte();
            let check = forged(&ends[who].credentials, &ends[other].credentials, flags, input);
            assert_eq!(ufrag_of_request(&check), Some(ends[who].credentials.ufrag.as_str()));
            let from = if flags & 1 != 0 {
                SocketAddr::from(([203, 0, 113, input.byte()], 9))
            } else {
                ends[other].address
            };
            let transport = match flags >> 6 {
                1 => Transport::Tcp,
                2 => Transport::Relayed,
                _ => Transport::Udp,
            };
            let path = Path::new(transport, ends[who].address, from);
            ends[who].receive(*now, path, &check);
        }
        6 => signal(&mut ends[who], input),
        _ => command(ends, who, *now, input),
    }
}

fn deliver(ends: &mut [End; 2], from: usize, index: usize, now: Instant) {
    if index < ends[from].under_way.len() {
        let (sent, contents) = ends[from].under_way.remove(index);
        let received = Path::new(sent.transport, sent.remote, sent.local);
        ends[1 - from].receive(now, received, &contents);
    }
}

fn wait(ends: &mut [End; 2], now: &mut Instant, by: Duration) {
    let before = *now;
    for end in ends {
        *now = before;
        let sent = advance(&mut end.machine, now, by);
        end.send(*now, sent);
    }
}

/// A candidate as signalling would bring it: text that is stable, and that the agent takes or refuses.
fn signal(end: &mut End, input: &mut Input<'_>) {
    let Some(candidate) = wire::candidate(input.chunk()) else { return };
    if let Any::Full(agent) = &mut end.machine.agent {
        let _ = agent.add_remote_candidate(candidate);
    }
}

fn command(ends: &mut [End; 2], who: usize, now: Instant, input: &mut Input<'_>) {
    let choice = input.byte();
    let path = Path::new(Transport::Udp, ends[who].address, ends[1 - who].address);
    let remote = ends[1 - who].credentials.clone();
    let fresh = Credentials::generate([choice; 32], "fz");
    match (&mut ends[who].machine.agent, choice % 4) {
        (Any::Full(agent), 0) => {
            let Ok(()) = agent.restart(now, fresh.clone()) else { return };
            let _ = agent.set_remote_credentials(remote);
            ends[who].credentials = fresh;
        }
        (Any::Lite(agent), 0) => {
            agent.restart(now, fresh.clone(), remote);
            ends[who].credentials = fresh;
        }
        (Any::Full(agent), 1) => agent.note_received(now, &path),
        (Any::Lite(agent), 1) => agent.note_received(now, &path),
        (Any::Full(agent), 2) => agent.end_of_remote_candidates(),
        (Any::Full(agent), _) if choice > 250 => agent.close(),
        (Any::Lite(agent), _) if choice > 250 => agent.close(),
        // The peer answers a check as it never would.
        _ if choice >> 2 & 15 == 14 => forged_answer(ends, who, now, input),
        _ => connections(ends, who, now, choice >> 2),
    }
}

/// What becomes of connections, and what may be done with paths.
fn connections(ends: &mut [End; 2], who: usize, now: Instant, choice: u8) {
    let other = ends[1 - who].address;
    let end = &mut ends[who];
    let nth = |len: usize| usize::from(choice / 8) % len.max(1);
    match choice % 8 {
        // One that was asked for opens, or doesn't.
        0 | 1 if !end.asked.is_empty() => {
            let asked = end.asked.remove(nth(end.asked.len()));
            if choice % 8 == 1 {
                return end.path_closed(now, asked);
            }
            end.next_port = end.next_port.wrapping_add(1);
            let local = SocketAddr::new(asked.local.ip(), end.next_port);
            let opened = Path::new(Transport::Tcp, local, asked.remote);
            // First: the agent may write to it at once.
            end.open.push(opened);
            let Any::Full(agent) = &mut end.machine.agent else { panic!("a lite agent asks for nothing") };
            if agent.connected(now, &asked, local).is_err() {
                end.open.retain(|it| *it != opened);
            }
        }
        // One ends, and both sides notice.
        2 if !end.open.is_empty() => {
            let ended = end.open[nth(end.open.len())];
            end.path_closed(now, ended);
            ends[1 - who].path_closed(now, Path::new(Transport::Tcp, ended.remote, ended.local));
        }
        // A relay ends, or a socket.
        3 => end.path_closed(now, Path::new(Transport::Relayed, end.address, other)),
        4 => end.path_closed(now, Path::new(Transport::Udp, end.address, other)),
        5 => {
            let udp = Path::new(Transport::Udp, end.address, other);
            let path = end.open.get(nth(end.open.len() + 1)).copied().unwrap_or(udp);
            if let Any::Full(agent) = &mut end.machine.agent {
                let was = agent.selected_path();
                if agent.renominate(now, &path).is_err() {
                    assert_eq!(agent.selected_path(), was, "refused, yet changed");
                }
            }
        }
        6 => {
            if let Any::Full(agent) = &mut end.machine.agent {
                agent.set_remote_renominates();
            }
        }
        _ => addresses(end, now, choice / 8),
    }
}

/// An address of ours goes away, or comes back.
fn addresses(end: &mut End, now: Instant, choice: u8) {
    let Any::Full(agent) = &mut end.machine.agent else { return };
    let known = agent.local_candidates().len();
    if choice & 1 != 0 || known == 0 {
        let kinds = if choice & 2 != 0 { 8 } else { 0 };
        let relayed = SocketAddr::from(([192, 0, 2, 77], 77));
        let relayed = (choice & 4 != 0).then(|| Candidate::relayed(relayed, end.address));
        for candidate in candidates(end.address, kinds).into_iter().chain(relayed) {
            let _ = agent.add_local_candidate(candidate);
        }
        return;
    }
    let candidate = agent.local_candidates()[usize::from(choice / 2) % known].clone();
    let was = agent.selected_path();
    if agent.remove_local_candidate(now, &candidate).is_err() {
        assert_eq!(agent.selected_path(), was, "refused, yet changed");
        return;
    }
    let is_left = |it: &Path| it.transport == Transport::Udp && Some(it.local) == candidate.base();
    let is_base = candidate.base() == candidate.socket_addr() && candidate.transport == Transport::Udp;
    assert!(!(is_base && agent.selected_path().is_some_and(|it| is_left(&it))), "gone, yet selected");
}
