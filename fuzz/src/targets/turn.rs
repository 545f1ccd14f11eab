//! TURN: our client and our server on a network that loses, repeats and forges; a client and a server that know the
//! password and make no sense; channel data, streams, and all attributes of the table.

use crate::Input;
use crate::machine::{Machine, advance, drain};
use headwater_stun::attribute::{ErrorCode, PasswordAlgorithm, RawAttribute};
use headwater_stun::{
    Attempt, Attribute, AttributeType, Class, Datagram, LongTerm, Message, MessageBuilder, Method,
    ParseError, TransactionId, Transport,
};
use headwater_turn::attribute::{ConnectionId, Family, Icmp, TABLE};
use headwater_turn::channel_data::ChannelData;
use headwater_turn::stream::Messages;
use headwater_turn::{
    AllocateOptions, Client, ClientConfig, ConnectError, Event, Families, FiveTuple, PeerPolicy, RelayError,
    RelayId, RelayPort, RelayTransport, Server, ServerConfig,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const USER: (&str, &str) = ("matrix", "secret");
const REALM: &str = "example.org";
/// Datagrams under way in one direction; the oldest is lost when there are more.
const MAX_UNDER_WAY: usize = 64;
/// Operations of one input, so that none takes long.
const MAX_OPERATIONS: usize = 150;

/// Both ends, what is under way, and what the server's owner keeps.
struct World {
    now: Instant,
    transport: Transport,
    /// Where the client is.
    local: SocketAddr,
    client: Client,
    server: Server,
    to_server: Vec<Vec<u8>>,
    to_client: Vec<Vec<u8>>,
    relays: Vec<RelayId>,
    connections: Vec<ConnectionId>,
    /// Somebody with the password who sends what our client never would.
    odd: LongTerm,
    attempt: Attempt,
    /// The client's last request, for answers that our server never would give.
    asked: Option<(Method, TransactionId)>,
}

/// The first byte chooses the transport, the rest is operations. All of it is a stream, too.
pub fn turn(data: &[u8]) {
    stream(data);
    let mut input = Input::new(data);
    let mut world = World::new(input.byte());
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        world.operate(&mut input);
        world.settle();
    }
}

/// Cutting a stream and reading what comes out; the same attribute read and written twice.
fn stream(data: &[u8]) {
    let (mut messages, mut got) = (Messages::new(), 0);
    for piece in data.chunks(7) {
        messages.push(piece);
        while let Ok(Some(message)) = messages.next_message() {
            got += message.len();
            if let Ok(channel_data) = ChannelData::parse(message) {
                assert!(channel_data.data.len() + 4 <= message.len());
            } else if let Ok(message) = Message::parse(message) {
                message.attributes().for_each(rewrite);
            }
        }
    }
    assert!(got <= data.len());
    if let Ok(message) = Message::parse(data) {
        message.attributes().for_each(rewrite);
    }
}

fn rewrite(raw: RawAttribute<'_>) {
    let Some(row) = TABLE.iter().find(|row| row.kind == raw.kind) else { return };
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    if (row.rewrite)(raw, &mut once).is_ok() {
        let again = RawAttribute::new(raw.kind, &once, raw.transaction_id);
        (row.rewrite)(again, &mut twice).unwrap_or_else(|error| panic!("{}: {error}", row.name));
        assert_eq!(once, twice, "{} is not stable", row.name);
    }
}

fn address(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], port))
}

impl World {
    fn new(kind: u8) -> Self {
        let now = Instant::now();
        let transport = if kind & 1 == 0 { Transport::Udp } else { Transport::Tcp };
        let mut config = ServerConfig::new(REALM, [1; 32]);
        config.users.insert(USER.0.to_owned(), USER.1.to_owned());
        config.peers = PeerPolicy::public().allow("192.0.2.0/24".parse().expect("a network"));
        let server =
            Server::new(config, [2; 32], now, Duration::from_secs(1_000_000)).expect("a valid config");
        let config = ClientConfig::new(transport, address(2, 1), address(1, 3478));
        let client = Client::new(config.with_credentials(USER.0, USER.1), [3; 32], now);
        Self {
            now,
            transport,
            local: address(2, 1),
            client: client.expect("a valid config"),
            server,
            to_server: Vec::new(),
            to_client: Vec::new(),
            relays: Vec::new(),
            connections: Vec::new(),
            odd: LongTerm::new(USER.0, USER.1),
            attempt: Attempt::default(),
            asked: None,
        }
    }

