//! Allocations that move with their owner (RFC 8016).
//!
//! A ticket says which allocation, and proves it by a secret that only its owner was told. It is no replacement for
//! the credentials: a Refresh with it has to come from the same user.

use std::time::{Duration, Instant};

use headwater_stun::attribute::ErrorCode;
use headwater_stun::{Message, TransactionId, Transport};
use rand_chacha::rand_core::Rng;

use super::Server;
use super::allocate::seconds;
use super::allocation::Allocation;
use super::clients::Owner;
use super::credentials::Credential;
use super::deadlines::Timer;
use super::outbox::ReplyTo;
use super::quota::prefix;
use super::refresh::wanted_lifetime;
use super::refusal::{ALLOCATION_MISMATCH, MOBILITY_FORBIDDEN, QUOTA_REACHED, Refusal, WRONG_CREDENTIALS};
use crate::attribute::{Lifetime, MobilityTicket};
use crate::{EndReason, Event, RelayTransport, crypto};

/// How long an allocation whose client's connection broke waits for its owner to come anew.
const GRACE: Duration = Duration::from_secs(60);
/// Length of the secret in bytes.
const SECRET_LEN: usize = 17;
/// Length of a ticket: Base64 of the allocation's key and the secret. Some clients keep tickets as text.
const TICKET_LEN: usize = (4 + SECRET_LEN) / 3 * 4;

/// The secret of an allocation that can move.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    secret: [u8; SECRET_LEN],
    /// The Refresh that brought the allocation here: repeated, it gets the same answer, though its ticket is used up.
    moved_by: Option<TransactionId>,
}

impl Ticket {
    /// What the client is given.
    pub(super) fn text(&self, key: u32) -> [u8; TICKET_LEN] {
        let mut bytes = [0; 4 + SECRET_LEN];
        bytes[..4].copy_from_slice(&key.to_be_bytes());
        bytes[4..].copy_from_slice(&self.secret);
        let mut text = [0; TICKET_LEN];
        crypto::base64(&bytes, &mut text);
        text
    }
}

/// The allocation that a ticket, which may be anybody's, speaks of.
fn key_of(ticket: &[u8]) -> Option<u32> {
    if ticket.len() != TICKET_LEN {
        return None;
    }
    let (digits, _) = ticket.as_chunks::<4>();
    let [a, b, c] = crypto::base64_decode(digits.first()?)?;
    let [d, ..] = crypto::base64_decode(digits.get(1)?)?;
    Some(u32::from_be_bytes([a, b, c, d]))
}

impl Server {
    /// The ticket of a new allocation whose owner asks for one by an empty MOBILITY-TICKET (RFC 8016 §3.1).
    pub(super) fn first_ticket(&mut self, request: &Message<'_>) -> Result<Option<Ticket>, Refusal> {
        match request.attribute()? {
            None => Ok(None),
            Some(MobilityTicket(_)) if !self.config.mobility => Err(MOBILITY_FORBIDDEN.into()),
            Some(MobilityTicket([])) => Ok(Some(self.fresh_ticket(None))),
            Some(MobilityTicket(_)) => Err(ErrorCode::BAD_REQUEST.into()),
        }
    }

    fn fresh_ticket(&mut self, moved_by: Option<TransactionId>) -> Ticket {
        let mut secret = [0; SECRET_LEN];
        self.rng.fill_bytes(&mut secret);
        Ticket { secret, moved_by }
    }

