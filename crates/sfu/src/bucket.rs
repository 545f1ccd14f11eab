//! A token bucket: how much a publisher may send.

use std::time::{Duration, Instant};

/// The burst that is allowed on top of the rate, as time at that rate.
const BURST: Duration = Duration::from_secs(1);

/// Bytes that may pass.
#[derive(Debug)]
pub(crate) struct Bucket {
    bits_per_second: u64,
    /// In bits times 10^6, so that nothing is lost to rounding between close packets.
    level: u128,
    filled: Instant,
}

const SCALE: u128 = 1_000_000;

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(bits_per_second: u64, now: Instant) -> Self {
        Self { bits_per_second, level: capacity(bits_per_second), filled: now }
    }

    /// May these bytes pass? If so they are taken out.
    pub(crate) fn take(&mut self, now: Instant, bytes: usize) -> bool {
        let passed = now.saturating_duration_since(self.filled);
        self.filled = self.filled.max(now);
        let inflow = passed.as_micros() * u128::from(self.bits_per_second);
        self.level = (self.level + inflow).min(capacity(self.bits_per_second));
        let cost = bytes as u128 * 8 * SCALE;
        if cost > self.level {
            return false;
        }
        self.level -= cost;
        true
    }
}

fn capacity(bits_per_second: u64) -> u128 {
    u128::from(bits_per_second) * BURST.as_micros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_holds_over_time_and_a_burst_passes() {
        let start = Instant::now();
        let mut bucket = Bucket::new(8_000_000, start);
        let mut passed = 0;
        for ms in 0..10_000 {
            for _ in 0..4 {
                passed += usize::from(bucket.take(start + Duration::from_millis(ms), 1000));
            }
        }
        // One second's burst and ten seconds at 1 MB/s.
        assert!((10_990..=11_010).contains(&passed), "{passed}");
    }
}
