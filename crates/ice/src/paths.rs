//! The peer's validated addresses: at most 8, each forgotten after 30 s without an authenticated check.

use std::time::{Duration, Instant};

use crate::Path;

/// Most addresses of one peer. When a ninth is validated, the one that goes is the one that was silent for
/// longest and is not selected; one of before a restart goes first.
pub(crate) const MAX_PATHS: usize = 8;
/// How long an address stays validated without a check: the consent of RFC 7675 §5.1.
pub(crate) const PATH_LIFETIME: Duration = Duration::from_secs(30);

/// One validated address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ValidPath {
    pub(crate) path: Path,
    /// The generation of our credentials that its last check was for.
    pub(crate) generation: u32,
    /// When its last authenticated check came.
    pub(crate) checked: Instant,
    /// When anything authenticated came from it.
    pub(crate) received: Instant,
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
