//! One socket: bound, sized, read in batches, written in bursts.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::event::Source;
use mio::{Interest, Registry, Token};
use quinn_udp::{UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Type};

use crate::Batch;

/// How a socket is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Receive buffer to ask the kernel for, in bytes.
    pub receive_buffer: usize,
    /// Send buffer to ask the kernel for, in bytes.
    pub send_buffer: usize,
    /// Lets several sockets share the port, each getting a part of the senders (`SO_REUSEPORT`).
    pub reuse_port: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { receive_buffer: 4 << 20, send_buffer: 4 << 20, reuse_port: false }
    }
}

/// One message to send: a datagram, or several of `segment_size` bytes for the same remote.
#[derive(Debug, Clone, Copy)]
pub struct Transmit<'a> {
    /// Source address to send from; `None` leaves it to the routing table.
    pub local: Option<IpAddr>,
    /// Where to.
    pub remote: SocketAddr,
    /// The bytes.
    pub contents: &'a [u8],
    /// If set, the contents are datagrams of this size; only the last may be shorter.
    pub segment_size: Option<u16>,
}

/// A non-blocking UDP socket for media.
#[derive(Debug)]
pub struct Socket {
    io: mio::net::UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
}

impl Socket {
    /// Opens a socket. An IPv6 one takes IPv6 only, so that both families can be bound to one port.
    ///
    /// # Errors
    /// What the system says: the port is in use, the address is not ours, the family is not supported.
    pub fn bind(address: SocketAddr, options: &Options) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        #[cfg(unix)]
        if options.reuse_port {
            socket.set_reuse_port(true)?;
        }
        // Buffers are a wish: the kernel cuts them to its limit, and `buffer_sizes` tells what was obtained.
        let _ = socket.set_recv_buffer_size(options.receive_buffer);
        let _ = socket.set_send_buffer_size(options.send_buffer);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let io = mio::net::UdpSocket::from_std(socket.into());
        let state = UdpSocketState::new(UdpSockRef::from(&io))?;
        let local = io.local_addr()?;
        Ok(Self { io, state, local })
    }

    /// The address that it is bound to, with the port that the system chose if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Bytes of receive and send buffer that the kernel granted.
    pub fn buffer_sizes(&self) -> (usize, usize) {
        let socket = || UdpSockRef::from(&self.io);
        (
            self.state.recv_buffer_size(socket()).unwrap_or(0),
            self.state.send_buffer_size(socket()).unwrap_or(0),
        )
    }

    /// Does the kernel put a sender's datagrams together (UDP GRO)?
    pub fn coalesces(&self) -> bool {
        self.state.gro_segments() > 1
    }

    /// The most segments that one send may have; 1 means that bursts are split here (no UDP GSO).
    pub fn max_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Fills `batch` with what has arrived and returns how many messages it took.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing is there.
    pub fn receive(&mut self, batch: &mut Batch) -> io::Result<usize> {
        let Self { io, state, .. } = self;
        batch.fill(|slices, metas| state.recv(UdpSockRef::from(&*io), slices, metas))
    }

    /// Sends one message, split where the kernel takes no segments.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when the send buffer is full: nothing, or for a split burst a part, was
    /// sent. Other errors concern this destination only.
    pub fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let segment = transmit.segment_size.map_or(transmit.contents.len(), usize::from).max(1);
        let at_once = segment * self.max_segments().max(1);
        for contents in transmit.contents.chunks(at_once) {
            let message = quinn_udp::Transmit {
                destination: transmit.remote,
                ecn: None,
                contents,
                segment_size: (contents.len() > segment).then_some(segment),
                src_ip: transmit.local,
            };
            self.state.try_send(UdpSockRef::from(&self.io), &message)?;
        }
        Ok(())
    }
}

impl Source for Socket {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.io.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.io.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.io.deregister(registry)
    }
}
