//! TURN clients that block: one socket, one allocation each.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dtls::{Certificate, Connection, Event, Role};
use headwater_relay::Relay;
use headwater_stun::{Datagram, Transport};
use headwater_turn::attribute::ConnectionId;
use headwater_turn::stream::Messages;
use headwater_turn::{AllocateOptions, Client, ClientConfig, ClientEvent, Failure, RelayTransport};

use super::LIMIT;

/// How long one look for a datagram takes.
const LOOK: Duration = Duration::from_millis(10);

/// A client over UDP, with DTLS or without.
pub(crate) struct UdpClient {
    socket: UdpSocket,
    local: SocketAddr,
    server: SocketAddr,
    client: Client,
    dtls: Option<Connection>,
    /// SHA-256 of the server's certificate.
    pub(crate) shown: Option<Vec<u8>>,
    events: Vec<ClientEvent>,
    /// What peers have sent.
    pub(crate) data: Vec<(SocketAddr, Vec<u8>)>,
}

impl UdpClient {
    /// Alice's, from this address.
    pub(crate) fn new(ip: impl Into<IpAddr>, relay: &Relay) -> Self {
        Self::of(ip, relay, "alice")
    }

    /// This user's; passwords are all the same.
    pub(crate) fn of(ip: impl Into<IpAddr>, relay: &Relay, user: &str) -> Self {
        let socket = UdpSocket::bind((ip.into(), 0)).expect("a socket");
        socket.set_read_timeout(Some(LOOK)).expect("a limit");
        let (local, server) = (socket.local_addr().expect("bound"), relay.local_addrs()[0]);
        let config = ClientConfig::new(Transport::Udp, local, server).with_credentials(user, "secret");
        let client = Client::new(config, seed(local), Instant::now()).expect("a proper configuration");
        Self { socket, local, server, client, dtls: None, shown: None, events: Vec::new(), data: Vec::new() }
    }

    /// The same with DTLS around.
    pub(crate) fn secured(self) -> Self {
        let mut client = self.begin();
        client.connect();
        client
    }

    /// Has a DTLS connection to make, and says nothing yet.
    pub(crate) fn begin(mut self) -> Self {
        self.dtls = Some(association(seed(self.local)));
        self
    }

    /// Sends one flight of the handshake and waits for something to come back, which is not answered yet.
    #[track_caller]
    pub(crate) fn exchange(&mut self) {
        self.flush();
        let end = Instant::now() + LIMIT;
        while self.socket.peek(&mut [0; 1]).is_err() {
            assert!(Instant::now() < end, "no answer to a flight");
            // A flood fills the server's socket as well: what is lost is said again.
            self.dtls.as_mut().expect("begun").handle_timeout(Instant::now());
            self.flush();
        }
        let mut buffer = [0; 65_536];
        let len = self.socket.recv(&mut buffer).expect("peeked at");
        let dtls = self.dtls.as_mut().expect("begun");
        let _ = dtls.handle_datagram(Instant::now(), &buffer[..len]);
    }

    /// Goes on until it is connected.
    #[track_caller]
    pub(crate) fn connect(&mut self) {
        self.until("a DTLS connection", |client| client.shown.is_some().then_some(()));
    }

