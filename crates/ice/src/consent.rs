//! Consent freshness: may we still send on this path? (RFC 7675)
//!
//! A path is alive while a check was answered within 30 s. Checks go out every 5 s ± 20 %, each once: a lost
//! one is not repeated, the next one simply comes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use headwater_stun::TransactionId;

use crate::Path;
use crate::random::Random;

/// RFC 7675 §5.1: consent ends this long after the last valid response.
const EXPIRY: Duration = Duration::from_secs(30);
/// RFC 7675 §5.1: the mean interval between checks.
const INTERVAL: Duration = Duration::from_secs(5);
/// Checks that may still be answered: all that fit in the expiry.
const MAX_OPEN: usize = 8;

/// So many unanswered checks in a row are remembered: at a loss of 10 % in either direction that many are lost together
/// once in 700 times.
pub(crate) const ASKED: usize = 4;

/// Consent for one path.
#[derive(Debug)]
pub(crate) struct Consent {
    path: Path,
    next: Instant,
    expires: Instant,
    open: VecDeque<TransactionId>,
    due: Option<TransactionId>,
    /// When the last ones went out, if nothing was answered since; the latest stands last.
    asked: [Option<Instant>; ASKED],
    /// The connection is gone: nothing can be sent, and the time runs on.
    is_suspended: bool,
}

impl Consent {
    /// Starts with a path whose check was just answered.
    pub(crate) fn new(now: Instant, path: Path, random: &mut Random) -> Self {
        let next = now + interval(random);
        let open = VecDeque::new();
        Self { path, next, expires: now + EXPIRY, open, due: None, asked: [None; ASKED], is_suspended: false }
    }

    pub(crate) const fn path(&self) -> Path {
        self.path
    }

    /// Whether it is for this path and can be asked for there.
    pub(crate) fn is_for(&self, path: Path) -> bool {
        self.path == path && !self.is_suspended
    }

    /// The path's connection has ended: until another path is selected nothing is asked, and consent runs out.
    pub(crate) fn suspend(&mut self, path: Path) {
        if self.path == path {
            self.is_suspended = true;
            self.due = None;
            self.open.clear();
            self.asked = [None; ASKED];
        }
    }

    /// Whether this answers one of the checks.
    pub(crate) fn expects(&self, id: TransactionId) -> bool {
        self.open.contains(&id)
    }

    /// A valid response came; all older checks are forgotten.
    pub(crate) fn handle_response(&mut self, now: Instant) {
        self.open.clear();
        self.asked = [None; ASKED];
        self.expires = now + EXPIRY;
    }

    /// Makes the next check due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, random: &mut Random) {
        if now >= self.next {
            self.ask(now, random);
        }
    }

    /// How many of the last checks went out since `sign` and were not answered, and when the last one did.
    pub(crate) fn unanswered_since(&self, sign: Instant) -> Option<(usize, Instant)> {
        let since = || self.asked.iter().flatten().filter(|it| **it > sign);
        since().max().map(|it| (since().count(), *it))
    }

    /// Makes a check due now, whatever the interval: the path is in doubt, or the peer must hear that it is in use.
    pub(crate) fn ask(&mut self, now: Instant, random: &mut Random) {
        if self.is_suspended {
            return;
        }
        self.asked.rotate_left(1);
        if let Some(last) = self.asked.last_mut() {
            *last = Some(now);
        }
        self.next = now + interval(random);
        if self.open.len() == MAX_OPEN {
            self.open.pop_front();
        }
        let id = random.transaction_id();
        self.open.push_back(id);
        self.due = Some(id);
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        now >= self.expires
    }

    /// The check to write now.
    pub(crate) fn take_due(&mut self) -> Option<TransactionId> {
        self.due.take()
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        if self.is_suspended { self.expires } else { self.next.min(self.expires) }
    }
}

/// 4 to 6 s, so that many sessions begun at once don't check at once.
fn interval(random: &mut Random) -> Duration {
    INTERVAL.mul_f64(0.8 + 0.4 * random.fraction())
}
