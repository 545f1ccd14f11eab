//! One stream: at most one publisher, its tracks, and the viewers in the order in which they are served.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Instant;

use crate::ahead::GROUP;
use crate::audience::Audience;
use crate::peer_id::PeerId;
use crate::share::Shared;
use crate::track::{Format, Kind, Track};

/// The most media lines that a broadcast carries.
pub(crate) const MAX_TRACKS: usize = 8;

/// Which viewers still have to be looked at. Starting a round costs nothing, however many viewers there are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Round {
    next: usize,
    left: usize,
    /// Viewers passed since the round began.
    passed: usize,
    /// Has the present group been looked ahead from?
    has_looked: bool,
    /// Is the broadcast on the list of those with a round to do?
    pub is_listed: bool,
}

impl Round {
    /// Something new is there for all viewers.
    pub(crate) fn restart(&mut self, viewers: usize) {
        self.left = viewers;
        self.passed = 0;
        self.has_looked = false;
    }

    /// The viewer whose turn it is.
    pub(crate) fn current(&mut self, viewers: &[PeerId]) -> Option<PeerId> {
        if self.left == 0 || viewers.is_empty() {
            self.left = 0;
            return None;
        }
        if self.next >= viewers.len() {
            self.next = 0;
        }
        Some(viewers[self.next])
    }

    /// A viewer has left and another has its place. Whose turn was still to come is not known any more, so all are looked
    /// at once more: a look costs little where there is nothing to read.
    pub(crate) fn leave(&mut self, viewers: usize) {
        if self.left > 0 {
            self.restart(viewers);
        }
    }

    /// A viewer has joined behind the last: it has a turn too, or it would take another's.
    pub(crate) fn join(&mut self) {
        self.left += usize::from(self.left > 0);
    }

    /// This one has nothing more to read.
    pub(crate) fn advance(&mut self) {
        self.next += 1;
        self.left = self.left.saturating_sub(1);
        self.passed += 1;
        self.has_looked &= !self.passed.is_multiple_of(GROUP);
    }

    /// Is it the first viewer's turn?
    pub(crate) fn has_just_begun(&self) -> bool {
        self.passed == 0
    }

    /// Does a group of viewers begin here? Says so once.
    pub(crate) fn begins_group(&mut self) -> bool {
        !std::mem::replace(&mut self.has_looked, true)
    }

    /// The viewers whose turn comes so many turns from now, as far as they have one in this round.
    pub(crate) fn ahead(&self, viewers: &[PeerId], turns: Range<usize>) -> impl Iterator<Item = PeerId> {
        (turns.start..turns.end.min(self.left)).filter_map(move |turn| {
            let place = self.next + turn;
            viewers.get(if place < viewers.len() { place } else { place - viewers.len() }).copied()
        })
    }
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Broadcast {
    /// Its name.
    pub name: String,
    /// Who publishes, once connected.
    pub publisher: Option<PeerId>,
    /// Set if the owner itself makes the media: which stream of its, and the track and format of each of its tracks.
    pub(crate) local: Option<(u64, Vec<(usize, u8)>)>,
    /// Publishers on their way; the first to connect gets the stream.
    pub pending: HashSet<PeerId>,
    /// Everybody who watches, connected or not.
    pub viewers: Audience,
    /// Its media lines.
    pub tracks: Vec<Track>,
    /// Rounds over the viewers, for audio and for video.
    pub rounds: [Round; 2],
    /// If a frame of video waits to be complete: until when.
    pub held_until: Option<Instant>,
    /// Since when media has flowed.
    pub live_since: Option<Instant>,
    /// How it is shared with other units.
    pub shared: Shared,
}

impl Broadcast {
    /// A stream without anybody.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            publisher: None,
            local: None,
            pending: HashSet::new(),
            viewers: Audience::default(),
            tracks: Vec::new(),
            rounds: [Round::default(); 2],
            held_until: None,
            live_since: None,
            shared: Shared::default(),
        }
    }

    /// Is anybody in it?
    pub(crate) fn is_empty(&self) -> bool {
        let is_idle = self.pending.is_empty() && self.viewers.is_empty();
        self.publisher.is_none() && self.local.is_none() && self.shared.remote.is_none() && is_idle
    }

    /// Adds a viewer.
    pub(crate) fn add_viewer(&mut self, id: PeerId) {
        self.viewers.push(id);
        self.rounds.iter_mut().for_each(Round::join);
    }

    /// Takes a viewer out.
    pub(crate) fn remove_viewer(&mut self, id: PeerId) {
        if self.viewers.remove(id) {
            for round in &mut self.rounds {
                round.leave(self.viewers.len());
            }
        }
    }

    /// The track for the n-th media line of a kind; made if it is new, `None` if there are too many.
    pub(crate) fn track_for(&mut self, kind: Kind, nth: usize) -> Option<usize> {
        let known = self.tracks.iter().enumerate().filter(|(_, track)| track.kind == kind).nth(nth);
        if let Some((index, _)) = known {
            return Some(index);
        }
        if self.tracks.len() == MAX_TRACKS {
            return None;
        }
        self.tracks.push(Track::new(kind));
        Some(self.tracks.len() - 1)
    }

    /// What is live now, as far as media has arrived.
    pub(crate) fn live_formats(&self) -> impl Iterator<Item = (Kind, &Format)> {
        self.tracks.iter().filter_map(|track| Some((track.kind, track.live_format()?)))
    }
}