    /// Refresh from an address that has no allocation, with a ticket (RFC 8016 §3.2).
    pub(super) fn relocate(
        &mut self,
        now: Instant,
        request: &Message<'_>,
        to: &ReplyTo,
        user: &Credential,
        ticket: &[u8],
    ) -> Result<(), Refusal> {
        if !self.config.mobility {
            return Err(MOBILITY_FORBIDDEN.into());
        }
        if self.clients.get(&to.client).is_some() {
            return Err(ALLOCATION_MISMATCH.into());
        }
        let key = self.key_of_ticket(ticket).ok_or(ALLOCATION_MISMATCH)?;
        let Allocation { client: from, transport, session, .. } = &self.allocations[key as usize];
        let from = *from;
        if session.credential.user != user.user {
            return Err(WRONG_CREDENTIALS.into());
        }
        if *transport == RelayTransport::Tcp && to.client.transport != Transport::Tcp {
            return Err(ErrorCode::BAD_REQUEST.into());
        }
        if request.attribute()? == Some(Lifetime(0)) {
            self.end(now, key, EndReason::Client);
            self.outbox.succeed(to, &user.key, |message| message.attribute(&Lifetime(0)));
            return Ok(());
        }
        let granted = wanted_lifetime(request, self.config.max_lifetime)?;
        self.charge_address(now, key, to)?;
        let ticket = self.fresh_ticket(Some(to.to.transaction_id));
        let Self { allocations, clients, config, .. } = self;
        let allocation = &mut allocations[key as usize];
        // What was allowed there and then must be allowed here and now.
        allocation.permissions.retain(|address| config.peers.permits_address(address));
        allocation.channels.retain(|peer| config.peers.permits(peer));
        if allocation.attached {
            clients.remove(&from);
        }
        clients.insert(to.client, Owner::Allocation(key));
        allocation.client = to.client;
        allocation.attached = true;
        allocation.session.ticket = Some(ticket);
        self.prolong(now, key, granted);
        self.counters.moved += 1;
        self.events.push_back(Event::Moved { from, to: to.client });
        self.answer_refresh(to, user, key, granted);
        Ok(())
    }

    /// The open allocation whose ticket this is.
    fn key_of_ticket(&self, ticket: &[u8]) -> Option<u32> {
        let key = key_of(ticket)?;
        let session = &self.allocations.get(key as usize)?.session;
        let ours = session.ticket.filter(|_| session.opening.is_none())?;
        crypto::equal(&ours.text(key), ticket).then_some(key)
    }

    /// Whether a Refresh of an allocation's own client may have this ticket: the current one, or the one that brought it here.
    pub(super) fn accepts_ticket(&self, key: u32, to: &ReplyTo, ticket: &[u8]) -> bool {
        let ours = self.allocations[key as usize].session.ticket;
        ours.is_some_and(|ours| {
            ours.moved_by == Some(to.to.transaction_id) || crypto::equal(&ours.text(key), ticket)
        })
    }

    /// Takes the allocation off the old address's account and puts it on the new one's.
    fn charge_address(&mut self, now: Instant, key: u32, to: &ReplyTo) -> Result<(), Refusal> {
        let address = prefix(to.client.remote.ip());
        let old = self.allocations[key as usize].address_account;
        if !self.addresses.is(old, &address) {
            if !self.addresses.may_have(&address, 1) {
                return Err(QUOTA_REACHED.into());
            }
            let new = self.take_address(now, to);
            self.allocations[key as usize].address_account = new;
            self.give_back_address(now, old);
        }
        Ok(())
    }

    /// A client's connection has ended: its allocation too, unless it can move and was not given up.
    pub(super) fn detach(&mut self, now: Instant, key: u32) {
        let allocation = &mut self.allocations[key as usize];
        if allocation.session.ticket.is_none() || !allocation.is_open() {
            return self.end(now, key, EndReason::Disconnected);
        }
        allocation.attached = false;
        self.clients.remove(&allocation.client);
        let until = allocation.expires.min(now + GRACE);
        self.deadlines.remove(allocation.expires, Timer::Allocation(key));
        allocation.expires = until;
        self.deadlines.insert(until, Timer::Allocation(key));
    }

    pub(super) fn answer_refresh(&mut self, to: &ReplyTo, user: &Credential, key: u32, granted: Duration) {
        let ticket = self.allocations[key as usize].session.ticket;
        self.outbox.succeed(to, &user.key, |message| {
            let message = message.attribute(&Lifetime(seconds(granted)));
            match ticket {
                Some(ticket) => message.attribute(&MobilityTicket(&ticket.text(key))),
                None => message,
            }
        });
    }
}
