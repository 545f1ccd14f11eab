//! A worker's connections: framing off, framing on, and room for viewers to wait for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_ice::framing::{self, Deframer};
use headwater_sfu::{Path, Transmit, Transport};
use headwater_turn::MAX_REQUEST_LEN;
use headwater_turn::stream::Messages;

use super::Worker;
use super::arrivals::Arrivals;
use super::turn::{Turn, client};
use crate::streams::{Shared, StreamKind, StreamNews};

/// A connection without a session, or without an allocation, for this long is ended.
const IDLE: Duration = Duration::from_secs(15);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest datagram taken from a connection; a longer one is passed over.
const MAX_DATAGRAM: usize = 2048;
/// Paths that may wait for the room of one connection: a TURN client has one for each of its sessions.
const MAX_WAITING: usize = 16;

/// All connections of a worker.
#[derive(Default)]
pub(crate) struct Connections {
    by_id: HashMap<usize, Connection>,
    by_ends: HashMap<(SocketAddr, SocketAddr), usize>,
    /// Bytes of the one that is read.
    bytes: Vec<u8>,
    frame: Vec<u8>,
    looks: Option<Instant>,
}

struct Connection {
    shared: Arc<Shared>,
    path: Path,
    reader: Reader,
    /// Whose video waits for room.
    waiting: Vec<Path>,
    /// When it last had a session or an allocation.
    used: Instant,
}

enum Reader {
    Ice(Deframer),
    Turn(Messages),
}

impl Connections {
    /// Sends a datagram, or several of one size, over the connection between these ends. `None`: there is none.
    /// `Some(true)`: from now on `waiting` is to wait for room.
    pub(super) fn send(&mut self, transmit: &Transmit, bytes: &[u8], waiting: &Path) -> Option<bool> {
        let id = self.by_ends.get(&(transmit.local, transmit.remote))?;
        let connection = self.by_id.get_mut(id)?;
        let is_framed = matches!(connection.reader, Reader::Ice(_));
        let segment = transmit.segment_size.map_or(bytes.len(), usize::from).max(1);
        let is_full = connection.shared.send(|out| {
            if !is_framed {
                out.extend_from_slice(bytes);
                return;
            }
            for datagram in bytes.chunks(segment) {
                // Nothing here is longer than the length can say.
                let _ = framing::frame(datagram, out);
            }
        });
        let waits =
            is_full && connection.waiting.len() < MAX_WAITING && !connection.waiting.contains(waiting);
        if waits {
            connection.waiting.push(*waiting);
        }
        Some(waits)
    }

    /// Ends all: the worker begins anew.
    pub(super) fn clear(&mut self) {
        for (_, connection) in self.by_id.drain() {
            connection.shared.end();
        }
        self.by_ends.clear();
    }

    fn remove(&mut self, id: usize) -> Option<Connection> {
        let connection = self.by_id.remove(&id)?;
        let ends = (connection.path.local, connection.path.remote);
        if self.by_ends.get(&ends) == Some(&id) {
            self.by_ends.remove(&ends);
        }
        Some(connection)
    }
}

impl Drop for Connections {
    /// The worker has said its goodbyes: their bytes can be pulled, and nobody need wait for more.
    fn drop(&mut self) {
        self.clear();
    }
}

impl Worker {
    pub(super) fn handle_stream(&mut self, id: usize, news: StreamNews) {
        match news {
            StreamNews::Opened { kind, path, shared } => {
                let reader = match kind {
                    StreamKind::Ice => Reader::Ice(Deframer::with_limit(MAX_DATAGRAM)),
                    StreamKind::Turn => Reader::Turn(Messages::new()),
                };
                let connection = Connection { shared, path, reader, waiting: Vec::new(), used: self.now };
                self.connections.by_id.insert(id, connection);
                self.connections.by_ends.insert((path.local, path.remote), id);
            }
            StreamNews::Readable => self.read(id),
            StreamNews::Writable => {
                let Some(connection) = self.connections.by_id.get_mut(&id) else { return };
                for path in std::mem::take(&mut connection.waiting) {
                    self.sfu.set_writable(self.now, &path, true);
                }
            }
            StreamNews::Closed => self.end_connection(id),
        }
    }

