//! The lite agent's rules for the path that carries media.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_ice::attribute::{IceControlling, Priority, UseCandidate};
use headwater_ice::{ConfigError, Credentials, CredentialsError, Error, Event, LiteAgent, LiteConfig, Path};
use headwater_stun::attribute::{Username, XorMappedAddress};
use headwater_stun::{Class, Datagram, Key, Message, MessageBuilder, Method, TransactionId, Transport};

use crate::peer::{address, credentials, path};

/// A browser written out: it sends what it is told to.
struct Client {
    agent: LiteAgent,
    now: Instant,
    next_id: u8,
    username: String,
    key: Key,
    transport: Transport,
}

impl Client {
    fn new() -> Self {
        let now = Instant::now();
        let config = LiteConfig::new(credentials(2), Some(credentials(1)));
        let agent = LiteAgent::new(config, [2; 32], now).expect("a valid config");
        let username = format!("{}:{}", credentials(2).ufrag, credentials(1).ufrag);
        let key = Key::short_term(&credentials(2).password);
        Self { agent, now, next_id: 0, username, key, transport: Transport::Udp }
    }

    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.agent.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.agent.handle_timeout(self.now);
        }
        self.now = end;
        self.agent.handle_timeout(end);
    }

    /// Sends a check from `remote` and takes the answer.
    fn check(&mut self, remote: SocketAddr, use_candidate: bool) -> Result<(), Error> {
        self.next_id += 1;
        let mut bytes = Vec::new();
        let id = TransactionId::new([self.next_id; 12]);
        let mut request = MessageBuilder::request(Method::BINDING, id, &mut bytes)
            .attribute(&Username(&self.username))
            .attribute(&IceControlling(1))
            .attribute(&Priority(1));
        if use_candidate {
            request = request.attribute(&UseCandidate);
        }
        request.integrity(&self.key).fingerprint();
        self.agent.handle_datagram(self.now, Datagram::new(self.transport, server(), remote, &bytes))?;

        let mut answer = Vec::new();
        let transmit = self.agent.poll_transmit(self.now, &mut answer).expect("an answer");
        assert_eq!((transmit.local, transmit.remote, transmit.len), (server(), remote, answer.len()));
        assert_eq!(transmit.transport, self.transport);
        let answer = Message::parse(&answer).expect("a message");
        assert_eq!((answer.class(), answer.transaction_id()), (Class::Success, id));
        assert_eq!(answer.attribute(), Ok(Some(XorMappedAddress(remote))));
        assert_eq!(answer.verify_integrity(&self.key), Ok(()));
        assert_eq!(answer.verify_fingerprint(), Ok(true));
        Ok(())
    }

    fn selected(&self) -> Option<SocketAddr> {
        self.agent.selected_path().map(|it| it.remote)
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.agent.poll_event()).collect()
    }
}

fn server() -> SocketAddr {
    address("198.51.100.2:8189")
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::new(address("192.0.2.1:1").ip(), port)
}

