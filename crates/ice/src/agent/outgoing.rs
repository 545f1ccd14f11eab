//! What goes out: answers, consent, checks; and the deadlines behind them.

use std::time::Instant;

use headwater_stun::Transmit;

use super::Agent;
use crate::candidate::{CandidateKind, LOCAL_PREFERENCE, peer_reflexive_priority, priority};
use crate::check::{Nominating, Request};
use crate::generation::{Generation, Previous};
use crate::pair::PairId;
use crate::{CloseReason, Path};

impl Agent {
    pub(super) fn begin_check(&mut self, id: PairId, nominating: Nominating) {
        let transaction = self.random.transaction_id();
        self.current.begin_check(id, transaction, self.role.role, nominating, self.rto, self.now);
    }

    pub(super) fn watch_consent(&mut self) {
        let Self { current, previous, random, now, .. } = self;
        let previous = previous.as_mut().and_then(|it| it.consent.as_mut());
        let in_use = current.consent.as_mut().or(previous);
        let Some(consent) = in_use else { return };
        if consent.is_expired(*now) {
            self.end(CloseReason::ConsentExpired);
        } else {
            consent.handle_timeout(*now, random);
        }
    }

    /// When to give up connecting, unless a check is still open then.
    pub(super) fn fails_at(&self) -> Option<Instant> {
        let Generation { has_failed, is_remote_complete, started, .. } = self.current;
        if has_failed || self.current.has_valid() {
            return None;
        }
        started.map(|it| it + self.connect_timeout * if is_remote_complete { 1 } else { 2 })
    }

    pub(super) fn poll_answer(&mut self, buf: &mut Vec<u8>) -> Option<Transmit> {
        let Self { answers, current, previous, .. } = self;
        let credentials = |number: u32| match previous.as_ref() {
            _ if number == current.number => Some(&current.local),
            Some(it) if it.number == number => Some(&it.local),
            _ => None,
        };
        answers.poll_transmit(credentials, buf)
    }

    pub(super) fn poll_consent(&mut self, buf: &mut Vec<u8>) -> Option<Transmit> {
        let role = self.role;
        let priority_on = |it: Path| {
            let transport = it.candidate_transport();
            peer_reflexive_priority(transport, priority(CandidateKind::Host, transport, LOCAL_PREFERENCE))
        };
        if let Generation { consent: Some(consent), local, remote: Some(remote), .. } = &mut self.current
            && let Some(id) = consent.take_due()
        {
            let priority = priority_on(consent.path());
            let request = Request { local, remote, role, priority };
            return Some(request.write(consent.path(), id, Nominating::No, buf));
        }
        let Previous { consent: Some(consent), local, remote: Some(remote), .. } = self.previous.as_mut()?
        else {
            return None;
        };
        let id = consent.take_due()?;
        let priority = priority_on(consent.path());
        Some(Request { local, remote, role, priority }.write(consent.path(), id, Nominating::No, buf))
    }

    pub(super) fn poll_check(&mut self, buf: &mut Vec<u8>) -> Option<Transmit> {
        let Generation { checklist, local, remote: Some(remote), .. } = &mut self.current else {
            return None;
        };
        let pair = checklist.take_due()?;
        let check = pair.transaction()?;
        let priority = peer_reflexive_priority(pair.path.candidate_transport(), pair.local_priority);
        let request = Request { local, remote, role: self.role, priority };
        Some(request.write(pair.path, check.id, check.nominating, buf))
    }
}
