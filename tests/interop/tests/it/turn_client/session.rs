//! A client of ours on real sockets.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use headwater_stun::{Datagram, Transport};
use headwater_turn::attribute::ConnectionId;
use headwater_turn::stream::Messages;
use headwater_turn::{AllocateOptions, Client, ClientConfig, ClientEvent};

use super::{LIMIT, PASSWORD, USER};

/// One look at the sockets.
const TICK: Duration = Duration::from_millis(2);

pub(super) struct Session {
    pub(super) client: Client,
    transport: Transport,
    link: Link,
    local: SocketAddr,
    server: SocketAddr,
    events: VecDeque<ClientEvent>,
    received: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Connections on their way to become a peer's.
    binding: Vec<(SocketAddr, Stream)>,
}

enum Link {
    Udp(UdpSocket),
    Tcp(Stream),
}

struct Stream {
    stream: TcpStream,
    messages: Messages,
}

impl Stream {
    fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(TICK)).expect("a timeout");
        Self { stream, messages: Messages::new() }
    }

    fn local(&self) -> SocketAddr {
        self.stream.local_addr().expect("an address")
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => panic!("the server has closed the connection"),
            Ok(len) => self.messages.push(&buffer[..len]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

impl Session {
    pub(super) fn new(transport: Transport, server: SocketAddr) -> Self {
        Self::with_credentials(transport, server, USER, PASSWORD)
    }

    pub(super) fn with_credentials(
        transport: Transport,
        server: SocketAddr,
        user: &str,
        password: &str,
    ) -> Self {
        let link = match transport {
            Transport::Tcp => Link::Tcp(Stream::connect(server)),
            _ => Link::Udp(udp(server)),
        };
        let local = match &link {
            Link::Tcp(stream) => stream.local(),
            Link::Udp(socket) => socket.local_addr().expect("an address"),
        };
        let config = ClientConfig::new(transport, local, server).with_credentials(user, password);
        // The tests' transaction ids need not be secret, only different.
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&local.port().to_be_bytes());
        let client = Client::new(config, seed, Instant::now()).expect("a valid config");
        let (events, received, binding) = (VecDeque::new(), VecDeque::new(), Vec::new());
        Self { client, transport, link, local, server, events, received, binding }
    }

    /// An allocation with defaults; returns our address as peers see it, too.
    pub(super) fn allocated(transport: Transport, server: SocketAddr) -> (Self, SocketAddr) {
        let mut session = Self::new(transport, server);
        let relayed = session.allocate(AllocateOptions::default());
        (session, relayed)
    }

    pub(super) fn allocate(&mut self, options: AllocateOptions) -> SocketAddr {
        self.client.allocate(Instant::now(), options).expect("idle");
        match self.event() {
            ClientEvent::Allocated { relayed, .. } => relayed,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn permit(&mut self, peer: SocketAddr) {
        self.client.permit(Instant::now(), peer.ip()).expect("allocated");
        assert_eq!(self.event(), ClientEvent::Permitted(peer.ip()));
    }

    pub(super) fn send(&mut self, peer: SocketAddr, data: &[u8]) {
        let mut out = Vec::new();
        self.client.wrap(Instant::now(), peer, data, &mut out).expect("permitted");
        self.write(self.local, &out);
    }

    /// Our address has changed.
    pub(super) fn move_elsewhere(&mut self) {
        let socket = udp(self.server);
        self.local = socket.local_addr().expect("an address");
        self.link = Link::Udp(socket);
        self.client.move_to(Instant::now(), self.local).expect("a ticket");
        assert_eq!(self.event(), ClientEvent::Moved);
    }

    /// A connection of ours that carries what the peer of `connection` says.
    pub(super) fn bind(&mut self, connection: ConnectionId) -> TcpStream {
        let stream = Stream::connect(self.server);
        let local = stream.local();
        self.binding.push((local, stream));
        self.client.bind_connection(Instant::now(), local, connection).expect("allocated");
        assert_eq!(self.event(), ClientEvent::ConnectionBound { connection, local });
        let (_, Stream { stream, messages }) = self.binding.pop().expect("just pushed");
        assert!(messages.into_rest().is_empty(), "the peer has not spoken yet");
        stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
        stream
    }

    /// The next event.
    pub(super) fn event(&mut self) -> ClientEvent {
        self.wait_for("an event", |it| it.events.pop_front())
    }

    /// What a peer sends next.
    pub(super) fn received(&mut self) -> (SocketAddr, Vec<u8>) {
        self.wait_for("data", |it| it.received.pop_front())
    }

    /// Runs for some time.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn();
        }
    }

    fn wait_for<T>(&mut self, what: &str, mut wanted: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(found) = wanted(self) {
                return found;
            }
            assert!(Instant::now() < deadline, "{what} did not come; events: {:?}", self.events);
            self.turn();
        }
    }

    fn turn(&mut self) {
        let mut out = Vec::new();
        while let Some(transmit) = self.client.poll_transmit(Instant::now(), &mut out) {
            assert_eq!(transmit.transport, self.transport);
            if let Link::Udp(socket) = &self.link
                && transmit.remote != self.server
            {
                // Sent on to another server.
                self.server = transmit.remote;
                socket.connect(self.server).expect("a route");
            }
            self.write(transmit.local, &out);
            out.clear();
        }
        self.read();
        self.client.handle_timeout(Instant::now());
        self.events.extend(std::iter::from_fn(|| self.client.poll_event()));
    }

    fn write(&mut self, from: SocketAddr, bytes: &[u8]) {
        let other = self.binding.iter_mut().find(|(local, _)| *local == from);
        match (other, &mut self.link) {
            (Some((_, stream)), _) => stream.stream.write_all(bytes).expect("written"),
            (None, Link::Tcp(stream)) => stream.stream.write_all(bytes).expect("written"),
            (None, Link::Udp(socket)) => assert_eq!(socket.send(bytes).expect("sent"), bytes.len()),
        }
    }

    fn read(&mut self) {
        let Self { client, transport, link, local, server, received, binding, .. } = self;
        let mut handle = |local: SocketAddr, bytes: &[u8]| {
            let datagram = Datagram::new(*transport, local, *server, bytes);
            let data = client.handle_datagram(Instant::now(), datagram);
            match data {
                Ok(data) => received.extend(data.map(|it| (it.peer, it.data.to_vec()))),
                // coturn 4.6 sends eight bytes without a header when an allocation has moved.
                Err(error) => println!("refused: {error}: {bytes:02x?}"),
            }
        };
        match link {
            Link::Udp(socket) => {
                let mut buffer = [0; 65_536];
                match socket.recv(&mut buffer) {
                    Ok(len) => handle(*local, &buffer[..len]),
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Link::Tcp(stream) => {
                stream.read();
                while let Some(message) = stream.messages.next_message().expect("TURN") {
                    handle(*local, message);
                }
            }
        }
        for (local, stream) in binding {
            stream.read();
            while let Some(message) = stream.messages.next_message().expect("TURN") {
                handle(*local, message);
            }
        }
    }
}

fn udp(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(if server.is_ipv4() { "127.0.0.1:0" } else { "[2001:db8::1]:0" });
    let socket = socket.expect("a socket");
    socket.connect(server).expect("a route");
    socket.set_read_timeout(Some(TICK)).expect("a timeout");
    socket
}
