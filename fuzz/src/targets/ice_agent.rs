//! ICE agents: two of them on a network that loses, repeats and forges datagrams.

use crate::Input;
use crate::machine::{Machine, advance, drain};
use headwater_ice::attribute::{IceControlled, IceControlling, Priority, UseCandidate};
use headwater_ice::{
    Agent, AgentConfig, Candidate, Credentials, LiteAgent, LiteConfig, Path, Role, ufrag_of_request,
};
use headwater_stun::attribute::Username;
use headwater_stun::{Datagram, Key, MessageBuilder, Method, TransactionId, Transport};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Datagrams under way in one direction; the oldest is lost when there are more.
const MAX_UNDER_WAY: usize = 64;
/// More than an agent may have to say at one moment: answers, checks and consent of a few generations.
const MAX_BURST: usize = 256;
/// Operations of one input, so that none takes long.
const MAX_OPERATIONS: usize = 200;

#[expect(clippy::large_enum_variant, reason = "there are two of them in all")]
enum Any {
    Full(Agent),
    Lite(LiteAgent),
}

/// One end, and what is under way to the other.
struct End {
    agent: Any,
    address: SocketAddr,
    credentials: Credentials,
    under_way: Vec<Vec<u8>>,
}

/// The first byte chooses the agents, the rest is operations.
pub fn ice_agent(data: &[u8]) {
    let mut input = Input::new(data);
    let start = Instant::now();
    let mut now = start;
    let kinds = input.byte();
    let credentials = [1, 2].map(|seed| Credentials::generate([seed; 32], "fz"));
    let addresses = [SocketAddr::from(([192, 0, 2, 1], 1)), SocketAddr::from(([198, 51, 100, 2], 2))];
    let mut ends = [0, 1].map(|index| {
        let (local, remote) = (credentials[index].clone(), credentials[1 - index].clone());
        let agent = if index == 1 && kinds & 1 != 0 {
            Any::Lite(
                LiteAgent::new(LiteConfig::new(local, Some(remote)), [3; 32], now).expect("a valid config"),
            )
        } else {
            let role = if index == 0 || kinds & 2 != 0 { Role::Controlling } else { Role::Controlled };
            let mut agent = Agent::new(AgentConfig::new(local, role), [4; 32], now).expect("a valid config");
            agent.add_local_candidate(Candidate::host(addresses[index])).expect("room for one");
            agent.set_remote_credentials(remote).expect("valid credentials");
            if kinds & 4 == 0 {
                agent.add_remote_candidate(Candidate::host(addresses[1 - index])).expect("room for one");
            }
            Any::Full(agent)
        };
        End {
            agent,
            address: addresses[index],
            credentials: credentials[index].clone(),
            under_way: Vec::new(),
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
            let sent = drain(&mut end.agent, now);
            assert!(sent.len() <= MAX_BURST, "{} datagrams at one moment", sent.len());
            end.send(sent);
        }
    }
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
            ends[who].receive(*now, from, contents);
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
            ends[who].receive(*now, from, &check);
        }
        6 => signal(&mut ends[who], input),
        _ => command(ends, who, *now, input.byte()),
    }
}

fn deliver(ends: &mut [End; 2], from: usize, index: usize, now: Instant) {
    if index < ends[from].under_way.len() {
        let contents = ends[from].under_way.remove(index);
        let remote = ends[from].address;
        ends[1 - from].receive(now, remote, &contents);
    }
}

fn wait(ends: &mut [End; 2], now: &mut Instant, by: Duration) {
    let before = *now;
    for end in ends {
        *now = before;
        let sent = advance(&mut end.agent, now, by);
        end.send(sent);
    }
}

/// A candidate as signalling would bring it: text that is stable, and that the agent takes or refuses.
fn signal(end: &mut End, input: &mut Input<'_>) {
    let text = String::from_utf8_lossy(input.chunk());
    let Ok(candidate) = text.parse::<Candidate>() else { return };
    let written = candidate.to_string();
    assert_eq!(written.parse(), Ok(candidate.clone()), "`{written}` parses to something else");
    if let Any::Full(agent) = &mut end.agent {
        let _ = agent.add_remote_candidate(candidate);
    }
}

fn command(ends: &mut [End; 2], who: usize, now: Instant, choice: u8) {
    let path = Path::new(Transport::Udp, ends[who].address, ends[1 - who].address);
    let remote = ends[1 - who].credentials.clone();
    let fresh = Credentials::generate([choice; 32], "fz");
    match (&mut ends[who].agent, choice % 4) {
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
        _ => {}
    }
}

/// A Binding request with the right integrity.
fn forged(local: &Credentials, remote: &Credentials, flags: u8, input: &mut Input<'_>) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut id = [0; 12];
    id.iter_mut().for_each(|byte| *byte = input.byte());
    let username = format!("{}:{}", local.ufrag, remote.ufrag);
    let mut message = MessageBuilder::request(Method::BINDING, TransactionId::new(id), &mut buf)
        .attribute(&Username(&username));
    if flags & 2 != 0 {
        message = message.attribute(&Priority(input.u32()));
    }
    if flags & 4 != 0 {
        message = message.attribute(&IceControlling(u64::from(input.u32()) << 32));
    }
    if flags & 8 != 0 {
        message = message.attribute(&IceControlled(u64::from(input.u32()) << 32));
    }
    if flags & 16 != 0 {
        message = message.attribute(&UseCandidate);
    }
    message.integrity(&Key::short_term(&local.password)).fingerprint();
    buf
}

impl End {
    fn send(&mut self, sent: Vec<Vec<u8>>) {
        self.under_way.extend(sent);
        let surplus = self.under_way.len().saturating_sub(MAX_UNDER_WAY);
        self.under_way.drain(..surplus);
    }

    fn receive(&mut self, now: Instant, remote: SocketAddr, contents: &[u8]) {
        let sent = drain(&mut self.agent, now);
        self.send(sent);
        let datagram = Datagram::new(Transport::Udp, self.address, remote, contents);
        let before = (self.agent.poll_timeout(), self.agent.selected_path());
        let refused = match &mut self.agent {
            Any::Full(agent) => agent.handle_datagram(now, datagram).is_err(),
            Any::Lite(agent) => agent.handle_datagram(now, datagram).is_err(),
        };
        if refused {
            assert_eq!(
                (self.agent.poll_timeout(), self.agent.selected_path()),
                before,
                "refused, yet changed"
            );
            assert!(drain(&mut self.agent, now).is_empty(), "refused, yet answered");
        }
    }
}

impl Any {
    const fn selected_path(&self) -> Option<Path> {
        match self {
            Self::Full(agent) => agent.selected_path(),
            Self::Lite(agent) => agent.selected_path(),
        }
    }
}

impl Machine for Any {
    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize> {
        match self {
            Self::Full(agent) => agent.poll_transmit(now, buf),
            Self::Lite(agent) => agent.poll_transmit(now, buf),
        }
        .map(|transmit| transmit.len)
    }

    fn poll_event(&mut self) -> bool {
        match self {
            Self::Full(agent) => agent.poll_event().is_some(),
            Self::Lite(agent) => agent.poll_event().is_some(),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Full(agent) => agent.poll_timeout(),
            Self::Lite(agent) => agent.poll_timeout(),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Full(agent) => agent.handle_timeout(now),
            Self::Lite(agent) => agent.handle_timeout(now),
        }
    }
}
