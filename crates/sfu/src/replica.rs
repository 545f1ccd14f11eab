//! A stream whose publisher is at another unit: what comes from there, and what is wanted of it.

use std::time::{Duration, Instant};

use headwater_rtp::NtpAnchor;

use crate::batch::{Batch, Entry};
use crate::broadcast::{Broadcast, MAX_TRACKS, round_of};
use crate::event::CloseReason;
use crate::sfu::Sfu;
use crate::share::{News, Notice, StreamState, Wanted, Wish};
use crate::track::{Kind, Pushed, Track};
use crate::transmit::start_round;

/// For this long after packets were asked for no key frame is: one may be on its way with them.
const SETTLING: Duration = Duration::from_millis(100);
/// No such track here.
const NONE: u8 = u8::MAX;

/// Where a broadcast's publisher is.
#[derive(Debug)]
pub(crate) struct Remote {
    /// The unit that has it.
    pub unit: usize,
    /// What it publishes.
    pub kinds: Vec<Kind>,
    /// Since when its packets come here.
    pub subscribed: Option<Instant>,
    /// Our tracks by that unit's index.
    tracks: [u8; MAX_TRACKS],
}

impl Sfu {
    /// Takes another unit's news.
    pub fn handle_notice(&mut self, now: Instant, unit: usize, notice: &Notice) {
        let now = self.advance(now);
        match &notice.0 {
            News::Stream(state) => self.mirror(now, unit, state),
            News::Ended { generation } => self.unmirror(*generation),
        }
    }

    /// Takes the packets that another unit hands over. HOT.
    pub fn handle_batch(&mut self, now: Instant, batch: &Batch) {
        let now = self.advance(now);
        if batch.is_after_loss {
            self.note_lost_batch(now, batch);
        }
        let Self { sharing, broadcasts, active, clock, .. } = self;
        let mut rest = &batch.bytes[..];
        // Packets of a stream stand together.
        for entries in batch.entries.chunk_by(|a, b| a.meta.generation == b.meta.generation) {
            let (payloads, behind) = rest.split_at(entries.iter().map(|entry| usize::from(entry.len)).sum());
            rest = behind;
            let Some(&index) = sharing.by_generation.get(&entries[0].meta.generation) else { continue };
            let Some(broadcast) = broadcasts.get_mut(index) else { continue };
            // What was on its way when nobody was left to watch would be an old beginning for whoever comes next.
            if broadcast.shared.remote.as_ref().is_none_or(|remote| remote.subscribed.is_none()) {
                continue;
            }
            note_wishful(&mut sharing.wishful, broadcast, index);
            broadcast.live_since.get_or_insert(now);
            let stored = store(broadcast, clock, entries, payloads);
            // Its frame has waited for its last packet where it came from.
            for kind in [Kind::Audio, Kind::Video].into_iter().filter(|kind| stored[round_of(*kind)]) {
                start_round(broadcast, index, kind, active);
            }
        }
        for report in &batch.reports {
            let index = sharing.by_generation.get(&report.generation).copied();
            let Some(broadcast) = index.and_then(|index| broadcasts.get_mut(index)) else { continue };
            if let Some(track) = local_track(broadcast, report.generation, report.track) {
                broadcast.tracks[track].note_report(report.clock);
            }
        }
    }

    /// A batch before this one was dropped. What was in it may have been of any stream that comes from the same unit, whether
    /// or not there is something of it in this one.
    fn note_lost_batch(&mut self, now: Instant, batch: &Batch) {
        let Self { sharing, broadcasts, .. } = self;
        let unit_of = |generation| {
            let index = sharing.by_generation.get(&generation)?;
            broadcasts.get(*index)?.shared.remote.as_ref().map(|remote| remote.unit)
        };
        let entries = batch.entries.iter().map(|entry| entry.meta.generation);
        let reports = batch.reports.iter().map(|report| report.generation);
        let Some(unit) = entries.chain(reports).find_map(unit_of) else { return };
        for (index, broadcast) in broadcasts {
            let remote = broadcast.shared.remote.as_ref();
            if remote.is_some_and(|remote| remote.unit == unit && remote.subscribed.is_some()) {
                want_key_frames(now, broadcast);
                note_wishful(&mut sharing.wishful, broadcast, index);
            }
        }
    }

    /// What is wanted of other units: the unit, and what. Drain it once a turn, after everything was sent.
    #[must_use]
    pub fn poll_wish(&mut self, now: Instant) -> Option<(usize, Wish)> {
        while let Some(index) = self.sharing.wishful.pop() {
            let Some(broadcast) = self.broadcasts.get_mut(index) else { continue };
            broadcast.shared.is_wishful = false;
            let generation = broadcast.shared.generation;
            let is_watched = !broadcast.viewers.is_empty();
            let Some(remote) = &mut broadcast.shared.remote else { continue };
            let mut wish = |what| self.sharing.wishes.push_back((remote.unit, Wish { generation, what }));
            match remote.subscribed {
                None if is_watched => {
                    remote.subscribed = Some(now);
                    wish(Wanted::Packets);
                }
                Some(_) if !is_watched => {
                    remote.subscribed = None;
                    broadcast.tracks.iter_mut().for_each(Track::rest);
                    wish(Wanted::Nothing);
                }
                Some(since) if now.saturating_duration_since(since) >= SETTLING => {
                    for (theirs, ours) in remote.tracks.iter().enumerate().filter(|(_, ours)| **ours != NONE)
                    {
                        let track = &mut broadcast.tracks[usize::from(*ours)];
                        if track.kind == Kind::Video && track.key_frames.relay(now) {
                            wish(Wanted::KeyFrame { track: theirs as u8 });
                        }
                    }
                }
                _ => {}
            }
        }
        self.sharing.wishes.pop_front()
    }

