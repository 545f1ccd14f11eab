//! Ports that EVEN-PORT kept, until somebody brings the token (RFC 8656 §7.2).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;

use super::Server;
use super::allocation::{Allocation, Opening, RelayOwner};
use super::deadlines::Timer;
use crate::attribute::Family;
use crate::{Event, RelayId};

/// RFC 8656 §7.2: at least 30 s.
const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);

/// An open relay without an allocation. Counts as one for quotas.
pub(super) struct Reservation {
    relay: RelayId,
    address: SocketAddr,
    token: [u8; 8],
    /// Only this user may have it.
    user: Arc<str>,
    user_account: u32,
    address_account: u32,
    expires: Instant,
}

impl Reservation {
    /// The one that belongs to `allocation`, whose port is the even one.
    pub(super) fn new(
        now: Instant,
        relay: RelayId,
        address: SocketAddr,
        token: [u8; 8],
        allocation: &Allocation,
    ) -> Self {
        Self {
            relay,
            address,
            token,
            user: allocation.session.credential.user.clone(),
            user_account: allocation.user_account,
            address_account: allocation.address_account,
            expires: now + RESERVATION_LIFETIME,
        }
    }
}

/// All reservations; as many as quotas and `max_allocations` let there be.
#[derive(Default)]
pub(super) struct Reservations {
    slab: Slab<Reservation>,
    by_token: BTreeMap<[u8; 8], u32>,
}

impl Reservations {
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    fn remove(&mut self, key: u32) -> Option<Reservation> {
        let reservation = self.slab.try_remove(key as usize)?;
        self.by_token.remove(&reservation.token);
        Some(reservation)
    }
}

impl Server {
    pub(super) fn reserve(&mut self, reservation: Reservation) {
        let (relay, token, expires) = (reservation.relay, reservation.token, reservation.expires);
        let key =
            u32::try_from(self.reservations.slab.insert(reservation)).expect("bounded by max_allocations");
        self.reservations.by_token.insert(token, key);
        self.relays.set_owner(relay, RelayOwner::Reservation(key));
        self.deadlines.insert(expires, Timer::Reservation(key));
    }

    /// The reservation of this token, if it is this user's.
    pub(super) fn redeemable(&self, token: &[u8; 8], user: &str) -> Option<u32> {
        let key = *self.reservations.by_token.get(token)?;
        (&*self.reservations.slab.get(key as usize)?.user == user).then_some(key)
    }

    /// Gives the reserved relay to an allocation that was just made, and answers for it.
    pub(super) fn redeem(&mut self, now: Instant, token_of: u32, key: u32) {
        let Some(reservation) = self.reservations.remove(token_of) else { return };
        let (relay, address) = (reservation.relay, reservation.address);
        self.deadlines.remove(reservation.expires, Timer::Reservation(token_of));
        // The allocation has taken its own.
        self.give_back(now, reservation.user_account, reservation.address_account);
        self.relays.set_owner(relay, RelayOwner::Allocation(key));
        let allocation = &mut self.allocations[key as usize];
        let family = Family::of(&address) as usize;
        allocation.relays[family] = Some(relay);
        allocation.session.relayed[family] = Some(address);
        allocation.session.opening = Some(Opening { awaited: 0, next: None, failure: None });
        self.finish_opening(now, key);
    }

    /// Nobody came.
    pub(super) fn end_reservation(&mut self, now: Instant, key: u32) {
        let Some(reservation) = self.reservations.remove(key) else { return };
        self.deadlines.remove(reservation.expires, Timer::Reservation(key));
        self.give_back(now, reservation.user_account, reservation.address_account);
        self.relays.remove(reservation.relay);
        self.events.push_back(Event::CloseRelay { relay: reservation.relay });
    }

    pub(super) fn end_all_reservations(&mut self, now: Instant) {
        let keys: Vec<usize> = self.reservations.slab.iter().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.end_reservation(now, key as u32));
    }
}
