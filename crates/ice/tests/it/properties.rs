//! Laws that hold for any input.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_ice::attribute::TABLE;
use headwater_ice::{
    Agent, AgentConfig, Candidate, Credentials, Event, LiteAgent, LiteConfig, Path, Role, TcpType,
    ufrag_of_request,
};
use headwater_stun::attribute::Username;
use headwater_stun::{
    AttributeType, Datagram, Key, MessageBuilder, Method, RawAttribute, TransactionId, Transport,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::peer::credentials;

/// One thing that happens to an agent.
#[derive(Clone, Debug)]
enum Operation {
    Garbage(Vec<u8>),
    /// A check that is authentic or nearly so.
    Check {
        id: u8,
        port: u8,
        transport: u8,
        generation: bool,
        attributes: Vec<(u16, Vec<u8>)>,
        flip: Option<u16>,
    },
    Advance(u16),
    Received(u8),
    /// The path to a port over one of the transports is gone.
    Closed(u8, u8),
    Poll,
    Restart,
}

fn operation() -> impl Strategy<Value = Operation> {
    let kind = prop_oneof![
        Just(0x0024u16),
        Just(0x0025),
        Just(0x8029),
        Just(0x802A),
        Just(0xC001),
        Just(0x0006),
        Just(0x0008),
        Just(0x8028),
        any::<u16>()
    ];
    let value = prop_oneof![vec(any::<u8>(), 0..12), vec(any::<u8>(), 4), vec(any::<u8>(), 8)];
    prop_oneof![
        1 => vec(any::<u8>(), 0..120).prop_map(Operation::Garbage),
        6 => (any::<u8>(), (0u8..12, 0u8..6), any::<bool>(), vec((kind, value), 0..4), proptest::option::weighted(0.1, any::<u16>()))
            .prop_map(|(id, (port, transport), generation, attributes, flip)| {
                Operation::Check { id, port, transport, generation, attributes, flip }
            }),
        2 => any::<u16>().prop_map(Operation::Advance),
        1 => (0u8..12).prop_map(Operation::Received),
        1 => (0u8..12, 0u8..6).prop_map(|(port, transport)| Operation::Closed(port, transport)),
        4 => Just(Operation::Poll),
        1 => Just(Operation::Restart),
    ]
}

fn ours() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 2], 8189))
}

/// Mostly UDP.
fn transport_of(number: u8) -> Transport {
    match number {
        0 => Transport::Tcp,
        1 => Transport::Relayed,
        _ => Transport::Udp,
    }
}

fn theirs(port: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 1000 + u16::from(port)))
}

fn check(
    id: u8,
    to: &Credentials,
    from: &Credentials,
    attributes: &[(u16, Vec<u8>)],
    flip: Option<u16>,
) -> Vec<u8> {
    let mut tail = Vec::new();
    for (kind, value) in attributes {
        tail.extend_from_slice(&kind.to_be_bytes());
        tail.extend_from_slice(&u16::try_from(value.len()).expect("short").to_be_bytes());
        tail.extend_from_slice(value);
        tail.resize(tail.len().next_multiple_of(4), 0);
    }
    let mut bytes = Vec::new();
    let username = format!("{}:{}", to.ufrag, from.ufrag);
    let builder = MessageBuilder::request(Method::BINDING, TransactionId::new([id; 12]), &mut bytes)
        .attribute(&Username(&username));
    builder.attribute(&Raw(&tail)).integrity(&Key::short_term(&to.password)).fingerprint();
    if let Some(bit) = flip {
        let bit = usize::from(bit) % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    bytes
}

/// Attributes written out, inside an attribute that nobody knows when there are none.
struct Raw<'a>(&'a [u8]);

impl<'a> headwater_stun::Attribute<'a> for Raw<'a> {
    const TYPE: AttributeType = AttributeType(0xC000);
    fn parse(raw: RawAttribute<'a>) -> Result<Self, headwater_stun::ParseError> {
        Ok(Self(raw.value))
    }
    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        // An empty value of its own, then the attributes: the header's four bytes stand before.
        out.extend_from_slice(self.0);
    }
}

enum Machine {
    Full(Box<Agent>),
    Lite(Box<LiteAgent>),
}

