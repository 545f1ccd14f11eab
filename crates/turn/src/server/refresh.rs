//! Refresh: longer, or not at all (RFC 8656 §8.2); and how allocations end.

use std::time::{Duration, Instant};

use headwater_stun::Message;

use super::Server;
use super::allocate::seconds;
use super::credentials::Credential;
use super::deadlines::Timer;
use super::outbox::ReplyTo;
use super::quota::Left;
use super::refusal::{FAMILY_MISMATCH, Refusal};
use crate::attribute::{Lifetime, RequestedAddressFamily};
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
                self.succeed(to, user, Duration::ZERO);
                return Ok(());
            }
        }
        if ends {
            self.end(now, key, EndReason::Client);
            self.succeed(to, user, Duration::ZERO);
            return Ok(());
        }
        let granted = wanted_lifetime(request, self.config.max_lifetime)?;
        self.prolong(now, key, granted);
        self.succeed(to, user, granted);
        Ok(())
    }

    fn succeed(&mut self, to: &ReplyTo, user: &Credential, granted: Duration) {
        self.outbox.succeed(to, &user.key, |message| message.attribute(&Lifetime(seconds(granted))));
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
        self.relays.remove(relay.id);
        self.events.push_back(Event::CloseRelay { relay: relay.id });
    }

    /// Ends an allocation, whether it was open or not.
    pub(super) fn end(&mut self, now: Instant, key: u32, reason: EndReason) {
        (0..2).for_each(|family| self.close_relay(key, family));
        let Some(allocation) = self.allocations.try_remove(key as usize) else { return };
        self.clients.remove(&allocation.client);
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
                let user = allocation.session.credential.user;
                self.events.push_back(Event::Ended { client: allocation.client, user, reason });
            }
        }
    }

    /// One allocation or reservation less.
    pub(super) fn give_back(&mut self, now: Instant, user: u32, address: u32) {
        if let Left::Until(at) = self.users.give_back(now, user) {
            self.deadlines.insert(at, Timer::User(user));
        }
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
            let late: Vec<_> = (0..2)
                .filter(|family| allocation.relays[*family].is_some_and(|it| it.address.is_none()))
                .collect();
            late.into_iter().for_each(|family| self.close_relay(key, family));
            self.finish_opening(now, key);
        } else {
            self.end(now, key, EndReason::Expired);
        }
    }
}
