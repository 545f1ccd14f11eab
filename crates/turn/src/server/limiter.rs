//! How much unproven senders are answered: nobody shall be flooded by us (RFC 8656 §21.1.6; field class S9).
//!
//! Answers to requests without credentials are longer than the request, and over UDP its source may be forged.
//! So each source address, and whoever shares a bucket with it, is sent only so many bytes more than it sent.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::quota::prefix;

/// Buckets. Sources share them by chance, so that any number of sources takes the same memory.
const BUCKETS: usize = 4096;
/// How many seconds' worth may be sent at once.
const BURST: u64 = 4;

/// The buckets.
pub(super) struct Limiter {
    bytes_per_second: u32,
    seed: [u64; 2],
    start: Instant,
    buckets: Box<[Bucket]>,
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    /// Bytes that were sent and not yet forgiven.
    level: u32,
    /// Milliseconds since the start.
    counted: u32,
}

impl Limiter {
    pub(super) fn new(bytes_per_second: u32, seed: [u64; 2], start: Instant) -> Self {
        Self { bytes_per_second, seed, start, buckets: vec![Bucket::default(); BUCKETS].into_boxed_slice() }
    }

    /// Whether `source` may be sent this many bytes more than it has sent. If so they are counted.
    pub(super) fn allow(&mut self, now: Instant, source: IpAddr, bytes: usize) -> bool {
        if bytes == 0 {
            return true;
        }
        let (rate, capacity) = (u64::from(self.bytes_per_second), u64::from(self.bytes_per_second) * BURST);
        let millis = now.saturating_duration_since(self.start).as_millis() as u32;
        let bucket = &mut self.buckets[bucket_of(source, self.seed)];
        let forgiven = rate * u64::from(millis.wrapping_sub(bucket.counted)) / 1000;
        let level = u64::from(bucket.level).saturating_sub(forgiven) + bytes as u64;
        if level > capacity {
            return false;
        }
        *bucket = Bucket { level: u32::try_from(level).unwrap_or(u32::MAX), counted: millis };
        true
    }
}

fn bucket_of(source: IpAddr, [state, factor]: [u64; 2]) -> usize {
    let prefix = prefix(source);
    [prefix as u64, (prefix >> 64) as u64].into_iter().fold(state, |state, word| {
        let product = u128::from(state ^ word) * u128::from(factor | 1);
        (product as u64 ^ (product >> 64) as u64).wrapping_add(state.rotate_left(23))
    }) as usize
        % BUCKETS
}

/// So that the time since the start, counted in milliseconds, is right for any server's life.
const _: () = assert!(Duration::from_millis(u32::MAX as u64).as_secs() > 40 * 86_400);
