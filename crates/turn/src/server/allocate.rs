//! Allocate: from the request to the relayed address (RFC 8656 §7.2).
//!
//! ```text
//!  request ─► checks ─► OpenRelay (one or two) ─► relay_opened ─► answer
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_stun::attribute::{ErrorCode, XorMappedAddress};
use headwater_stun::{Message, Transport};
use rand_chacha::rand_core::Rng;

use super::Server;
use super::allocation::{Allocation, Opening, RelayOwner, Session};
use super::channel::Channels;
use super::clients::Owner;
use super::credentials::Credential;
use super::deadlines::Timer;
use super::outbox::ReplyTo;
use super::permission::Permissions;
use super::quota::prefix;
use super::refresh::wanted_lifetime;
use super::refusal::{
    ALLOCATION_MISMATCH, FAMILY_NOT_SUPPORTED, INSUFFICIENT_CAPACITY, QUOTA_REACHED, Refusal,
    TRANSPORT_NOT_SUPPORTED,
};
use super::reservation::Reservation;
use crate::attribute::{
    AdditionalAddressFamily, AddressErrorCode, DontFragment, EvenPort, Family, Lifetime, MobilityTicket,
    RequestedAddressFamily, RequestedTransport, ReservationToken, TCP, UDP, XorRelayedAddress,
};
use crate::{EndReason, Event, PortRequest, RelayError, RelayId, RelayTransport};

/// How long the owner may take to open a relay. Clients give up after 39.5 s.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// What an Allocate asks for.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    transport: RelayTransport,
    families: [bool; 2],
    /// Two families were asked for: one is better than none.
    additional: bool,
    port: Option<EvenPort>,
    token: Option<[u8; 8]>,
}

impl Wanted {
    /// The checks of RFC 8656 §7.2 that need the request only.
    fn parse(request: &Message<'_>, client: Transport, default: Option<Family>) -> Result<Self, Refusal> {
        let RequestedTransport(protocol) = request.attribute()?.ok_or(ErrorCode::BAD_REQUEST)?;
        let dont_fragment = request.attribute::<DontFragment>()?.is_some();
        let family = request.attribute::<RequestedAddressFamily>()?;
        let additional = match request.attribute::<AdditionalAddressFamily>()? {
            // coturn's clients ask by the number of a draft.
            None => request
                .attribute()?
                .map(|crate::attribute::DraftAdditionalAddressFamily(it)| AdditionalAddressFamily(it)),
            additional => additional,
        };
        let port = request.attribute::<EvenPort>()?;
        let token = request.attribute()?.map(|ReservationToken(token)| token);
        let transport = match protocol {
            UDP => RelayTransport::Udp,
            TCP => RelayTransport::Tcp,
            _ => return Err(TRANSPORT_NOT_SUPPORTED.into()),
        };
        // RFC 6062 §5.1: over a connection only, and without what is for datagrams.
        let is_datagrams_only = dont_fragment || port.is_some() || token.is_some();
        if transport == RelayTransport::Tcp && (client != Transport::Tcp || is_datagrams_only) {
            return Err(ErrorCode::BAD_REQUEST.into());
        }
        let excluded = token.is_some() && (port.is_some() || family.is_some() || additional.is_some())
            || family.is_some() && additional.is_some()
            || additional.is_some() && port.is_some_and(|it| it.reserve_next);
        if excluded {
            return Err(ErrorCode::BAD_REQUEST.into());
        }
        let first = match (family, additional) {
            (Some(RequestedAddressFamily(family)), _) => family.ok_or(FAMILY_NOT_SUPPORTED)?,
            // RFC 8656 §7.2: the additional one is IPv6, beside the IPv4 one that it doesn't name.
            (None, Some(AdditionalAddressFamily(Some(Family::V6)))) => Family::V4,
            (None, Some(_)) => return Err(ErrorCode::BAD_REQUEST.into()),
            (None, None) => default.ok_or(FAMILY_NOT_SUPPORTED)?,
        };
        let mut families = [first == Family::V4, first == Family::V6];
        families[Family::V6 as usize] |= additional.is_some();
        Ok(Self { transport, families, additional: additional.is_some(), port, token })
    }
}

