//! Which pair is nominated, and which path carries media (RFC 8445 §8).

use std::time::Instant;

use super::Agent;
use crate::check::Nominating;
use crate::consent::Consent;
use crate::generation::Generation;
use crate::nomination::{Haste, NominationMode, is_nominating};
use crate::pair::{CandidatePair, PairId};
use crate::paths::QUIET_SILENCE;
use crate::{Error, Event, Path, Role};

impl Agent {
    /// Nominates another valid pair, for reasons that are the owner's; better ones are nominated without it. Once
    /// it is nominated nothing but its end, its silence or a restart moves media.
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
                self.current.chosen = Some(id);
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

    /// How long better pairs are waited for before a nomination.
    pub(super) const fn haste(&self) -> Haste {
        if self.is_remote_lite {
            Haste::AtOnce
        } else if self.renominates() {
            Haste::Soon
        } else {
            Haste::Final
        }
    }

    /// The pair to nominate now, if that is our part: `successor` takes the place of a silent one.
    pub(super) fn to_nominate(&self, successor: Option<PairId>) -> Option<PairId> {
        let Generation { checklist, nomination, is_nominated, remote, .. } = &self.current;
        if self.role.role != Role::Controlling || remote.is_none() {
            return None;
        }
        if !is_nominated {
            return nomination.choose(checklist, self.now, self.haste());
        }
        successor.or_else(|| self.improvement()).or_else(|| self.unsettled())
    }

    /// The selected pair, if the peer may have followed a later nomination whose answer never came: a higher number ends
    /// the doubt.
    fn unsettled(&self) -> Option<PairId> {
        let Generation { checklist, nominated_number, settled_number, .. } = &self.current;
        let is_in_doubt = self.renominates() && nominated_number > settled_number;
        let selected = checklist.get(checklist.by_path(&self.selected?)?)?;
        (is_in_doubt && !is_nominating(checklist) && selected.is_valid()).then_some(selected.id)
    }

    /// A valid pair better than the nominated one. Only numbers let us move there: a peer of RFC 8445 doesn't expect it.
    fn improvement(&self) -> Option<PairId> {
        let checklist = &self.current.checklist;
        if !self.renominates() || is_nominating(checklist) {
            return None;
        }
        let best = checklist.pairs().iter().find(|it| it.is_valid())?;
        let selected = checklist.get(checklist.by_path(&self.selected?)?)?;
        let role = self.role.role;
        let is_better = best.priority(role) > selected.priority(role);
        (is_better && self.current.chosen != Some(selected.id)).then_some(best.id)
    }

    /// A check of ours that nominates was answered.
    pub(super) fn settle(&mut self, id: PairId, nominating: Nominating) {
        match nominating {
            // A later nomination was answered before.
            Nominating::Numbered(number) if number < self.current.settled_number => {}
            Nominating::Numbered(number) => {
                self.current.settled_number = number;
                self.nominate(id);
            }
            Nominating::Plain if self.is_aggressive() => {
                if !self.current.is_nominated || self.is_better(id) {
                    self.current.is_nominated = true;
                    self.select(id);
                }
                let selected = self.selected.and_then(|it| self.current.checklist.by_path(&it));
                let dropped = selected.map(|it| self.current.checklist.drop_worse_than(it));
                self.tell_needless(dropped.unwrap_or_default());
            }
            Nominating::Plain | Nominating::No => self.nominate(id),
        }
    }

    /// The peer nominates a pair that is valid.
    ///
    /// By number: the latest counts, which is this one unless a higher number came meanwhile. Without numbers: a peer of
    /// RFC 5245 nominates aggressively, many pairs in turn: then the best of them counts. One that moves all the same is
    /// followed when it has sent nothing along the selected pair for longer than its consent may take.
    pub(super) fn follow(&mut self, id: PairId, nominating: Nominating) {
        let highest = self.current.nominated_number;
        match nominating {
            Nominating::Numbered(number) if number == highest => self.nominate(id),
            Nominating::Plain if highest == 0 => {
                let received = self.selected.and_then(|it| self.paths.get(&it)).map(|it| it.received);
                let is_silent = received.is_none_or(|it| self.now >= it + QUIET_SILENCE);
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
        let renominates = self.renominates();
        self.current.is_nominated = true;
        self.select(id);
        // Where the nomination may be taken back, better pairs are still worth their checks.
        let checklist = &mut self.current.checklist;
        let needless = if renominates { checklist.drop_worse_than(id) } else { checklist.complete(id) };
        self.tell_needless(needless);
    }

    /// The best pair that media may take at once. One that was silent for too long needs another check first.
    pub(super) fn best_valid(&self) -> Option<PairId> {
        let is_valid = |it: &&CandidatePair| it.is_valid() && self.paths.get(&it.path).is_some();
        self.current.checklist.pairs().iter().find(is_valid).map(|it| it.id)
    }

    /// Whether a pair is better than the selected one, or that is none of the checklist's.
    fn is_better(&self, id: PairId) -> bool {
        let Generation { checklist, .. } = &self.current;
        let priority_of = |it: &CandidatePair| it.priority(self.role.role);
        let selected = self.selected.and_then(|it| checklist.by_path(&it)).and_then(|it| checklist.get(it));
        selected.is_none_or(|it| Some(priority_of(it)) < checklist.get(id).map(priority_of))
    }
}