    fn operate(&mut self, input: &mut Input<'_>) {
        match input.byte() % 12 {
            // The network carries what it has, and time goes on.
            0 => {
                for _ in 0..=input.byte() % 8 {
                    while self.deliver(0, 0) {}
                    while self.deliver(1, 0) {}
                    self.settle();
                }
                self.wait(Duration::from_millis(50));
            }
            // One datagram arrives out of order, and perhaps again.
            1 => {
                let choice = input.byte();
                let list = if choice & 1 == 0 { &mut self.to_server } else { &mut self.to_client };
                let index = usize::from(choice >> 2) % list.len().max(1);
                if choice & 2 != 0 {
                    let copy = list.get(index).cloned();
                    list.extend(copy);
                }
                self.deliver(choice & 1, index);
            }
            2 => {
                self.to_server.clear();
                self.to_client.clear();
            }
            3 => self.wait(Duration::from_secs(u64::from(input.byte()))),
            4 => self.command(input),
            5 => self.want(input),
            // Anything, to either end.
            6 => {
                let (to_client, bytes) = (input.byte() & 1 != 0, input.chunk());
                if to_client { self.client_hears(bytes) } else { self.server_hears(self.local, bytes) }
            }
            7 => self.odd_request(input),
            8 => self.odd_answer(input),
            9 => self.peer(input),
            10 => self.data(input),
            _ => self.owner(input),
        }
    }

    fn command(&mut self, input: &mut Input<'_>) {
        let (choice, flags, now) = (input.byte(), input.byte(), self.now);
        let _ = match choice % 8 {
            0..4 => {
                let mut options = AllocateOptions::default();
                options.transport = if flags & 1 == 0 { RelayTransport::Udp } else { RelayTransport::Tcp };
                options.families = match flags >> 1 & 3 {
                    0 => Families::Default,
                    1 => Families::Only(Family::V6),
                    2 => Families::Only(Family::V4),
                    _ => Families::Both,
                };
                options.port = match flags >> 3 & 3 {
                    0 => RelayPort::Any,
                    1 => RelayPort::Even,
                    2 => RelayPort::EvenAndNext,
                    _ => RelayPort::Reserved([choice; 8]),
                };
                options.mobility = flags & 32 != 0;
                options.dont_fragment = flags & 64 != 0;
                options.lifetime = (flags & 128 != 0).then(|| Duration::from_secs(input.byte().into()));
                self.client.allocate(now, options)
            }
            4 => {
                let local = address(2, flags.into());
                self.client.move_to(now, local).inspect(|()| self.local = local)
            }
            5 => self.client.connect(now, address(flags, 9)),
            6 if flags > 200 => {
                self.client.handle_disconnect();
                self.server.client_closed(now, self.five_tuple());
                Ok(())
            }
            6 => self.client.bind_connection(now, address(2, 77), ConnectionId(flags.into())),
            _ => {
                self.client.close(now);
                Ok(())
            }
        };
    }

    fn want(&mut self, input: &mut Input<'_>) {
        let (choice, host, now) = (input.byte(), input.byte(), self.now);
        let peer = address(host, u16::from(choice >> 2) + 1);
        let _ = match choice & 3 {
            0 => self.client.permit(now, peer.ip()),
            1 => self.client.bind_channel(now, peer),
            2 => {
                self.client.forget(peer.ip());
                Ok(())
            }
            _ => {
                self.client.unbind_channel(peer);
                Ok(())
            }
        };
    }

    /// A message of the client's with the right proof and whatever attributes.
    fn odd_request(&mut self, input: &mut Input<'_>) {
        let (method, from) = (input.byte(), input.byte());
        let id = TransactionId::new([input.byte(); 12]);
        let method = Method::new(u16::from(method & 0x0F));
        let mut bytes = Vec::new();
        if from & 0x40 != 0 {
            odd_attributes(MessageBuilder::indication(method, id, &mut bytes), input).finish();
        } else {
            let request = odd_attributes(MessageBuilder::request(method, id, &mut bytes), input);
            self.odd.sign(&mut self.attempt, request).fingerprint();
        }
        let from = if from & 1 == 0 { self.local } else { address(3, 1) };
        self.server_hears(from, &bytes);
    }

