//! Streams shared by several units: what the one with the publisher gives to the others.
//!
//! The publisher is at one unit, which has the *primary*; its viewers may be at any. All units know all live streams
//! ([`Notice`]), so that each can answer viewers' offers. One that has viewers of a stream asks for its packets ([`Wish`]),
//! and from then on has a cursor in the primary's histories like any other reader: once a turn what is new is copied into a
//! [`Batch`] for it. `replica.rs` is the other end.
//!
//! Units know each other by numbers that their owner gives them. Between two units notices and wishes must stay in order and
//! must not get lost; batches may.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::batch::{Batch, Report};
use crate::broadcast::{Broadcast, MAX_TRACKS};
use crate::event::CloseReason;
use crate::history::{Cursor, Read};
use crate::replica::Remote;
use crate::sfu::Sfu;
use crate::track::{Kind, SenderClock, Track, TrackState};

/// The most units that one stream's packets are handed to.
const MAX_LINKS: usize = 64;
/// A publisher who changes formats all the time is told of no more often than this.
const NOTICE_INTERVAL: Duration = Duration::from_millis(100);

/// News of a stream for all other units.
#[derive(Debug, Clone)]
pub struct Notice(pub(crate) News);

#[derive(Debug, Clone)]
pub(crate) enum News {
    /// A stream has this publisher, or there is more to say of it.
    Stream(StreamState),
    /// The publisher is gone.
    Ended { generation: u32 },
}

/// What all units know of a stream.
#[derive(Debug, Clone)]
pub(crate) struct StreamState {
    pub name: String,
    pub generation: u32,
    pub is_live: bool,
    pub tracks: Vec<TrackState>,
}

/// What a unit with viewers wants of the one with the publisher.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    pub(crate) generation: u32,
    pub(crate) what: Wanted,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    /// Its packets from now on, and from the last key frame if that is young.
    Packets,
    /// No more packets.
    Nothing,
    /// A key frame of this track.
    KeyFrame { track: u8 },
}

/// How a broadcast is shared.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The publisher's number, higher than that of any before.
    pub generation: u32,
    /// Set if the publisher is at another unit.
    pub remote: Option<Remote>,
    links: Vec<Link>,
    announced: Option<Announced>,
    /// Is it on the list of those with something to hand off?
    is_fresh: bool,
    /// Has its publisher sent media since then?
    is_heard: bool,
    /// Is it on the list of those that may want something?
    pub is_wishful: bool,
}

/// One unit that wants the packets.
#[derive(Debug)]
struct Link {
    unit: usize,
    cursors: [Cursor; MAX_TRACKS],
    reported: [Option<SenderClock>; MAX_TRACKS],
}

/// What the other units were told, as far as it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Announced {
    at: Instant,
    is_live: bool,
    formats: [Option<usize>; MAX_TRACKS],
}

/// What a unit keeps for sharing its streams.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    /// The highest number given to a publisher here.
    generation: u32,
    /// Broadcasts with a publisher, here or elsewhere.
    pub by_generation: HashMap<u32, usize>,
    /// Each broadcast at most once; emptied every turn, and so are the lists below.
    fresh: Vec<usize>,
    /// At most two a turn for each publisher that comes, goes or changes formats.
    notices: VecDeque<Notice>,
    /// Broadcasts that may want something of another unit.
    pub wishful: Vec<usize>,
    /// At most one a turn for each of their tracks.
    pub wishes: VecDeque<(usize, Wish)>,
}

impl Sfu {
    /// Gives the stream to a publisher that is connected, under a number higher than any given before, by whichever unit.
    /// Whoever published it here is replaced. Needed only of units that [share](crate::Config::shares_streams) their streams.
    pub fn begin_publishing(&mut self, now: Instant, peer: crate::PeerId, generation: u32) -> bool {
        let now = self.advance(now);
        let Some(index) = self.peer(peer).filter(|peer| peer.is_connected()).map(|peer| peer.broadcast)
        else {
            return false;
        };
        let Some(broadcast) = self.broadcasts.get(index) else { return false };
        if let Some(old) = broadcast.publisher.filter(|old| *old != peer) {
            self.close_with(now, old, CloseReason::Replaced);
        }
        self.begin_generation(now, peer, index, generation);
        true
    }

    /// Ends the session of a publisher that another has replaced, or that came second.
    pub fn replace(&mut self, now: Instant, peer: crate::PeerId) -> bool {
        let now = self.advance(now);
        self.close_with(now, peer, CloseReason::Replaced)
    }

    /// How many broadcasts have something to forward to viewers here, those with sound and pictures twice: with the number
    /// of messages that follow it tells an owner whether to let more gather before the next turn.
    pub fn rounds(&self) -> usize {
        self.active.iter().map(VecDeque::len).sum()
    }

