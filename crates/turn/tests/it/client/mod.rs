//! The client against a server that is played by the test, message by message.

mod allocation;
mod data;
mod tcp;
mod wanted;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_stun::attribute::{ErrorCode, XorMappedAddress};
use headwater_stun::{Class, Datagram, Message, MessageBuilder, Method, TransactionId, Transport};
use headwater_turn::attribute::{ALLOCATE, CONNECT, ConnectionId, Lifetime, REFRESH, XorRelayedAddress};
use headwater_turn::{AllocateOptions, Client, ClientConfig, ClientEvent, Error, FromPeer};

pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn local() -> SocketAddr {
    address("192.0.2.9:5000")
}

fn server() -> SocketAddr {
    address("198.51.100.1:3478")
}

fn relayed() -> SocketAddr {
    address("198.51.100.1:50000")
}

fn peer() -> SocketAddr {
    address("203.0.113.7:7000")
}

/// A request as it went out.
struct Sent {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Sent {
    fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).expect("a message")
    }

    fn method(&self) -> Method {
        self.message().method()
    }
}

/// A client and the time.
struct Stage {
    client: Client,
    transport: Transport,
    now: Instant,
}

impl Stage {
    fn new(transport: Transport) -> Self {
        Self::with(ClientConfig::new(transport, local(), server()))
    }

    fn with(mut config: ClientConfig) -> Self {
        // Keep-alives have a test of their own.
        config.keepalive = config.keepalive.filter(|it| it.as_secs() != 15);
        let now = Instant::now();
        let transport = config.transport;
        Self { client: Client::new(config, [5; 32], now).expect("a valid config"), transport, now }
    }

    /// One that has its allocation.
    fn allocated(transport: Transport, options: AllocateOptions) -> Self {
        let mut stage = Self::new(transport);
        stage.client.allocate(stage.now, options).expect("idle");
        stage.serve();
        let events = stage.events();
        assert!(matches!(events[..], [ClientEvent::Allocated { .. }]), "{events:?}");
        stage
    }

    fn sent(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        let mut bytes = Vec::new();
        while let Some(transmit) = self.client.poll_transmit(self.now, &mut bytes) {
            assert_eq!((transmit.transport, transmit.len), (self.transport, bytes.len()));
            sent.push(Sent { from: transmit.local, to: transmit.remote, bytes: std::mem::take(&mut bytes) });
            assert!(sent.len() < 100, "it doesn't stop sending");
        }
        sent
    }

    /// The one request that goes out now.
    fn request(&mut self) -> Sent {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "one request");
        sent.remove(0)
    }

    fn hear(&mut self, to: &Sent, bytes: &[u8]) -> Result<(), Error> {
        let datagram = Datagram::new(self.transport, to.from, to.to, bytes);
        self.client.handle_datagram(self.now, datagram).map(|data| assert_eq!(data, None))
    }

    /// What a datagram of the server brings from peers.
    fn data<'d>(&mut self, bytes: &'d [u8]) -> Result<Option<FromPeer<'d>>, Error> {
        let datagram = Datagram::new(self.transport, local(), server(), bytes);
        self.client.handle_datagram(self.now, datagram)
    }

    /// Serves all requests as a server would that has everything. Returns them.
    fn serve(&mut self) -> Vec<Sent> {
        let mut all = Vec::new();
        loop {
            let sent = self.sent();
            if sent.is_empty() {
                return all;
            }
            for request in sent {
                if request.message().class() == Class::Request {
                    self.hear(&request, &served(&request)).expect("expected");
                }
                all.push(request);
            }
        }
    }

    /// Refuses the one request that goes out now.
    fn refuse(&mut self, code: u16) {
        let request = self.request();
        self.hear(&request, &refusal(&request, code)).expect("expected");
    }

    fn events(&mut self) -> Vec<ClientEvent> {
        std::iter::from_fn(|| self.client.poll_event()).collect()
    }

    /// Lets time pass as a loop would, and collects what is sent unanswered.
    fn pass(&mut self, time: Duration) -> Vec<Sent> {
        let end = self.now + time;
        let mut sent = self.sent();
        while let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now);
            sent.extend(self.sent());
        }
        self.now = end;
        sent
    }

    /// Lets time pass with all requests served.
    fn pass_served(&mut self, time: Duration) -> Vec<Sent> {
        let end = self.now + time;
        let mut sent = self.serve();
        while let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now);
            sent.extend(self.serve());
        }
        self.now = end;
        sent
    }
}

/// The success that fits to a request.
fn served(request: &Sent) -> Vec<u8> {
    let request = request.message();
    let mut out = Vec::new();
    let response = MessageBuilder::success(&request, &mut out);
    match request.method() {
        ALLOCATE => response
            .attribute(&XorRelayedAddress(relayed()))
            .attribute(&XorMappedAddress(local()))
            .attribute(&Lifetime(600))
            .fingerprint(),
        REFRESH => {
            let asked: Option<Lifetime> = request.attribute().expect("well-formed");
            response.attribute(&asked.unwrap_or(Lifetime(600))).fingerprint()
        }
        CONNECT => response.attribute(&ConnectionId(77)).fingerprint(),
        _ => response.fingerprint(),
    };
    out
}

fn refusal(request: &Sent, code: u16) -> Vec<u8> {
    let mut out = Vec::new();
    let code = ErrorCode::new(code, "no").expect("a code");
    MessageBuilder::error(&request.message(), &code, &mut out).fingerprint();
    out
}

/// An indication of the server.
fn indication(method: Method, build: impl FnOnce(MessageBuilder<'_>) -> MessageBuilder<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    build(MessageBuilder::indication(method, TransactionId::new([9; 12]), &mut out)).finish();
    out
}
