//! Log lines that outsiders can provoke, at most one per interval.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Least time between two lines of one kind.
const INTERVAL: Duration = Duration::from_secs(10);

/// Lets a line through now and then, and counts what it held back.
#[derive(Default)]
pub(crate) struct Quiet(Mutex<State>);

#[derive(Default)]
struct State {
    last: Option<Instant>,
    held_back: u64,
}

impl Quiet {
    /// `Some(n)`: log now, and say that `n` lines were held back before. `None`: don't.
    pub(crate) fn permit(&self) -> Option<u64> {
        self.permit_at(Instant::now())
    }

    fn permit_at(&self, now: Instant) -> Option<u64> {
        // A poisoned lock still holds a usable count.
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < INTERVAL) {
            state.held_back += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_interval_tells_how_many_were_held_back() {
        let (quiet, start) = (Quiet::default(), Instant::now());
        assert_eq!(quiet.permit_at(start), Some(0));
        assert_eq!(quiet.permit_at(start), None);
        assert_eq!(quiet.permit_at(start + INTERVAL / 2), None);
        assert_eq!(quiet.permit_at(start + INTERVAL), Some(2));
        assert_eq!(quiet.permit_at(start + 2 * INTERVAL), Some(0));
    }
}