    /// A broadcast's viewers have changed, or want something.
    pub(crate) fn note_wishful(&mut self, index: usize) {
        if let Some(broadcast) = self.broadcasts.get_mut(index) {
            note_wishful(&mut self.sharing.wishful, broadcast, index);
        }
    }

    fn mirror(&mut self, now: Instant, unit: usize, state: &StreamState) {
        let index = self.broadcast(&state.name);
        let broadcast = &mut self.broadcasts[index];
        let is_ours = broadcast.local.is_some()
            || (broadcast.publisher.is_some() && broadcast.shared.generation == state.generation);
        if is_ours || state.generation < broadcast.shared.generation {
            // Two units' notices may overtake each other.
            self.drop_if_empty(index);
            return;
        }
        if state.generation > broadcast.shared.generation {
            let kinds = || state.tracks.iter().map(|track| track.kind).collect();
            let remote = || Remote { unit, kinds: kinds(), subscribed: None, tracks: [NONE; MAX_TRACKS] };
            // Whoever published it here was replaced; the broadcast stays.
            broadcast.shared.remote.get_or_insert_with(remote);
            if let Some(old) = broadcast.publisher {
                self.close_with(now, old, CloseReason::Replaced);
            }
            self.note_generation(index, state.generation);
            let broadcast = &mut self.broadcasts[index];
            broadcast.live_since = None;
            broadcast.tracks.iter_mut().for_each(Track::end);
            broadcast.shared.remote = Some(remote());
        } else if broadcast.shared.remote.is_none() {
            return;
        }
        let broadcast = &mut self.broadcasts[index];
        let mut counts = [0; 2];
        for theirs in &state.tracks {
            let nth = &mut counts[round_of(theirs.kind)];
            let Some(ours) = broadcast.track_for(theirs.kind, *nth) else { continue };
            *nth += 1;
            broadcast.tracks[ours].mirror(state.generation, theirs);
            let place =
                broadcast.shared.remote.as_mut().and_then(|it| it.tracks.get_mut(usize::from(theirs.index)));
            if let Some(place) = place {
                *place = ours as u8;
            }
        }
        if state.is_live {
            broadcast.live_since.get_or_insert(now);
        }
        self.note_wishful(index);
    }

    fn unmirror(&mut self, generation: u32) {
        let Some(&index) = self.sharing.by_generation.get(&generation) else { return };
        let Some(broadcast) = self.broadcasts.get_mut(index) else { return };
        if broadcast.shared.remote.take().is_some() {
            self.sharing.by_generation.remove(&generation);
            broadcast.live_since = None;
            self.drop_if_empty(index);
        }
    }
}

/// Stores packets of one stream, whose payloads follow each other, and returns which kinds there are among them.
fn store(broadcast: &mut Broadcast, clock: &NtpAnchor, entries: &[Entry], mut payloads: &[u8]) -> [bool; 2] {
    let Broadcast { shared, tracks, .. } = broadcast;
    let mut stored = [false; 2];
    let Some(remote) = &shared.remote else { return stored };
    for entry in entries {
        let (payload, behind) = payloads.split_at(usize::from(entry.len));
        payloads = behind;
        let ours = remote.tracks.get(usize::from(entry.track)).copied().unwrap_or(NONE);
        if let Some(track) = tracks.get_mut(usize::from(ours)) {
            let pushed = track.store(|| clock.ntp(entry.meta.received), entry.meta, payload);
            stored[round_of(track.kind)] |= pushed != Pushed::Duplicate;
        }
    }
    stored
}

/// Our index of another unit's track.
fn local_track(broadcast: &Broadcast, generation: u32, theirs: u8) -> Option<usize> {
    let remote = broadcast.shared.remote.as_ref().filter(|_| broadcast.shared.generation == generation)?;
    let ours = *remote.tracks.get(usize::from(theirs))?;
    (ours != NONE).then_some(usize::from(ours))
}

fn want_key_frames(now: Instant, broadcast: &mut Broadcast) {
    for track in broadcast.tracks.iter_mut().filter(|track| track.kind == Kind::Video) {
        track.key_frames.want(now);
    }
}

fn note_wishful(wishful: &mut Vec<usize>, broadcast: &mut Broadcast, index: usize) {
    if broadcast.shared.remote.is_some() && !broadcast.shared.is_wishful {
        broadcast.shared.is_wishful = true;
        wishful.push(index);
    }
}

#[cfg(test)]
mod tests;