impl Server {
    pub(super) fn allocate(
        &mut self,
        now: Instant,
        request: &Message<'_>,
        to: &ReplyTo,
        user: &Arc<Credential>,
    ) -> Result<(), Refusal> {
        if let Some(owner) = self.clients.get(&to.client) {
            return self.allocate_again(to, user, owner);
        }
        let mut wanted = Wanted::parse(request, to.client.transport, self.config.families.first().copied())?;
        if wanted.transport == RelayTransport::Tcp && !self.config.tcp_relays {
            return Err(TRANSPORT_NOT_SUPPORTED.into());
        }
        let refused = self.without_unsupported(&mut wanted)?;
        if self.draining {
            return Err(self.elsewhere(to));
        }
        let slots = 1 + u32::from(wanted.port.is_some_and(|it| it.reserve_next));
        let reserved = match wanted.token {
            Some(token) => Some(self.redeemable(&token, &user.user).ok_or(INSUFFICIENT_CAPACITY)?),
            None => {
                if self.held() + slots as usize > self.config.max_allocations {
                    return Err(INSUFFICIENT_CAPACITY.into());
                }
                let address = prefix(to.client.remote.ip());
                if !self.users.may_have(user.account(), slots) || !self.addresses.may_have(&address, slots) {
                    return Err(QUOTA_REACHED.into());
                }
                None
            }
        };
        let granted = wanted_lifetime(request, self.config.max_lifetime)?;
        let key = self.insert_allocation(now, request, to, user, &wanted, granted, refused)?;
        match reserved {
            Some(reservation) => self.redeem(now, reservation, key),
            None => self.open_relays(key, &wanted),
        }
        Ok(())
    }

    /// A second Allocate of the same 5-tuple: the first one repeated, or a mistake.
    fn allocate_again(&mut self, to: &ReplyTo, user: &Credential, owner: Owner) -> Result<(), Refusal> {
        let Owner::Allocation(key) = owner else { return Err(ALLOCATION_MISMATCH.into()) };
        let Allocation { session, .. } = &self.allocations[key as usize];
        let same = session.made_by.transaction_id == to.to.transaction_id
            && session.credential.user == user.user
            && to.client.transport == Transport::Udp;
        match (same, &session.opening) {
            (false, _) => Err(ALLOCATION_MISMATCH.into()),
            // The answer to the first one will do.
            (true, Some(_)) => Ok(()),
            (true, None) => {
                self.answer_allocate(key);
                Ok(())
            }
        }
    }

    /// Leaves out a family that there is none of here, if there is another.
    fn without_unsupported(&self, wanted: &mut Wanted) -> Result<Option<AddressErrorCode>, Refusal> {
        let mut refused = None;
        for family in [Family::V4, Family::V6] {
            let wants = &mut wanted.families[family as usize];
            if *wants && !self.config.families.contains(&family) {
                *wants = false;
                refused = Some(AddressErrorCode { family, code: FAMILY_NOT_SUPPORTED.code() });
            }
        }
        match wanted.families.contains(&true) {
            true => Ok(refused.filter(|_| wanted.additional)),
            false => Err(FAMILY_NOT_SUPPORTED.into()),
        }
    }

    /// What a server that takes no more allocations says.
    fn elsewhere(&self, to: &ReplyTo) -> Refusal {
        let is_v4 = to.client.remote.is_ipv4();
        match self.config.alternates.iter().find(|it| it.is_ipv4() == is_v4) {
            Some(server) => Refusal::to_alternate(*server),
            None => INSUFFICIENT_CAPACITY.into(),
        }
    }

    pub(super) fn take_address(&mut self, now: Instant, to: &ReplyTo) -> u32 {
        let (account, timer) = self.addresses.take(now, prefix(to.client.remote.ip()));
        if let Some(at) = timer {
            self.deadlines.remove(at, Timer::Address(account));
        }
        account
    }

    #[expect(clippy::too_many_arguments, reason = "all of what one request becomes")]
    fn insert_allocation(
        &mut self,
        now: Instant,
        request: &Message<'_>,
        to: &ReplyTo,
        user: &Arc<Credential>,
        wanted: &Wanted,
        granted: Duration,
        refused: Option<AddressErrorCode>,
    ) -> Result<u32, Refusal> {
        let ticket = self.first_ticket(request)?;
        let (user_account, timer) = self.users.take(now, user.account().into());
        if let Some(at) = timer {
            self.deadlines.remove(at, Timer::User(user_account));
        }
        let address_account = self.take_address(now, to);
        let session = Session {
            credential: user.clone(),
            relayed: [None; 2],
            made_by: to.to,
            granted,
            opening: Some(Opening { awaited: 0, next: None, failure: None }),
            refused,
            token: None,
            ticket,
            connections: Vec::new(),
        };
        let key = self.allocations.insert(Allocation {
            client: to.client,
            attached: true,
            transport: wanted.transport,
            relays: [None; 2],
            expires: now + OPEN_TIMEOUT,
            user_account,
            address_account,
            permissions: Permissions::default(),
            channels: Channels::default(),
            session: Box::new(session),
        });
        let key = u32::try_from(key).expect("bounded by max_allocations");
        self.clients.insert(to.client, Owner::Allocation(key));
        self.deadlines.insert(now + OPEN_TIMEOUT, Timer::Allocation(key));
        Ok(key)
    }

