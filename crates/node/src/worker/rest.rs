//! How a worker waits, and how long it lets media gather before it looks again.
//!
//! A wake-up costs about as much as ten messages: the system's scheduler, an empty cache. One publisher's frame to a hundred
//! viewers pays for it; the sound of thirty publishers to ten viewers each, which comes in a piece at a time, does not.
//! Where pieces are small and many, the worker rests until some have come. A loaded worker never rests: what comes while it
//! works waits in the socket.

use std::io;
use std::time::{Duration, Instant};

use mio::Events;

use super::Worker;
use super::turn::Turn;
use crate::clock;

/// Without a deadline the loop still looks around this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// How long to wait for room in a full socket before trying again.
const FULL_SOCKET_SLEEP: Duration = Duration::from_millis(1);
/// The longest rest. Sound comes every 20 ms, and is played later than that.
const LONGEST: Duration = Duration::from_millis(4);
/// Messages that make a wake-up worth while.
const ENOUGH: u32 = 64;
/// With more messages for a piece of media than this a rest gathers too few pieces.
const MOST_PER_ROUND: u32 = 32;
/// Over which time it is counted.
const WINDOW: Duration = Duration::from_millis(100);

/// What a worker sends for what it receives, and what follows for its rests.
#[derive(Debug)]
pub(super) struct Rest {
    longest: Duration,
    since: Instant,
    rounds: u32,
    messages: u32,
    current: Duration,
    /// The last turn forwarded something.
    is_due: bool,
}

impl Rest {
    /// No rest is longer than `window`, the time that packets may wait to leave together.
    pub(super) fn new(now: Instant, window: Duration) -> Self {
        Self {
            longest: LONGEST.min(window),
            since: now,
            rounds: 0,
            messages: 0,
            current: Duration::ZERO,
            is_due: false,
        }
    }

    /// A turn forwarded in `rounds` broadcasts, with `messages`. HOT.
    pub(super) fn note(&mut self, now: Instant, rounds: usize, messages: usize) {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.is_due = rounds > 0 && !self.longest.is_zero();
        self.rounds = self.rounds.saturating_add(count(rounds));
        self.messages = self.messages.saturating_add(count(messages));
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= WINDOW {
            self.current = self.suits(elapsed);
            self.since = now;
            self.rounds = 0;
            self.messages = 0;
        }
    }

    /// The rest in which enough gathers at the rate of the last window, if that is short and several pieces gather.
    fn suits(&self, elapsed: Duration) -> Duration {
        let gathering = elapsed.saturating_mul(ENOUGH) / self.messages.max(1);
        let is_worth_while = self.messages <= self.rounds.saturating_mul(MOST_PER_ROUND);
        // Half of that is still worth a wake-up.
        if is_worth_while && gathering <= self.longest * 2 {
            gathering.min(self.longest)
        } else {
            Duration::ZERO
        }
    }

    /// When the turn that began at `now` may be followed by the next.
    pub(super) fn ends(&mut self, now: Instant) -> Option<Instant> {
        (std::mem::take(&mut self.is_due) && !self.current.is_zero()).then(|| now + self.current)
    }
}

impl Worker {
    /// Waits until something comes or `timeout` is over.
    pub(super) fn wait(&mut self, events: &mut Events, timeout: Duration) -> io::Result<()> {
        let timeout = self.fall_asleep(timeout);
        if let Err(error) = self.poll.poll(events, Some(timeout))
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        self.wake_up();
        for event in &*events {
            let Some(port) = self.sockets.get_mut(event.token().0) else { continue };
            port.is_readable |= event.is_readable();
        }
        Ok(())
    }

    /// Lets media gather instead, if that is worth while; what is due meanwhile is late by less than that.
    pub(super) fn rest(&mut self, timeout: Duration) -> bool {
        let Some(ends) = self.rest.ends(self.now).filter(|_| !timeout.is_zero() && self.outbox.is_empty())
        else {
            return false;
        };
        std::thread::sleep(ends.saturating_duration_since(clock::now()));
        // Reading tells the same as the poll would.
        self.sockets.iter_mut().for_each(|port| port.is_readable = true);
        true
    }

    /// Until when nothing is due.
    pub(super) fn sleep(&self) -> Duration {
        if self.is_busy || self.sockets.iter().any(|port| port.is_readable) {
            return Duration::ZERO;
        }
        let due = self.sfu.poll_timeout();
        let dumps = self.dumps.iter().map(|(ends, ..)| *ends);
        let turn = self.turn.as_ref().and_then(Turn::poll_timeout);
        let due = due.into_iter().chain(self.stop).chain(dumps).chain(turn).min();
        let now = clock::now();
        // While the socket is full nothing gets on that is due.
        if !self.outbox.is_empty() {
            return FULL_SOCKET_SLEEP;
        }
        due.map_or(LONGEST_SLEEP, |due| due.saturating_duration_since(now)).min(LONGEST_SLEEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// The rest after half a second in which every `gap` so many `rounds` of so many `messages` each were forwarded.
    fn after(window: Duration, gap: Duration, rounds: usize, messages: usize) -> Option<Duration> {
        let start = Instant::now();
        let mut rest = Rest::new(start, window);
        let mut now = start;
        while now < start + 500 * MS {
            now += gap;
            rest.note(now, rounds, rounds * messages);
        }
        rest.ends(now).map(|end| end - now)
    }

    #[test]
    fn many_small_pieces_are_worth_a_rest() {
        // Thirty publishers of sound with ten viewers each: 15,000 messages a second.
        assert_eq!(after(5 * MS, MS, 2, 7), Some(LONGEST));
        // A hundred with pictures and five viewers each: 40,000.
        assert_eq!(after(5 * MS, MS, 8, 5), Some(MS * 64 / 40));
    }

    #[test]
    fn large_audiences_rare_pieces_and_a_window_of_nothing_are_not() {
        assert_eq!(after(5 * MS, 11 * MS, 1, 100), None, "one publisher, a hundred viewers");
        assert_eq!(after(5 * MS, MS, 1, 64), None, "many viewers of each");
        assert_eq!(after(5 * MS, 20 * MS, 3, 5), None, "three publishers with a few viewers");
        assert_eq!(after(Duration::ZERO, MS, 2, 7), None, "everything is to go on at once");
    }

    #[test]
    fn a_turn_that_forwarded_nothing_is_not_followed_by_a_rest() {
        let start = Instant::now();
        let mut rest = Rest::new(start, 5 * MS);
        for turn in 1..=200 {
            rest.note(start + turn * MS, 2, 14);
        }
        let now = start + 201 * MS;
        rest.note(now, 0, 1);
        assert_eq!(rest.ends(now), None);
        rest.note(now + MS, 1, 7);
        assert!(rest.ends(now + MS).is_some());
        assert_eq!(rest.ends(now + MS), None, "one rest a turn");
    }

    #[test]
    fn a_rest_is_never_longer_than_the_window() {
        assert_eq!(after(2 * MS, MS, 2, 7), None, "too little gathers in it");
        assert_eq!(after(2 * MS, MS, 4, 7), Some(2 * MS));
    }
}
