//! Checks that come in (RFC 8445 §7.3).

use std::time::Instant;

use headwater_stun::{Message, Transport};

use super::Agent;
use crate::answer::{self, Answer, Check, Kind};
use crate::check::Nominating;
use crate::credentials::Keyed;
use crate::generation::Generation;
use crate::nomination;
use crate::paths::ValidPath;
use crate::role::Conflict;
use crate::{Candidate, Error, Event, Path, Role, TcpType};

impl Agent {
    /// A check of the peer (RFC 8445 §7.3).
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        request: &Message<'_>,
        path: Path,
    ) -> Result<(), Error> {
        let generation = self.authenticate(request)?;
        let check = Check::parse(request)?;
        let local = self.local_of(&path).cloned().ok_or(Error::UnknownLocalAddress)?;
        let is_repeated = self.recent.contains(check.transaction_id);
        if is_repeated && !self.is_validated(&path) {
            return Err(Error::Replayed);
        }
        if !self.answers.has_room() {
            return Err(Error::Overloaded);
        }

        // From here on the request is the peer's and gets its answer.
        self.now = self.now.max(now);
        let conflict = if is_repeated { Conflict::None } else { self.role.compare(&check) };
        let kind = match conflict {
            _ if !check.unknown.is_empty() => Kind::UnknownAttributes(check.unknown),
            Conflict::PeerSwitches => Kind::RoleConflict,
            Conflict::None | Conflict::WeSwitch => Kind::Success,
        };
        self.answers.push(Answer { path, transaction_id: check.transaction_id, kind, generation });
        if is_repeated {
            return Ok(());
        }
        self.recent.insert(check.transaction_id);
        if matches!(kind, Kind::Success) {
            if conflict == Conflict::WeSwitch {
                self.set_role(self.role.role.opposite());
            }
            self.note_valid(path, generation);
            if let Some(valid) = self.paths.get_mut(&path) {
                valid.note_received(self.now);
            }
            if generation == self.current.number {
                self.trigger(path, &local, &check);
            }
        }
        Ok(())
    }

    /// Which generation of credentials the request is for.
    fn authenticate(&self, request: &Message<'_>) -> Result<u32, Error> {
        let Generation { local, remote, number, .. } = &self.current;
        let result = answer::authenticate(request, local, remote.as_ref().map(Keyed::ufrag));
        match (result, &self.previous) {
            (Err(Error::Unauthentic), Some(it)) => {
                answer::authenticate(request, &it.local, it.remote.as_ref().map(Keyed::ufrag))
                    .map(|()| it.number)
            }
            (result, _) => result.map(|()| *number),
        }
    }

    /// The candidate of ours that a datagram came to.
    fn local_of(&self, path: &Path) -> Option<&Candidate> {
        let is_at = |it: &&Candidate| {
            it.transport == path.candidate_transport()
                && it.tcp_type != Some(TcpType::Active)
                && it.base() == Some(path.local)
        };
        // A connection that we have opened has a port of its own, and perhaps another address: routing chooses it.
        let is_ours = |it: &&Candidate| {
            let is_of_family = it.base().is_some_and(|it| it.is_ipv4() == path.local.is_ipv4());
            it.tcp_type == Some(TcpType::Active) && is_of_family
        };
        let is_known = || self.current.checklist.by_path(path).is_some() || self.is_validated(path);
        self.local_candidates.iter().find(is_at).or_else(|| {
            let opened = path.transport == Transport::Tcp && is_known();
            self.local_candidates.iter().find(is_ours).filter(|_| opened)
        })
    }

    /// The peer checked this path: so do we, and follow its nomination (RFC 8445 §7.3.1.3 to §7.3.1.5).
    fn trigger(&mut self, path: Path, local: &Candidate, check: &Check) {
        let Self { current, role, now, .. } = self;
        let Some(id) = current.pair_for_check(path, local, check.priority, role.role) else { return };
        current.checklist.trigger(id, *now);
        if role.role == Role::Controlling {
            return;
        }
        let renominates = self.renominates();
        let nominating = nomination::read(check, renominates, &mut self.current.nominated_number);
        let Some(pair) = self.current.checklist.get_mut(id).filter(|_| nominating != Nominating::No) else {
            return;
        };
        pair.nominated_by_peer = nominating;
        if pair.is_valid() {
            self.follow(id, nominating);
        }
    }

    /// Something authenticated came along `path`.
    pub(super) fn note_valid(&mut self, path: Path, generation: u32) {
        let now = self.now;
        if let Some(valid) = self.paths.get_mut(&path) {
            (valid.checked, valid.generation) = (now, generation);
            return;
        }
        let valid = ValidPath::new(path, generation, now);
        if let Some(evicted) = self.paths.insert(valid, self.selected) {
            self.events.push_back(Event::Removed(evicted));
        }
        self.events.push_back(Event::Validated(path));
    }
}