    /// A message of the server's with the right proof and whatever attributes.
    fn odd_answer(&mut self, input: &mut Input<'_>) {
        let (kind, code) = (input.byte(), u16::from(input.byte()));
        let Some((method, id)) = self.asked else { return };
        let mut bytes = Vec::new();
        if kind & 1 != 0 {
            let method = Method::new(u16::from(kind >> 1 & 0x0F));
            odd_attributes(MessageBuilder::indication(method, id, &mut bytes), input).finish();
        } else {
            let class = if kind & 2 == 0 { Class::Success } else { Class::Error };
            let mut answer = MessageBuilder::new(method, class, id, &mut bytes);
            if let Some(code) = ErrorCode::new(300 + code * 2, "odd").filter(|_| kind & 2 != 0) {
                answer = answer.attribute(&code);
            }
            let answer = odd_attributes(answer, input);
            if kind & 4 == 0 {
                let key = PasswordAlgorithm::Sha256.key(USER.0, REALM, USER.1);
                answer.integrity_sha256(&key).fingerprint();
            } else {
                answer.fingerprint();
            }
        }
        self.client_hears(&bytes);
    }

    /// A peer sends to a relay, connects to it, or can't be reached.
    fn peer(&mut self, input: &mut Input<'_>) {
        let (choice, which, host) = (input.byte(), input.byte(), input.byte());
        let Some(&relay) = self.relays.get(usize::from(which) % self.relays.len().max(1)) else { return };
        let (now, peer) = (self.now, address(host, u16::from(choice >> 2) + 1));
        match choice & 3 {
            0 => {
                let icmp = Icmp { kind: 3, code: 4, error_data: input.u32() };
                self.server.handle_icmp(now, relay, peer, icmp);
            }
            1 => self.connections.extend(self.server.peer_connected(now, relay, peer)),
            _ => {
                let (data, mut bytes) = (input.chunk(), vec![0x55]);
                match self.server.handle_peer_data(now, relay, peer, data, &mut bytes) {
                    Ok(transmit) => {
                        assert_eq!(transmit.len, bytes.len() - 1);
                        self.to_client.push(bytes.split_off(1));
                    }
                    Err(_) => assert_eq!(bytes, [0x55], "refused, yet written"),
                }
            }
        }
    }

    /// The client sends to a peer; what arrives at the server is what was sent.
    fn data(&mut self, input: &mut Input<'_>) {
        let (host, port) = (input.byte(), u16::from(input.byte()) + 1);
        let (data, mut bytes) = (input.chunk(), Vec::new());
        if let Ok(transmit) = self.client.wrap(self.now, address(host, port), data, &mut bytes) {
            assert_eq!(transmit.len, bytes.len());
            let datagram = Datagram::new(self.transport, address(1, 3478), transmit.local, &bytes);
            if let Ok(Some(to)) = self.server.handle_datagram(self.now, datagram) {
                assert_eq!(to.data, data);
            }
        }
    }

    /// What the server's owner says late, twice, or wrongly.
    fn owner(&mut self, input: &mut Input<'_>) {
        let (choice, which) = (input.byte(), usize::from(input.byte()));
        let connection = self.connections.get(which % self.connections.len().max(1)).copied();
        let connection = connection.unwrap_or(ConnectionId(which as u32));
        match choice % 8 {
            0 => self.server.connected(self.now, connection, Ok(())),
            1 => self.server.connected(self.now, connection, Err(ConnectError::Failed)),
            2 => self.server.connection_closed(self.now, connection),
            3 => self.server.client_closed(self.now, self.five_tuple()),
            4 if which > 250 => self.server.drain(),
            5 if which > 250 => self.server.close(self.now),
            _ => {
                let relay = RelayId { index: u32::from(choice >> 3), serial: which as u32 };
                self.server.relay_opened(self.now, relay, Err(RelayError::Capacity));
            }
        }
    }

    fn five_tuple(&self) -> FiveTuple {
        FiveTuple::new(self.transport, address(1, 3478), self.local)
    }

    fn deliver(&mut self, direction: u8, index: usize) -> bool {
        let list = if direction & 1 == 0 { &mut self.to_server } else { &mut self.to_client };
        if index >= list.len() {
            return false;
        }
        let bytes = list.remove(index);
        if direction & 1 == 0 {
            self.server_hears(self.local, &bytes);
        } else {
            self.client_hears(&bytes);
        }
        true
    }

