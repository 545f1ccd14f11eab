//! Times by how often they came, in buckets 3 % wide.

use std::time::Duration;

/// Sub-buckets of each power of two.
const PARTS: usize = 32;
const PARTS_BITS: u32 = PARTS.trailing_zeros();

/// Counts of durations in nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; 64 * PARTS], total: 0 }
    }

    pub(super) fn note(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.total += other.total;
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// The duration that this share of all does not exceed; zero of none.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(upper_end(bucket));
            }
        }
        Duration::ZERO
    }
}

fn bucket(nanos: u64) -> usize {
    let power = (nanos | 1).ilog2();
    if power < PARTS_BITS {
        return nanos as usize;
    }
    let shift = power - PARTS_BITS;
    (shift as usize + 1) * PARTS + ((nanos >> shift) as usize - PARTS)
}

fn upper_end(bucket: usize) -> u64 {
    if bucket < PARTS {
        return bucket as u64;
    }
    let shift = bucket / PARTS - 1;
    let low = ((bucket % PARTS + PARTS) as u64) << shift;
    low + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_three_percent() {
        let mut histogram = Histogram::new();
        (1..=100_000).for_each(|nanos| histogram.note(nanos));
        let mut twice = histogram.clone();
        twice.merge(&histogram);
        for share in [0.01, 0.5, 0.99, 1.0] {
            for histogram in [&histogram, &twice] {
                let ratio = histogram.quantile(share).as_nanos() as f64 / (share * 100_000.0);
                assert!((1.0..1.032).contains(&ratio), "{share}: {ratio}");
            }
        }
    }

    #[test]
    fn every_duration_has_a_bucket_that_ends_at_or_behind_it() {
        for nanos in [0, 1, 31, 32, 33, 63, 64, 1 << 40, u64::MAX] {
            let bucket = bucket(nanos);
            assert!(bucket < 64 * PARTS && upper_end(bucket) >= nanos, "{nanos}");
        }
        assert_eq!(Histogram::new().quantile(0.5), Duration::ZERO);
    }
}
