//! Which valid pair the controlling agent settles on, and when (RFC 8445 §8.1.1).

use std::time::{Duration, Instant};

use crate::answer::Check;
use crate::check::Nominating;
use crate::checklist::Checklist;
use crate::pair::{CandidatePair, PairId, State};

/// How long better pairs get after the first valid one. Media flows on the first meanwhile.
const PATIENCE: Duration = Duration::from_millis(300);

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
    ///
    /// A lite peer checks nothing and has no NAT before it, so `is_hasty` takes what is there.
    pub(crate) fn choose(&self, checklist: &Checklist, now: Instant, is_hasty: bool) -> Option<PairId> {
        if is_nominating(checklist) {
            return None;
        }
        let best = checklist.pairs().iter().find(|it| it.is_valid())?;
        // Pairs stand best first, so those before it are better.
        let hope = checklist.pairs().iter().take_while(|it| it.id != best.id).any(CandidatePair::is_open);
        let is_time = self.first_valid.is_some_and(|it| now >= it + PATIENCE);
        (is_hasty || is_time || !hope).then_some(best.id)
    }

    /// When [`choose`](Self::choose) may decide otherwise by time alone.
    pub(crate) fn poll_timeout(&self, checklist: &Checklist) -> Option<Instant> {
        let has_valid = checklist.pairs().iter().any(CandidatePair::is_valid);
        self.first_valid.filter(|_| has_valid && !is_nominating(checklist)).map(|it| it + PATIENCE)
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
    checklist.pairs().iter().any(|it| matches!(it.state, State::Succeeded { nominating: Some(_), .. }))
}
