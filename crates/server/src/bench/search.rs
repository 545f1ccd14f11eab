//! How many viewers one core serves: doubled until it is too many, then halved in between.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::options::{MAX_VIEWERS, Profile};
use super::run::{Limit, Measured, Run};

const MAX_LOSS_PERCENT: f64 = 0.1;
const MAX_P99_MS: f64 = 50.0;
/// A server near its end takes a while to make up for the joining.
const WARM_UP: Duration = Duration::from_secs(3);
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

/// Searches upwards from what went well already; `measure` runs so many viewers.
pub(super) fn search(
    known_good: usize,
    mut measure: impl FnMut(usize) -> io::Result<Measured>,
) -> io::Result<Found> {
    let start = Instant::now();
    let (mut good, mut bad, mut limit) = (known_good, None, Limit::None);
    for _ in 0..TRIES {
        let viewers = match bad {
            Some(bad) => (good + bad) / 2,
            None => (good * 2).clamp(FIRST, MAX_VIEWERS),
        };
        let is_exact = bad.is_some_and(|bad| (bad as f64) < good as f64 * EXACT);
        if is_exact || viewers == good || start.elapsed() > WITHIN {
            break;
        }
        let measured = measure(viewers)?;
        if is_good(&measured) {
            good = viewers;
        } else {
            bad = Some(viewers);
            // Too slow without anything at its end is still the server's doing.
            limit = if measured.limit == Limit::None { Limit::Server } else { measured.limit };
        }
    }
    Ok(Found { viewers: good, limit })
}

/// What the search runs: one worker, GCM, a short window.
pub(super) fn probe(viewers: usize) -> Run {
    let (workers, profile) = (1, Profile::Gcm);
    Run { viewers, workers, profile, alone: ALONE, warm_up: WARM_UP, window: WINDOW, with_raw: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that serves so many.
    fn server(most: usize, limit: Limit) -> impl FnMut(usize) -> io::Result<Measured> {
        move |viewers| {
            let is_too_many = viewers > most;
            Ok(Measured {
                viewers,
                joined: viewers,
                p99_ms: if is_too_many { 80.0 } else { 8.0 },
                limit: if is_too_many { limit } else { Limit::None },
                ..Measured::default()
            })
        }
    }

    #[test]
    fn the_end_is_found_to_eight_percent_from_anywhere() {
        for most in [60, 130, 1000, 1500, 7777] {
            for known in [0, 50, 60] {
                let found = search(known, server(most, Limit::Server)).expect("it measures");
                assert!(
                    found.viewers <= most && found.viewers as f64 * 1.09 > most as f64,
                    "{most}: {found:?}"
                );
                assert_eq!(found.limit, Limit::Server);
            }
        }
    }

    #[test]
    fn what_stood_in_the_way_is_named() {
        for (limit, named) in
            [(Limit::Clients, Limit::Clients), (Limit::Cpus, Limit::Cpus), (Limit::None, Limit::Server)]
        {
            assert_eq!(search(100, server(500, limit)).expect("it measures").limit, named);
        }
        let found = search(100, server(usize::MAX, Limit::None)).expect("it measures");
        assert_eq!((found.viewers, found.limit), (MAX_VIEWERS, Limit::None));
        assert_eq!(search(0, server(0, Limit::Server)).expect("it measures").viewers, 0);
    }

    #[test]
    fn whoever_is_missing_or_late_or_loses_is_not_served_well() {
        let good = server(10, Limit::None)(10).expect("it measures");
        assert!(is_good(&good));
        assert!(!is_good(&Measured { joined: 9, ..good.clone() }));
        assert!(!is_good(&Measured { loss_percent: 0.1, ..good.clone() }));
        assert!(!is_good(&Measured { p99_ms: 50.0, ..good }));
    }
}