fn to(port: u16) -> Path {
    path(server(), at(port))
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_first_valid_pair_carries_media_before_any_nomination() {
    let mut client = Client::new();
    assert_eq!(client.selected(), None);
    client.check(at(1), false).expect("authentic");
    client.check(at(2), false).expect("authentic");
    assert_eq!(client.selected(), Some(at(1)));
    let events = [Event::Validated(to(1)), Event::PathSelected(to(1)), Event::Validated(to(2))];
    assert_eq!(client.events(), events);
}

#[test]
fn the_latest_nomination_wins_each_time() {
    let mut client = Client::new();
    for port in [1, 2, 3, 2, 1] {
        client.check(at(port), true).expect("authentic");
        assert_eq!(client.selected(), Some(at(port)));
    }
}

#[test]
fn consent_checks_without_nomination_keep_firefox_connected_where_it_is() {
    let mut client = Client::new();
    client.check(at(1), false).expect("authentic");
    client.check(at(2), true).expect("authentic");
    for _ in 0..40 {
        client.wait(5 * SECOND);
        client.check(at(2), false).expect("authentic");
    }
    assert_eq!(client.selected(), Some(at(2)));
    assert!(!client.events().iter().any(|it| matches!(it, Event::Closed { .. })));
}

#[test]
fn a_check_from_elsewhere_moves_media_only_after_7_seconds_of_silence() {
    let mut client = Client::new();
    client.check(at(1), true).expect("authentic");
    client.wait(6 * SECOND);
    client.check(at(2), false).expect("authentic");
    assert_eq!(client.selected(), Some(at(1)));
    // Nothing more comes from the old address: the move needs no further check.
    client.wait(SECOND);
    assert_eq!(client.selected(), Some(at(2)));
    client.wait(8 * SECOND);
    client.check(at(3), false).expect("authentic");
    assert_eq!(client.selected(), Some(at(3)));
}

#[test]
fn an_old_check_from_elsewhere_moves_nothing_when_the_selected_path_falls_silent() {
    let mut client = Client::new();
    client.check(at(2), false).expect("authentic");
    client.wait(SECOND);
    client.check(at(1), true).expect("authentic");
    client.wait(20 * SECOND);
    assert_eq!(client.selected(), Some(at(1)));
}

#[test]
fn silent_addresses_are_forgotten_and_the_selected_one_is_not() {
    let mut client = Client::new();
    client.check(at(2), false).expect("authentic");
    client.check(at(1), true).expect("authentic");
    for _ in 0..31 {
        client.wait(SECOND);
        let now = client.now;
        client.agent.note_received(now, &to(1));
    }
    assert!(client.agent.is_validated(&to(1)) && !client.agent.is_validated(&to(2)));
    assert!(client.events().contains(&Event::Removed(to(2))));
}

#[test]
fn a_restart_moves_to_the_first_path_with_new_credentials() {
    let mut client = Client::new();
    client.check(at(1), true).expect("authentic");
    let now = client.now;
    client.agent.restart(now, credentials(12), credentials(11));
    client.check(at(1), false).expect("old credentials still answer");
    client.check(at(3), true).expect("and still nominate");
    assert_eq!(client.selected(), Some(at(3)));

    client.username = format!("{}:{}", credentials(12).ufrag, credentials(11).ufrag);
    client.key = Key::short_term(&credentials(12).password);
    client.check(at(2), false).expect("authentic");
    assert_eq!(client.selected(), Some(at(2)));
    client.check(at(4), false).expect("authentic");
    assert_eq!(client.selected(), Some(at(2)));
}

#[test]
fn two_restarts_in_a_row_leave_the_credentials_in_use_alone() {
    let mut client = Client::new();
    client.check(at(1), true).expect("authentic");
    let now = client.now;
    client.agent.restart(now, credentials(12), credentials(11));
    client.agent.restart(now, credentials(22), credentials(21));
    client.check(at(1), false).expect("the credentials in use");
    client.username = format!("{}:{}", credentials(22).ufrag, credentials(21).ufrag);
    client.key = Key::short_term(&credentials(22).password);
    client.check(at(1), false).expect("the newest credentials");
}

#[test]
fn a_late_first_check_still_connects_after_failed() {
    let mut client = Client::new();
    client.wait(40 * SECOND);
    assert_eq!(client.events(), [Event::Failed]);
    client.check(at(1), false).expect("authentic");
    assert_eq!(client.selected(), Some(at(1)));
}

#[test]
fn an_older_now_counts_as_the_newest_seen() {
    let mut client = Client::new();
    client.wait(20 * SECOND);
    client.check(at(1), true).expect("authentic");
    let real = client.now;
    client.now = real - 20 * SECOND;
    client.check(at(1), true).expect("authentic");
    client.now = real;
    client.wait(29 * SECOND);
    assert_eq!(client.selected(), Some(at(1)));
}

#[test]
fn any_sender_is_taken_while_the_peers_credentials_are_unknown() {
    let mut client = Client::new();
    let config = LiteConfig::new(credentials(2), None);
    client.agent = LiteAgent::new(config, [2; 32], client.now).expect("a valid config");
    client.username = format!("{}:whoever", credentials(2).ufrag);
    client.check(at(1), false).expect("our password is right");
    client.key = Key::short_term(&credentials(1).password);
    assert_eq!(client.check(at(1), false), Err(Error::Unauthentic));
}

#[test]
fn configs_are_checked() {
    let now = Instant::now();
    let short = Credentials { ufrag: "abc".into(), password: credentials(1).password };
    let mut config = LiteConfig::new(short, None);
    let error = ConfigError::Credentials(CredentialsError::Ufrag);
    assert_eq!(LiteAgent::new(config.clone(), [0; 32], now).map(|_| ()), Err(error));
    config.local = credentials(1);
    config.connect_timeout = Duration::ZERO;
    assert_eq!(
        LiteAgent::new(config, [0; 32], now).map(|_| ()),
        Err(ConfigError::OutOfRange("connect_timeout"))
    );
}

#[test]
fn the_same_addresses_over_udp_tcp_and_a_relay_are_three_paths() {
    let mut client = Client::new();
    for transport in [Transport::Udp, Transport::Tcp, Transport::Relayed] {
        client.transport = transport;
        client.check(at(1), true).expect("authentic");
        assert_eq!(client.agent.selected_path(), Some(Path::new(transport, server(), at(1))));
    }
    let validated = client.events().into_iter().filter(|it| matches!(it, Event::Validated(_))).count();
    assert_eq!(validated, 3);
}

#[test]
fn when_the_connection_of_the_selected_path_ends_the_latest_other_one_carries_media() {
    let mut client = Client::new();
    client.check(at(1), false).expect("authentic");
    client.wait(SECOND);
    client.check(at(3), false).expect("authentic");
    client.transport = Transport::Tcp;
    client.check(at(2), true).expect("authentic");
    let tcp = Path::new(Transport::Tcp, server(), at(2));
    assert_eq!(client.agent.selected_path(), Some(tcp));
    client.events();

    client.agent.path_closed(client.now, &tcp);
    assert_eq!(client.events(), [Event::Removed(tcp), Event::PathSelected(to(3))]);
    assert!(!client.agent.is_validated(&tcp));
    client.agent.path_closed(client.now, &tcp);
    assert_eq!(client.events(), [], "told once");
}

#[test]
fn a_peer_whose_only_connection_ended_may_come_back_while_consent_lasts() {
    let mut client = Client::new();
    client.transport = Transport::Tcp;
    client.check(at(1), true).expect("authentic");
    let path = Path::new(Transport::Tcp, server(), at(1));
    client.agent.path_closed(client.now, &path);
    assert_eq!(client.agent.selected_path(), None);
    client.wait(29 * SECOND);
    client.check(at(2), false).expect("authentic");
    let path = Path::new(Transport::Tcp, server(), at(2));
    assert_eq!(client.agent.selected_path(), Some(path));
    client.agent.path_closed(client.now, &path);
    client.wait(30 * SECOND);
    assert!(client.events().iter().any(|it| matches!(it, Event::Closed { .. })));
}

#[test]
fn an_answer_to_a_closed_connection_is_not_written() {
    let mut client = Client::new();
    client.check(at(1), true).expect("authentic");
    let mut bytes = Vec::new();
    let id = TransactionId::new([77; 12]);
    MessageBuilder::request(Method::BINDING, id, &mut bytes)
        .attribute(&Username(&client.username))
        .integrity(&client.key)
        .fingerprint();
    let datagram = Datagram::new(Transport::Tcp, server(), at(1), &bytes);
    client.agent.handle_datagram(client.now, datagram).expect("authentic");
    client.agent.path_closed(client.now, &Path::new(Transport::Tcp, server(), at(1)));
    assert_eq!(client.agent.poll_transmit(client.now, &mut Vec::new()), None);
}
