//! TCP relays (RFC 6062): connections with peers, and their splicing to data connections of clients.

use std::io;
use std::net::{Shutdown, SocketAddr};

use headwater_turn::attribute::ConnectionId;
use headwater_turn::{ConnectError, FiveTuple, RelayId};
use mio::event::Event as Readiness;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

use super::tcp::{ACCEPTS, MOST_SPLICED, READS};
use super::{Core, Scratch};
use crate::relays::share_address;
use crate::streams::{Speech, Stage};

/// What the system says at once of a connection that cannot be begun. (That one has been begun is an error too, for which
/// the standard library has no name yet.)
const IMPOSSIBLE: [io::ErrorKind; 8] = [
    io::ErrorKind::AddrInUse,
    io::ErrorKind::AddrNotAvailable,
    io::ErrorKind::ConnectionRefused,
    io::ErrorKind::HostUnreachable,
    io::ErrorKind::NetworkUnreachable,
    io::ErrorKind::NetworkDown,
    io::ErrorKind::PermissionDenied,
    io::ErrorKind::InvalidInput,
];

impl Core {
    /// A data connection begins, after the answer that says so.
    pub(super) fn splice(&mut self, client: FiveTuple, id: ConnectionId) {
        let (Some(index), Some(link)) = (self.streams.client_index(&client), self.streams.link_index(id))
        else {
            return;
        };
        let stream = &mut self.streams.clients[index];
        let before = std::mem::replace(&mut stream.speech, Speech::Spliced(id));
        if let Speech::Messages(messages) = before {
            let rest = messages.into_rest();
            self.write_link(id, &rest);
        }
        self.streams.links[link].stage = Stage::Spliced(client);
        self.streams.links[link].pipe.is_readable = true;
        self.streams.list_link(link);
    }

    /// Whether a spliced connection has something left of its bandwidth; if not it is looked at again a little later.
    pub(super) fn may_carry(&mut self, id: ConnectionId) -> bool {
        let may = self.server.spliced(self.now, id, 0, 0);
        self.streams.has_held |= !may;
        may
    }

    /// Has the spliced connections read that may have been held.
    pub(super) fn let_go(&mut self) {
        if !std::mem::take(&mut self.streams.has_held) {
            return;
        }
        let spliced = self.streams.links.iter().filter_map(|(index, link)| match link.stage {
            Stage::Spliced(client) => Some((index, link.pipe.is_readable, client)),
            _ => None,
        });
        for (link, is_readable, client) in spliced.collect::<Vec<_>>() {
            if is_readable {
                self.streams.list_link(link);
            }
            if let Some(index) = self.streams.client_index(&client)
                && self.streams.clients[index].pipe.is_readable
            {
                self.streams.list_client(index);
            }
        }
    }

    pub(super) fn write_link(&mut self, id: ConnectionId, bytes: &[u8]) {
        if let Some(link) = self.streams.link_index(id) {
            self.streams.links[link].pipe.write(bytes);
            self.streams.mark_link(link);
        }
    }

    /// The event [`Connect`](headwater_turn::Event::Connect).
    pub(super) fn connect(&mut self, relay: RelayId, id: ConnectionId, peer: SocketAddr) {
        let begun = self.relays.tcp_address(relay).ok_or_else(|| io::ErrorKind::NotFound.into());
        let begun = begun
            .and_then(|from| connect_from(from, peer))
            .and_then(|io| self.streams.add_link(&self.registry, io, id, Stage::Connecting(self.now)));
        if begun.is_err() {
            self.server.connected(self.now, id, Err(ConnectError::Failed));
        }
    }

    /// Lets peers in that connect to a relay.
    pub(super) fn accept_peers(&mut self, index: u32) {
        for _ in 0..ACCEPTS {
            let Some((relay, accepted)) = self.relays.accept(index) else { return };
            let Ok((io, peer)) = accepted else { return };
            let Ok(id) = self.server.peer_connected(self.now, relay, peer) else {
                self.counters.not_permitted += 1;
                continue;
            };
            self.has_news = true;
            if self.streams.add_link(&self.registry, io, id, Stage::Waiting).is_err() {
                self.server.connection_closed(self.now, id);
            }
        }
        self.relays.note_readable(index);
    }