    fn open_relays(&mut self, key: u32, wanted: &Wanted) {
        let allocation = &mut self.allocations[key as usize];
        let mut opening = Opening { awaited: 0, next: None, failure: None };
        for family in [Family::V4, Family::V6] {
            if !wanted.families[family as usize] {
                continue;
            }
            let relay = self.relays.insert(RelayOwner::Allocation(key));
            allocation.relays[family as usize] = Some(relay);
            opening.awaited += 1;
            let port = match wanted.port {
                None => PortRequest::Any,
                Some(EvenPort { reserve_next: false }) => PortRequest::Even,
                Some(EvenPort { reserve_next: true }) => {
                    let next = self.relays.insert(RelayOwner::Next(key));
                    opening.next = Some(next);
                    self.users.take_again(allocation.user_account);
                    self.addresses.take_again(allocation.address_account);
                    PortRequest::EvenAndNext(next)
                }
            };
            self.events.push_back(Event::OpenRelay {
                relay,
                transport: wanted.transport,
                family,
                port,
                client: allocation.client,
                user: allocation.session.credential.user.clone(),
            });
        }
        allocation.session.opening = Some(opening);
    }

    pub(super) fn opened(&mut self, now: Instant, relay: RelayId, result: Result<SocketAddr, RelayError>) {
        // One that has ended meanwhile is closed by an event that is on its way.
        let Some(RelayOwner::Allocation(key)) = self.relays.owner(relay) else { return };
        let Allocation { relays, session, .. } = &mut self.allocations[key as usize];
        let Some(opening) = &mut session.opening else { return };
        let Some(place) = relays.iter().position(|it| *it == Some(relay)) else { return };
        if session.relayed[place].is_some() {
            return;
        }
        opening.awaited -= 1;
        match result {
            Ok(address) => session.relayed[place] = Some(address),
            Err(error) => {
                let code: ErrorCode<'static> = error.into();
                let family = if place == Family::V4 as usize { Family::V4 } else { Family::V6 };
                session.refused = Some(AddressErrorCode { family, code: code.code() });
                opening.failure = Some(code);
                relays[place] = None;
                self.relays.remove(relay);
                self.events.push_back(Event::CloseRelay { relay });
            }
        }
        if opening.awaited == 0 {
            self.finish_opening(now, key);
        }
    }

    /// All relays are answered for.
    pub(super) fn finish_opening(&mut self, now: Instant, key: u32) {
        let allocation = &mut self.allocations[key as usize];
        let Some(opening) = allocation.session.opening.take() else { return };
        let Some(relayed) = allocation.addresses().next() else {
            let code = opening.failure.unwrap_or(INSUFFICIENT_CAPACITY);
            let (to, user) = (allocation.made_by(), allocation.session.credential.clone());
            allocation.session.opening = Some(opening);
            self.refuse(&to, &user, &code.into());
            self.end(now, key, EndReason::Expired);
            return;
        };
        if let Some(relay) = opening.next {
            let mut token = [0; 8];
            self.rng.fill_bytes(&mut token);
            allocation.session.token = Some(token);
            let reservation = Reservation::new(now, relay, next_port(relayed), token, allocation);
            self.reserve(reservation);
        }
        let allocation = &mut self.allocations[key as usize];
        self.deadlines.remove(allocation.expires, Timer::Allocation(key));
        allocation.expires = now + allocation.session.granted;
        self.deadlines.insert(allocation.expires, Timer::Allocation(key));
        self.counters.allocations_made += 1;
        let user = allocation.session.credential.user.clone();
        self.events.push_back(Event::Allocated { client: allocation.client, user, relayed });
        self.answer_allocate(key);
    }

    /// The success response, the same each time.
    fn answer_allocate(&mut self, key: u32) {
        let allocation = &self.allocations[key as usize];
        let session = &allocation.session;
        self.outbox.succeed(&allocation.made_by(), &session.credential.key, |mut message| {
            for address in allocation.addresses() {
                message = message.attribute(&XorRelayedAddress(address));
            }
            message = message
                .attribute(&Lifetime(seconds(session.granted)))
                .attribute(&XorMappedAddress(allocation.client.remote));
            if let Some(refused) = &session.refused {
                message = message.attribute(refused);
            }
            if let Some(token) = session.token {
                message = message.attribute(&ReservationToken(token));
            }
            match &session.ticket {
                Some(ticket) => message.attribute(&MobilityTicket(&ticket.text(key))),
                None => message,
            }
        });
    }
}

/// The port above an even one.
fn next_port(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port() | 1)
}

pub(super) fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)
}
