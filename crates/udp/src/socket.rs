//! One socket: bound, sized, read in batches, written in bursts.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::event::Source;
use mio::{Interest, Registry, Token};
use quinn_udp::{UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Type};

use crate::Batch;
use crate::bursts::{Bursts, Refusal};

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
    /// May a burst leave as one message that the kernel, or the network card, splits (UDP GSO)?
    pub segmentation: bool,
    /// Use only what every system has: one call for each datagram sent. On systems other than Linux it is always so.
    pub portable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            receive_buffer: 4 << 20,
            send_buffer: 4 << 20,
            reuse_port: false,
            segmentation: true,
            portable: false,
        }
    }
}

/// One message to send: a datagram, or several of `segment_size` bytes for the same remote. Its bytes lie in a buffer
/// that it shares with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the whole of a message")]
pub struct Outgoing {
    /// Source address to send from; `None` leaves it to the routing table. A socket that is bound to one address always
    /// sends from that.
    pub local: Option<IpAddr>,
    /// Where to.
    pub remote: SocketAddr,
    /// Where its bytes begin in the buffer.
    pub start: usize,
    /// How many there are.
    pub len: usize,
    /// If set, they are datagrams of this size; only the last may be shorter.
    pub segment_size: Option<u16>,
}

/// How a socket sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driver {
    /// Many messages a call.
    #[cfg(target_os = "linux")]
    Batched,
    /// One datagram a call.
    Portable,
}

/// A non-blocking UDP socket for media.
#[derive(Debug)]
pub struct Socket {
    io: mio::net::UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    driver: Driver,
    bursts: Bursts,
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
        #[cfg(target_os = "linux")]
        let driver = if options.portable { Driver::Portable } else { Driver::Batched };
        #[cfg(not(target_os = "linux"))]
        let driver = Driver::Portable;
        let segments = options.segmentation && driver != Driver::Portable && state.max_gso_segments() > 1;
        Ok(Self { io, state, local, driver, bursts: Bursts { segments } })
    }

    /// The address that it is bound to, with the port that the system chose if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Bytes of receive and send buffer that the kernel granted of those that were asked for.
    pub fn buffer_sizes(&self) -> (usize, usize) {
        /// Linux grants, and tells, twice of what it is asked for, since it counts its own bookkeeping (socket(7)).
        const FACTOR: usize = if cfg!(target_os = "linux") { 2 } else { 1 };
        let socket = || UdpSockRef::from(&self.io);
        (
            self.state.recv_buffer_size(socket()).unwrap_or(0) / FACTOR,
            self.state.send_buffer_size(socket()).unwrap_or(0) / FACTOR,
        )
    }

    /// Does the kernel put a sender's datagrams together (UDP GRO)?
    pub fn coalesces(&self) -> bool {
        self.state.gro_segments() > 1
    }

    /// Does a burst leave as one message? If not, it is split here.
    pub fn segments(&self) -> bool {
        self.bursts.segments
    }

    /// Datagrams that the kernel dropped since the socket was opened because its receive buffer was full; 0 where the
    /// system does not tell. Those that it had put together before (GRO) count as one.
    pub fn dropped(&self) -> u64 {
        #[cfg(target_os = "linux")]
        return u64::from(crate::linux::dropped(std::os::fd::AsFd::as_fd(&self.io)));
        #[cfg(not(target_os = "linux"))]
        return 0;
    }

    /// Of `count` sockets that share this one's port, has a sender's address decide which one gets its datagrams: the n-th
    /// that was bound. Otherwise the port counts too.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::Unsupported`] where it cannot.
    pub fn steer_by_address(&self, count: u32) -> io::Result<()> {
        steer_by_address(&self.io, count)
    }

    /// Fills `batch` with what has arrived and returns how many messages it took.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing is there.
    pub fn receive(&mut self, batch: &mut Batch) -> io::Result<usize> {
        let Self { io, state, .. } = self;
        batch.fill(|slices, metas| state.recv(UdpSockRef::from(&*io), slices, metas))
    }

    /// Sends messages whose contents lie in `bytes`, in their order, and returns how many of them are done with: sent, or
    /// refused by the network, which is the same as lost. Fewer than all means that the send buffer is full; what is
    /// left may be sent again when there is room. Of a burst that had to be split, the first that is left then begins
    /// where it was broken off.
    ///
    /// Panics if a message reaches beyond `bytes`.
    pub fn send(&mut self, bytes: &[u8], messages: &mut [Outgoing]) -> usize {
        let Self { io, state, local, driver, bursts } = self;
        let with_source = local.ip().is_unspecified();
        match driver {
            #[cfg(target_os = "linux")]
            Driver::Batched => {
                use crate::linux::{self, MESSAGES};
                let segmented = bursts.segments;
                let socket = std::os::fd::AsFd::as_fd(io);
                let kernel = |messages: &[Outgoing]| linux::send(socket, bytes, messages, with_source);
                let done = bursts.send::<MESSAGES>(messages, kernel, linux::refusal);
                if segmented && !bursts.segments {
                    tracing::warn!(address = %local, "the network device refuses UDP segmentation (GSO): bursts are split from here on");
                }
                done
            }
            Driver::Portable => {
                let kernel = |messages: &[Outgoing]| {
                    let Some(message) = messages.first() else { return Ok(0) };
                    let datagram = quinn_udp::Transmit {
                        destination: message.remote,
                        ecn: None,
                        contents: &bytes[message.start..message.start + message.len],
                        segment_size: None,
                        src_ip: message.local.filter(|_| with_source),
                    };
                    state.try_send(UdpSockRef::from(&*io), &datagram).map(|()| 1)
                };
                bursts.send::<1>(messages, kernel, |_| Refusal::Other)
            }
        }
    }
}

/// The same for sockets that listen for TCP.
///
/// # Errors
/// What the system says; [`io::ErrorKind::Unsupported`] where it cannot.
#[cfg(unix)]
pub fn steer_by_address(socket: &impl std::os::fd::AsFd, count: u32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    return crate::linux::steer::by_address(socket.as_fd(), count);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (socket, count);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The same for sockets that listen for TCP.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`].
#[cfg(not(unix))]
pub fn steer_by_address<T>(_: &T, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
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
