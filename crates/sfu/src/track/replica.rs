//! A track whose publisher is at another unit.

use std::time::Instant;

use crate::track::{Format, Kind, Latest, SenderClock, Track};

/// What other units have to know of a track to answer viewers' offers, and to show it once its packets come.
#[derive(Debug, Clone)]
pub(crate) struct TrackState {
    /// Index of the track at the unit with the publisher.
    pub index: u8,
    /// Audio or video.
    pub kind: Kind,
    formats: Vec<Format>,
    live: Option<(u32, Instant, u8)>,
    arrived: Option<SenderClock>,
    reported: Option<SenderClock>,
    uses_playout_delay: bool,
}

impl Track {
    /// What to tell other units.
    pub(crate) fn state(&self, index: u8) -> TrackState {
        TrackState {
            index,
            kind: self.kind,
            formats: self.formats.clone(),
            live: self.latest.map(|latest| (latest.timestamp, latest.received, latest.format)),
            arrived: self.arrived,
            reported: self.reported,
            uses_playout_delay: self.uses_playout_delay,
        }
    }

    /// Takes over what another unit tells of the track. Packets name formats by that unit's index.
    pub(crate) fn mirror(&mut self, generation: u32, state: &TrackState) {
        if self.generation != generation {
            self.end();
            self.generation = generation;
        }
        if !state.formats.starts_with(&self.formats) {
            // Packets stored before would be taken for another format's.
            self.history.clear();
            self.key_frame = None;
        }
        if self.formats != state.formats {
            self.formats.clone_from(&state.formats);
        }
        if let Some((timestamp, received, format)) = state.live
            && self.latest.is_none_or(|latest| latest.received < received)
        {
            self.latest = Some(Latest { timestamp, received, format });
        }
        self.arrived = state.arrived.or(self.arrived);
        self.reported = state.reported.or(self.reported);
        self.uses_playout_delay |= state.uses_playout_delay;
    }

    /// Nobody watches here any more, and no packets come: nothing may be started from what is left.
    pub(crate) fn rest(&mut self) {
        self.history.clear();
        self.key_frame = None;
        self.key_frames.forget();
    }
}
