//! TCP relays: connections between a relay and its peers (RFC 6062 §5).
//!
//! ```text
//!  Connect ──► Connecting ──(owner: connected)──► Waiting ──(ConnectionBind)──► Spliced
//!  a peer connects ──(ConnectionAttempt)────────► Waiting
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_stun::attribute::ErrorCode;
use headwater_stun::{Message, MessageBuilder, Transport};
use rand_chacha::rand_core::Rng;
use slab::Slab;

use super::Server;
use super::allocation::{RelayOwner, relax};
use super::clients::Owner;
use super::credentials::Credential;
use super::deadlines::Timer;
use super::outbox::ReplyTo;
use super::refusal::{CONNECTION_EXISTS, CONNECTION_FAILED, INSUFFICIENT_CAPACITY, Refusal};
use crate::attribute::{CONNECTION_ATTEMPT, ConnectionId, Family, XorPeerAddress};
use crate::{ConnectError, Error, Event, FiveTuple, RelayId, RelayTransport};

/// RFC 6062 §5.2: at least 30 s for the peer to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// RFC 6062 §5.2, §5.3: for the client to come with ConnectionBind.
const BIND_TIMEOUT: Duration = Duration::from_secs(30);
/// Most connections of one allocation, in any state.
const MAX_CONNECTIONS: usize = 64;

/// A connection with a peer.
struct Connection {
    id: ConnectionId,
    allocation: u32,
    peer: SocketAddr,
    state: State,
    /// When it is given up, until it is spliced.
    deadline: Instant,
}

#[derive(Clone, Copy)]
enum State {
    /// The owner connects; this Connect is answered then.
    Connecting(ReplyTo),
    /// For the client's ConnectionBind.
    Waiting,
    /// With this data connection of the client.
    Spliced(FiveTuple),
}

/// All connections: at most [`MAX_CONNECTIONS`] for each allocation.
#[derive(Default)]
pub(super) struct Connections {
    slab: Slab<Connection>,
    by_id: BTreeMap<u32, u32>,
}

impl Connections {
    fn key(&self, id: ConnectionId) -> Option<u32> {
        self.by_id.get(&id.0).copied()
    }
}

impl Server {
    pub(super) fn connect(
        &mut self,
        now: Instant,
        request: &Message<'_>,
        to: &ReplyTo,
        user: &Credential,
    ) -> Result<(), Refusal> {
        let key = self.owned(to, user)?;
        let XorPeerAddress(peer) = request.attribute()?.ok_or(ErrorCode::BAD_REQUEST)?;
        let allocation = &self.allocations[key as usize];
        if allocation.transport != RelayTransport::Tcp {
            return Err(ErrorCode::BAD_REQUEST.into());
        }
        self.check_peer_of(key, peer)?;
        if self.has_connection(key, peer) {
            return Err(CONNECTION_EXISTS.into());
        }
        let relay = allocation.relay(Family::of(&peer)).ok_or(INSUFFICIENT_CAPACITY)?;
        let state = State::Connecting(*to);
        let connection = self.insert(key, peer, state, now + CONNECT_TIMEOUT).ok_or(INSUFFICIENT_CAPACITY)?;
        self.events.push_back(Event::Connect { relay, connection, peer });
        Ok(())
    }

    /// The owner has connected to a peer, or could not.
    pub(super) fn connection_made(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        result: Result<(), ConnectError>,
    ) {
        let Some(key) = self.connections.key(connection) else { return };
        let Connection { state, allocation, .. } = &self.connections.slab[key as usize];
        let (State::Connecting(to), allocation) = (*state, *allocation) else { return };
        let user = self.allocations[allocation as usize].session.credential.clone();
        match result {
            Ok(()) => {
                self.set_state(key, State::Waiting, Some(now + BIND_TIMEOUT));
                self.outbox.succeed(&to, &user.key, |message| message.attribute(&connection));
            }
            Err(error) => {
                let code: ErrorCode<'static> = error.into();
                self.remove(key);
                self.refuse(&to, &user, &code.into());
            }
        }
    }

    /// A peer wants in.
    pub(super) fn peer_connects(
        &mut self,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
    ) -> Result<ConnectionId, Error> {
        let Some(RelayOwner::Allocation(key)) = self.relays.owner(relay) else {
            return Err(Error::NotAllocated);
        };
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let allocation = &self.allocations[key as usize];
        if now >= allocation.expires || !allocation.attached {
            return Err(Error::NotAllocated);
        }
        self.check_peer(now, allocation, peer)?;
        let client = allocation.client;
        if self.outbox.is_full() || self.has_connection(key, peer) {
            return Err(Error::Overloaded);
        }
        let id = self.insert(key, peer, State::Waiting, now + BIND_TIMEOUT).ok_or(Error::Overloaded)?;
        let transaction_id = self.fresh_id();
        let attempt: Result<(), Error> = self.outbox.push(
            client,
            |buf| {
                Ok(MessageBuilder::indication(CONNECTION_ATTEMPT, transaction_id, buf)
                    .attribute(&id)
                    .attribute(&XorPeerAddress(peer))
                    .finish())
            },
            |_| Ok(()),
        );
        attempt.map(|()| id)
    }

