//! A worker's sockets, and messages on their way to the kernel.

use std::net::SocketAddr;

use headwater_sfu::Transmit;
use headwater_udp::{Batch, Outgoing, Socket};

/// What is handed to the kernel in one call, which is also what is sent in one turn before the sockets are read again. What
/// was encrypted should still be in the cache when the kernel copies it.
const MESSAGES_PER_CALL: usize = 64;
const BYTES_PER_CALL: usize = 96 << 10;

/// One of the worker's sockets.
pub(super) struct Port {
    pub(super) socket: Socket,
    pub(super) batch: Batch,
    /// May there be something to receive?
    pub(super) is_readable: bool,
}

impl Port {
    /// Can it send from `local` to `remote`?
    fn reaches(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        let bound = self.socket.local_addr();
        bound.port() == local.port()
            && bound.is_ipv4() == remote.is_ipv4()
            && (bound.ip() == local.ip() || bound.ip().is_unspecified())
    }
}

/// Messages on their way.
pub(super) struct Outbox {
    /// What the forwarding unit writes to.
    pub(super) bytes: Vec<u8>,
    messages: Vec<Outgoing>,
    /// The socket of each.
    ports: Vec<usize>,
    done: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            bytes: Vec::with_capacity(BYTES_PER_CALL + (64 << 10)),
            messages: Vec::with_capacity(MESSAGES_PER_CALL),
            ports: Vec::with_capacity(MESSAGES_PER_CALL),
            done: 0,
        }
    }
}

impl Outbox {
    /// Empties it, sent or not.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.messages.clear();
        self.ports.clear();
        self.done = 0;
    }

    /// Has everything been sent?
    pub(super) fn is_empty(&self) -> bool {
        self.done == self.messages.len()
    }

    /// Messages that were added.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// May more be added?
    pub(super) fn has_room(&self) -> bool {
        self.messages.len() < MESSAGES_PER_CALL && self.bytes.len() < BYTES_PER_CALL
    }

    /// Adds what was written from byte `start` on. What no socket can send is left out.
    pub(super) fn push(&mut self, sockets: &[Port], transmit: &Transmit, start: usize) {
        let local = transmit.local;
        let Some(port) = sockets.iter().position(|port| port.reaches(local, transmit.remote)) else { return };
        self.ports.push(port);
        self.messages.push(Outgoing {
            local: (!local.ip().is_unspecified()).then_some(local.ip()),
            remote: transmit.remote,
            start,
            len: transmit.len,
            segment_size: transmit.segment_size,
        });
    }

    /// Hands everything to the kernel, as far as it has room.
    pub(super) fn flush(&mut self, sockets: &mut [Port]) {
        while let Some(&port) = self.ports.get(self.done) {
            let same = self.ports[self.done..].iter().take_while(|other| **other == port).count();
            let messages = &mut self.messages[self.done..self.done + same];
            let sent = sockets[port].socket.send(&self.bytes, messages);
            self.done += sent;
            if sent < same {
                return;
            }
        }
    }
}