/// Index into [`Broadcast::rounds`].
pub(crate) fn round_of(kind: Kind) -> usize {
    match kind {
        Kind::Audio => 0,
        Kind::Video => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_loses_a_turn_when_another_leaves() {
        let id = |index| PeerId { index, serial: index };
        for start in 0..5_u32 {
            for served in 0..5 {
                for leaves in 0..5 {
                    let mut broadcast = Broadcast::new("s");
                    (0..5).for_each(|viewer| broadcast.viewers.push(id(viewer)));
                    let mut round = Round { next: start as usize, ..Round::default() };
                    round.restart(5);
                    broadcast.rounds[0] = round;
                    let mut got = Vec::new();
                    for turn in 0..20 {
                        if turn == served {
                            broadcast.remove_viewer(id(leaves));
                            got.retain(|viewer| *viewer != id(leaves));
                        }
                        let Some(viewer) = broadcast.rounds[0].current(&broadcast.viewers) else { break };
                        got.push(viewer);
                        broadcast.rounds[0].advance();
                    }
                    assert!(got.len() <= 10, "the round ends: {got:?}");
                    got.sort_unstable();
                    got.dedup();
                    let expected: Vec<_> = (0..5).filter(|viewer| *viewer != leaves).map(id).collect();
                    assert_eq!(got, expected, "from {start}, after {served}, without {leaves}");
                }
            }
        }
    }

    #[test]
    fn nobody_loses_a_turn_when_another_joins() {
        let id = |index| PeerId { index, serial: index };
        for start in 0..5_u32 {
            for served in 0..5 {
                let mut broadcast = Broadcast::new("s");
                (0..5).for_each(|viewer| broadcast.viewers.push(id(viewer)));
                broadcast.rounds[0] = Round { next: start as usize, ..Round::default() };
                broadcast.rounds[0].restart(5);
                let mut got = Vec::new();
                for turn in 0..20 {
                    if turn == served {
                        broadcast.add_viewer(id(5));
                    }
                    let Some(viewer) = broadcast.rounds[0].current(&broadcast.viewers) else { break };
                    got.push(viewer);
                    broadcast.rounds[0].advance();
                }
                got.sort_unstable();
                got.dedup();
                got.retain(|viewer| *viewer != id(5));
                assert_eq!(got, (0..5).map(id).collect::<Vec<_>>(), "from {start}, after {served}");
            }
        }
    }
}
