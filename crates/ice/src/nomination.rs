//! Which valid pair the controlling agent settles on, and when (RFC 8445 §8.1.1).

use std::time::{Duration, Instant};

use crate::answer::Check;
use crate::check::{Nominating, Transaction};
use crate::checklist::Checklist;
use crate::pair::{CandidatePair, PairId};

/// How long better pairs get after the first valid one. Media flows on the first meanwhile.
const PATIENCE: Duration = Duration::from_millis(300);
/// The most that they get where the first is of a worse kind: over a relay, or over TCP. Within it their checks have been
/// repeated, so that one lost datagram doesn't decide; pairs that have had that chance are not waited for.
const MAX_PATIENCE: Duration = Duration::from_secs(1);
/// An answer is given no less than this, and as long as that of the pair that is there already took.
const ANSWER: Duration = Duration::from_millis(150);

/// How fast to nominate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Haste {
    /// Whatever is there: a lite peer checks nothing and has no NAT before it.
    AtOnce,
    /// After [`PATIENCE`]: the nomination can be taken back.
    Soon,
    /// It is for good, so a pair of a better kind gets up to [`MAX_PATIENCE`].
    Final,
}

/// How the controlling agent nominates.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NominationMode {
    /// The best pair, by a check of its own, when no better one is likely to come (RFC 8445 §8.1.1).
    #[default]
    Regular,
    /// Each check nominates (RFC 5245 §8.1.1.2), and the best of the pairs that succeed counts. It saves a round trip,
    /// and media may move a few times in the beginning. RFC 8445 has given it up; peers still follow it. Regular is
    /// used all the same against lite peers, which can't tell which pair is better, and where renomination was agreed.
    Aggressive,
}

/// Decides what to nominate.
#[derive(Debug, Default)]
pub(crate) struct Nomination {
    first_valid: Option<Instant>,
}

impl Nomination {
    /// A pair became valid.
    pub(crate) fn note_valid(&mut self, now: Instant) {
        self.first_valid.get_or_insert(now);
    }

    /// The pair to nominate now: the best valid one, once no better one can come or patience has ended.
    pub(crate) fn choose(&self, checklist: &Checklist, now: Instant, haste: Haste) -> Option<PairId> {
        if is_nominating(checklist) {
            return None;
        }
        let best = checklist.pairs().iter().find(|it| it.is_valid())?;
        let is_time = self.patience_ends(checklist, best, haste).is_none_or(|it| it <= now);
        is_time.then_some(best.id)
    }

    /// When [`choose`](Self::choose) may decide otherwise by time alone.
    pub(crate) fn poll_timeout(&self, checklist: &Checklist, haste: Haste) -> Option<Instant> {
        let best = checklist.pairs().iter().find(|it| it.is_valid())?;
        let ends = self.patience_ends(checklist, best, haste).or(self.first_valid);
        ends.filter(|_| !is_nominating(checklist))
    }

    /// `None`: there is nothing to wait for.
    fn patience_ends(&self, checklist: &Checklist, best: &CandidatePair, haste: Haste) -> Option<Instant> {
        let first = self.first_valid.filter(|_| haste != Haste::AtOnce)?;
        // Pairs stand best first, so those before it are better.
        let better = || checklist.pairs().iter().take_while(|it| it.id != best.id).filter(|it| it.is_open());
        better().next()?;
        let (soon, latest) = (first + PATIENCE, first + MAX_PATIENCE);
        if haste == Haste::Soon {
            return Some(soon);
        }
        let answer = best.round_trip.unwrap_or(ANSWER).max(ANSWER);
        let of_better_kind = better().filter(|it| it.directness() > best.directness());
        let chances = of_better_kind.map(|it| it.chance_ends(answer).unwrap_or(latest));
        Some(chances.max().map_or(soon, |it| it.clamp(soon, latest)))
    }
}

/// Whether and how a check of the controlling peer nominates its pair. Where numbers were agreed on, only a higher one
/// than `highest` does, and without any the peer has not begun to count. (Chrome sends its numbers without
/// USE-CANDIDATE.)
pub(crate) fn read(check: &Check, renominates: bool, highest: &mut u32) -> Nominating {
    match check.nomination.filter(|_| renominates) {
        Some(number) if number > *highest => {
            *highest = number;
            Nominating::Numbered(number)
        }
        None if check.use_candidate && *highest == 0 => Nominating::Plain,
        _ => Nominating::No,
    }
}

/// Whether a nominating check is under way.
pub(crate) fn is_nominating(checklist: &Checklist) -> bool {
    let nominates = |it: &Transaction| it.nominating != Nominating::No;
    let is_nominating = |it: &CandidatePair| it.is_valid() && it.transaction().is_some_and(nominates);
    checklist.pairs().iter().any(is_nominating)
}
