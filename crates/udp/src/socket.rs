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

impl Outgoing {
    fn segment(&self) -> usize {
        self.segment_size.map_or(self.len, usize::from).max(1)
    }
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
    segments: bool,
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
        Ok(Self { io, state, local, driver, segments })
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

    /// Does a burst leave as one message? If not, it is split here.
    pub fn segments(&self) -> bool {
        self.segments
    }

    /// Datagrams that the kernel dropped since the socket was opened because its receive buffer was full; 0 where the
    /// system does not tell.
    pub fn dropped(&self) -> u64 {
        #[cfg(target_os = "linux")]
        return u64::from(crate::linux::dropped(std::os::fd::AsFd::as_fd(&self.io)));
        #[cfg(not(target_os = "linux"))]
        return 0;
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
        let mut done = 0;
        while done < messages.len() {
            match self.send_some(bytes, &mut messages[done..]) {
                Ok(sent) => done += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Refused for this destination only.
                Err(_) => done += 1,
            }
        }
        done
    }

    fn send_some(&mut self, bytes: &[u8], messages: &mut [Outgoing]) -> io::Result<usize> {
        match self.driver {
            #[cfg(target_os = "linux")]
            Driver::Batched if self.segments => self.send_batched(bytes, messages),
            #[cfg(target_os = "linux")]
            Driver::Batched => self.send_unsegmented(bytes, messages),
            Driver::Portable => self.send_split(bytes, &mut messages[0]).map(|()| 1),
        }
    }

    #[cfg(target_os = "linux")]
    fn send_batched(&mut self, bytes: &[u8], messages: &mut [Outgoing]) -> io::Result<usize> {
        let socket = std::os::fd::AsFd::as_fd(&self.io);
        let error = match crate::linux::send(socket, bytes, messages, self.local.ip().is_unspecified()) {
            Ok(sent) => return Ok(sent),
            Err(error) => error,
        };
        match error.raw_os_error().filter(|_| messages[0].segment_size.is_some()) {
            // A device that cannot: the kernel says so with the first burst.
            Some(libc::EIO) => {
                self.segments = false;
                tracing::warn!(address = %self.local, "the network device refuses UDP segmentation (GSO): bursts are split from here on");
            }
            // Segments that exceed the path's MTU.
            Some(libc::EINVAL | libc::EMSGSIZE) => {}
            _ => return Err(error),
        }
        self.send_unsegmented(bytes, &mut messages[..1])
    }

    /// Sends messages datagram by datagram, many in one call, and returns how many messages are done with. What is left
    /// of a message that was broken off is put into it.
    #[cfg(target_os = "linux")]
    fn send_unsegmented(&self, bytes: &[u8], messages: &mut [Outgoing]) -> io::Result<usize> {
        use crate::linux::MESSAGES;

        let mut datagrams = [messages[0]; MESSAGES];
        let mut count = 0;
        'filling: for message in messages.iter() {
            let (mut start, mut left) = (message.start, message.len);
            while left > 0 {
                if count == MESSAGES {
                    break 'filling;
                }
                let len = message.segment().min(left);
                datagrams[count] = Outgoing { start, len, segment_size: None, ..*message };
                count += 1;
                start += len;
                left -= len;
            }
        }
        let socket = std::os::fd::AsFd::as_fd(&self.io);
        let with_source = self.local.ip().is_unspecified();
        let mut sent = crate::linux::send(socket, bytes, &datagrams[..count], with_source)?;
        let mut done = 0;
        for message in messages {
            while sent > 0 && message.len > 0 {
                let len = message.segment().min(message.len);
                message.start += len;
                message.len -= len;
                sent -= 1;
            }
            if message.len > 0 {
                break;
            }
            done += 1;
        }
        Ok(done)
    }

    /// Sends a message datagram by datagram; what is left of it after an error is put into `message`.
    fn send_split(&self, bytes: &[u8], message: &mut Outgoing) -> io::Result<()> {
        let segment = message.segment();
        while message.len > 0 {
            let len = segment.min(message.len);
            let datagram = quinn_udp::Transmit {
                destination: message.remote,
                ecn: None,
                contents: &bytes[message.start..message.start + len],
                segment_size: None,
                src_ip: message.local.filter(|_| self.local.ip().is_unspecified()),
            };
            self.state.try_send(UdpSockRef::from(&self.io), &datagram)?;
            message.start += len;
            message.len -= len;
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
