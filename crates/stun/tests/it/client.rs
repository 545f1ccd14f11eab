//! The client against the responder, over a network that loses.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_netsim::{Endpoint, FIRST, FIRST_ADDRESS, Link, Nat, Network, SECOND_ADDRESS, Transmit};
use headwater_stun::attribute::ErrorCode;
use headwater_stun::{
    Client, ClientConfig, ConfigError, Datagram, Error, Event, Message, MessageBuilder, Transport, respond,
};

enum Machine {
    Client(Box<Client>),
    Server,
    /// Answers each request with an error.
    Refuser,
}

struct Peer {
    machine: Machine,
    events: Vec<Event>,
    refused: Vec<Error>,
    answers: Vec<(Transmit, Vec<u8>)>,
}

impl Peer {
    fn new(machine: Machine) -> Self {
        Self { machine, events: Vec::new(), refused: Vec::new(), answers: Vec::new() }
    }

    fn client() -> Self {
        let client = Client::new(ClientConfig::default(), [1; 32], Instant::now());
        Self::new(Machine::Client(Box::new(client.expect("a valid config"))))
    }

    fn ask(&mut self, now: Instant, local: SocketAddr, server: SocketAddr) {
        let Machine::Client(client) = &mut self.machine else { panic!("not a client") };
        client.binding(now, Transport::Udp, local, server).expect("few transactions");
    }
}

