//! Clients over TCP and TLS, and TCP relays (RFC 6062).

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_stun::Datagram;
use headwater_turn::attribute::ConnectionId;
use headwater_turn::stream::Messages;
use headwater_turn::{ConnectError, MAX_REQUEST_LEN};
use mio::net::TcpStream;
use rustls::ServerConnection;

use super::{Core, Scratch};
use crate::relays::Run;
use crate::streams::{Speech, Stage};

/// Connections accepted of one listener in one turn.
pub(super) const ACCEPTS: usize = 64;
/// Reads of one connection in one turn.
pub(super) const READS: usize = 4;
/// Bytes that may wait at one end of a spliced connection before the other end is not read any more.
pub(super) const MOST_SPLICED: usize = 128 << 10;
/// How long a connection to a peer may take (RFC 6062 §5.2: at least 30 s).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
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
                if stream.pipe.has_ended {
                    self.end_of_client(index);
                }
                return;
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
                // Who may send more than a request has shown it; others shall not fill our memory.
                Ok(None) => return messages.pending() <= MAX_REQUEST_LEN || server.has_allocation(&client),
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
