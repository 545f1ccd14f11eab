//! What a restart replaces: credentials, the peer's candidates, checks, nomination, consent (RFC 8445 §9).

use std::time::{Duration, Instant};

use headwater_stun::{TransactionId, Transport};

use crate::agent::MAX_REMOTE_CANDIDATES;
use crate::candidate::{Candidate, CandidateKind, LOCAL_PREFERENCE, TcpType, priority};
use crate::check::{Nominating, Transaction};
use crate::checklist::Checklist;
use crate::consent::Consent;
use crate::credentials::Keyed;
use crate::nomination::Nomination;
use crate::pair::{CandidatePair, PairId, State};
use crate::{Error, Path, Role};

/// One generation of credentials and all that was found with them.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) number: u32,
    pub(crate) local: Keyed,
    pub(crate) remote: Option<Keyed>,
    remote_candidates: Vec<Candidate>,
    /// How many of them checks have found so far.
    found: u32,
    /// The peer will not signal more candidates.
    pub(crate) is_remote_complete: bool,
    pub(crate) checklist: Checklist,
    pub(crate) nomination: Nomination,
    pub(crate) is_nominated: bool,
    /// The highest number that was nominated with, by whichever side nominates; 0 if none was.
    pub(crate) nominated_number: u32,
    /// The highest number of ours that was answered.
    pub(crate) settled_number: u32,
    /// What the owner has chosen: a better pair doesn't take its place.
    pub(crate) chosen: Option<PairId>,
    pub(crate) consent: Option<Consent>,
    /// When checks could begin.
    pub(crate) started: Option<Instant>,
    pub(crate) has_failed: bool,
}

/// A replaced generation that still carries media.
#[derive(Debug)]
pub(crate) struct Previous {
    pub(crate) number: u32,
    pub(crate) local: Keyed,
    pub(crate) remote: Option<Keyed>,
    pub(crate) consent: Option<Consent>,
}

impl From<Generation> for Previous {
    fn from(Generation { number, local, remote, consent, .. }: Generation) -> Self {
        Self { number, local, remote, consent }
    }
}

impl Generation {
    pub(crate) fn new(local: Keyed, number: u32, now: Instant) -> Self {
        Self {
            number,
            local,
            remote: None,
            remote_candidates: Vec::new(),
            found: 0,
            is_remote_complete: false,
            checklist: Checklist::new(now),
            nomination: Nomination::default(),
            is_nominated: false,
            nominated_number: 0,
            settled_number: 0,
            chosen: None,
            consent: None,
            started: None,
            has_failed: false,
        }
    }

    /// Pairs a new local candidate with all of the peer's.
    pub(crate) fn pair_local(&mut self, local: &Candidate, role: Role) {
        for remote in &self.remote_candidates {
            self.checklist.add(local, remote, role);
        }
    }

    /// The peer's credentials, and none of its candidates that are of others: they came late, or by mistake.
    pub(crate) fn set_remote(&mut self, remote: Keyed, now: Instant, is_seen: impl Fn(&Path) -> bool) {
        let is_other = |it: &Candidate| it.ufrag.as_ref().is_some_and(|it| it != remote.ufrag());
        let others: Vec<Candidate> = self.remote_candidates.extract_if(.., |it| is_other(it)).collect();
        self.checklist
            .remove(|pair| others.iter().any(|it| it.is_at(pair.path.remote)) && !is_seen(&pair.path));
        self.remote = Some(remote);
        self.started = Some(now);
    }

    /// Adds a signalled candidate; `false` if there is no use for it.
    pub(crate) fn add_remote(
        &mut self,
        remote: Candidate,
        locals: &[Candidate],
        role: Role,
    ) -> Result<bool, Error> {
        let is_of_other_generation =
            |it: &Keyed| remote.ufrag.as_ref().is_some_and(|ufrag| ufrag != it.ufrag());
        if !remote.is_usable_remotely() || self.remote.as_ref().is_some_and(is_of_other_generation) {
            return Ok(false);
        }
        let is_known = |it: &&mut Candidate| it.address == remote.address && it.transport == remote.transport;
        if let Some(known) = self.remote_candidates.iter_mut().find(is_known) {
            // A peer's check may have come before its signalling. Both sides must order pairs alike, and a relay that looks
            // like a peer's own address would be preferred to what is direct.
            if known.kind == CandidateKind::PeerReflexive && known.tcp_type.is_none() {
                self.checklist.learn(&remote, role);
                for local in locals {
                    self.checklist.add(local, &remote, role);
                }
                *known = remote;
            }
            return Ok(false);
        }
        if !self.has_room() {
            return Err(Error::TooManyCandidates);
        }
        // A peer that moves names its new address while the old one is nominated: that is checked too.
        for local in locals {
            self.checklist.add(local, &remote, role);
        }
        self.remote_candidates.push(remote);
        Ok(true)
    }

