//! How much video may leave for one viewer now. Bandwidth estimation will set the rate; until then it is far above the
//! track's own, and only keeps what a late joiner catches up with, or a large key frame, from arriving as one flood.

use std::time::{Duration, Instant};

/// The longest burst, as time at the pacing rate.
const BURST: Duration = Duration::from_millis(5);
/// The least pacing rate, in bytes per second: 16 full packets fit into one burst.
const MIN_RATE: u64 = 5_000_000;
/// How many times faster than its track a viewer is sent what waits for it.
const HEADROOM: u64 = 4;

/// One viewer's budget.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    /// When everything sent would have gone at the pacing rate.
    busy_until: Option<Instant>,
}

impl Pacer {
    /// How many bytes may leave now as one burst, of a track with this bitrate in bytes per second; one packet always may.
    ///
    /// # Errors
    /// When something may.
    pub(crate) fn allowance(&self, now: Instant, track: u64) -> Result<usize, Instant> {
        match self.busy_until {
            Some(until) if until > now => Err(until),
            _ => Ok((rate(track) * BURST.as_millis() as u64 / 1000) as usize),
        }
    }

    /// Nothing may leave until `until`, or until it may again.
    pub(crate) const fn block(&mut self, until: Instant) {
        self.busy_until = Some(until);
    }

    /// Something may leave at once.
    pub(crate) const fn unblock(&mut self) {
        self.busy_until = None;
    }

    /// Notes a burst of so many bytes.
    pub(crate) fn note_sent(&mut self, now: Instant, bytes: usize, track: u64) {
        let takes = Duration::from_nanos(bytes as u64 * 1_000_000_000 / rate(track));
        // What was not used is saved up, for one burst.
        let idle = now.checked_sub(BURST).unwrap_or(now);
        let from = self.busy_until.map_or(idle, |until| until.max(idle));
        self.busy_until = Some(from + takes);
    }
}

/// The pacing rate, in bytes per second.
fn rate(track: u64) -> u64 {
    MIN_RATE.max(HEADROOM * track)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_at_once_and_the_rate_holds_over_time() {
        let start = Instant::now() + Duration::from_secs(1);
        let mut pacer = Pacer::default();
        let (mut sent, mut now) = (0, start);
        let mut at_once = 0;
        while now < start + Duration::from_secs(2) {
            match pacer.allowance(now, 0) {
                Ok(bytes) => {
                    assert_eq!(bytes, 25_000);
                    pacer.note_sent(now, 20_000, 0);
                    sent += 20_000;
                    if now == start {
                        at_once = sent;
                    }
                }
                Err(until) => {
                    assert!(until <= now + BURST, "nobody waits for longer than a burst takes");
                    now = until;
                }
            }
        }
        assert!((20_000..=40_000).contains(&at_once), "{at_once}");
        assert!((2 * MIN_RATE..2 * MIN_RATE + 60_000).contains(&sent), "{sent}");
    }

    #[test]
    fn a_faster_track_has_a_faster_pace() {
        let now = Instant::now() + Duration::from_secs(1);
        let mut pacer = Pacer::default();
        pacer.note_sent(now, 100_000, 25_000_000);
        assert_eq!(pacer.allowance(now, 25_000_000), Ok(500_000));
        pacer.note_sent(now, 1_000_000, 25_000_000);
        assert!(pacer.allowance(now, 25_000_000).is_err());
    }
}