    fn client_hears(&mut self, bytes: &[u8]) {
        let datagram = Datagram::new(self.transport, self.local, address(1, 3478), bytes);
        let before = self.client.poll_timeout();
        if self.client.handle_datagram(self.now, datagram).is_err() {
            assert_eq!(self.client.poll_timeout(), before, "refused, yet changed");
        }
    }

    fn server_hears(&mut self, from: SocketAddr, bytes: &[u8]) {
        let datagram = Datagram::new(self.transport, address(1, 3478), from, bytes);
        if let Ok(Some(to)) = self.server.handle_datagram(self.now, datagram) {
            assert!(bytes.as_ptr_range().contains(&to.data.as_ptr()) || to.data.is_empty());
        }
        self.settle();
    }

    fn wait(&mut self, by: Duration) {
        let start = self.now;
        let mut now = start;
        self.to_server.extend(advance(&mut self.client, &mut now, by));
        now = start;
        let mut server = Owned { server: &mut self.server, relays: &mut self.relays, now: start };
        self.to_client.extend(advance(&mut server, &mut now, by));
        self.now = now;
    }

    /// Takes what both ends have to say.
    fn settle(&mut self) {
        let sent = drain(&mut self.client, self.now);
        for bytes in &sent {
            if let Ok(message) = Message::parse(bytes)
                && message.class() == Class::Request
            {
                self.asked = Some((message.method(), message.transaction_id()));
            }
        }
        self.to_server.extend(sent);
        let mut server = Owned { server: &mut self.server, relays: &mut self.relays, now: self.now };
        for bytes in drain(&mut server, self.now) {
            let message = Message::parse(&bytes).expect("we answer with proper messages");
            self.odd.handle_response(&mut self.attempt, &message);
            self.to_client.push(bytes);
        }
        for list in [&mut self.to_server, &mut self.to_client] {
            let surplus = list.len().saturating_sub(MAX_UNDER_WAY);
            list.drain(..surplus);
        }
    }
}

fn odd_attributes<'b>(mut message: MessageBuilder<'b>, input: &mut Input<'_>) -> MessageBuilder<'b> {
    for _ in 0..input.byte() % 6 {
        let choice = usize::from(input.byte());
        let kind = TABLE.get(choice).map_or_else(|| AttributeType(input.u16()), |row| row.kind);
        let length = usize::from(input.byte() % 24);
        message = message.attribute(&Odd(kind, input.bytes(length)));
    }
    message
}

/// Any value under any type.
struct Odd<'a>(AttributeType, &'a [u8]);

impl<'a> Attribute<'a> for Odd<'a> {
    const TYPE: AttributeType = AttributeType(0);

    fn parse(raw: RawAttribute<'a>) -> Result<Self, ParseError> {
        Ok(Self(raw.kind, raw.value))
    }

    fn emit(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(self.1);
    }

    fn kind(&self) -> AttributeType {
        self.0
    }
}

/// The server with an owner that obeys it at once.
struct Owned<'w> {
    server: &'w mut Server,
    relays: &'w mut Vec<RelayId>,
    now: Instant,
}

impl Machine for Owned<'_> {
    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize> {
        self.now = now;
        self.server.poll_transmit(now, buf).map(|transmit| transmit.len)
    }

    fn poll_event(&mut self) -> bool {
        let Some(event) = self.server.poll_event() else { return false };
        match event {
            Event::OpenRelay { relay, family, .. } => {
                let port = 1000 + (relay.index % 1000) as u16 * 2;
                let ip = match family {
                    Family::V4 => SocketAddr::from(([192, 0, 2, 1], port)),
                    Family::V6 => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], port)),
                };
                self.relays.push(relay);
                self.server.relay_opened(self.now, relay, Ok(ip));
            }
            Event::CloseRelay { relay } => self.relays.retain(|it| *it != relay),
            _ => {}
        }
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.server.handle_timeout(now);
    }
}

impl Machine for Client {
    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize> {
        self.poll_transmit(now, buf).map(|transmit| transmit.len)
    }

    fn poll_event(&mut self) -> bool {
        self.poll_event().is_some()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout(now);
    }
}
