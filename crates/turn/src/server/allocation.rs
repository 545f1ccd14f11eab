//! What the server keeps of an allocation (RFC 8656 §2).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_stun::attribute::ErrorCode;
use slab::Slab;

use super::channel::Channels;
use super::credentials::Credential;
use super::mobility::Ticket;
use super::outbox::{ReplyTo, Responding};
use super::permission::Permissions;
use crate::attribute::{ALLOCATE, AddressErrorCode, Family};
use crate::{FiveTuple, RelayId, RelayTransport};

/// An allocation, from the request on. What each packet needs stands here, the rest in `session`.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) client: FiveTuple,
    /// Whether the client's connection is there, or it needs none. If not, it may come from elsewhere (RFC 8016).
    pub(super) attached: bool,
    pub(super) transport: RelayTransport,
    /// By family.
    pub(super) relays: [Option<RelayId>; 2],
    /// When it ends; as long as it opens, when that has taken too long.
    pub(super) expires: Instant,
    pub(super) user_account: u32,
    pub(super) address_account: u32,
    pub(super) permissions: Permissions,
    pub(super) channels: Channels,
    pub(super) session: Box<Session>,
}

/// What requests need of an allocation.
pub(super) struct Session {
    pub(super) credential: Arc<Credential>,
    /// The relayed addresses by family; `None` until they are open.
    pub(super) relayed: [Option<SocketAddr>; 2],
    /// The Allocate that made it: its repetitions get the same answer.
    pub(super) made_by: Responding,
    /// The lifetime of that answer.
    pub(super) granted: Duration,
    pub(super) opening: Option<Opening>,
    /// The family of two that could not be had.
    pub(super) refused: Option<AddressErrorCode>,
    /// Names the port beside this one, if it was kept.
    pub(super) token: Option<[u8; 8]>,
    /// What its owner shows to come from elsewhere (RFC 8016).
    pub(super) ticket: Option<Ticket>,
    /// Numbers of connections with peers (RFC 6062).
    pub(super) connections: Vec<u32>,
}

/// Waits for its relays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    /// How many have not been answered for.
    pub(super) awaited: u8,
    /// The relay on the next port, which goes to a reservation.
    pub(super) next: Option<RelayId>,
    /// Why the last one that failed did.
    pub(super) failure: Option<ErrorCode<'static>>,
}

impl Allocation {
    /// The relay of this family. Before it is open nothing is permitted, so nobody asks.
    pub(super) fn relay(&self, family: Family) -> Option<RelayId> {
        self.relays[family as usize]
    }

    /// The relayed addresses.
    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.session.relayed.iter().flatten().copied()
    }

    /// To where the Allocate that made it is answered.
    pub(super) const fn made_by(&self) -> ReplyTo {
        ReplyTo { client: self.client, method: ALLOCATE, to: self.session.made_by }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.session.opening.is_none()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("user", &self.credential.user).finish_non_exhaustive()
    }
}

/// Gives memory back after a crowd has left.
pub(super) fn relax<T>(slab: &mut Slab<T>) {
    if slab.is_empty() && slab.capacity() > 1024 {
        *slab = Slab::new();
    }
}

/// Who has a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RelayOwner {
    /// An allocation, by its key.
    Allocation(u32),
    /// An allocation that opens, for the reservation that it will make.
    Next(u32),
    /// A reservation, by its key.
    Reservation(u32),
}

/// All relays, by their ids.
#[derive(Debug, Default)]
pub(super) struct Relays {
    slab: Slab<(u32, RelayOwner)>,
    serial: u32,
}

impl Relays {
    pub(super) fn insert(&mut self, owner: RelayOwner) -> RelayId {
        self.serial = self.serial.wrapping_add(1);
        let index = self.slab.insert((self.serial, owner));
        RelayId { index: u32::try_from(index).expect("bounded by max_allocations"), serial: self.serial }
    }

    /// HOT.
    pub(super) fn owner(&self, relay: RelayId) -> Option<RelayOwner> {
        let (serial, owner) = self.slab.get(relay.index as usize)?;
        (*serial == relay.serial).then_some(*owner)
    }

    pub(super) fn set_owner(&mut self, relay: RelayId, owner: RelayOwner) {
        if let Some(entry) = self.slab.get_mut(relay.index as usize) {
            entry.1 = owner;
        }
    }

    pub(super) fn remove(&mut self, relay: RelayId) {
        self.slab.try_remove(relay.index as usize);
        relax(&mut self.slab);
    }
}
