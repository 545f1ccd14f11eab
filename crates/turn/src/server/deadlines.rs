//! What is due when. Exact: what has ended is taken out, so there are as many as there are things.

use std::collections::BTreeSet;
use std::time::Instant;

/// Whose time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// An allocation expires, or its relay was not opened in time.
    Allocation(u32),
    /// Nobody came with the token.
    Reservation(u32),
    /// A connection was not made in time, or nobody came for it.
    Connection(u32),
    /// A user's account may be forgotten.
    User(u32),
    /// An address's account may be forgotten.
    Address(u32),
}

/// All that is due at some time.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Instant, Timer)>);

impl Deadlines {
    pub(super) fn insert(&mut self, at: Instant, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(super) fn remove(&mut self, at: Instant, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes one whose time has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Timer> {
        self.next().filter(|at| *at <= now)?;
        self.0.pop_first().map(|(_, timer)| timer)
    }
}