    /// Sends what there is to send and takes what comes, for a little while.
    pub(crate) fn step(&mut self) {
        let now = Instant::now();
        if let Some(dtls) = &mut self.dtls
            && dtls.poll_timeout().is_some_and(|due| due <= now)
        {
            dtls.handle_timeout(now);
        }
        let mut out = Vec::new();
        while self.client.poll_transmit(now, &mut out).is_some() {
            self.transmit(&std::mem::take(&mut out));
        }
        self.flush();
        let mut buffer = [0; 65_536];
        match self.socket.recv(&mut buffer) {
            Ok(len) => self.receive(&buffer[..len]),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)),
        }
        while let Some(event) = self.client.poll_event() {
            self.events.push(event);
        }
    }

    fn transmit(&mut self, message: &[u8]) {
        match &mut self.dtls {
            None => drop(self.socket.send_to(message, self.server).expect("sent")),
            Some(dtls) => {
                dtls.send(message).expect("connected");
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        let (Some(dtls), mut record) = (&mut self.dtls, Vec::new()) else { return };
        while dtls.poll_transmit(Instant::now(), &mut record).is_some() {
            self.socket.send_to(&record, self.server).expect("sent");
            record.clear();
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        let now = Instant::now();
        let Some(dtls) = &mut self.dtls else { return self.take(bytes) };
        let _ = dtls.handle_datagram(now, bytes);
        let mut messages = Vec::new();
        while let Some(event) = dtls.poll_event() {
            match event {
                Event::Connected(connected) => {
                    self.shown = connected.peer_fingerprint.map(|print| print.value().to_vec());
                }
                Event::Data(data) => messages.push(data),
                other => panic!("{other:?}"),
            }
        }
        messages.iter().for_each(|message| self.take(message));
        self.flush();
    }

    fn take(&mut self, message: &[u8]) {
        let datagram = Datagram::new(Transport::Udp, self.local, self.server, message);
        // As `Datagram` has it for who receives: our address, then the sender's.
        if let Ok(Some(data)) = self.client.handle_datagram(Instant::now(), datagram) {
            self.data.push((data.peer, data.data.to_vec()));
        }
    }

    /// Goes on until there is something.
    #[track_caller]
    pub(crate) fn until<T>(&mut self, what: &str, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(Instant::now() < end, "{what} did not come; {:?}", self.events);
            self.step();
        }
    }

    /// The next event of which `pick` makes something; those before it are forgotten.
    #[track_caller]
    pub(crate) fn event<T>(&mut self, what: &str, pick: impl Fn(&ClientEvent) -> Option<T>) -> T {
        self.until(what, |client| {
            let place = client.events.iter().position(|event| pick(event).is_some())?;
            client.events.drain(..=place).next_back().and_then(|event| pick(&event))
        })
    }

    /// The relayed address, or why there is none.
    #[track_caller]
    pub(crate) fn allocate(&mut self) -> Result<SocketAddr, Failure> {
        self.client.allocate(Instant::now(), AllocateOptions::default()).expect("none yet");
        self.event("an allocation", allocated)
    }

    /// Gives the allocation back.
    #[track_caller]
    pub(crate) fn close(&mut self) {
        self.client.close(Instant::now());
        self.event("the end", |event| matches!(event, ClientEvent::Ended(_)).then_some(()));
    }

    /// A permission and a channel.
    #[track_caller]
    pub(crate) fn bind(&mut self, peer: SocketAddr) {
        self.client.bind_channel(Instant::now(), peer).expect("allocated");
        self.event("a channel", |event| matches!(event, ClientEvent::ChannelBound(_)).then_some(()));
    }

    /// Something else, from the same address.
    pub(crate) fn say(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.server).expect("sent");
    }

    /// Data for a peer.
    pub(crate) fn send(&mut self, peer: SocketAddr, data: &[u8]) {
        let mut message = Vec::new();
        self.client.wrap(Instant::now(), peer, data, &mut message).expect("permitted");
        self.transmit(&message);
    }
}

/// A client over TCP with an allocation for TCP (RFC 6062).
pub(crate) struct TcpClient {
    server: SocketAddr,
    client: Client,
    control: TcpStream,
    messages: Messages,
}

impl TcpClient {
    /// Connects and allocates. Gives the relayed address as well.
    pub(crate) fn allocate(relay: &Relay) -> (Self, SocketAddr) {
        let server = relay.local_addrs()[0];
        let control = TcpStream::connect(server).expect("connected");
        control.set_read_timeout(Some(LOOK)).expect("a limit");
        let local = control.local_addr().expect("bound");
        let config = ClientConfig::new(Transport::Tcp, local, server).with_credentials("alice", "secret");
        let client = Client::new(config, seed(local), Instant::now()).expect("a proper configuration");
        let mut made = Self { server, client, control, messages: Messages::new() };
        let mut options = AllocateOptions::default();
        options.transport = RelayTransport::Tcp;
        made.client.allocate(Instant::now(), options).expect("none yet");
        let relayed = made.event("an allocation", allocated).expect("allocated");
        (made, relayed)
    }

    /// Lets peers of this address connect.
    pub(crate) fn permit(&mut self, peer: IpAddr) {
        self.client.permit(Instant::now(), peer).expect("allocated");
        self.event("a permission", |event| matches!(event, ClientEvent::Permitted(_)).then_some(()));
    }