    /// Is something new for other units?
    pub fn has_news(&self) -> bool {
        !self.sharing.fresh.is_empty()
    }

    /// Numbers of the publishers who sent something since [`poll_notice`](Self::poll_notice) was last drained.
    pub fn heard_publishers(&self) -> impl Iterator<Item = u32> + '_ {
        let fresh = self.sharing.fresh.iter().filter_map(|index| self.broadcasts.get(*index));
        fresh.filter(|broadcast| broadcast.shared.is_heard).map(|broadcast| broadcast.shared.generation)
    }

    /// Appends to `batch` what is new for another unit. Returns `true` if there is more than fits. HOT.
    pub fn hand_off(&mut self, now: Instant, unit: usize, batch: &mut Batch) -> bool {
        let Self { sharing, broadcasts, .. } = self;
        for index in &sharing.fresh {
            let Some(broadcast) = broadcasts.get_mut(*index) else { continue };
            let Broadcast { shared, tracks, held_until, .. } = broadcast;
            let Some(link) = shared.links.iter_mut().find(|link| link.unit == unit) else { continue };
            for (track, (place, (cursor, reported))) in
                tracks.iter().zip(link.cursors.iter_mut().zip(&mut link.reported).enumerate())
            {
                let is_held = held_until.is_some() && track.kind == Kind::Video;
                if !is_held && !read_track(now, track, place as u8, cursor, batch) {
                    return true;
                }
                if let Some(clock) = track.clock(true)
                    && *reported != Some(clock)
                {
                    *reported = Some(clock);
                    let generation = shared.generation;
                    batch.reports.push(Report { generation, track: place as u8, clock });
                }
            }
        }
        false
    }

    /// News for all other units. Drain it once a turn, behind [`hand_off`](Self::hand_off).
    #[must_use]
    pub fn poll_notice(&mut self, now: Instant) -> Option<Notice> {
        while let Some(index) = self.sharing.fresh.pop() {
            if let Some(broadcast) = self.broadcasts.get_mut(index) {
                (broadcast.shared.is_fresh, broadcast.shared.is_heard) = (false, false);
                self.sharing.notices.extend(news(now, broadcast));
            }
        }
        self.sharing.notices.pop_front()
    }

    /// Makes all that is to be known of the streams published here into notices again, for a unit that begins.
    pub fn renew_notices(&mut self) {
        for (index, broadcast) in &mut self.broadcasts {
            broadcast.shared.announced = None;
            note_fresh(&mut self.sharing, broadcast, index);
        }
    }

    /// Takes what another unit wants of a stream published here.
    pub fn handle_wish(&mut self, now: Instant, unit: usize, wish: Wish) {
        let now = self.advance(now);
        let Some(&index) = self.sharing.by_generation.get(&wish.generation) else { return };
        let Some(broadcast) = self.broadcasts.get_mut(index) else { return };
        if broadcast.shared.remote.is_some() {
            return;
        }
        let links = &mut broadcast.shared.links;
        match wish.what {
            Wanted::Packets if links.len() >= MAX_LINKS => return,
            Wanted::Packets => {
                links.retain(|link| link.unit != unit);
                let mut link = Link { unit, cursors: Default::default(), reported: Default::default() };
                for (track, cursor) in broadcast.tracks.iter_mut().zip(&mut link.cursors) {
                    let start = track.start(now);
                    if start.is_none() && track.kind == Kind::Video && track.has_started() {
                        track.key_frames.insist(now);
                    }
                    *cursor = start.unwrap_or_else(|| track.history.end());
                }
                links.push(link);
                note_fresh(&mut self.sharing, broadcast, index);
            }
            Wanted::Nothing => links.retain(|link| link.unit != unit),
            Wanted::KeyFrame { track } => {
                let video = broadcast.tracks.get_mut(usize::from(track));
                if let Some(track) = video.filter(|track| track.kind == Kind::Video) {
                    track.key_frames.want(now);
                }
            }
        }
        if let Some(publisher) = broadcast.publisher {
            self.wake_publisher(publisher);
        }
    }

    /// Something of this stream is new for other units.
    pub(crate) fn note_fresh(&mut self, index: usize) {
        if self.config.shares_streams
            && let Some(broadcast) = self.broadcasts.get_mut(index)
        {
            note_fresh(&mut self.sharing, broadcast, index);
        }
    }

    /// Reports have come of somebody in this stream: the publisher's are news for other units, a viewer may want something
    /// of the publisher.
    pub(crate) fn note_rtcp(&mut self, index: usize, is_publisher: bool) {
        match is_publisher {
            true => self.note_fresh(index),
            false => self.note_wishful(index),
        }
    }

    /// A publisher's media has come. Video is handed over with its frame, when it is let go here.
    pub(crate) fn note_media(&mut self, index: usize, track: usize) {
        if self.config.shares_streams
            && let Some(broadcast) = self.broadcasts.get_mut(index)
        {
            broadcast.shared.is_heard = true;
            let is_video = broadcast.tracks.get(track).is_some_and(|track| track.kind == Kind::Video);
            if !is_video || broadcast.held_until.is_none() {
                note_fresh(&mut self.sharing, broadcast, index);
            }
        }
    }

    /// The number of a publisher that nobody else numbers.
    pub(crate) fn next_generation(&self) -> u32 {
        self.sharing.generation.wrapping_add(1)
    }

    /// A broadcast has another publisher.
    pub(crate) fn note_generation(&mut self, index: usize, generation: u32) {
        self.sharing.generation = self.sharing.generation.max(generation);
        let Some(broadcast) = self.broadcasts.get_mut(index) else { return };
        let shares = self.config.shares_streams;
        if shares {
            self.sharing.by_generation.remove(&broadcast.shared.generation);
            self.sharing.by_generation.insert(generation, index);
        }
        let Shared { is_fresh, is_wishful, .. } = broadcast.shared;
        broadcast.shared = Shared { generation, is_fresh, is_wishful, ..Shared::default() };
        if shares {
            note_fresh(&mut self.sharing, broadcast, index);
        }
    }

    /// A broadcast has lost its publisher.
    pub(crate) fn note_ended(&mut self, generation: u32) {
        if self.config.shares_streams {
            self.sharing.by_generation.remove(&generation);
            self.sharing.notices.push_back(Notice(News::Ended { generation }));
        }
    }

    /// Another unit has begun anew: it has forgotten everything.
    pub fn forget_unit(&mut self, now: Instant, unit: usize) {
        let now = self.advance(now);
        let mut ended = Vec::new();
        for (_, broadcast) in &mut self.broadcasts {
            broadcast.shared.links.retain(|link| link.unit != unit);
            let remote = broadcast.shared.remote.as_ref();
            if remote.is_some_and(|remote| remote.unit == unit) {
                ended.push(broadcast.shared.generation);
            }
        }
        for generation in ended {
            self.handle_notice(now, unit, &Notice(News::Ended { generation }));
        }
    }
}

