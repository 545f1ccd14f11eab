//! How many viewers one core serves: doubled until it is too many, then halved in between.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::options::{MAX_VIEWERS, Profile};
use super::run::{Bench, Limit, Measured, Run};

const MAX_LOSS_PERCENT: f64 = 0.1;
const MAX_P99_MS: f64 = 50.0;
const WINDOW: Duration = Duration::from_secs(2);
const ALONE: Duration = Duration::from_millis(300);
const FIRST: usize = 100;
/// The search ends when it is this exact, has tried so often, or has taken this long.
const EXACT: f64 = 1.08;
const TRIES: usize = 12;
const WITHIN: Duration = Duration::from_secs(150);

/// What the search found.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Found {
    /// The most viewers with hardly a loss and little delay.
    #[serde(rename = "viewers_per_core")]
    pub(super) viewers: usize,
    /// What stands in the way of more.
    pub(super) limit: Limit,
}

/// Was everybody served well?
pub(super) fn is_good(measured: &Measured) -> bool {
    measured.joined == measured.viewers
        && measured.loss_percent < MAX_LOSS_PERCENT
        && measured.p99_ms < MAX_P99_MS
}

/// Searches upwards from what went well already.
pub(super) fn search(bench: &Bench, known_good: usize, mut each: impl FnMut(&Measured)) -> io::Result<Found> {
    let start = Instant::now();
    let (mut good, mut bad, mut limit) = (known_good, None, Limit::None);
    for _ in 0..TRIES {
        let viewers = match bad {
            Some(bad) => (good + bad) / 2,
            None => (good * 2).clamp(FIRST, MAX_VIEWERS),
        };
        if start.elapsed() > WITHIN || viewers == good {
            break;
        }
        let (workers, profile) = (1, Profile::Gcm);
        let run = Run { viewers, workers, profile, window: WINDOW, alone: ALONE, with_raw: false };
        let measured = bench.measure(&run)?;
        each(&measured);
        if is_good(&measured) {
            good = viewers;
        } else {
            bad = Some(viewers);
            // Too slow without anything at its end is still the server's doing.
            limit = if measured.limit == Limit::None { Limit::Server } else { measured.limit };
        }
        if bad.is_some_and(|bad| (bad as f64) < good as f64 * EXACT) {
            break;
        }
    }
    Ok(Found { viewers: good, limit })
}
