//! Which pair is nominated, and which path carries media (RFC 8445 §8).

use std::time::{Duration, Instant};

use super::Agent;
use crate::check::Nominating;
use crate::consent::Consent;
use crate::generation::Generation;
use crate::nomination::{NominationMode, is_nominating};
use crate::pair::{CandidatePair, PairId};
use crate::{Error, Event, Path, Role};

/// How long the nominated pair must be silent before another one takes its place.
const MIGRATION_SILENCE: Duration = Duration::from_secs(3);

impl Agent {
    /// Nominates another valid pair, for reasons that are the owner's; better ones are nominated without it. From
    /// then on nothing but the end of the path, its silence or a restart moves media.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if we don't control, if renomination was not agreed on, or if no valid pair has this path.
    /// [`Error::Closed`].
    pub fn renominate(&mut self, now: Instant, path: &Path) -> Result<(), Error> {
        self.check_open()?;
        let pair = self.current.checklist.by_path(path).and_then(|id| self.current.checklist.get(id));
        match pair {
            Some(pair) if pair.is_valid() && self.renominates() && self.role.role == Role::Controlling => {
                let id = pair.id;
                self.now = self.now.max(now);
                let nominating = self.next_nomination();
                self.current.is_chosen = true;
                self.begin_check(id, nominating);
                Ok(())
            }
            _ => Err(Error::Unexpected),
        }
    }

    pub(super) fn set_role(&mut self, role: Role) {
        if role != self.role.role {
            self.role.switch();
            self.current.checklist.sort(role);
        }
    }

    /// Whether both sides have agreed on numbered nominations.
    pub(super) const fn renominates(&self) -> bool {
        matches!(self.renomination, (true, true))
    }

    fn is_aggressive(&self) -> bool {
        self.role.role == Role::Controlling
            && self.nomination == NominationMode::Aggressive
            && !self.is_remote_lite
            && !self.renominates()
    }

    /// What a check says that has no other reason to nominate.
    pub(super) fn ordinary_nomination(&self) -> Nominating {
        if self.is_aggressive() { Nominating::Plain } else { Nominating::No }
    }

    /// How the next nomination is said.
    pub(super) fn next_nomination(&mut self) -> Nominating {
        if !self.renominates() {
            return Nominating::Plain;
        }
        let number = &mut self.current.nominated_number;
        *number = number.saturating_add(1);
        Nominating::Numbered(*number)
    }

    /// The pair to nominate now, if that is our part.
    pub(super) fn to_nominate(&self) -> Option<PairId> {
        let Generation { checklist, nomination, is_nominated, remote, .. } = &self.current;
        if self.role.role != Role::Controlling || remote.is_none() {
            return None;
        }
        if !is_nominated {
            return nomination.choose(checklist, self.now, self.is_remote_lite);
        }
        let silent = self.migration().filter(|(_, at)| *at <= self.now).map(|(id, _)| id);
        silent.or_else(|| self.improvement())
    }

    /// A valid pair better than the nominated one. Only numbers let us move there: a peer of RFC 8445 doesn't expect it.
    fn improvement(&self) -> Option<PairId> {
        let checklist = &self.current.checklist;
        if !self.renominates() || self.current.is_chosen || is_nominating(checklist) {
            return None;
        }
        let best = checklist.pairs().iter().find(|it| it.is_valid())?;
        let selected = checklist.get(checklist.by_path(&self.selected?)?)?;
        let role = self.role.role;
        (best.priority(role) > selected.priority(role)).then_some(best.id)
    }

    /// The valid pair to move to, and when, if the nominated one stays silent: the peer has a new address.
    pub(super) fn migration(&self) -> Option<(PairId, Instant)> {
        let Generation { checklist, is_nominated, .. } = &self.current;
        if !is_nominated || is_nominating(checklist) {
            return None;
        }
        let selected = self.paths.get(&self.selected?)?;
        let newer = self.paths.iter().filter(|it| it.checked > selected.received);
        let valid = newer.filter_map(|it| {
            let id = checklist.by_path(&it.path)?;
            checklist.get(id).filter(|pair| pair.is_valid()).map(|_| (id, it.checked))
        });
        valid.max_by_key(|it| it.1).map(|(id, _)| (id, selected.received + MIGRATION_SILENCE))
    }

    /// A check of ours that nominates was answered.
    pub(super) fn settle(&mut self, id: PairId, nominating: Nominating) {
        match nominating {
            // A later nomination is under way.
            Nominating::Numbered(number) if number != self.current.nominated_number => {}
            Nominating::Plain if self.is_aggressive() => {
                if !self.current.is_nominated || self.is_better(id) {
                    self.current.is_nominated = true;
                    self.select(id);
                }
                let selected = self.selected.and_then(|it| self.current.checklist.by_path(&it));
                let dropped = selected.map(|it| self.current.checklist.drop_worse_than(it));
                self.tell_needless(dropped.unwrap_or_default());
            }
            _ => self.nominate(id),
        }
    }

    /// The peer nominates a pair that is valid.
    ///
    /// By number: the latest counts, which is this one unless a higher number came meanwhile. Without numbers: a peer of
    /// RFC 5245 nominates aggressively, many pairs in turn: then the best of them counts. One that moves all the same is
    /// followed when the selected pair has fallen silent.
    pub(super) fn follow(&mut self, id: PairId, nominating: Nominating) {
        let highest = self.current.nominated_number;
        match nominating {
            Nominating::Numbered(number) if number == highest => self.nominate(id),
            Nominating::Plain if highest == 0 => {
                let received = self.selected.and_then(|it| self.paths.get(&it)).map(|it| it.received);
                let is_silent = received.is_none_or(|it| self.now >= it + MIGRATION_SILENCE);
                if !self.current.is_nominated || self.is_better(id) || is_silent {
                    self.nominate(id);
                }
            }
            _ => self.prefer(id),
        }
    }

    /// Before a nomination the best valid pair carries media.
    pub(super) fn prefer(&mut self, id: PairId) {
        if !self.current.is_nominated && self.best_valid() == Some(id) {
            self.select(id);
        }
    }

    pub(super) fn select(&mut self, id: PairId) {
        let Some(path) = self.current.checklist.get(id).map(|it| it.path) else { return };
        if self.selected != Some(path) {
            self.selected = Some(path);
            self.events.push_back(Event::PathSelected(path));
        }
        // A path that was consented to keeps its timers; after a restart consent needs the new credentials.
        if self.current.consent.as_ref().is_none_or(|it| !it.is_for(path)) {
            self.current.consent = Some(Consent::new(self.now, path, &mut self.random));
        }
        self.previous = None;
    }

    fn nominate(&mut self, id: PairId) {
        self.current.is_nominated = true;
        self.select(id);
        let needless = self.current.checklist.complete(id);
        self.tell_needless(needless);
    }

    pub(super) fn best_valid(&self) -> Option<PairId> {
        self.current.checklist.pairs().iter().find(|it| it.is_valid()).map(|it| it.id)
    }

    /// Whether a pair is better than the selected one, or that is none of the checklist's.
    fn is_better(&self, id: PairId) -> bool {
        let Generation { checklist, .. } = &self.current;
        let priority_of = |it: &CandidatePair| it.priority(self.role.role);
        let selected = self.selected.and_then(|it| checklist.by_path(&it)).and_then(|it| checklist.get(it));
        selected.is_none_or(|it| Some(priority_of(it)) < checklist.get(id).map(priority_of))
    }
}