impl Shared {
    /// Do other units want its packets?
    pub(crate) fn has_links(&self) -> bool {
        !self.links.is_empty()
    }
}

/// Reads what is new of a track. Returns `false` if it does not fit.
fn read_track(now: Instant, track: &Track, index: u8, cursor: &mut Cursor, batch: &mut Batch) -> bool {
    loop {
        if batch.is_full() {
            return *cursor == track.history.end();
        }
        match track.history.read(cursor) {
            Read::Packet(packet) => batch.push(index, packet.meta, packet.payload),
            Read::End => return true,
            Read::Lost => {
                *cursor = track.start(now).unwrap_or_else(|| track.history.end());
                batch.note_loss();
            }
        }
    }
}

fn note_fresh(sharing: &mut Sharing, broadcast: &mut Broadcast, index: usize) {
    if !broadcast.shared.is_fresh {
        broadcast.shared.is_fresh = true;
        sharing.fresh.push(index);
    }
}

/// What other units do not know yet of a stream published here.
fn news(now: Instant, broadcast: &mut Broadcast) -> Option<Notice> {
    if broadcast.publisher.is_none() && broadcast.local.is_none() {
        return None;
    }
    let mut formats = [None; MAX_TRACKS];
    for (format, track) in formats.iter_mut().zip(&broadcast.tracks) {
        *format = track.live_index();
    }
    let is_live = broadcast.live_since.is_some();
    let present = Announced { at: now, is_live, formats };
    if let Some(told) = broadcast.shared.announced {
        let begins = told.is_live != is_live
            || told.formats.iter().zip(&formats).any(|(told, now)| told.is_some() != now.is_some());
        let changes = told.formats != formats && now >= told.at + NOTICE_INTERVAL;
        if !begins && !changes {
            return None;
        }
    }
    broadcast.shared.announced = Some(present);
    let generation = broadcast.shared.generation;
    let tracks = broadcast.tracks.iter().enumerate().filter(|(_, track)| track.generation() == generation);
    Some(Notice(News::Stream(StreamState {
        name: broadcast.name.clone(),
        generation,
        is_live,
        tracks: tracks.map(|(index, track)| track.state(index as u8)).collect(),
    })))
}
