//! How a client's datagrams reach the node: from its socket, over a connection, through the TURN server.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use headwater_ice::framing::{self, Deframer};
use headwater_node::{Node, Stream, StreamKind, Transport};
use headwater_stun::Datagram;
use headwater_turn::stream::Messages;
use headwater_turn::{AllocateOptions, Client as TurnClient, ClientConfig, ClientEvent};

use crate::client::PATIENCE;

pub(crate) enum Way {
    /// UDP.
    Socket,
    /// ICE-TCP.
    Stream { stream: Stream, deframer: Deframer, most: usize },
    /// TURN over UDP, or over a connection.
    Relay(Box<Relay>),
}

pub(crate) struct Relay {
    turn: TurnClient,
    stream: Option<Stream>,
    messages: Messages,
    local: SocketAddr,
    server: SocketAddr,
    pub(crate) events: Vec<ClientEvent>,
}

impl Way {
    pub(crate) fn stream(node: &Node, local: SocketAddr) -> Self {
        let here = node.media_addresses()[0];
        let stream = node.open_stream(StreamKind::Ice, here, local, || {}).expect("there is room");
        Self::Stream { stream, deframer: Deframer::new(), most: 0 }
    }

    /// Allocates, and has a channel to the node's media address. With `over_stream` by TURN over TCP.
    pub(crate) fn relay(node: &Node, socket: &UdpSocket, secret: &str, over_stream: bool) -> Self {
        let (local, server) = (socket.local_addr().expect("bound"), node.media_addresses()[0]);
        let mut relay = Relay::new(node, local, server, secret, over_stream);
        let now = Instant::now();
        relay.turn.allocate(now, AllocateOptions::default()).expect("nothing is allocated yet");
        relay.wait(socket, |event| matches!(event, ClientEvent::Allocated { .. }));
        relay.turn.bind_channel(Instant::now(), server).expect("a channel is free");
        relay.wait(socket, |event| matches!(event, ClientEvent::ChannelBound { .. }));
        Self::Relay(Box::new(relay))
    }

    /// The most bytes of a connection that have waited for us.
    pub(crate) const fn most(&self) -> usize {
        match self {
            Self::Stream { most, .. } => *most,
            _ => 0,
        }
    }

    pub(crate) fn send(&mut self, socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) {
        match self {
            Self::Socket => drop(socket.send_to(datagram, to)),
            Self::Stream { stream, .. } => {
                let mut bytes = Vec::new();
                framing::frame(datagram, &mut bytes).expect("short enough");
                let _ = stream.push(&bytes);
            }
            Self::Relay(relay) => {
                let mut bytes = Vec::new();
                if relay.turn.wrap(Instant::now(), to, datagram, &mut bytes).is_ok() {
                    relay.send(socket, &bytes);
                }
            }
        }
    }

    /// What has come, with who sent it.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut received = Vec::new();
        match self {
            Self::Socket => {
                let mut buf = [0; 2048];
                while let Ok((len, remote)) = socket.recv_from(&mut buf) {
                    received.push((remote, buf[..len].to_vec()));
                }
            }
            Self::Stream { stream, deframer, most } => {
                let mut bytes = Vec::new();
                while stream.pull(&mut bytes) > 0 {}
                *most = bytes.len().max(*most);
                let mut rest = bytes.as_slice();
                let node = stream_end(stream);
                while let Some(frame) = deframer.next_frame(&mut rest) {
                    received.push((node, frame.to_vec()));
                }
            }
            Self::Relay(relay) => received = relay.turn(socket),
        }
        received
    }
}

/// Connections have no address here: all of a test's go to the one media address.
fn stream_end(stream: &Stream) -> SocketAddr {
    stream.local()
}

impl Relay {
    pub(crate) fn new(
        node: &Node,
        local: SocketAddr,
        server: SocketAddr,
        secret: &str,
        over_stream: bool,
    ) -> Self {
        let transport = if over_stream { Transport::Tcp } else { Transport::Udp };
        let username = format!("{}:{local}", u32::MAX);
        let password = headwater_turn::password_for(secret, &username);
        let config = ClientConfig::new(transport, local, server).with_credentials(username, password);
        let stream = over_stream
            .then(|| node.open_stream(StreamKind::Turn, server, local, || {}).expect("there is room"));
        let turn = TurnClient::new(config, [local.port() as u8; 32], Instant::now()).expect("good settings");
        Self { turn, stream, messages: Messages::new(), local, server, events: Vec::new() }
    }

    pub(crate) fn wait(&mut self, socket: &UdpSocket, wanted: impl Fn(&ClientEvent) -> bool) {
        let start = Instant::now();
        while !self.events.iter().any(&wanted) {
            assert!(start.elapsed() < PATIENCE, "{:?}", self.events);
            self.turn(socket);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) const fn client(&mut self) -> &mut TurnClient {
        &mut self.turn
    }

    fn send(&self, socket: &UdpSocket, bytes: &[u8]) {
        match &self.stream {
            Some(stream) => drop(stream.push(bytes)),
            None => drop(socket.send_to(bytes, self.server)),
        }
    }

    fn turn(&mut self, socket: &UdpSocket) -> Vec<(SocketAddr, Vec<u8>)> {
        let now = Instant::now();
        let mut messages = Vec::new();
        if let Some(stream) = &self.stream {
            let mut bytes = Vec::new();
            while stream.pull(&mut bytes) > 0 {}
            self.messages.push(&bytes);
            while let Ok(Some(message)) = self.messages.next_message() {
                messages.push(message.to_vec());
            }
        } else {
            let mut buf = [0; 2048];
            while let Ok((len, _)) = socket.recv_from(&mut buf) {
                messages.push(buf[..len].to_vec());
            }
        }
        let transport = if self.stream.is_some() { Transport::Tcp } else { Transport::Udp };
        let mut received = Vec::new();
        for message in messages {
            let datagram = Datagram::new(transport, self.local, self.server, &message);
            if let Ok(Some(from)) = self.turn.handle_datagram(now, datagram) {
                received.push((from.peer, from.data.to_vec()));
            }
        }
        self.turn.handle_timeout(now);
        let mut bytes = Vec::new();
        while self.turn.poll_transmit(now, &mut bytes).is_some() {
            self.send(socket, &bytes);
            bytes.clear();
        }
        while let Some(event) = self.turn.poll_event() {
            self.events.push(event);
        }
        received
    }
}
