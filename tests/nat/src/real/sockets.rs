//! Drives an endpoint of the simulated network over real sockets, by asking all of them a thousand times a second.

use headwater_ice::framing::{Deframer, frame};
use headwater_netsim::{Endpoint, Outgoing, StreamClosed, StreamEvent, Transmit};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// How long nothing is looked at.
const PAUSE: Duration = Duration::from_millis(1);
const LONGEST_DATAGRAM: usize = 2048;

/// A connection. Its messages are framed as ICE's are, those of TURN too: both ends are ours.
#[derive(Debug)]
struct Stream {
    local: SocketAddr,
    remote: SocketAddr,
    socket: TcpStream,
    is_open: bool,
    deframer: Deframer,
    /// What waits to be written.
    out: Vec<u8>,
}

/// The sockets of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    udp: Vec<(SocketAddr, UdpSocket)>,
    listeners: Vec<TcpListener>,
    streams: Vec<Stream>,
}

impl Sockets {
    pub(super) fn bind(udp: &[SocketAddr], listeners: &[SocketAddr]) -> Result<Self> {
        let mut this = Self::default();
        for address in udp {
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            this.udp.push((*address, socket));
        }
        for address in listeners {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            this.listeners.push(listener);
        }
        Ok(this)
    }

    /// One round: what is due, what is to be sent, what has come; then a pause.
    pub(super) fn turn(&mut self, endpoint: &mut impl Endpoint) -> Result<()> {
        let now = Instant::now();
        if endpoint.poll_timeout().is_some_and(|it| it <= now) {
            endpoint.handle_timeout(now);
        }
        self.send(endpoint)?;
        self.receive_datagrams(endpoint);
        self.accept(endpoint);
        let mut streams = std::mem::take(&mut self.streams);
        streams.retain_mut(|it| match it.turn(endpoint) {
            Ok(()) => true,
            Err(why) => {
                endpoint.handle_stream(Instant::now(), it.local, it.remote, StreamEvent::Closed(why));
                false
            }
        });
        self.streams.append(&mut streams);
        std::thread::sleep(PAUSE);
        Ok(())
    }

    fn send(&mut self, endpoint: &mut impl Endpoint) -> Result<()> {
        let mut buf = Vec::new();
        while let Some(outgoing) = endpoint.poll_outgoing(Instant::now(), &mut buf) {
            match outgoing {
                Outgoing::Datagram(Transmit { local, remote, .. }) => {
                    let socket = self.udp.iter().find(|it| it.0 == local).map(|it| &it.1);
                    // What the network refuses is as good as lost.
                    let _lost = socket.map(|it| it.send_to(&buf, remote));
                }
                Outgoing::Message(Transmit { local, remote, .. }) => {
                    if let Some(stream) = self.stream(local, remote) {
                        frame(&buf, &mut stream.out).expect("a short message");
                    }
                }
                Outgoing::Connect { local, remote } => self.streams.push(Stream::connect(local, remote)?),
                Outgoing::Close { local, remote } => {
                    self.streams.retain(|it| (it.local, it.remote) != (local, remote));
                }
                _ => {}
            }
            buf.clear();
        }
        Ok(())
    }

    fn receive_datagrams(&self, endpoint: &mut impl Endpoint) {
        let mut buf = [0; LONGEST_DATAGRAM];
        for (local, socket) in &self.udp {
            // An error is an ICMP answer to something sent: it passes.
            while let Ok((len, remote)) = socket.recv_from(&mut buf) {
                endpoint.handle_datagram(Instant::now(), *local, remote, &mut buf[..len]);
            }
        }
    }

    fn accept(&mut self, endpoint: &impl Endpoint) {
        for listener in &self.listeners {
            while let Ok((socket, remote)) = listener.accept() {
                let Ok(local) = socket.local_addr() else { continue };
                if endpoint.accepts(local, remote) && socket.set_nonblocking(true).is_ok() {
                    self.streams.push(Stream::new(local, remote, socket));
                }
            }
        }
    }

    fn stream(&mut self, local: SocketAddr, remote: SocketAddr) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|it| (it.local, it.remote) == (local, remote))
    }
}

impl Stream {
    fn new(local: SocketAddr, remote: SocketAddr, socket: TcpStream) -> Self {
        Self { local, remote, socket, is_open: false, deframer: Deframer::new(), out: Vec::new() }
    }

    fn connect(local: SocketAddr, remote: SocketAddr) -> Result<Self> {
        let socket = Socket::new(Domain::for_address(local), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&local.into())?;
        socket.set_nonblocking(true)?;
        // It is in progress, or will show its error when it is looked at.
        let _in_progress = socket.connect(&remote.into());
        Ok(Self::new(local, remote, socket.into()))
    }

    fn turn(&mut self, endpoint: &mut impl Endpoint) -> std::result::Result<(), StreamClosed> {
        if !self.is_open {
            if self.socket.take_error().is_ok_and(|it| it.is_some()) {
                return Err(StreamClosed::Refused);
            }
            if self.socket.peer_addr().is_err() {
                return Ok(());
            }
            self.is_open = true;
            endpoint.handle_stream(Instant::now(), self.local, self.remote, StreamEvent::Connected);
        }
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Ok(len) => drop(self.out.drain(..len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err(StreamClosed::Reset),
            }
        }
        let mut buf = [0; LONGEST_DATAGRAM];
        loop {
            match self.socket.read(&mut buf) {
                Ok(0) => return Err(StreamClosed::ByPeer),
                Ok(len) => {
                    let mut input = &buf[..len];
                    while let Some(message) = self.deframer.next_frame(&mut input) {
                        let event = &mut message.to_vec();
                        let event = StreamEvent::Message(event);
                        endpoint.handle_stream(Instant::now(), self.local, self.remote, event);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(StreamClosed::Reset),
            }
        }
    }
}
