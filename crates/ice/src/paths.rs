//! The peer's validated addresses: at most 8, each forgotten after 30 s without an authenticated check.
//!
//! And when one of them counts as silent, for who can only listen (the lite agent): 3 s after the end of a stream, that is
//! of something each second for 3 s at least, and otherwise 7 s after the last sign, since consent alone comes every 4 to
//! 6 s (RFC 7675 §5.1). The full agent asks before it believes in silence.

use std::time::{Duration, Instant};

use crate::Path;

/// Most addresses of one peer. When a ninth is validated, the one that goes is the one that was silent for
/// longest and is not selected; one of before a restart goes first.
pub(crate) const MAX_PATHS: usize = 8;
/// How long an address stays validated without a check: the consent of RFC 7675 §5.1.
pub(crate) const PATH_LIFETIME: Duration = Duration::from_secs(30);
/// How long a path must bring nothing where something came all the time.
pub(crate) const STREAM_SILENCE: Duration = Duration::from_secs(3);
/// How long a path must bring nothing where consent is all that comes: its longest interval, and time to travel.
pub(crate) const QUIET_SILENCE: Duration = Duration::from_secs(7);
/// The longest pause within a stream.
const STREAM_PAUSE: Duration = Duration::from_secs(1);

/// One validated address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValidPath {
    pub(crate) path: Path,
    /// The generation of our credentials that its last check was for.
    pub(crate) generation: u32,
    /// When its last authenticated check came, or the answer to one of ours.
    pub(crate) checked: Instant,
    /// When the peer last sent anything authenticated along it of its own accord: a check, DTLS, media.
    pub(crate) received: Instant,
    /// Since when such things have come without a pause.
    streams_since: Instant,
}

impl ValidPath {
    pub(crate) const fn new(path: Path, generation: u32, now: Instant) -> Self {
        Self { path, generation, checked: now, received: now, streams_since: now }
    }

    /// The peer sent something. HOT.
    pub(crate) fn note_received(&mut self, now: Instant) {
        if now.saturating_duration_since(self.received) > STREAM_PAUSE {
            self.streams_since = now;
        }
        self.received = now;
    }

    /// The last sign of life.
    pub(crate) fn last_sign(&self) -> Instant {
        self.checked.max(self.received)
    }

    /// Whether something came all the time until `received`.
    pub(crate) fn is_stream(&self) -> bool {
        self.received.saturating_duration_since(self.streams_since) >= STREAM_SILENCE
    }

    /// From when on it counts as silent if nothing comes until then and nobody asks.
    pub(crate) fn silent_at(&self) -> Instant {
        self.received + if self.is_stream() { STREAM_SILENCE } else { QUIET_SILENCE }
    }
}

/// The list. Small enough that a scan is the fastest map.
#[derive(Debug, Default)]
pub(crate) struct Paths(Vec<ValidPath>);

impl Paths {
    pub(crate) fn get(&self, path: &Path) -> Option<&ValidPath> {
        self.0.iter().find(|it| it.path == *path)
    }

    pub(crate) fn get_mut(&mut self, path: &Path) -> Option<&mut ValidPath> {
        self.0.iter_mut().find(|it| it.path == *path)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ValidPath> {
        self.0.iter()
    }

    /// Adds a path that isn't there; returns the one that had to go.
    pub(crate) fn insert(&mut self, path: ValidPath, selected: Option<Path>) -> Option<Path> {
        debug_assert!(self.get(&path.path).is_none());
        let evicted = if self.0.len() < MAX_PATHS { None } else { self.least_useful(selected) };
        let evicted = evicted.map(|index| self.0.swap_remove(index).path);
        // Mostly it stays the only one.
        self.0.reserve_exact(1);
        self.0.push(path);
        evicted
    }

    /// Removes one path, other than the selected one, whose last check is too old.
    pub(crate) fn remove_expired(&mut self, now: Instant, selected: Option<Path>) -> Option<Path> {
        let is_expired = |it: &ValidPath| {
            Some(it.path) != selected && now.saturating_duration_since(it.checked) >= PATH_LIFETIME
        };
        let index = self.0.iter().position(is_expired)?;
        Some(self.0.swap_remove(index).path)
    }

    /// When [`remove_expired`](Self::remove_expired) has something to do.
    pub(crate) fn poll_timeout(&self, selected: Option<Path>) -> Option<Instant> {
        let others = self.0.iter().filter(|it| Some(it.path) != selected);
        others.map(|it| it.checked + PATH_LIFETIME).min()
    }

    /// Removes a path whose connection is gone.
    pub(crate) fn remove(&mut self, path: &Path) -> Option<ValidPath> {
        let index = self.0.iter().position(|it| it.path == *path)?;
        Some(self.0.swap_remove(index))
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn least_useful(&self, selected: Option<Path>) -> Option<usize> {
        let others = self.0.iter().enumerate().filter(|(_, it)| Some(it.path) != selected);
        others.min_by_key(|(_, it)| (it.generation, it.checked)).map(|(index, _)| index)
    }
}
