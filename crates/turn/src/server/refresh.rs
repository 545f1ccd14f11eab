//! Refresh: longer, or not at all (RFC 8656 §8.2); and how allocations end.

use std::time::{Duration, Instant};

use headwater_stun::Message;

use super::Server;
use super::allocation::relax;
use super::credentials::Credential;
use super::deadlines::Timer;
use super::outbox::ReplyTo;
use super::quota::Left;
use super::refusal::{FAMILY_MISMATCH, INSUFFICIENT_CAPACITY, Refusal};
use crate::attribute::{AddressErrorCode, Family, Lifetime, MobilityTicket, RequestedAddressFamily};
use crate::{EndReason, Event};

/// RFC 8656 §3.2: what is granted without being asked for, and at least.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);

/// The lifetime that a request is granted; 0 means its end, if it is a Refresh.
pub(super) fn wanted_lifetime(request: &Message<'_>, max: Duration) -> Result<Duration, Refusal> {
    let wanted = request.attribute()?.map(|Lifetime(seconds)| Duration::from_secs(u64::from(seconds)));
    Ok(wanted.unwrap_or_default().min(max).max(DEFAULT_LIFETIME.min(max)))
}

impl Server {
    pub(super) fn refresh(
        &mut self,
        now: Instant,
        request: &Message<'_>,
        to: &ReplyTo,
        user: &Credential,
    ) -> Result<(), Refusal> {
        let ticket = request.attribute()?.map(|MobilityTicket(ticket)| ticket).filter(|it| !it.is_empty());
        let known = self.clients.allocation(&to.client);
        if let Some(ticket) = ticket
            && known.is_none_or(|key| !self.accepts_ticket(key, to, ticket))
        {
            return self.relocate(now, request, to, user, ticket);
        }
        let key = self.owned(to, user)?;
        let ends = request.attribute()? == Some(Lifetime(0));
        let family = request.attribute::<RequestedAddressFamily>()?;
        if let Some(RequestedAddressFamily(family)) = family {
            let relays = &self.allocations[key as usize].relays;
            let Some(family) = family.filter(|it| relays[*it as usize].is_some()) else {
                return Err(FAMILY_MISMATCH.into());
            };
            // RFC 8656 §8.2: of two relayed addresses one may be given up alone.
            if ends && relays.iter().flatten().count() > 1 {
                self.close_relay(key, family as usize);
                self.answer_refresh(to, user, key, Duration::ZERO);
                return Ok(());
            }
        }
        if ends {
            self.end(now, key, EndReason::Client);
            self.outbox.succeed(to, &user.key, |message| message.attribute(&Lifetime(0)));
            return Ok(());
        }
        let granted = wanted_lifetime(request, self.config.max_lifetime)?;
        self.prolong(now, key, granted);
        self.answer_refresh(to, user, key, granted);
        Ok(())
    }

    pub(super) fn prolong(&mut self, now: Instant, key: u32, granted: Duration) {
        let allocation = &mut self.allocations[key as usize];
        self.deadlines.remove(allocation.expires, Timer::Allocation(key));
        allocation.expires = now + granted;
        self.deadlines.insert(allocation.expires, Timer::Allocation(key));
    }

    fn close_relay(&mut self, key: u32, family: usize) {
        let allocation = &mut self.allocations[key as usize];
        let Some(relay) = allocation.relays[family].take() else { return };
        allocation.session.relayed[family] = None;
        self.relays.remove(relay);
        self.events.push_back(Event::CloseRelay { relay });
    }

    /// Ends an allocation, whether it was open or not.
    pub(super) fn end(&mut self, now: Instant, key: u32, reason: EndReason) {
        let connections =
            self.allocations.get_mut(key as usize).map(|it| std::mem::take(&mut it.session.connections));
        connections.into_iter().flatten().for_each(|connection| self.close_connection(connection));
        (0..2).for_each(|family| self.close_relay(key, family));
        let Some(allocation) = self.allocations.try_remove(key as usize) else { return };
        relax(&mut self.allocations);
        if allocation.attached {
            self.clients.remove(&allocation.client);
        }
        self.deadlines.remove(allocation.expires, Timer::Allocation(key));
        self.give_back(now, allocation.user_account, allocation.address_account);
        match allocation.session.opening {
            Some(opening) => {
                if let Some(next) = opening.next {
                    self.give_back(now, allocation.user_account, allocation.address_account);
                    self.relays.remove(next);
                    self.events.push_back(Event::CloseRelay { relay: next });
                }
            }
            None => {
                self.counters.allocations_ended += 1;
                let user = allocation.session.credential.user.clone();
                self.events.push_back(Event::Ended { client: allocation.client, user, reason });
            }
        }
    }

    /// One allocation or reservation less.
    pub(super) fn give_back(&mut self, now: Instant, user: u32, address: u32) {
        if let Left::Until(at) = self.users.give_back(now, user) {
            self.deadlines.insert(at, Timer::User(user));
        }
        self.give_back_address(now, address);
    }

    pub(super) fn give_back_address(&mut self, now: Instant, address: u32) {
        if let Left::Until(at) = self.addresses.give_back(now, address) {
            self.deadlines.insert(at, Timer::Address(address));
        }
    }

    /// Called when an allocation's time has come.
    pub(super) fn expire(&mut self, now: Instant, key: u32) {
        let Some(allocation) = self.allocations.get_mut(key as usize) else { return };
        let session = &mut allocation.session;
        if let Some(opening) = &mut session.opening {
            // The owner took too long: what it has opened by now will do.
            opening.awaited = 0;
            let late = [Family::V4, Family::V6].map(|family| {
                let place = family as usize;
                let is_late = allocation.relays[place].is_some() && session.relayed[place].is_none();
                is_late.then_some(AddressErrorCode { family, code: INSUFFICIENT_CAPACITY.code() })
            });
            session.refused = late.into_iter().flatten().last().or(session.refused);
            late.into_iter().flatten().for_each(|it| self.close_relay(key, it.family as usize));
            self.finish_opening(now, key);
        } else {
            self.end(now, key, EndReason::Expired);
        }
    }
}
