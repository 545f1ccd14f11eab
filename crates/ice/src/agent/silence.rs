//! Whether the selected path still lives, and which one takes its place (RFC 8445 says nothing of it; RFC 7675 only when
//! sending must end).
//!
//! A path is in doubt when a consent check stays unanswered, or when nothing came for 3 s where a stream has ended or
//! another path has a newer sign of the peer. Then it is asked: it counts as silent when four checks in a row, each given
//! two round trips and no less than half an RTO, and all else stay out. So a quiet session never moves while its path
//! answers; one that is dead is left some 4 s after its stream has ended, or a second after the next consent check.
//! Other valid pairs are checked then, best first; the first that answers takes over, or the one that the peer was last
//! seen on: it may have a new address and not know. (RFC 7675 §5.1 wants 4 s between consent checks. These are four at
//! most, for a path that nobody is sure of, and stop there.) With no other pair there is nothing to doubt: consent decides.

use std::time::Instant;

use super::Agent;
use crate::Role;
use crate::check::Nominating;
use crate::consent::ASKED;
use crate::generation::Generation;
use crate::nomination::is_nominating;
use crate::pair::{CandidatePair, PairId, State};
use crate::paths::STREAM_SILENCE;

/// What to do about a path in doubt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Doubt {
    /// Ask the selected path.
    Ask,
    /// Check another pair.
    Check(PairId),
    /// Let it take over.
    Move(PairId),
}

impl Agent {
    /// Does what is due, and returns the pair that takes over.
    pub(super) fn doubt(&mut self) -> Option<PairId> {
        let (doubt, at) = self.next_doubt()?;
        if at > self.now {
            return None;
        }
        match doubt {
            Doubt::Ask => self.ask(),
            Doubt::Check(id) => {
                self.current.checklist.pace(self.now);
                self.begin_check(id, Nominating::No);
            }
            Doubt::Move(id) => return Some(id),
        }
        None
    }

    /// Asks the selected path at once.
    pub(super) fn ask(&mut self) {
        if let Some(consent) = &mut self.current.consent {
            consent.ask(self.now, &mut self.random);
        }
    }

    /// What to do next, and when.
    pub(super) fn next_doubt(&self) -> Option<(Doubt, Instant)> {
        let Generation { checklist, consent, remote, is_nominated, .. } = &self.current;
        if remote.is_none() || is_nominating(checklist) {
            return None;
        }
        let Some(selected) = self.selected else {
            // The path is gone, and what else had worked was not heard of for long. Who controls nominates instead.
            let is_unasked = |it: &&CandidatePair| it.is_valid() && it.transaction().is_none();
            let stale = checklist.pairs().iter().find(is_unasked);
            let stale = stale.filter(|_| self.role.role == Role::Controlled);
            return stale.map(|it| (Doubt::Check(it.id), checklist.paced()));
        };
        if !is_nominated {
            return None;
        }
        let valid = self.paths.get(&selected)?;
        let sign = valid.last_sign();
        let others = || checklist.pairs().iter().filter(|it| it.is_valid() && it.path != selected);
        others().next()?;
        let newer = others()
            .filter_map(|it| self.paths.get(&it.path).map(|path| (it.id, path.checked)))
            .filter(|it| it.1 > sign)
            .max_by_key(|it| it.1);
        let round_trip = checklist.by_path(&selected).and_then(|id| checklist.get(id)?.round_trip);
        let wait = round_trip.map_or(self.rto, |it| (self.rto / 2).max(2 * it));
        match consent.as_ref().filter(|it| it.is_for(selected))?.unanswered_since(sign) {
            None if newer.is_some() || (valid.is_stream() && valid.received == sign) => {
                Some((Doubt::Ask, sign + STREAM_SILENCE))
            }
            None => None,
            Some((times, last)) if times < ASKED => Some((Doubt::Ask, last + wait)),
            Some((_, last)) => {
                let is_unasked = |pair: &&CandidatePair| match pair.state {
                    State::Succeeded { at, nominating: None } => at <= last,
                    _ => false,
                };
                let next =
                    || others().find(is_unasked).map(|pair| (Doubt::Check(pair.id), checklist.paced()));
                let (doubt, at) = newer.map(|(id, _)| (Doubt::Move(id), self.now)).or_else(next)?;
                Some((doubt, at.max(last + wait)))
            }
        }
    }
}
