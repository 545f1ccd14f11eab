//! A packet's place in a track: in the log, as its key frame's beginning, as its newest.

use std::time::Instant;

use headwater_rtp::NtpTime;

use crate::history::{MAX_AGE, Meta};
use crate::track::{KeyFrame, Latest, Pushed, SenderClock, Track};

impl Track {
    /// Stores a packet that is described already. `ntp` tells our wall clock when it arrived.
    pub(crate) fn store(&mut self, ntp: impl FnOnce() -> NtpTime, meta: Meta, payload: &[u8]) -> Pushed {
        let Meta { sequence, timestamp, received, descriptor, .. } = meta;
        let cursor = self.history.end();
        if !self.history.push(meta, payload) {
            return Pushed::Duplicate;
        }
        self.uses_playout_delay |= meta.extensions.playout_delay.is_some();
        if let Some(key) = &mut self.key_frame {
            key.bytes += payload.len();
        }
        // Timestamps tell before from behind for half their range only, which is less than seven hours.
        let is_recent = |then: Instant| received.saturating_duration_since(then) <= MAX_AGE;
        let age = self
            .key_frame
            .filter(|key| is_recent(key.received))
            .map_or(i32::MAX, |key| timestamp.wrapping_sub(key.timestamp) as i32);
        let begins = descriptor.key_frame && age > 0;
        if let Some(key) = &mut self.key_frame
            && descriptor.key_frame
            && age == 0
            && sequence < key.sequence
        {
            // What comes before the picture comes late: H.264's parameter sets. Who starts there asks for the rest.
            (key.cursor, key.sequence) = (cursor, sequence);
        }
        if begins {
            self.key_frame = Some(KeyFrame { cursor, sequence, timestamp, received, bytes: payload.len() });
            self.key_frames.note_arrived(received);
        }
        if descriptor.resolution.is_some() {
            self.resolution = descriptor.resolution;
        }
        let is_newest = |latest: Latest| {
            !is_recent(latest.received) || (timestamp.wrapping_sub(latest.timestamp) as i32) >= 0
        };
        if self.latest.is_none_or(is_newest) || self.arrived.is_none() {
            self.latest = Some(Latest { timestamp, received, format: meta.format });
        }
        if self.arrived.is_none() {
            self.arrived = Some(SenderClock { ntp: ntp(), timestamp });
        }
        Pushed::Stored { key_frame: begins }
    }
}
