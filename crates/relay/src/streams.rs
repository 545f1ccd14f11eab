//! Connections: clients over TCP and TLS, and peers of TCP relays.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use headwater_stun::Transport;
use headwater_turn::FiveTuple;
use headwater_turn::attribute::ConnectionId;
use headwater_turn::stream::Messages;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry};
use slab::Slab;

use crate::pipe::Pipe;
use crate::token;

/// Bytes that may wait for a client before data of peers is dropped, as it would be over UDP.
const MOST_DATA_WAITING: usize = 256 << 10;
/// Bytes that may wait before the connection is given up: answers are on top of data.
const MOST_WAITING: usize = MOST_DATA_WAITING + (64 << 10);

/// Bytes that the kernel holds back for a client beyond those that are on their way. It would take megabytes, of which none
/// is media that anybody still wants; this is what a fast client takes in a turn of the loop.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MOST_UNSENT: u32 = 128 << 10;

/// A TCP listener.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) io: TcpListener,
    pub(crate) is_plain: bool,
    pub(crate) is_secure: bool,
    pub(crate) is_readable: bool,
}

/// What a client's connection carries.
#[derive(Debug)]
pub(crate) enum Speech {
    /// Nothing has come; the first byte tells TLS from the rest.
    Silence,
    /// Messages of TURN.
    Messages(Messages),
    /// A peer's bytes, both ways (RFC 6062 §5.4).
    Spliced(ConnectionId),
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) client: FiveTuple,
    pub(crate) pipe: Pipe,
    pub(crate) speech: Speech,
    pub(crate) door: usize,
    /// A byte of TURN has come.
    pub(crate) has_begun: bool,
    /// Since when it has had no allocation.
    pub(crate) bare_since: Instant,
    /// When something came last.
    pub(crate) heard: Instant,
    /// The answer that makes it a data connection comes next.
    pub(crate) splice_next: Option<ConnectionId>,
    is_dirty: bool,
    is_listed: bool,
}

/// What becomes of a connection with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is being made, since then.
    Connecting(Instant),
    /// The client has not bound a connection to it; nothing is read.
    Waiting,
    /// What comes goes to that client.
    Spliced(FiveTuple),
}

/// A connection with a peer.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    pub(crate) pipe: Pipe,
    pub(crate) stage: Stage,
    is_dirty: bool,
    is_listed: bool,
}

/// All connections of one worker.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    pub(crate) doors: Vec<Door>,
    pub(crate) clients: Slab<Stream>,
    by_client: HashMap<FiveTuple, usize>,
    pub(crate) links: Slab<Link>,
    by_id: HashMap<ConnectionId, usize>,
    /// Those that have something to write.
    pub(crate) dirty_clients: Vec<usize>,
    pub(crate) dirty_links: Vec<usize>,
    /// Those that have something to read.
    pub(crate) readable_clients: Vec<usize>,
    pub(crate) readable_links: Vec<usize>,
    /// Spliced connections that have had their share and wait for more.
    pub(crate) has_held: bool,
    /// Data that a client's connection had no room for.
    pub(crate) dropped: u64,
}

impl Streams {
    pub(crate) fn new(doors: Vec<Door>) -> Self {
        Self { doors, ..Self::default() }
    }

    /// Takes a client's connection in.
    pub(crate) fn add_client(
        &mut self,
        registry: &Registry,
        mut io: TcpStream,
        door: usize,
        remote: SocketAddr,
        now: Instant,
    ) -> io::Result<()> {
        let local = io.local_addr()?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket2::SockRef::from(&io).set_tcp_notsent_lowat(MOST_UNSENT);
        let client = FiveTuple::new(Transport::Tcp, local, remote);
        let entry = self.clients.vacant_entry();
        let index = entry.key();
        registry.register(&mut io, token::stream(index), Interest::READABLE | Interest::WRITABLE)?;
        entry.insert(Stream {
            client,
            pipe: Pipe::new(io),
            speech: Speech::Silence,
            door,
            has_begun: false,
            bare_since: now,
            heard: now,
            splice_next: None,
            is_dirty: false,
            is_listed: false,
        });
        self.by_client.insert(client, index);
        self.list_client(index);
        Ok(())
    }

    pub(crate) fn client_index(&self, client: &FiveTuple) -> Option<usize> {
        self.by_client.get(client).copied()
    }