    pub(super) fn connection_bind(
        &mut self,
        request: &Message<'_>,
        to: &ReplyTo,
        user: &Credential,
    ) -> Result<(), Refusal> {
        let id: ConnectionId = request.attribute()?.ok_or(ErrorCode::BAD_REQUEST)?;
        // RFC 6062 §5.4: on a connection of its own.
        if to.client.transport != Transport::Tcp || self.clients.get(&to.client).is_some() {
            return Err(ErrorCode::BAD_REQUEST.into());
        }
        let key = self.connections.key(id).ok_or(ErrorCode::BAD_REQUEST)?;
        let connection = &self.connections.slab[key as usize];
        let owner = &self.allocations[connection.allocation as usize].session.credential.user;
        // Whose it is, and whether there is one, is nobody else's business: the same answer.
        if *owner != user.user || !matches!(connection.state, State::Waiting) {
            return Err(ErrorCode::BAD_REQUEST.into());
        }
        self.set_state(key, State::Spliced(to.client), None);
        self.clients.insert(to.client, Owner::Connection(key));
        self.counters.spliced += 1;
        self.events.push_back(Event::Splice { client: to.client, connection: id });
        self.outbox.succeed(to, &user.key, |message| message);
        Ok(())
    }

    /// Counts what a spliced connection carried, and says whether it may go on.
    pub(super) fn carried(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        to_peer: usize,
        to_client: usize,
    ) -> bool {
        let Some(key) = self.connections.key(connection) else { return false };
        let allocation = &self.allocations[self.connections.slab[key as usize].allocation as usize];
        let (user, address) = (allocation.user_account, allocation.address_account);
        for (traffic, bytes) in
            [(&mut self.counters.to_peers, to_peer), (&mut self.counters.to_clients, to_client)]
        {
            if bytes > 0 {
                traffic.note(bytes);
                self.users.spend(user, bytes);
                self.addresses.spend(address, bytes);
            }
        }
        // Both are asked, so that both earn.
        let (user, address) = (self.users.may_send(now, user), self.addresses.may_send(now, address));
        user && address
    }

    /// A connection's time has come.
    pub(super) fn expire_connection(&mut self, key: u32) {
        let Some(connection) = self.connections.slab.get(key as usize) else { return };
        let (state, allocation) = (connection.state, connection.allocation);
        self.close_connection(key);
        if let State::Connecting(to) = state {
            let user = self.allocations[allocation as usize].session.credential.clone();
            self.refuse(&to, &user, &CONNECTION_FAILED.into());
        }
    }

    /// Ends a connection from our side.
    pub(super) fn close_connection(&mut self, key: u32) {
        if let Some(connection) = self.remove(key) {
            self.events.push_back(Event::CloseConnection { connection });
        }
    }

    /// The owner says that a connection has ended.
    pub(super) fn forget_connection(&mut self, connection: ConnectionId) {
        if let Some(key) = self.connections.key(connection) {
            if let State::Connecting(_) = self.connections.slab[key as usize].state {
                self.expire_connection(key);
            } else {
                self.remove(key);
            }
        }
    }

    fn has_connection(&self, allocation: u32, peer: SocketAddr) -> bool {
        let keys = &self.allocations[allocation as usize].session.connections;
        keys.iter().any(|key| self.connections.slab[*key as usize].peer == peer)
    }

    fn insert(
        &mut self,
        allocation: u32,
        peer: SocketAddr,
        state: State,
        deadline: Instant,
    ) -> Option<ConnectionId> {
        let list = &mut self.allocations[allocation as usize].session.connections;
        if list.len() >= MAX_CONNECTIONS {
            return None;
        }
        let Connections { slab, by_id } = &mut self.connections;
        let id = loop {
            // Far fewer than 2^32 are taken.
            let id = self.rng.next_u32();
            if !by_id.contains_key(&id) {
                break ConnectionId(id);
            }
        };
        let key = slab.insert(Connection { id, allocation, peer, state, deadline });
        let key = u32::try_from(key).expect("bounded by MAX_CONNECTIONS for each allocation");
        by_id.insert(id.0, key);
        list.push(key);
        self.deadlines.insert(deadline, Timer::Connection(key));
        Some(id)
    }

    fn set_state(&mut self, key: u32, state: State, deadline: Option<Instant>) {
        let connection = &mut self.connections.slab[key as usize];
        self.deadlines.remove(connection.deadline, Timer::Connection(key));
        connection.state = state;
        if let Some(deadline) = deadline {
            connection.deadline = deadline;
            self.deadlines.insert(deadline, Timer::Connection(key));
        }
    }

    fn remove(&mut self, key: u32) -> Option<ConnectionId> {
        let connection = self.connections.slab.try_remove(key as usize)?;
        relax(&mut self.connections.slab);
        self.connections.by_id.remove(&connection.id.0);
        self.deadlines.remove(connection.deadline, Timer::Connection(key));
        if let State::Spliced(client) = connection.state {
            self.clients.remove(&client);
        }
        // Not there any more if the allocation is just ending.
        if let Some(allocation) = self.allocations.get_mut(connection.allocation as usize) {
            allocation.session.connections.retain(|it| *it != key);
        }
        Some(connection.id)
    }
}
