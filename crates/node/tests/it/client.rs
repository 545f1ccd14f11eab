//! A publisher or a viewer on a socket of its own.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::LazyLock;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use headwater_node::{Config, Node, Session};
use headwater_sfu::history::{Cursor, Read};
use headwater_sfu::rtp::{Codec, SequenceNumber};
use headwater_sfu::track::Format;
use headwater_sfu::{Certificate, Datagram, Event, LocalStream, MediaPacket, Offering, PeerId, Sfu};

use crate::ways::Way;

/// How long anything in these tests may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Between two frames of a publisher.
const FRAME: Duration = Duration::from_millis(10);

pub(crate) struct Client {
    sfu: Sfu,
    socket: UdpSocket,
    address: SocketAddr,
    pub(crate) way: Way,
    stream: String,
    media: Option<LocalStream>,
    next_frame: Instant,
    frame: u16,
    cursor: Cursor,
    /// Video packets received.
    pub(crate) received: usize,
    pub(crate) events: Vec<Event>,
    pub(crate) session: Option<Session>,
}

pub(crate) fn node(workers: usize) -> Node {
    node_with(|config| config.workers = workers)
}

pub(crate) fn node_with(configure: impl FnOnce(&mut Config)) -> Node {
    let mut config = Config::new([7; 32]);
    config.media = vec!["127.0.0.1:0".parse().expect("an address")];
    configure(&mut config);
    Node::start(config).expect("loopback can be bound")
}

fn here() -> IpAddr {
    IpAddr::from([127, 0, 0, 1])
}

impl Client {
    fn new(stream: &str) -> Self {
        static CERTIFICATE: LazyLock<Certificate> =
            LazyLock::new(|| Certificate::generate().expect("a certificate"));
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound");
        socket.set_nonblocking(true).expect("it is a socket");
        let address = socket.local_addr().expect("it is bound");
        let config = headwater_sfu::Config::new(CERTIFICATE.clone(), vec![address]);
        let now = Instant::now();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        // Ports differ, and so do the seeds.
        let mut seed = [9; 32];
        seed[..2].copy_from_slice(&address.port().to_be_bytes());
        Self {
            sfu: Sfu::new(config, seed, now, unix).expect("the settings can work"),
            socket,
            address,
            way: Way::Socket,
            stream: stream.to_owned(),
            media: None,
            next_frame: now,
            frame: 0,
            cursor: Cursor::default(),
            received: 0,
            events: Vec::new(),
            session: None,
        }
    }

    pub(crate) fn publisher(node: &Node, stream: &str) -> Self {
        let (mut client, now) = (Self::new(stream), Instant::now());
        client.media = Some(client.sfu.open_stream(now, stream, &[vp8()]).expect("a new stream"));
        let offered = client.sfu.offer(now, stream, &Offering::sending(vec![vp8()])).expect("can be offered");
        let (sender, receiver) = channel();
        node.publish(stream, offered.offer, here(), move |reply| sender.send(reply).expect("awaited"));
        client.accept(offered.peer, receiver.recv_timeout(PATIENCE).expect("an answer").expect("accepted"));
        client
    }

    pub(crate) fn viewer(node: &Node, stream: &str) -> Self {
        let (mut client, now) = (Self::new(stream), Instant::now());
        let offered =
            client.sfu.offer(now, stream, &Offering::receiving(vec![vp8()])).expect("can be offered");
        let (sender, receiver) = channel();
        node.watch(stream, offered.offer, here(), move |reply| sender.send(reply).expect("awaited"));
        client.accept(offered.peer, receiver.recv_timeout(PATIENCE).expect("an answer").expect("accepted"));
        client
    }

    fn accept(&mut self, peer: PeerId, session: Session) {
        self.sfu.accept_answer(Instant::now(), peer, &session.answer).expect("a good answer");
        self.session = Some(session);
    }

    /// From now on over a connection.
    pub(crate) fn over_stream(mut self, node: &Node) -> Self {
        self.way = Way::stream(node, self.address);
        self
    }

    /// From now on through the TURN server.
    pub(crate) fn over_relay(mut self, node: &Node, secret: &str, over_stream: bool) -> Self {
        self.way = Way::relay(node, &self.socket, secret, over_stream);
        self
    }

    pub(crate) fn is_told_goodbye(&self) -> bool {
        let goodbye = headwater_sfu::CloseReason::ClosedByPeer;
        self.events.iter().any(|event| matches!(event, Event::Closed { reason, .. } if *reason == goodbye))
    }

    /// Its address changes, as seen from the server: a NAT has forgotten it.
    pub(crate) fn rebind(&mut self) {
        self.socket = UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound");
        self.socket.set_nonblocking(true).expect("it is a socket");
    }

    /// Sends any bytes from its address.
    pub(crate) fn send(&self, bytes: &[u8], to: SocketAddr) {
        let _ = self.socket.send_to(bytes, to);
    }

    /// One turn of the client's loop; it never waits.
    pub(crate) fn turn(&mut self) {
        let now = Instant::now();
        self.produce(now);
        for (remote, mut contents) in self.way.receive(&self.socket) {
            let datagram = Datagram::new(self.address, remote, now, &mut contents);
            let _ = self.sfu.handle_datagram(now, datagram);
        }
        self.sfu.handle_timeout(now);
        let mut out = Vec::new();
        while let Some(transmit) = self.sfu.poll_transmit(now, &mut out) {
            let segment = transmit.segment_size.map_or(transmit.len, usize::from);
            for datagram in out.chunks(segment.max(1)) {
                self.way.send(&self.socket, transmit.remote, datagram);
            }
            out.clear();
        }
        while let Some(event) = self.sfu.poll_event() {
            self.events.push(event);
        }
        let video = self.sfu.tracks(&self.stream).and_then(|tracks| tracks.first());
        if let Some(track) = video.filter(|_| self.media.is_none()) {
            while let Read::Packet(_) = track.history.read(&mut self.cursor) {
                self.received += 1;
            }
        }
    }

    /// A small key frame at each turn of the clock.
    fn produce(&mut self, now: Instant) {
        let Some(stream) = self.media.filter(|_| self.next_frame <= now) else { return };
        self.next_frame = now + FRAME;
        let mut payload = vec![0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0];
        payload.resize(600, 0);
        let packet = MediaPacket {
            sequence: SequenceNumber(self.frame),
            timestamp: u32::from(self.frame) * 900,
            marker: true,
            payload: &payload,
        };
        self.sfu.handle_media(now, stream, 0, &packet);
        self.frame = self.frame.wrapping_add(1);
    }
}

fn vp8() -> Format {
    Format { codec: Codec::Vp8, clock_rate: 90_000, parameters: String::new() }
}

/// Turns all clients' loops until something is so.
pub(crate) fn until(clients: &mut [Client], what: &str, mut condition: impl FnMut(&[Client]) -> bool) {
    let start = Instant::now();
    while !condition(clients) {
        assert!(start.elapsed() < PATIENCE, "{what} takes too long");
        clients.iter_mut().for_each(Client::turn);
        std::thread::yield_now();
    }
}