    pub(crate) fn remove_client(&mut self, index: usize) -> Option<Stream> {
        let stream = self.clients.try_remove(index)?;
        self.by_client.remove(&stream.client);
        Some(stream)
    }

    /// Takes a connection with a peer in.
    pub(crate) fn add_link(
        &mut self,
        registry: &Registry,
        mut io: TcpStream,
        id: ConnectionId,
        stage: Stage,
    ) -> io::Result<()> {
        let entry = self.links.vacant_entry();
        let index = entry.key();
        registry.register(&mut io, token::peer(index), Interest::READABLE | Interest::WRITABLE)?;
        entry.insert(Link { id, pipe: Pipe::new(io), stage, is_dirty: false, is_listed: false });
        self.by_id.insert(id, index);
        Ok(())
    }

    pub(crate) fn link_index(&self, id: ConnectionId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn remove_link(&mut self, index: usize) -> Option<Link> {
        let link = self.links.try_remove(index)?;
        self.by_id.remove(&link.id);
        Some(link)
    }

    /// Has bytes leave to a client: all of a message or, if it is data and too much waits, nothing. Returns whether the
    /// connection can go on.
    pub(crate) fn send(&mut self, client: &FiveTuple, bytes: &[u8], is_data: bool) -> bool {
        let Some(index) = self.client_index(client) else { return true };
        let stream = &mut self.clients[index];
        if matches!(stream.speech, Speech::Spliced(_)) {
            return true;
        }
        let waiting = stream.pipe.waiting();
        if is_data && waiting + bytes.len() > MOST_DATA_WAITING {
            self.dropped += 1;
            return true;
        }
        stream.pipe.write(bytes);
        if !stream.is_dirty {
            stream.is_dirty = true;
            self.dirty_clients.push(index);
        }
        waiting + bytes.len() <= MOST_WAITING
    }

    pub(crate) fn list_client(&mut self, index: usize) {
        if let Some(stream) = self.clients.get_mut(index)
            && !stream.is_listed
        {
            stream.is_listed = true;
            self.readable_clients.push(index);
        }
    }

    pub(crate) fn list_link(&mut self, index: usize) {
        if let Some(link) = self.links.get_mut(index)
            && !link.is_listed
        {
            link.is_listed = true;
            self.readable_links.push(index);
        }
    }

    /// The clients that have something to read, whose list begins anew.
    pub(crate) fn take_readable_clients(&mut self) -> Vec<usize> {
        let list = std::mem::take(&mut self.readable_clients);
        for index in &list {
            if let Some(stream) = self.clients.get_mut(*index) {
                stream.is_listed = false;
            }
        }
        list
    }

    pub(crate) fn take_readable_links(&mut self) -> Vec<usize> {
        let list = std::mem::take(&mut self.readable_links);
        for index in &list {
            if let Some(link) = self.links.get_mut(*index) {
                link.is_listed = false;
            }
        }
        list
    }

    pub(crate) fn mark_client(&mut self, index: usize) {
        if let Some(stream) = self.clients.get_mut(index)
            && !stream.is_dirty
        {
            stream.is_dirty = true;
            self.dirty_clients.push(index);
        }
    }

    pub(crate) fn mark_link(&mut self, index: usize) {
        if let Some(link) = self.links.get_mut(index)
            && !link.is_dirty
        {
            link.is_dirty = true;
            self.dirty_links.push(index);
        }
    }

    /// The clients that have something to write, whose list begins anew.
    pub(crate) fn take_dirty_clients(&mut self) -> Vec<usize> {
        let list = std::mem::take(&mut self.dirty_clients);
        for index in &list {
            if let Some(stream) = self.clients.get_mut(*index) {
                stream.is_dirty = false;
            }
        }
        list
    }

    pub(crate) fn take_dirty_links(&mut self) -> Vec<usize> {
        let list = std::mem::take(&mut self.dirty_links);
        for index in &list {
            if let Some(link) = self.links.get_mut(*index) {
                link.is_dirty = false;
            }
        }
        list
    }

    /// Is there something to read that no event will tell of?
    pub(crate) fn is_busy(&self) -> bool {
        !self.readable_clients.is_empty()
            || !self.readable_links.is_empty()
            || self.doors.iter().any(|door| door.is_readable)
    }
}