    /// The pair of a path that the peer has checked; a new address becomes a peer-reflexive candidate
    /// (RFC 8445 §7.3.1.3).
    pub(crate) fn pair_for_check(
        &mut self,
        path: Path,
        local: &Candidate,
        announced: Option<u32>,
        role: Role,
    ) -> Option<PairId> {
        if let Some(id) = self.checklist.by_path(&path) {
            return Some(id);
        }
        let transport = path.candidate_transport();
        let is_known = |it: &&Candidate| it.transport == transport && it.socket_addr() == Some(path.remote);
        if let Some(remote) = self.remote_candidates.iter().find(is_known) {
            return self.checklist.insert(path, local, remote, role);
        }
        if !self.has_room() {
            return None;
        }
        let mut remote = Candidate::host(path.remote);
        remote.kind = CandidateKind::PeerReflexive;
        remote.transport = transport;
        // It opened the connection, whatever it calls itself.
        remote.tcp_type = (transport == Transport::Tcp).then_some(TcpType::Active);
        let usual = || priority(CandidateKind::PeerReflexive, transport, LOCAL_PREFERENCE);
        remote.priority = announced.unwrap_or_else(usual);
        // §7.3.1.3: a foundation that no other has.
        remote.foundation = format!("p{}", self.found);
        self.found = self.found.wrapping_add(1);
        let id = self.checklist.insert(path, local, &remote, role);
        self.remote_candidates.push(remote);
        id
    }

    /// Whether one more remote candidate fits. One that was only found by a check and has no valid pair makes room: a
    /// peer whose NAT or connection changes often has a new address each time.
    fn has_room(&mut self) -> bool {
        if self.remote_candidates.len() < MAX_REMOTE_CANDIDATES {
            return true;
        }
        let pairs = self.checklist.pairs();
        let is_in_use =
            |it: &Candidate| pairs.iter().any(|pair| pair.is_valid() && it.is_at(pair.path.remote));
        let is_idle = |it: &Candidate| it.kind == CandidateKind::PeerReflexive && !is_in_use(it);
        let Some(index) = self.remote_candidates.iter().position(is_idle) else { return false };
        self.remote_candidates.remove(index);
        true
    }

    pub(crate) fn begin_check(
        &mut self,
        id: PairId,
        transaction: TransactionId,
        role: Role,
        nominating: Nominating,
        rto: Duration,
        now: Instant,
    ) {
        let rto = self.checklist.rto(rto);
        let Some(pair) = self.checklist.get_mut(id) else { return };
        let mut check = Transaction::new(now, pair.path.transport, rto, transaction, role, nominating);
        let _is_not_given_up_yet = check.handle_timeout(now);
        pair.state = match pair.state {
            State::Succeeded { at, .. } => State::Succeeded { at, nominating: Some(check) },
            _ => State::InProgress(check),
        };
    }

    /// Whether there is a valid pair.
    pub(crate) fn has_valid(&self) -> bool {
        self.checklist.pairs().iter().any(CandidatePair::is_valid)
    }

    /// Whether a pair is valid or may still become so.
    pub(crate) fn has_hope(&self) -> bool {
        self.checklist.pairs().iter().any(|it| it.is_valid() || it.is_open())
    }
}

impl Candidate {
    /// Whether agents here can send to it or from it: an address, the one component, and over TCP one side that opens
    /// the connection.
    pub(crate) fn is_usable(&self) -> bool {
        self.socket_addr().is_some()
            && self.component == crate::candidate::COMPONENT
            && self.tcp_type != Some(TcpType::SimultaneousOpen)
    }

    /// The same of a candidate of the peer. An active one is found by its checks: its port says nothing.
    fn is_usable_remotely(&self) -> bool {
        self.is_usable() && self.tcp_type != Some(TcpType::Active)
    }

    fn is_at(&self, address: std::net::SocketAddr) -> bool {
        self.socket_addr() == Some(address)
    }
}
