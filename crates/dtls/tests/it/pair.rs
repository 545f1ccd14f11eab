//! Two connections on a simulated link.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use headwater_dtls::cookie::{CookieExchange, Verdict};
use headwater_dtls::extension::supported_groups::NamedGroup;
use headwater_dtls::{
    Certificate, CloseReason, Config, Connected, Connection, Error, Event, Fingerprint, Role, Version,
};

/// One way, for every datagram.
pub(crate) const LATENCY: Duration = Duration::from_millis(10);

/// What the link does with one datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Deliver,
    Drop,
    Duplicate,
    /// Arrives this much later than others.
    Delay(Duration),
    /// Somebody in the middle changes it.
    Replace(Vec<u8>),
}

pub(crate) struct End {
    pub(crate) connection: Connection,
    pub(crate) connected: Option<Connected>,
    pub(crate) data: Vec<Vec<u8>>,
    pub(crate) closed: Option<CloseReason>,
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) errors: Vec<Error>,
}

impl End {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, connected: None, data: vec![], closed: None, sent: vec![], errors: vec![] }
    }

    pub(crate) fn drain_events(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            assert!(self.closed.is_none(), "nothing follows Closed: {event:?}");
            match event {
                Event::Connected(connected) => assert!(self.connected.replace(connected).is_none()),
                Event::Data(data) => self.data.push(data),
                Event::Closed { reason } => self.closed = Some(reason),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// What a server has before it has a connection.
struct Front {
    exchange: CookieExchange,
    answers: Vec<Vec<u8>>,
}

pub(crate) struct Pair {
    pub(crate) client: End,
    pub(crate) server: End,
    front: Option<Front>,
    server_config: Arc<Config>,
    of_client: Vec<Fingerprint>,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    /// (arrival, order, to the server?, bytes)
    in_flight: VecDeque<(Instant, usize, bool, Vec<u8>)>,
    count: usize,
    /// One way; [`LATENCY`] unless a test says otherwise.
    pub(crate) latency: Duration,
}

pub(crate) type Make = fn() -> Pair;
type Rule<'a> = &'a mut dyn FnMut(Role, usize, &[u8]) -> Fate;

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(|_| (), |_| ())
    }

    /// Over DTLS 1.3, with the small group: two datagrams there, one back, as in 1.2.
    pub(crate) fn dtls13() -> Self {
        let change = |config: &mut Config| {
            config.max_version = Version::Dtls13;
            config.groups.retain(|group| *group != NamedGroup::X25519MLKEM768);
        };
        Self::with(change, change)
    }

    /// Over what two of us agree on by default: DTLS 1.3 with X25519MLKEM768.
    pub(crate) fn post_quantum() -> Self {
        let change = |config: &mut Config| config.max_version = Version::Dtls13;
        Self::with(change, change)
    }

    /// Changes the two configs; they are for DTLS 1.2 unless it says something else.
    pub(crate) fn with(client: impl FnOnce(&mut Config), server: impl FnOnce(&mut Config)) -> Self {
        let (client_certificate, server_certificate) = certificates();
        let mut client_config = Config::new(client_certificate.clone());
        let mut server_config = Config::new(server_certificate.clone());
        client_config.max_version = Version::Dtls12;
        server_config.max_version = Version::Dtls12;
        client(&mut client_config);
        server(&mut server_config);
        let (client_print, server_print) =
            (client_config.certificate.fingerprint(), server_config.certificate.fingerprint());
        Self::expecting(client_config, server_config, vec![server_print], vec![client_print])
    }

    /// Says which fingerprints each side expects of the other.
    pub(crate) fn expecting(
        client_config: Config,
        server_config: Config,
        of_server: Vec<Fingerprint>,
        of_client: Vec<Fingerprint>,
    ) -> Self {
        let now = Instant::now(); // any instant will do: time is simulated from here on
        let server_config = Arc::new(server_config);
        let client = Connection::new(Arc::new(client_config), Role::Client, of_server, [1; 32], now);
        let server =
            Connection::new(Arc::clone(&server_config), Role::Server, of_client.clone(), [2; 32], now);
        Self {
            client: End::new(client.expect("a valid config")),
            server: End::new(server.expect("a valid config")),
            front: None,
            server_config,
            of_client,
            start: now,
            now,
            in_flight: VecDeque::new(),
            count: 0,
            latency: LATENCY,
        }
    }

    /// The server has no connection before a cookie came back.
    pub(crate) fn guarded(mut self) -> Self {
        self.front = Some(Front { exchange: CookieExchange::new([3; 32], self.now), answers: vec![] });
        self
    }

    /// The versions that two of us can meet in, by name.
    pub(crate) const ALL: [(&str, Make); 3] =
        [("1.2", Self::new), ("1.3 X25519", Self::dtls13), ("1.3 X25519MLKEM768", Self::post_quantum)];

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(crate) fn end(&mut self, role: Role) -> &mut End {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    pub(crate) fn both_connected(&self) -> bool {
        self.client.connected.is_some() && self.server.connected.is_some()
    }

    /// Runs over a perfect link until nothing more happens or `limit` has passed.
    pub(crate) fn run(&mut self, limit: Duration) {
        self.run_with(limit, &mut |_, _, _| Fate::Deliver);
    }

    /// `rule` gets sender, index of the datagram in its direction, and bytes.
    pub(crate) fn run_with(&mut self, limit: Duration, rule: Rule<'_>) {
        let end = self.now + limit;
        for _ in 0..100_000 {
            self.collect(rule);
            let timeouts = [self.client.connection.poll_timeout(), self.server.connection.poll_timeout()];
            let arrival = self.in_flight.iter().map(|entry| entry.0).min();
            let Some(next) = timeouts.into_iter().flatten().chain(arrival).min() else { return };
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            self.deliver();
            for role in [Role::Client, Role::Server] {
                let now = self.now;
                let end = self.end(role);
                if end.connection.poll_timeout().is_some_and(|at| at <= now) {
                    end.connection.handle_timeout(now);
                    assert!(end.connection.poll_timeout().is_none_or(|at| at > now), "time moves on");
                }
                end.drain_events();
            }
        }
        panic!("the two don't fall silent");
    }

    fn collect(&mut self, rule: Rule<'_>) {
        for role in [Role::Client, Role::Server] {
            let now = self.now;
            loop {
                let answer = self.front.as_mut().filter(|_| role == Role::Server).and_then(Front::pop);
                let end = self.end(role);
                let mut buf = answer.unwrap_or_default();
                if buf.is_empty() {
                    let Some(transmit) = end.connection.poll_transmit(now, &mut buf) else { break };
                    assert_eq!(transmit.len, buf.len());
                }
                let index = end.sent.len();
                end.sent.push(buf.clone());
                let to_server = role == Role::Client;
                let one = Duration::ZERO;
                let copies = match rule(role, index, &buf) {
                    Fate::Drop => vec![],
                    Fate::Deliver => vec![(one, buf)],
                    Fate::Duplicate => vec![(one, buf.clone()), (Duration::from_millis(1), buf)],
                    Fate::Delay(by) => vec![(by, buf)],
                    Fate::Replace(other) => vec![(one, other)],
                };
                for (delay, bytes) in copies {
                    self.count += 1;
                    self.in_flight.push_back((now + self.latency + delay, self.count, to_server, bytes));
                }
            }
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        let (mut due, rest): (Vec<_>, Vec<_>) = self.in_flight.drain(..).partition(|entry| entry.0 <= now);
        self.in_flight = rest.into();
        due.sort_by_key(|entry| (entry.0, entry.1));
        for (_, _, to_server, bytes) in due {
            if to_server && self.front.is_some() {
                self.knock(&bytes);
                continue;
            }
            let end = if to_server { &mut self.server } else { &mut self.client };
            if let Err(error) = end.connection.handle_datagram(now, &bytes) {
                end.errors.push(error);
            }
            end.drain_events();
        }
    }
}

impl Pair {
    fn knock(&mut self, bytes: &[u8]) {
        let (now, config) = (self.now, Arc::clone(&self.server_config));
        let front = self.front.as_mut().expect("guarded");
        let mut answer = Vec::new();
        match front.exchange.handle_datagram(now, &config, b"the client", bytes, &mut answer) {
            Ok(Verdict::Answer(transmit) | Verdict::Refuse(_, transmit)) => {
                assert_eq!(transmit.len, answer.len());
                front.answers.push(answer);
            }
            Ok(Verdict::Admit(hello)) => {
                assert!(answer.is_empty());
                let server = Connection::accept(config, self.of_client.clone(), [2; 32], now, *hello);
                self.server.connection = server.expect("a valid config");
                self.front = None;
            }
            Ok(Verdict::Wait) => assert!(answer.is_empty()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => self.server.errors.push(error),
        }
    }
}

impl Front {
    fn pop(&mut self) -> Option<Vec<u8>> {
        (!self.answers.is_empty()).then(|| self.answers.remove(0))
    }
}

/// Made once: key generation is what costs.
pub(crate) fn certificates() -> &'static (Certificate, Certificate) {
    static PAIR: OnceLock<(Certificate, Certificate)> = OnceLock::new();
    PAIR.get_or_init(|| {
        let make = || Certificate::generate().expect("the backend has entropy");
        (make(), make())
    })
}
