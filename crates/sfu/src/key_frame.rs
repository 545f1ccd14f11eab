//! Key-frame requests towards one publisher's track: merged, throttled, repeated until one comes.

use std::time::{Duration, Instant};

/// At most one request in this time, whoever asks. Shorter than [`MAX_CATCH_UP_AGE`](crate::track::MAX_CATCH_UP_AGE),
/// so that whoever must wait for the next request can start at the key frame of the last one instead.
pub(crate) const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// A request that comes this soon after a key frame left its viewer before that frame could be seen.
const CROSSED: Duration = Duration::from_millis(100);

/// The requests of one track.
#[derive(Debug, Default)]
pub struct KeyFrameRequests {
    wanted: Option<Instant>,
    asked: Option<Instant>,
    arrived: Option<Instant>,
    /// Requests sent, for the statistics.
    pub sent: u64,
}

impl KeyFrameRequests {
    /// A viewer lost its picture.
    pub fn want(&mut self, now: Instant) {
        if self.arrived.is_none_or(|arrived| now.saturating_duration_since(arrived) >= CROSSED) {
            self.insist(now);
        }
    }

    /// A viewer has nowhere to start, however recent the last key frame was.
    pub fn insist(&mut self, now: Instant) {
        self.wanted.get_or_insert(now);
    }

    /// A key frame has come.
    pub fn note_arrived(&mut self, now: Instant) {
        self.wanted = None;
        self.arrived = Some(now);
    }

    /// Nobody watches any more.
    pub fn forget(&mut self) {
        self.wanted = None;
    }

    /// Is a request due? If so it counts as sent.
    pub fn take(&mut self, now: Instant) -> bool {
        let due = self.poll_timeout().is_some_and(|due| due <= now);
        if due {
            self.asked = Some(now);
            self.sent += 1;
        }
        due
    }

    /// Is a wish to be passed on to the unit that has the publisher? It goes on once, and again if no key frame has come
    /// in [`MIN_INTERVAL`]; merging and repeating are that unit's.
    pub(crate) fn relay(&mut self, now: Instant) -> bool {
        let told = self.asked.filter(|asked| self.arrived.is_none_or(|arrived| arrived < *asked));
        let due = self.wanted.is_some() && told.is_none_or(|told| now >= told + MIN_INTERVAL);
        if due {
            self.asked = Some(now);
        }
        due
    }

    /// When the next request is due, if one is wanted.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let wanted = self.wanted?;
        Some(self.asked.map_or(wanted, |asked| wanted.max(asked + MIN_INTERVAL)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_viewers_cost_one_request_a_second_until_the_frame_comes() {
        let start = Instant::now();
        let mut requests = KeyFrameRequests::default();
        let mut sent = Vec::new();
        for ms in 0..3000 {
            let now = start + Duration::from_millis(ms);
            requests.insist(now);
            if requests.take(now) {
                sent.push(ms);
            }
        }
        assert_eq!(sent, [0, 1000, 2000]);
        let now = start + Duration::from_millis(3000);
        requests.note_arrived(now);
        assert_eq!(requests.poll_timeout(), None);
        requests.want(now + Duration::from_millis(20));
        assert_eq!(requests.poll_timeout(), None, "that request crossed the key frame");
        requests.want(now + Duration::from_millis(200));
        assert!(requests.take(now + Duration::from_millis(200)));
    }
}
