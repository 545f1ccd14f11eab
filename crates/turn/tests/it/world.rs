//! A server with an owner that opens relays without sockets, and clients that prove themselves.

use headwater_stun::attribute::ErrorCode;
use headwater_stun::{
    Attempt, Attribute, Class, Datagram, LongTerm, Message, MessageBuilder, Method, TransactionId, Transport,
    Verdict,
};
use headwater_turn::attribute::{
    ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, ChannelNumber, Family, Lifetime, REFRESH, RequestedTransport,
    UDP, XorPeerAddress, XorRelayedAddress,
};
use headwater_turn::{
    Error, Event, FiveTuple, PortRequest, Quota, RelayError, RelayId, Server, ServerConfig,
};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) const REALM: &str = "example.org";
pub(crate) const LISTENER: &str = "198.51.100.1:3478";
pub(crate) const PEER: &str = "93.184.216.34:4000";
/// The time since 1970 when a world begins.
pub(crate) const UNIX: Duration = Duration::from_secs(1_800_000_000);

/// The builder of a request's attributes.
pub(crate) trait Attributes: for<'b> Fn(MessageBuilder<'b>) -> MessageBuilder<'b> {}
impl<F: for<'b> Fn(MessageBuilder<'b>) -> MessageBuilder<'b>> Attributes for F {}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    /// Open relays.
    pub(crate) relays: HashMap<RelayId, SocketAddr>,
    /// Events other than `OpenRelay` and `CloseRelay`, oldest first.
    pub(crate) events: Vec<Event>,
    /// What relays are opened with; the default opens each.
    pub(crate) open: fn(Family) -> Option<Result<(), RelayError>>,
    next_port: u16,
    sent: Vec<(FiveTuple, Vec<u8>)>,
    ids: u32,
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A server with two users, `matrix` / `secret` and `other` / `word`, changed by `configure`.
    pub(crate) fn with(configure: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut config = ServerConfig::new(REALM, [7; 32]);
        config.users.insert("matrix".to_owned(), "secret".to_owned());
        config.users.insert("other".to_owned(), "word".to_owned());
        config.listeners = vec![address(LISTENER), address("[2600::1]:3478")];
        configure(&mut config);
        let start = Instant::now();
        Self {
            server: Server::new(config, [9; 32], start, UNIX).expect("a valid config"),
            start,
            now: start,
            relays: HashMap::new(),
            events: Vec::new(),
            open: |_| Some(Ok(())),
            next_port: 49_152,
            sent: Vec::new(),
            ids: 0,
        }
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.server.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Hands a client's bytes over, and lets the owner do what it is asked to.
    pub(crate) fn send(
        &mut self,
        from: FiveTuple,
        bytes: &[u8],
    ) -> Result<Option<(RelayId, SocketAddr, Vec<u8>)>, Error> {
        let datagram = Datagram::new(from.transport, from.local, from.remote, bytes);
        let to_peer = self
            .server
            .handle_datagram(self.now, datagram)
            .map(|it| it.map(|it| (it.relay, it.peer, it.data.to_vec())));
        self.drain();
        to_peer
    }

    /// Data of a peer, as the client gets it.
    pub(crate) fn peer_sends(
        &mut self,
        relay: RelayId,
        peer: &str,
        data: &[u8],
    ) -> Result<(FiveTuple, Vec<u8>), Error> {
        let mut buf = vec![0x55];
        let sent = self.server.handle_peer_data(self.now, relay, address(peer), data, &mut buf);
        match sent {
            Ok(transmit) => {
                assert_eq!(buf.len(), 1 + transmit.len);
                Ok((FiveTuple::new(transmit.transport, transmit.local, transmit.remote), buf.split_off(1)))
            }
            Err(error) => {
                assert_eq!(buf, [0x55], "nothing is appended");
                Err(error)
            }
        }
    }

    pub(crate) fn drain(&mut self) {
        loop {
            let mut buf = Vec::new();
            while let Some(transmit) = self.server.poll_transmit(self.now, &mut buf) {
                let to = FiveTuple::new(transmit.transport, transmit.local, transmit.remote);
                self.sent.push((to, buf.split_off(buf.len() - transmit.len)));
            }
            let Some(event) = self.server.poll_event() else { return };
            match event {
                Event::OpenRelay { relay, family, port, .. } => self.open_relay(relay, family, port),
                Event::CloseRelay { relay } => {
                    self.relays.remove(&relay);
                }
                event => self.events.push(event),
            }
        }
    }

    fn open_relay(&mut self, relay: RelayId, family: Family, port: PortRequest) {
        match (self.open)(family) {
            None => {}
            Some(Err(error)) => self.server.relay_opened(self.now, relay, Err(error)),
            Some(Ok(())) => {
                self.next_port = self.next_port.wrapping_add(2);
                let ip = if family == Family::V4 { "198.51.100.1" } else { "2600::1" };
                let address = SocketAddr::new(ip.parse().expect("an address"), self.next_port);
                self.relays.insert(relay, address);
                if let PortRequest::EvenAndNext(next) = port {
                    self.relays.insert(next, SocketAddr::new(address.ip(), address.port() + 1));
                }
                self.server.relay_opened(self.now, relay, Ok(address));
            }
        }
    }

    /// What was sent to this client.
    pub(crate) fn received(&mut self, client: FiveTuple) -> Vec<Vec<u8>> {
        let (its, others) = std::mem::take(&mut self.sent).into_iter().partition(|(to, _)| *to == client);
        self.sent = others;
        let its: Vec<(FiveTuple, Vec<u8>)> = its;
        its.into_iter().map(|(_, bytes)| bytes).collect()
    }

    pub(crate) fn fresh_id(&mut self) -> TransactionId {
        self.ids += 1;
        let mut id = [0xA5; 12];
        id[..4].copy_from_slice(&self.ids.to_be_bytes());
        TransactionId::new(id)
    }

    /// The one relay that is open at this address.
    pub(crate) fn relay_at(&self, address: SocketAddr) -> RelayId {
        *self.relays.iter().find(|(_, it)| **it == address).expect("an open relay").0
    }

    /// A client that has an allocation.
    pub(crate) fn allocated(&mut self, number: u8) -> (Client, RelayId) {
        let mut client = Client::new(number);
        let relayed = client.allocate(self).expect("an allocation");
        let relay = self.relay_at(relayed);
        (client, relay)
    }
}

