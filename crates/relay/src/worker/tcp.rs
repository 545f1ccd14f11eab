//! Clients over TCP and TLS, and TCP relays (RFC 6062).

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use headwater_stun::Datagram;
use headwater_turn::attribute::ConnectionId;
use headwater_turn::stream::Messages;
use headwater_turn::{ConnectError, FiveTuple, RelayId};
use mio::net::TcpStream;
use rustls::ServerConnection;
use socket2::{Domain, Protocol, Socket, Type};

use super::{Core, Scratch};
use crate::relays::{Run, share_address};
use crate::streams::{Speech, Stage};

/// Connections accepted of one listener in one turn.
const ACCEPTS: usize = 64;
/// Reads of one connection in one turn.
const READS: usize = 4;
/// Bytes that may wait at one end of a spliced connection before the other end is not read any more.
const MOST_SPLICED: usize = 128 << 10;
/// How long a connection to a peer may take (RFC 6062 §5.2: at least 30 s).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
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
/// The highest first byte of a STUN message (RFC 7983 §7).
const LAST_STUN: u8 = 3;
/// First byte of a TLS handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;

impl Core {
    /// Lets clients in.
    pub(super) fn accept(&mut self) {
        for index in 0..self.streams.doors.len() {
            if !self.streams.doors[index].is_readable {
                continue;
            }
            for _ in 0..ACCEPTS {
                let door = &mut self.streams.doors[index];
                match door.io.accept() {
                    Ok((io, remote)) => self.welcome(io, index, remote),
                    Err(error) => {
                        // Out of descriptors or such: the next sweep tries again.
                        door.is_readable = error.kind() == io::ErrorKind::ConnectionAborted;
                        break;
                    }
                }
            }
        }
    }

    fn welcome(&mut self, io: TcpStream, door: usize, remote: SocketAddr) {
        if self.stop.is_some() || !self.shared.admission.admit(remote.ip()) {
            self.counters.connections_refused += 1;
            return;
        }
        if self.streams.add_client(&self.registry, io, door, remote, self.now).is_err() {
            self.shared.admission.release(remote.ip());
        }
    }

    pub(super) fn read_clients(&mut self, scratch: &mut Scratch) {
        for index in self.streams.take_readable_clients() {
            self.read_client(index, scratch);
        }
    }

    fn read_client(&mut self, index: usize, scratch: &mut Scratch) {
        for _ in 0..READS {
            let Some(stream) = self.streams.clients.get(index) else { return };
            // Its peer must take what there is first; that reads on here.
            if let Speech::Spliced(id) = stream.speech
                && let Some(link) = self.streams.link_index(id)
                && (self.streams.links[link].pipe.waiting() > MOST_SPLICED || !self.may_carry(id))
            {
                return;
            }
            let stream = &mut self.streams.clients[index];
            let Ok(read) = stream.pipe.read_wire(&mut scratch.wire) else { return self.close_client(index) };
            if read == 0 {
                return if stream.pipe.has_ended { self.end_of_client(index) } else { () };
            }
            let wire = &scratch.wire[..read];
            stream.heard = self.now;
            if matches!(stream.speech, Speech::Silence) && !self.begin(index, wire[0]) {
                self.counters.refused += 1;
                return self.close_client(index);
            }
            let stream = &mut self.streams.clients[index];
            scratch.plain.clear();
            let opened = stream.pipe.open(wire, &mut scratch.plain);
            let (answers, has_ended) = (stream.pipe.waiting() > 0, stream.pipe.has_ended);
            if answers {
                self.streams.mark_client(index);
            }
            if opened.is_err() || !self.feed(index, &scratch.plain) {
                self.counters.refused += 1;
                if let Some(stream) = self.streams.clients.get_mut(index) {
                    // What TLS has to say of it.
                    let _ = stream.pipe.flush();
                }
                return self.close_client(index);
            }
            if has_ended {
                return self.end_of_client(index);
            }
        }
        if self.streams.clients.get(index).is_some_and(|stream| stream.pipe.is_readable) {
            self.streams.list_client(index);
        }
    }

    /// Decides by its first byte what a connection speaks. Returns whether that is spoken here.
    fn begin(&mut self, index: usize, first: u8) -> bool {
        let stream = &mut self.streams.clients[index];
        let Some(door) = self.streams.doors.get(stream.door) else { return false };
        if first == TLS_HANDSHAKE {
            let Some(identity) = self.identity.as_ref().filter(|_| door.is_secure) else { return false };
            let Ok(tls) = ServerConnection::new(std::sync::Arc::clone(&identity.tls)) else { return false };
            stream.pipe.secure(tls);
        } else if !door.is_plain {
            return false;
        }
        stream.speech = Speech::Messages(Messages::new());
        true
    }