    /// Something happened to a connection with a peer.
    pub(super) fn note_link(&mut self, index: usize, event: &Readiness) {
        let Some(link) = self.streams.links.get_mut(index) else { return };
        let is_readable = link.pipe.note(event);
        if let Stage::Connecting(_) = link.stage {
            let result = match link.pipe.io.take_error() {
                Ok(None) if link.pipe.io.peer_addr().is_err() => return,
                Ok(None) => Ok(()),
                _ => Err(ConnectError::Failed),
            };
            let id = link.id;
            link.stage = Stage::Waiting;
            if result.is_err() {
                self.streams.remove_link(index);
            }
            self.server.connected(self.now, id, result);
            self.has_news = true;
            return;
        }
        if is_readable && matches!(link.stage, Stage::Spliced(_)) {
            self.streams.list_link(index);
        }
        if event.is_writable() {
            self.streams.mark_link(index);
        }
    }

    pub(super) fn read_links(&mut self, scratch: &mut Scratch) {
        for index in self.streams.take_readable_links() {
            self.read_link(index, scratch);
        }
    }

    fn read_link(&mut self, index: usize, scratch: &mut Scratch) {
        for _ in 0..READS {
            let Some(link) = self.streams.links.get_mut(index) else { return };
            let Stage::Spliced(client) = link.stage else { return };
            let id = link.id;
            let Some(to) = self.streams.client_index(&client) else { return };
            if self.streams.clients[to].pipe.waiting() > MOST_SPLICED || !self.may_carry(id) {
                return;
            }
            let stream = &mut self.streams.clients[to];
            let link = &mut self.streams.links[index];
            match link.pipe.read_wire(&mut scratch.wire) {
                Err(_) => return self.close_link(index),
                Ok(0) if link.pipe.has_ended => {
                    stream.pipe.finish();
                    self.streams.mark_client(to);
                    return;
                }
                Ok(0) => return,
                Ok(read) => {
                    stream.pipe.write(&scratch.wire[..read]);
                    stream.heard = self.now;
                    let _ = self.server.spliced(self.now, id, 0, read);
                    self.streams.mark_client(to);
                }
            }
        }
        if self.streams.links.get(index).is_some_and(|link| link.pipe.is_readable) {
            self.streams.list_link(index);
        }
    }

    /// Ends a connection with a peer, and the client's data connection.
    pub(super) fn close_link(&mut self, index: usize) {
        let Some(link) = self.streams.remove_link(index) else { return };
        self.server.connection_closed(self.now, link.id);
        self.has_news = true;
        if let Stage::Spliced(client) = link.stage
            && let Some(index) = self.streams.client_index(&client)
        {
            let _ = self.streams.clients[index].pipe.flush();
            self.close_client(index);
        }
    }

    /// The event [`CloseConnection`](headwater_turn::Event::CloseConnection).
    pub(super) fn drop_link(&mut self, id: ConnectionId) {
        let Some(link) = self.streams.link_index(id).and_then(|index| self.streams.remove_link(index)) else {
            return;
        };
        let _ = link.pipe.io.shutdown(Shutdown::Both);
        if let Stage::Spliced(client) = link.stage
            && let Some(index) = self.streams.client_index(&client)
        {
            self.close_client(index);
        }
    }
}

/// Begins a connection from the address of a TCP relay, which listens there too.
fn connect_from(from: SocketAddr, peer: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(from), Type::STREAM, Some(Protocol::TCP))?;
    share_address(&socket)?;
    socket.set_nonblocking(true)?;
    socket.bind(&from.into())?;
    match socket.connect(&peer.into()) {
        Err(error) if IMPOSSIBLE.contains(&error.kind()) => Err(error),
        // Begun; the poll tells how it went.
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}
