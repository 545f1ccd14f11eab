//! When each peer wants to wake: one timer wheel for all of them.
//!
//! ```text
//! level 0   64 slots of   1 ms    up to  62 ms ahead
//! level 1   64 slots of   8 ms    up to 496 ms
//! level 2   64 slots of  64 ms    up to   4 s
//! level 3   64 slots of 512 ms    up to  32 s; what is further away waits in the last slot and is placed again
//! ```
//!
//! A deadline is rounded up to its slot, so that it is never early, and late by at most an eighth of how far away it was
//! when it was set, and a millisecond. What is due seldom is thereby woken in batches: the reports of a thousand viewers,
//! one a second each, make sixteen wake-ups, not a thousand. Nothing moves from level to level.
//!
//! Each key has one entry, linked into its slot's list: to set, to move and to take out are O(1), and memory is bounded by
//! the number of keys.

use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(1);
const LEVELS: usize = 4;
const SLOTS: usize = 64;
/// Each level's slots are eight times as long as those of the one below.
const LEVEL_SHIFT: usize = 3;
/// How many slots ahead a level is used for: one of 64 is the present one, and rounding up may take another.
const REACH: u64 = 62;
/// The list of entries whose time has come, after those of the slots.
const DUE: u32 = (LEVELS * SLOTS) as u32;
/// No entry, or no list.
const NONE: u32 = u32::MAX;

/// Deadlines by small numbers, which the owner reuses.
#[derive(Debug)]
pub(crate) struct Wheel {
    start: Instant,
    /// Ticks since the start that are over.
    elapsed: u64,
    entries: Vec<Entry>,
    /// First entry of each list.
    lists: Box<[u32]>,
    /// Which slots of each level have entries.
    occupied: [u64; LEVELS],
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    due: u64,
    next: u32,
    previous: u32,
    list: u32,
}

impl Wheel {
    /// A wheel without entries.
    pub(crate) fn new(start: Instant) -> Self {
        let lists = vec![NONE; DUE as usize + 1].into();
        Self { start, elapsed: 0, entries: Vec::new(), lists, occupied: [0; LEVELS] }
    }

    /// Sets or moves the deadline of a key. One that is past comes up in the next tick. HOT.
    pub(crate) fn set(&mut self, key: u32, due: Instant) {
        // Rounded up: a moment less than a tick later is over with it.
        let since = due.saturating_duration_since(self.start) + (TICK - Duration::from_nanos(1));
        let tick = ticks(since).max(self.elapsed + 1);
        if self.entries.len() <= key as usize {
            let unset = Entry { due: 0, next: NONE, previous: NONE, list: NONE };
            self.entries.resize(key as usize + 1, unset);
        }
        let list = self.list_for(tick);
        self.entries[key as usize].due = tick;
        if self.entries[key as usize].list != list {
            self.unlink(key);
            self.link(key, list);
        }
    }

    /// Takes the deadline of a key away, if it has one.
    pub(crate) fn clear(&mut self, key: u32) {
        if (key as usize) < self.entries.len() {
            self.unlink(key);
        }
    }

    /// Time arrived: what is due by now can be taken by [`pop`](Self::pop). A leap of any length costs the same.
    pub(crate) fn advance(&mut self, now: Instant) {
        let to = ticks(now.saturating_duration_since(self.start));
        if to <= self.elapsed {
            return;
        }
        for level in 0..LEVELS {
            let shift = level * LEVEL_SHIFT;
            let (first, last) = ((self.elapsed >> shift) + 1, to >> shift);
            if first > last {
                break;
            }
            let passed = if last - first >= 63 { !0 } else { (1_u64 << (last - first + 1)) - 1 };
            let mut passed = passed.rotate_left((first % SLOTS as u64) as u32) & self.occupied[level];
            while passed != 0 {
                let list = (level * SLOTS) as u32 + passed.trailing_zeros();
                passed &= passed - 1;
                while self.lists[list as usize] != NONE {
                    let key = self.lists[list as usize];
                    self.unlink(key);
                    self.link(key, DUE);
                }
            }
        }
        self.elapsed = to;
    }

    /// A key whose deadline has come; it has none any more.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        loop {
            let key = Some(self.lists[DUE as usize]).filter(|key| *key != NONE)?;
            self.unlink(key);
            let due = self.entries[key as usize].due;
            if due <= self.elapsed {
                return Some(key);
            }
            // It was further away than the wheel is round.
            self.link(key, self.list_for(due));
        }
    }

    /// When to [`advance`](Self::advance) next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.lists[DUE as usize] != NONE {
            return Some(self.at(self.elapsed));
        }
        let next = |(level, occupied): (usize, &u64)| {
            let shift = level * LEVEL_SHIFT;
            let first = (self.elapsed >> shift) + 1;
            let ahead = occupied.rotate_right((first % SLOTS as u64) as u32).trailing_zeros();
            (ahead < u64::BITS).then(|| (first + u64::from(ahead)) << shift)
        };
        self.occupied.iter().enumerate().filter_map(next).min().map(|tick| self.at(tick))
    }

    fn at(&self, tick: u64) -> Instant {
        self.start + Duration::from_millis(tick)
    }

    /// The slot for a deadline that lies ahead.
    fn list_for(&self, tick: u64) -> u32 {
        let ahead = tick - self.elapsed;
        let level = (0..LEVELS).find(|level| ahead <= REACH << (level * LEVEL_SHIFT));
        let (level, slot) = match level {
            Some(level) => (level, tick.div_ceil(1 << (level * LEVEL_SHIFT))),
            None => (LEVELS - 1, (self.elapsed >> ((LEVELS - 1) * LEVEL_SHIFT)) + REACH),
        };
        (level * SLOTS) as u32 + (slot % SLOTS as u64) as u32
    }

    fn link(&mut self, key: u32, list: u32) {
        let next = std::mem::replace(&mut self.lists[list as usize], key);
        let entry = &mut self.entries[key as usize];
        (entry.next, entry.previous, entry.list) = (next, NONE, list);
        if let Some(next) = self.entries.get_mut(next as usize) {
            next.previous = key;
        }
        if list != DUE {
            self.occupied[list as usize / SLOTS] |= 1 << (list as usize % SLOTS);
        }
    }

    fn unlink(&mut self, key: u32) {
        let Entry { next, previous, list, .. } = self.entries[key as usize];
        if list == NONE {
            return;
        }
        self.entries[key as usize].list = NONE;
        if let Some(next) = self.entries.get_mut(next as usize) {
            next.previous = previous;
        }
        match self.entries.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => self.lists[list as usize] = next,
        }
        if self.lists[list as usize] == NONE && list != DUE {
            self.occupied[list as usize / SLOTS] &= !(1 << (list as usize % SLOTS));
        }
    }
}

/// Whole ticks, without a division of 128 bits.
fn ticks(duration: Duration) -> u64 {
    duration.as_secs() * 1000 + u64::from(duration.subsec_millis())
}

#[cfg(test)]
mod tests;