/// Runs operations and checks after each what must always hold.
fn run(mut machine: Machine, start: Instant, operations: Vec<Operation>) -> Result<(), TestCaseError> {
    let mut now = start;
    let mut buf = Vec::new();
    let mut restarts = 0u8;
    let mut is_closed = false;
    for operation in operations {
        match operation {
            Operation::Garbage(bytes) => {
                let _ = ufrag_of_request(&bytes);
                let datagram = Datagram::new(Transport::Udp, ours(), theirs(0), &bytes);
                let _ = match &mut machine {
                    Machine::Full(it) => it.handle_datagram(now, datagram),
                    Machine::Lite(it) => it.handle_datagram(now, datagram),
                };
            }
            Operation::Closed(port, transport) => {
                let path = Path::new(transport_of(transport), ours(), theirs(port));
                match &mut machine {
                    Machine::Full(it) => it.path_closed(now, &path),
                    Machine::Lite(it) => it.path_closed(now, &path),
                }
            }
            Operation::Check { id, port, transport, generation, attributes, flip } => {
                let name = if generation { restarts } else { restarts.saturating_sub(1) };
                let bytes = check(id, &credentials(100 + name), &credentials(1), &attributes, flip);
                let datagram = Datagram::new(transport_of(transport), ours(), theirs(port), &bytes);
                let _ = match &mut machine {
                    Machine::Full(it) => it.handle_datagram(now, datagram),
                    Machine::Lite(it) => it.handle_datagram(now, datagram),
                };
            }
            Operation::Advance(ms) => {
                now += Duration::from_millis(u64::from(ms) / 4);
                match &mut machine {
                    Machine::Full(it) => it.handle_timeout(now),
                    Machine::Lite(it) => it.handle_timeout(now),
                }
            }
            Operation::Received(port) => {
                let path = crate::peer::path(ours(), theirs(port));
                match &mut machine {
                    Machine::Full(it) => it.note_received(now, &path),
                    Machine::Lite(it) => it.note_received(now, &path),
                }
            }
            Operation::Poll => {
                buf.clear();
                let mut sent = 0;
                while let Some(transmit) = match &mut machine {
                    Machine::Full(it) => it.poll_transmit(now, &mut buf),
                    Machine::Lite(it) => it.poll_transmit(now, &mut buf),
                } {
                    sent += 1;
                    prop_assert!(sent <= 200, "never silent");
                    prop_assert!(transmit.len <= 200);
                }
                let mut told = 0;
                while let Some(event) = match &mut machine {
                    Machine::Full(it) => it.poll_event(),
                    Machine::Lite(it) => it.poll_event(),
                } {
                    told += 1;
                    prop_assert!(told <= 200);
                    prop_assert!(!is_closed, "{event:?} after Closed");
                    is_closed |= matches!(event, Event::Closed { .. });
                }
            }
            Operation::Restart if restarts < 50 => {
                restarts += 1;
                let local = credentials(100 + restarts);
                match &mut machine {
                    Machine::Full(it) => {
                        let _ = it.restart(now, local);
                        let _ = it.set_remote_credentials(credentials(1));
                    }
                    Machine::Lite(it) => it.restart(now, local, credentials(1)),
                }
            }
            Operation::Restart => {}
        }
        // Time moves: what is due is done by one call, so the next timeout lies ahead.
        let mut spins = 0;
        while let Some(at) = match &machine {
            Machine::Full(it) => it.poll_timeout(),
            Machine::Lite(it) => it.poll_timeout(),
        }
        .filter(|at| *at <= now)
        {
            spins += 1;
            prop_assert!(spins < 20, "stuck at {:?} of {:?}", at - start, now - start);
            match &mut machine {
                Machine::Full(it) => it.handle_timeout(now),
                Machine::Lite(it) => it.handle_timeout(now),
            }
        }
        let selected = match &machine {
            Machine::Full(it) => it.selected_path().map(|path| it.is_validated(&path)),
            Machine::Lite(it) => it.selected_path().map(|path| it.is_validated(&path)),
        };
        prop_assert!(selected != Some(false), "media goes where nobody proved to be");
    }
    Ok(())
}

fn full(role: Role, renomination: bool, now: Instant) -> Machine {
    let mut config = AgentConfig::new(credentials(100), role);
    config.renomination = renomination;
    let mut agent = Agent::new(config, [9; 32], now).expect("a valid config");
    agent.set_remote_renominates();
    let host = Candidate::host(ours());
    for candidate in [host.clone(), host.clone().with_tcp(TcpType::Active), host.with_tcp(TcpType::Passive)] {
        agent.add_local_candidate(candidate).expect("room");
    }
    for port in 0..4 {
        let candidate = Candidate::host(theirs(port));
        agent.add_remote_candidate(candidate.clone().with_tcp(TcpType::Passive)).expect("room");
        agent.add_remote_candidate(candidate).expect("room");
    }
    agent.set_remote_credentials(credentials(1)).expect("valid");
    Machine::Full(Box::new(agent))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_lite_agent_keeps_its_invariants(operations in vec(operation(), 0..60), renominates: bool) {
        let now = Instant::now();
        let mut config = LiteConfig::new(credentials(100), Some(credentials(1)));
        config.renomination = renominates;
        let agent = LiteAgent::new(config, [9; 32], now).expect("a valid config");
        run(Machine::Lite(Box::new(agent)), now, operations)?;
    }

    #[test]
    fn a_full_agent_keeps_its_invariants(operations in vec(operation(), 0..60), controls: bool, renominates: bool) {
        let now = Instant::now();
        let role = if controls { Role::Controlling } else { Role::Controlled };
        run(full(role, renominates, now), now, operations)?;
    }

    #[test]
    fn any_text_is_parsed_or_refused_and_what_is_parsed_is_stable(line in "\\PC{0,80}") {
        if let Ok(candidate) = line.parse::<Candidate>() {
            prop_assert_eq!(candidate.to_string().parse::<Candidate>(), Ok(candidate));
        }
    }

    #[test]
    fn lines_that_look_like_candidates_are_stable(
        line in "candidate:[a-zA-Z0-9+/]{1,34} [0-9]{1,3} (udp|TCP) [0-9]{1,10} ([0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9a-f:]{2,20}|[a-z-]{1,9}\\.local) [0-9]{1,5} typ (host|srflx|prflx|relay)( raddr [0-9.]{7,9} rport [0-9]{1,5})?( tcptype (active|passive|so))?( ufrag [a-zA-Z0-9+/]{1,8})?"
    ) {
        if let Ok(candidate) = line.parse::<Candidate>() {
            prop_assert_eq!(candidate.to_string().parse::<Candidate>(), Ok(candidate));
        }
    }

    #[test]
    fn ices_attributes_emit_what_they_parsed(value in vec(any::<u8>(), 0..10)) {
        let id = TransactionId::new([7; 12]);
        for row in TABLE {
            let mut out = Vec::new();
            if (row.rewrite)(RawAttribute::new(row.kind, &value, id), &mut out).is_ok() {
                prop_assert_eq!(&out, &value);
            }
        }
    }
}