pub(crate) struct Client {
    pub(crate) tuple: FiveTuple,
    pub(crate) credentials: LongTerm,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response(pub(crate) Vec<u8>);

impl Response {
    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.0).expect("a message")
    }

    /// 0 for a success.
    pub(crate) fn code(&self) -> u16 {
        match self.message().class() {
            Class::Success => 0,
            _ => self.attribute::<ErrorCode<'_>>().expect("an error has a code").code(),
        }
    }

    pub(crate) fn attribute<'a, A: Attribute<'a>>(&'a self) -> Option<A> {
        self.message().attribute().expect("a proper attribute")
    }
}

impl Client {
    pub(crate) fn new(number: u8) -> Self {
        Self::at(Transport::Udp, LISTENER, &format!("192.0.2.{number}:5000"))
    }

    pub(crate) fn at(transport: Transport, local: &str, remote: &str) -> Self {
        let tuple = FiveTuple::new(transport, address(local), address(remote));
        Self { tuple, credentials: LongTerm::new("matrix", "secret") }
    }

    pub(crate) fn user(mut self, name: &str, password: &str) -> Self {
        self.credentials = LongTerm::new(name, password);
        self
    }

    /// Asks until the server has what it wants to know of us, and returns its answer.
    pub(crate) fn request(
        &mut self,
        world: &mut World,
        method: Method,
        attributes: impl Attributes,
    ) -> Response {
        self.try_request(world, method, attributes).expect("an answer")
    }

    pub(crate) fn try_request(
        &mut self,
        world: &mut World,
        method: Method,
        attributes: impl Attributes,
    ) -> Option<Response> {
        let mut attempt = Attempt::default();
        loop {
            let (request, _) = self.build(world, &mut attempt, method, &attributes);
            world.send(self.tuple, &request).expect("a proper request");
            let response = Response(world.received(self.tuple).pop()?);
            match self.credentials.handle_response(&mut attempt, &response.message()) {
                Verdict::Retry => {}
                Verdict::Genuine | Verdict::Refused(_) => return Some(response),
                Verdict::Unauthentic => panic!("an unauthentic response of code {}", response.code()),
            }
        }
    }

    pub(crate) fn build(
        &self,
        world: &mut World,
        attempt: &mut Attempt,
        method: Method,
        attributes: &impl Attributes,
    ) -> (Vec<u8>, TransactionId) {
        let (id, mut request) = (world.fresh_id(), Vec::new());
        let message = attributes(MessageBuilder::request(method, id, &mut request));
        self.credentials.sign(attempt, message).finish();
        (request, id)
    }

    pub(crate) fn allocate(&mut self, world: &mut World) -> Result<SocketAddr, u16> {
        let response = self.request(world, ALLOCATE, |it| it.attribute(&RequestedTransport(UDP)));
        match response.code() {
            0 => Ok(response.attribute::<XorRelayedAddress>().expect("a relayed address").0),
            code => Err(code),
        }
    }

    pub(crate) fn permit(&mut self, world: &mut World, peer: &str) -> u16 {
        let peer = XorPeerAddress(address(peer));
        self.request(world, CREATE_PERMISSION, |it| it.attribute(&peer)).code()
    }

    pub(crate) fn bind(&mut self, world: &mut World, number: u16, peer: &str) -> u16 {
        let peer = XorPeerAddress(address(peer));
        self.request(world, CHANNEL_BIND, |it| it.attribute(&ChannelNumber(number)).attribute(&peer)).code()
    }

    pub(crate) fn refresh(&mut self, world: &mut World, lifetime: u32) -> Response {
        self.request(world, REFRESH, |it| it.attribute(&Lifetime(lifetime)))
    }
}

pub(crate) fn quota(allocations: Option<u32>, bits_per_second: Option<u64>) -> Quota {
    let mut quota = Quota::unlimited();
    quota.allocations = allocations;
    quota.bits_per_second = bits_per_second;
    quota
}