    /// Takes bytes of a client. Returns whether the connection can go on.
    fn feed(&mut self, index: usize, plain: &[u8]) -> bool {
        let Some(stream) = self.streams.clients.get_mut(index) else { return true };
        if let (false, Some(first)) = (stream.has_begun, plain.first()) {
            // Before there is an allocation nothing else makes sense, such as data, or HTTP, which looks like that.
            if *first > LAST_STUN {
                return false;
            }
            stream.has_begun = true;
        }
        match &mut stream.speech {
            Speech::Messages(messages) => messages.push(plain),
            Speech::Spliced(id) => {
                let id = *id;
                let _ = self.server.spliced(self.now, id, plain.len(), 0);
                self.write_link(id, plain);
                return true;
            }
            Speech::Silence => return true,
        }
        loop {
            let Self { server, relays, counters, now, streams, .. } = self;
            let Some(stream) = streams.clients.get_mut(index) else { return true };
            let Speech::Messages(messages) = &mut stream.speech else { return true };
            let client = stream.client;
            let contents = match messages.next_message() {
                Ok(Some(contents)) => contents,
                Ok(None) => return true,
                Err(_) => return false,
            };
            let datagram = Datagram::new(client.transport, client.local, client.remote, contents);
            match server.handle_datagram(*now, datagram) {
                Ok(Some(to_peer)) => {
                    let mut run = Run::new();
                    run.push(relays, &to_peer);
                    run.flush(relays);
                }
                // At once: the answer may change what the next bytes are.
                Ok(None) => self.drain(),
                Err(_) => counters.refused += 1,
            }
        }
    }

    /// The client will send no more.
    fn end_of_client(&mut self, index: usize) {
        let Some(stream) = self.streams.clients.get(index) else { return };
        if let Speech::Spliced(id) = stream.speech
            && let Some(link) = self.streams.link_index(id)
        {
            self.streams.links[link].pipe.finish();
            self.streams.mark_link(link);
        } else {
            self.close_client(index);
        }
    }

    pub(super) fn close_client(&mut self, index: usize) {
        let Some(stream) = self.streams.remove_client(index) else { return };
        self.shared.admission.release(stream.client.remote.ip());
        if let Speech::Spliced(id) = stream.speech {
            self.drop_link(id);
        }
        self.server.client_closed(self.now, stream.client);
        self.has_news = true;
    }

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
    fn may_carry(&mut self, id: ConnectionId) -> bool {
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

    fn write_link(&mut self, id: ConnectionId, bytes: &[u8]) {
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
    pub(super) fn note_link(&mut self, index: usize, is_readable: bool, is_writable: bool) {
        let Some(link) = self.streams.links.get_mut(index) else { return };
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
        link.pipe.is_readable |= is_readable;
        if is_readable && matches!(link.stage, Stage::Spliced(_)) {
            self.streams.list_link(index);
        }
        if is_writable {
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
    fn close_link(&mut self, index: usize) {
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

    /// Writes what waits.
    pub(super) fn flush_streams(&mut self) {
        for index in self.streams.take_dirty_clients() {
            let Some(stream) = self.streams.clients.get_mut(index) else { continue };
            if stream.pipe.flush().is_err() || stream.pipe.is_over() {
                self.close_client(index);
                continue;
            }
            if let Speech::Spliced(id) = stream.speech
                && stream.pipe.waiting() <= MOST_SPLICED
                && let Some(link) = self.streams.link_index(id)
                && self.streams.links[link].pipe.is_readable
            {
                self.streams.list_link(link);
            }
        }
        for index in self.streams.take_dirty_links() {
            let Some(link) = self.streams.links.get_mut(index) else { continue };
            if link.pipe.flush().is_err() || link.pipe.is_over() {
                self.close_link(index);
                continue;
            }
            if let Stage::Spliced(client) = link.stage
                && link.pipe.waiting() <= MOST_SPLICED
                && let Some(stream) = self.streams.client_index(&client)
                && self.streams.clients[stream].pipe.is_readable
            {
                self.streams.list_client(stream);
            }
        }
    }

    /// Ends what has been silent, or of no use, for too long.
    pub(super) fn sweep_streams(&mut self) {
        let now = self.now;
        let age = |since: Instant| now.saturating_duration_since(since);
        let mut stale = Vec::new();
        for (index, stream) in &mut self.streams.clients {
            if matches!(stream.speech, Speech::Spliced(_)) || self.server.has_allocation(&stream.client) {
                stream.bare_since = now;
            }
            if age(stream.bare_since) >= self.limits.setup || age(stream.heard) >= self.limits.idle {
                stale.push(index);
            }
        }
        self.counters.connections_refused += stale.len() as u64;
        stale.into_iter().for_each(|index| self.close_client(index));
        let late: Vec<(usize, ConnectionId)> = self
            .streams
            .links
            .iter()
            .filter(
                |(_, link)| matches!(link.stage, Stage::Connecting(since) if age(since) >= CONNECT_TIMEOUT),
            )
            .map(|(index, link)| (index, link.id))
            .collect();
        for (index, id) in late {
            self.streams.remove_link(index);
            self.server.connected(now, id, Err(ConnectError::Failed));
            self.has_news = true;
        }
        for door in &mut self.streams.doors {
            door.is_readable = true;
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
