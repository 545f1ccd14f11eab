//! What leaves for UDP clients: collected over a turn, then one call for each listener.

use std::net::{IpAddr, SocketAddr};

use headwater_stun::Transmit;
use headwater_udp::{Outgoing, Socket};

/// Messages that one call takes; then the bytes are still in the cache.
const MOST_MESSAGES: usize = 64;
/// Bytes after which the outbox is emptied.
const MOST_BYTES: usize = 256 << 10;
/// The most datagrams and bytes of one message, by the kernel's limits.
const MOST_SEGMENTS: usize = 64;
const MOST_MESSAGE_BYTES: usize = 65_000;

/// A UDP listener.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) socket: Socket,
    pub(crate) is_readable: bool,
    /// Plain clients may come here.
    pub(crate) is_plain: bool,
    /// DTLS clients may come here.
    pub(crate) is_secure: bool,
    waiting: Vec<Outgoing>,
    /// Segments of the last one.
    segments: usize,
}

impl Port {
    pub(crate) fn new(socket: Socket, is_plain: bool, is_secure: bool) -> Self {
        Self { socket, is_readable: true, is_plain, is_secure, waiting: Vec::new(), segments: 0 }
    }

    /// The address that something was sent to, as far as it is known.
    pub(crate) fn local(bound: SocketAddr, told: Option<IpAddr>) -> SocketAddr {
        match told {
            Some(ip) if bound.ip().is_unspecified() => SocketAddr::new(ip, bound.port()),
            _ => bound,
        }
    }

    /// Adds a message, which lies behind all others of the outbox, to the last one if it can be a part of that.
    fn push(&mut self, message: Outgoing) {
        if let Some(last) = self.waiting.last_mut() {
            let size = last.segment_size.map_or(last.len, usize::from);
            let is_next = last.remote == message.remote
                && last.local == message.local
                && last.start + last.len == message.start;
            let fits = message.len <= size
                && last.len % size.max(1) == 0
                && self.segments < MOST_SEGMENTS
                && last.len + message.len <= MOST_MESSAGE_BYTES;
            if let (true, true, Ok(segment)) = (is_next, fits && message.len > 0, u16::try_from(size)) {
                last.segment_size = Some(segment);
                last.len += message.len;
                self.segments += 1;
                return;
            }
        }
        self.waiting.push(message);
        self.segments = 1;
    }
}

/// All listeners, and the bytes that wait to leave.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) ports: Vec<Port>,
    /// Appended to by the server; [`push`](Self::push) then says where it goes.
    pub(crate) bytes: Vec<u8>,
    /// Datagrams that found a full socket.
    pub(crate) dropped: u64,
}

impl Outbox {
    pub(crate) fn new(ports: Vec<Port>) -> Self {
        Self { ports, bytes: Vec::with_capacity(MOST_BYTES + 65_536), dropped: 0 }
    }

    /// The bytes at the end are a datagram for a client. HOT.
    pub(crate) fn push(&mut self, transmit: &Transmit) {
        let start = self.bytes.len() - transmit.len;
        let Some(port) = self.port_of(transmit.local) else {
            self.bytes.truncate(start);
            return;
        };
        let port = &mut self.ports[port];
        port.push(Outgoing {
            local: Some(transmit.local.ip()),
            remote: transmit.remote,
            start,
            len: transmit.len,
            segment_size: None,
        });
        if port.waiting.len() >= MOST_MESSAGES || self.bytes.len() >= MOST_BYTES {
            self.flush();
        }
    }

    /// Which listener has this address.
    pub(crate) fn port_of(&self, local: SocketAddr) -> Option<usize> {
        self.ports.iter().position(|port| {
            let bound = port.socket.local_addr();
            bound == local
                || bound.port() == local.port()
                    && bound.ip().is_unspecified()
                    && bound.is_ipv4() == local.is_ipv4()
        })
    }

    /// Sends everything. What finds a full socket is dropped, as any router would.
    pub(crate) fn flush(&mut self) {
        for port in &mut self.ports {
            if port.waiting.is_empty() {
                continue;
            }
            let done = port.socket.send(&self.bytes, &mut port.waiting);
            self.dropped += (port.waiting.len() - done) as u64;
            port.waiting.clear();
        }
        self.bytes.clear();
    }
}