    /// Takes what a peer has sent over its connection.
    fn read(&mut self, id: usize) {
        let Self { connections, sfu, strays, inner, index, turn, now, .. } = self;
        let Connections { by_id, bytes, frame, .. } = connections;
        let Some(Connection { shared, path, reader, .. }) = by_id.get_mut(&id) else { return };
        let mut arrivals = Arrivals { sfu, strays, inner, index: *index };
        shared.take(bytes);
        let mut is_lost = false;
        match reader {
            Reader::Ice(deframer) => {
                let mut rest = bytes.as_slice();
                while let Some(datagram) = deframer.next_frame(&mut rest) {
                    frame.clear();
                    frame.extend_from_slice(datagram);
                    arrivals.take_along(*now, path, frame);
                }
            }
            Reader::Turn(messages) => {
                let Some(turn) = turn else { return };
                messages.push(bytes);
                loop {
                    match messages.next_message() {
                        Ok(Some(message)) => {
                            frame.clear();
                            frame.extend_from_slice(message);
                            turn_to_unit(turn, &mut arrivals, *now, path, frame);
                        }
                        Ok(None) => {
                            // Who may send more than a request has shown it; others shall not fill our memory.
                            is_lost = messages.pending() > MAX_REQUEST_LEN
                                && !turn.serves(&client(Transport::Tcp, path.local, path.remote));
                            break;
                        }
                        Err(_) => {
                            is_lost = true;
                            break;
                        }
                    }
                }
            }
        }
        if is_lost {
            self.end_connection(id);
        }
    }

    fn end_connection(&mut self, id: usize) {
        let Some(connection) = self.connections.remove(id) else { return };
        connection.shared.end();
        match connection.reader {
            Reader::Ice(_) => self.sfu.path_closed(self.now, &connection.path),
            Reader::Turn(_) => {
                if let Some(turn) = &mut self.turn {
                    let Path { local, remote, .. } = connection.path;
                    turn.client_closed(self.now, client(Transport::Tcp, local, remote));
                    turn.settle(self.now, &mut self.sfu);
                }
            }
        }
    }

    /// Ends connections that nobody uses.
    pub(super) fn look_at_connections(&mut self) {
        let now = self.now;
        if self.connections.by_id.is_empty() || self.connections.looks.is_some_and(|at| now < at) {
            return;
        }
        self.connections.looks = Some(now + LOOK_EVERY);
        let Self { connections, sfu, turn, .. } = self;
        let mut idle = Vec::new();
        for (id, connection) in &mut connections.by_id {
            let Path { local, remote, .. } = connection.path;
            let is_used = match connection.reader {
                Reader::Ice(_) => sfu.is_routed(&connection.path),
                Reader::Turn(_) => {
                    turn.as_ref().is_some_and(|turn| turn.serves(&client(Transport::Tcp, local, remote)))
                }
            };
            if is_used {
                connection.used = now;
            } else if now.saturating_duration_since(connection.used) > IDLE {
                idle.push(*id);
            }
        }
        for id in idle {
            self.end_connection(id);
        }
    }
}

/// Gives a TURN client's message to the server, and what it carries to the forwarding unit. HOT.
pub(super) fn turn_to_unit(
    turn: &mut Turn,
    arrivals: &mut Arrivals<'_>,
    now: Instant,
    path: &Path,
    message: &mut [u8],
) {
    let client = client(path.transport, path.local, path.remote);
    if let Some((relayed, data)) = turn.take(now, client, message)
        && let Some(data) = message.get_mut(data)
    {
        arrivals.take_along(now, &relayed, data);
    }
    turn.settle(now, arrivals.sfu);
}
