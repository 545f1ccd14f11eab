//! The only place where time is read.

use std::time::{Duration, Instant, SystemTime};

/// The monotonic clock alone.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Reads the clocks and ties kernel receive stamps to the monotonic one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    now: Instant,
    unix: Duration,
}

impl Clock {
    /// Reads both clocks.
    pub(crate) fn read() -> Self {
        let now = Instant::now();
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { now, unix }
    }

    /// The monotonic clock at the time of reading.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// The wall clock at the time of reading, since the Unix epoch.
    pub(crate) fn unix(&self) -> Duration {
        self.unix
    }

    /// The moment of a kernel receive stamp, which is wall-clock time shortly before this reading. A stamp that
    /// is missing, from the future, or older than a datagram can plausibly have waited counts as now.
    pub(crate) fn instant_of(&self, stamp: Option<Duration>) -> Instant {
        const LONGEST_WAIT: Duration = Duration::from_secs(1);
        stamp
            .and_then(|stamp| self.unix.checked_sub(stamp))
            .filter(|waited| *waited < LONGEST_WAIT)
            .and_then(|waited| self.now.checked_sub(waited))
            .unwrap_or(self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_a_moment_in_the_near_past() {
        let clock = Clock::read();
        let ago = |ms| clock.instant_of(Some(clock.unix - Duration::from_millis(ms)));
        assert_eq!(clock.now - ago(3), Duration::from_millis(3));
        assert_eq!(ago(100_000), clock.now, "the wall clock was set");
        assert_eq!(clock.instant_of(Some(clock.unix + Duration::from_secs(1))), clock.now);
        assert_eq!(clock.instant_of(None), clock.now);
    }
}