    /// Has the server connect to a peer, and gives the connection that carries its bytes.
    pub(crate) fn connect(&mut self, peer: SocketAddr) -> TcpStream {
        self.client.connect(Instant::now(), peer).expect("allocated");
        let id = self.event("a connection", |event| match event {
            ClientEvent::Connected(_, id) => Some(*id),
            ClientEvent::ConnectFailed(_, failure) => panic!("{failure}"),
            _ => None,
        });
        self.splice(id)
    }

    /// Waits for a peer, and gives the connection that carries its bytes.
    pub(crate) fn accept(&mut self) -> TcpStream {
        let id = self.event("a peer", |event| match event {
            ClientEvent::PeerConnected(_, id) => Some(*id),
            _ => None,
        });
        self.splice(id)
    }

    fn splice(&mut self, id: ConnectionId) -> TcpStream {
        let mut data = TcpStream::connect(self.server).expect("connected");
        data.set_read_timeout(Some(LIMIT)).expect("a limit");
        let local = data.local_addr().expect("bound");
        self.client.bind_connection(Instant::now(), local, id).expect("allocated");
        loop {
            let mut request = Vec::new();
            while let Some(transmit) = self.client.poll_transmit(Instant::now(), &mut request) {
                let to = if transmit.local == local { &mut data } else { &mut self.control };
                to.write_all(&std::mem::take(&mut request)).expect("sent");
            }
            let mut answer = vec![0; 20];
            data.read_exact(&mut answer).expect("an answer");
            answer.resize(20 + usize::from(u16::from_be_bytes([answer[2], answer[3]])), 0);
            data.read_exact(&mut answer[20..]).expect("an answer");
            let datagram = Datagram::new(Transport::Tcp, local, self.server, &answer);
            let _ = self.client.handle_datagram(Instant::now(), datagram);
            while let Some(event) = self.client.poll_event() {
                match event {
                    ClientEvent::ConnectionBound { .. } => return data,
                    ClientEvent::BindFailed { failure, .. } => panic!("{failure}"),
                    _ => {}
                }
            }
        }
    }

    #[track_caller]
    fn event<T>(&mut self, what: &str, pick: impl Fn(&ClientEvent) -> Option<T>) -> T {
        let end = Instant::now() + LIMIT;
        loop {
            while let Some(event) = self.client.poll_event() {
                if let Some(found) = pick(&event) {
                    return found;
                }
            }
            assert!(Instant::now() < end, "{what} did not come");
            let mut out = Vec::new();
            while self.client.poll_transmit(Instant::now(), &mut out).is_some() {
                self.control.write_all(&std::mem::take(&mut out)).expect("sent");
            }
            let mut buffer = [0; 4096];
            let Ok(len) = self.control.read(&mut buffer) else { continue };
            self.messages.push(&buffer[..len]);
            let local = self.control.local_addr().expect("bound");
            while let Ok(Some(message)) = self.messages.next_message() {
                let datagram = Datagram::new(Transport::Tcp, local, self.server, message);
                let _ = self.client.handle_datagram(Instant::now(), datagram);
            }
        }
    }
}

fn allocated(event: &ClientEvent) -> Option<Result<SocketAddr, Failure>> {
    match event {
        ClientEvent::Allocated { relayed, .. } => Some(Ok(*relayed)),
        ClientEvent::AllocateFailed(failure) => Some(Err(*failure)),
        _ => None,
    }
}

/// The client's side of an association.
pub(crate) fn association(seed: [u8; 32]) -> Connection {
    let mut config = headwater_dtls::Config::new(Certificate::generate().expect("a certificate"));
    config.danger_accept_any_certificate = true;
    config.srtp_profiles = Vec::new();
    Connection::new(Arc::new(config), Role::Client, Vec::new(), seed, Instant::now()).expect("proper")
}

/// No two clients may have the same.
fn seed(local: SocketAddr) -> [u8; 32] {
    let mut seed = [0; 32];
    let IpAddr::V4(ip) = local.ip() else { panic!("IPv4 only") };
    seed[..4].copy_from_slice(&ip.octets());
    seed[4..6].copy_from_slice(&local.port().to_be_bytes());
    seed
}
