//! A socket that many peers speak to, of which a relay has thousands: as small as can be, with the buffers elsewhere.

use std::io::{self, IoSlice};
use std::net::SocketAddr;

use mio::event::Source;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Type};

/// Messages taken per call.
pub(crate) const MESSAGES: usize = 8;
/// Room for one message: what the kernel may put together of one sender's datagrams.
pub(crate) const STRIDE: usize = 64 << 10;

/// One message that arrived: a datagram, or several of one size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message {
    pub(crate) remote: SocketAddr,
    pub(crate) len: usize,
    pub(crate) segment: usize,
}

/// What the network said of a datagram that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreachable {
    /// Where it was to go.
    pub remote: SocketAddr,
    /// ICMP's or ICMPv6's type.
    pub kind: u8,
    /// ICMP's or ICMPv6's code.
    pub code: u8,
    /// For a datagram that was too big: the MTU.
    pub info: u32,
    /// Said by the network; else by this machine.
    pub is_icmp: bool,
}

/// Buffers for one receive call, shared by many sockets.
pub struct PeerBatch {
    storage: Box<[u8]>,
    messages: [Message; MESSAGES],
    filled: usize,
}

impl PeerBatch {
    /// Empty buffers.
    pub fn new() -> Self {
        let nobody = SocketAddr::new([0, 0, 0, 0].into(), 0);
        Self {
            storage: vec![0; STRIDE * MESSAGES].into_boxed_slice(),
            messages: [Message { remote: nobody, len: 0, segment: 0 }; MESSAGES],
            filled: 0,
        }
    }

    /// The datagrams of the last call, in the order of arrival, with their senders.
    pub fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.messages[..self.filled].iter().zip(self.storage.chunks_exact(STRIDE)).flat_map(
            |(message, buffer)| {
                let contents = &buffer[..message.len.min(STRIDE)];
                // An empty datagram is one too.
                let empty = contents.is_empty().then_some(contents);
                let all = contents.chunks(message.segment.max(1)).chain(empty);
                all.map(|datagram| (message.remote, datagram))
            },
        )
    }
}

impl Default for PeerBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for PeerBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerBatch").field("filled", &self.filled).finish_non_exhaustive()
    }
}

/// A non-blocking UDP socket with many peers. It is one descriptor and nothing else.
#[derive(Debug)]
pub struct PeerSocket {
    io: UdpSocket,
}

impl PeerSocket {
    /// Opens a socket at `address`, of which only one may have this address and port.
    ///
    /// Where the system can, the kernel puts together what a sender sends in a row, datagrams leave without DF, and what
    /// ICMP says of them is kept for [`take_error`](Self::take_error).
    ///
    /// # Errors
    /// What the system says: the port is in use, the address is not ours, there are too many descriptors.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let io = UdpSocket::from_std(socket.into());
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsFd;

            use crate::linux::peers::set_option;
            // All of them are wishes: an older kernel does without.
            let _ = set_option(io.as_fd(), libc::SOL_UDP, libc::UDP_GRO, 1);
            let (level, errors) = match address {
                SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_RECVERR),
                SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
            };
            let _ = set_option(io.as_fd(), level, errors, 1);
        }
        let socket = Self { io };
        let _ = socket.set_dont_fragment(address.is_ipv6(), false);
        Ok(socket)
    }

    /// Whether what is sent from now on may be fragmented on its way (the DF bit), for a socket of this family.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_dont_fragment(&self, is_ipv6: bool, dont_fragment: bool) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsFd;

            use crate::linux::peers::set_option;
            let socket = self.io.as_fd();
            match (is_ipv6, dont_fragment) {
                (false, true) => {
                    set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO)
                }
                (false, false) => {
                    set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)
                }
                (true, on) => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, on.into()),
            }
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = (is_ipv6, dont_fragment);
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// Fills `batch` with what has arrived, at most `most` messages. Returns whether there may be more.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when nothing is there; else what ICMP said of an earlier datagram.
    pub fn receive(&self, batch: &mut PeerBatch, most: usize) -> io::Result<bool> {
        let most = most.clamp(1, MESSAGES);
        batch.filled = 0;
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsFd;
            let PeerBatch { storage, messages, filled } = batch;
            *filled = crate::linux::peers::receive(self.io.as_fd(), storage, messages, most)?;
            Ok(*filled == most)
        }
        #[cfg(not(target_os = "linux"))]
        {
            let (len, remote) = self.io.recv_from(&mut batch.storage[..STRIDE])?;
            batch.messages[0] = Message { remote, len, segment: len };
            batch.filled = 1;
            Ok(true)
        }
    }

    /// Sends `datagrams` to `remote`: all of one size but the last, which may be shorter. Several leave as one message where
    /// the system and the device can do that (UDP GSO).
    ///
    /// # Errors
    /// What the system says. What ICMP said of an earlier datagram comes out here too; nothing was sent then.
    pub fn send(&self, remote: SocketAddr, datagrams: &[IoSlice<'_>]) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsFd;

            use crate::linux::{self, peers};
            let socket = self.io.as_fd();
            let [first, _, ..] = datagrams else { return peers::send(socket, remote, datagrams, None) };
            match u16::try_from(first.len()).map(|size| peers::send(socket, remote, datagrams, Some(size))) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) if linux::refusal(&error) == crate::bursts::Refusal::Other => {
                    return Err(error);
                }
                // The device cannot, or not this size: one by one.
                _ => {}
            }
            datagrams.chunks(1).try_for_each(|datagram| peers::send(socket, remote, datagram, None))
        }
        #[cfg(not(target_os = "linux"))]
        datagrams.iter().try_for_each(|datagram| self.io.send_to(datagram, remote).map(drop))
    }

    /// Takes the oldest of what was said of datagrams that did not arrive.
    pub fn take_error(&self) -> Option<Unreachable> {
        #[cfg(target_os = "linux")]
        return crate::linux::peers::take_error(std::os::fd::AsFd::as_fd(&self.io));
        #[cfg(not(target_os = "linux"))]
        return None;
    }
}

/// Wants to have this many files and sockets open. Returns how many it may be, 0 where the system does not tell.
pub fn raise_file_limit(wanted: u64) -> u64 {
    #[cfg(target_os = "linux")]
    return crate::linux::peers::raise_file_limit(wanted);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = wanted;
        0
    }
}

impl Source for PeerSocket {
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
