//! Answers to our checks (RFC 8445 §7.2.5).

use std::net::SocketAddr;
use std::time::Instant;

use headwater_stun::{Message, Transport};

use super::{Agent, MAX_FOUND_CANDIDATES};
use crate::check::{self, Nominating, Outcome};
use crate::generation::Generation;
use crate::pair::{PairId, State};
use crate::{Candidate, Error, Event, Path, Role};

impl Agent {
    /// The response to a check or to consent (RFC 8445 §7.2.5).
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        response: &Message<'_>,
        path: Path,
    ) -> Result<(), Error> {
        let id = response.transaction_id();
        let Generation { checklist, remote, consent, number, .. } = &self.current;
        if let (Some(pair), Some(remote)) = (checklist.by_transaction(id), remote) {
            let outcome = check::read_response(response, remote, pair.path, path)?;
            let pair = pair.id;
            self.now = self.now.max(now);
            self.handle_outcome(pair, path, outcome);
            return Ok(());
        }
        let old = self.previous.as_ref();
        let of_current = consent.as_ref().zip(remote.as_ref()).map(|it| (it, *number));
        let of_previous = old.and_then(|it| it.consent.as_ref().zip(it.remote.as_ref()).zip(Some(it.number)));
        let consents = [of_current, of_previous].into_iter().flatten();
        let Some(((consent, remote), number)) = consents.into_iter().find(|it| it.0.0.expects(id)) else {
            return Err(Error::Unexpected);
        };
        if !matches!(check::read_response(response, remote, consent.path(), path)?, Outcome::Success(_)) {
            return Err(Error::Unexpected);
        }
        self.now = self.now.max(now);
        self.note_valid(path, number);
        let previous = self.previous.as_mut().and_then(|it| it.consent.as_mut());
        let consents = [self.current.consent.as_mut(), previous].into_iter().flatten();
        consents.filter(|it| it.expects(id)).for_each(|it| it.handle_response(self.now));
        Ok(())
    }

    fn handle_outcome(&mut self, id: PairId, path: Path, outcome: Outcome) {
        let Some(pair) = self.current.checklist.get_mut(id) else { return };
        let Some((role, nominating)) = pair.transaction().map(|it| (it.role, it.nominating)) else { return };
        match outcome {
            Outcome::Success(mapped) => {
                pair.round_trip =
                    pair.transaction().and_then(|it| it.round_trip(self.now)).or(pair.round_trip);
                pair.state = State::Succeeded { at: self.now, nominating: None };
                let (foundation, nominated_by_peer) = (pair.foundation, pair.nominated_by_peer);
                self.current.checklist.thaw(foundation);
                self.current.nomination.note_valid(self.now);
                self.note_valid(path, self.current.number);
                self.learn_local(mapped, path);
                match self.role.role {
                    Role::Controlling if nominating != Nominating::No => self.settle(id, nominating),
                    Role::Controlled if nominated_by_peer != Nominating::No => {
                        self.follow(id, nominated_by_peer);
                    }
                    _ => self.prefer(id),
                }
            }
            Outcome::RoleConflict => {
                pair.state = State::Waiting;
                self.current.checklist.trigger(id, self.now);
                // RFC 8445 §7.2.5.1. A late answer to a check made in the role before changes nothing.
                if role == self.role.role && !self.is_remote_lite {
                    self.set_role(role.opposite());
                    self.role.tie_breaker = self.random.tie_breaker();
                }
            }
            Outcome::Refused => {
                pair.state = State::Failed;
                self.forget_failed(id);
            }
        }
    }

    /// The peer saw us at `mapped`: if that's new it is a peer-reflexive candidate (RFC 8445 §7.2.5.3.1).
    fn learn_local(&mut self, mapped: SocketAddr, path: Path) {
        let transport = path.candidate_transport();
        let is_at = |it: &Candidate| it.transport == transport && it.socket_addr() == Some(mapped);
        // Without a NAT a connection of ours is seen at its own port, which belongs to an active candidate.
        let is_own = transport == Transport::Tcp && mapped == path.local;
        let is_known = is_own || self.local_candidates.iter().any(is_at);
        if !is_known && self.found_candidates() < MAX_FOUND_CANDIDATES {
            let candidate = Candidate::peer_reflexive(transport, mapped, path.local);
            self.local_candidates.push(candidate.clone());
            self.events.push_back(Event::LocalCandidate(candidate));
        }
    }
}