impl Endpoint for Peer {
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, contents: &mut [u8]) {
        let datagram = Datagram::new(Transport::Udp, local, remote, contents);
        let mut buf = Vec::new();
        match &mut self.machine {
            Machine::Client(client) => {
                self.refused.extend(client.handle_datagram(now, datagram).err());
                self.events.extend(std::iter::from_fn(|| client.poll_event()));
            }
            Machine::Server => {
                let transmit = respond(datagram, &mut buf).expect("a request");
                self.answers.push((Transmit::new(transmit.local, transmit.remote, transmit.len), buf));
            }
            Machine::Refuser => {
                let request = Message::parse(contents).expect("a message");
                let len = MessageBuilder::error(&request, &ErrorCode::SERVER_ERROR, &mut buf).fingerprint();
                self.answers.push((Transmit::new(local, remote, len), buf));
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Machine::Client(client) = &mut self.machine {
            client.handle_timeout(now);
            self.events.extend(std::iter::from_fn(|| client.poll_event()));
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        if let Machine::Client(client) = &mut self.machine {
            return client.poll_transmit(now, buf).map(|it| Transmit::new(it.local, it.remote, it.len));
        }
        let (transmit, bytes) = self.answers.pop()?;
        buf.extend_from_slice(&bytes);
        Some(transmit)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Client(client) => client.poll_timeout(),
            _ => None,
        }
    }
}

fn asking(server: Machine, link: Link, seed: u64) -> Network<Peer> {
    let mut network = Network::pair(Peer::client(), Peer::new(server)).link(link).seed(seed);
    let now = network.now();
    network.get_mut(FIRST).ask(now, FIRST_ADDRESS, SECOND_ADDRESS);
    network
}

#[test]
fn the_mapped_address_is_known_after_one_round_trip() {
    let latency = Duration::from_millis(20);
    let mut network = asking(Machine::Server, Link::default().latency(latency), 1);
    network.run_until_silent();
    assert_eq!(network.elapsed(), 2 * latency);
    assert!(matches!(network[FIRST].events[..], [Event::Mapped { local, server, mapped, .. }]
        if (local, server, mapped) == (FIRST_ADDRESS, SECOND_ADDRESS, FIRST_ADDRESS)));
}

#[test]
fn behind_a_nat_it_is_the_nats() {
    let inside = "10.0.0.2:4000".parse().expect("an address");
    let mut network = Network::new();
    let nat = network.add_nat(Nat::endpoint_independent("198.51.100.7".parse().expect("an IP")));
    let client = network.add_behind(nat, Peer::client(), &[inside]);
    network.add(Peer::new(Machine::Server), &[SECOND_ADDRESS]);
    let now = network.now();
    network.get_mut(client).ask(now, inside, SECOND_ADDRESS);
    network.run_until_silent();
    assert!(matches!(network[client].events[..], [Event::Mapped { mapped, .. }]
        if mapped.ip().to_string() == "198.51.100.7"));
}

#[test]
fn half_of_all_datagrams_lost_is_survived_by_repetition() {
    let mut answered = 0;
    for seed in 0..100 {
        let mut network = asking(Machine::Server, Link::default().loss(0.5), seed);
        network.run_until_silent();
        assert_eq!(network[FIRST].events.len(), 1);
        answered += usize::from(matches!(network[FIRST].events[0], Event::Mapped { .. }));
    }
    // Seven tries, each with a chance of one in four.
    assert!(answered > 75, "{answered}");
}

#[test]
fn a_silent_server_is_given_up_after_39_5_seconds_and_7_requests() {
    let mut network = asking(Machine::Server, Link::broken(), 1);
    network.run_until_silent();
    assert!(matches!(network[FIRST].events[..], [Event::TimedOut { server: SECOND_ADDRESS, .. }]));
    assert_eq!(network.counters().sent, 7);
    assert_eq!(network.elapsed(), Duration::from_millis(39_500));
}

#[test]
fn an_error_is_told_with_its_code() {
    let mut network = asking(Machine::Refuser, Link::default(), 1);
    network.run_until_silent();
    assert!(matches!(network[FIRST].events[..], [Event::Refused { code: 500, .. }]));
}

#[test]
fn a_second_response_and_one_from_elsewhere_are_refused() {
    let mut network = asking(Machine::Server, Link::default().duplicate(1.0), 1);
    network.run_until_silent();
    assert_eq!(network[FIRST].events.len(), 1);
    assert!(network[FIRST].refused.contains(&Error::Unexpected));

    let now = Instant::now();
    let mut client = Client::new(ClientConfig::default(), [2; 32], now).expect("a valid config");
    client.binding(now, Transport::Udp, FIRST_ADDRESS, SECOND_ADDRESS).expect("room");
    let (mut request, mut response) = (Vec::new(), Vec::new());
    let _ = client.poll_transmit(now, &mut request).expect("a request");
    respond(Datagram::new(Transport::Udp, SECOND_ADDRESS, FIRST_ADDRESS, &request), &mut response)
        .expect("fine");
    let elsewhere = "203.0.113.66:6666".parse().expect("an address");
    let spoofed = Datagram::new(Transport::Udp, FIRST_ADDRESS, elsewhere, &response);
    assert_eq!(client.handle_datagram(now, spoofed), Err(Error::Unexpected));
    let right = Datagram::new(Transport::Udp, FIRST_ADDRESS, SECOND_ADDRESS, &response);
    assert_eq!(client.handle_datagram(now, right), Ok(()));
}

#[test]
fn transactions_and_configs_have_bounds() {
    let now = Instant::now();
    let mut config = ClientConfig::default();
    let mut client = Client::new(config.clone(), [2; 32], now).expect("a valid config");
    let mut ask = || client.binding(now, Transport::Udp, FIRST_ADDRESS, SECOND_ADDRESS);
    assert!((0..32).all(|_| ask().is_ok()));
    assert_eq!(ask(), Err(Error::TooManyTransactions));
    let mut buf = Vec::new();
    assert_eq!(std::iter::from_fn(|| client.poll_transmit(now, &mut buf)).count(), 32);
    config.rto = Duration::ZERO;
    assert_eq!(Client::new(config, [2; 32], now).map(|_| ()), Err(ConfigError::OutOfRange("rto")));
}

#[test]
fn a_cancelled_request_is_not_sent_and_not_answered() {
    let now = Instant::now();
    let mut client = Client::new(ClientConfig::default(), [2; 32], now).expect("a valid config");
    let id = client.binding(now, Transport::Udp, FIRST_ADDRESS, SECOND_ADDRESS).expect("room");
    client.cancel(id);
    assert_eq!(client.poll_transmit(now, &mut Vec::new()), None);
    assert_eq!((client.poll_timeout(), client.poll_event()), (None, None));
}
