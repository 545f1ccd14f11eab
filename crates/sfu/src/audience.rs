//! The viewers of a broadcast, in the order in which they are served: to join and to leave are O(1).

use std::collections::HashMap;
use std::ops::Deref;

use crate::peer_id::PeerId;

/// Everybody who watches. Reads as a slice.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    viewers: Vec<PeerId>,
    places: HashMap<PeerId, u32>,
}

impl Audience {
    /// Adds a viewer at the end.
    pub(crate) fn push(&mut self, viewer: PeerId) {
        self.places.insert(viewer, self.viewers.len() as u32);
        self.viewers.push(viewer);
    }

    /// Takes a viewer out; the last one gets its place. Returns `false` if it is not there.
    pub(crate) fn remove(&mut self, viewer: PeerId) -> bool {
        let Some(place) = self.places.remove(&viewer) else { return false };
        self.viewers.swap_remove(place as usize);
        if let Some(moved) = self.viewers.get(place as usize) {
            self.places.insert(*moved, place);
        }
        true
    }
}

impl Deref for Audience {
    type Target = [PeerId];

    fn deref(&self) -> &[PeerId] {
        &self.viewers
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whoever_joined_and_did_not_leave_is_there_once(steps in proptest::collection::vec((0_u32..20, any::<bool>()), 0..200)) {
            let mut audience = Audience::default();
            let mut model = std::collections::BTreeSet::new();
            for (index, joins) in steps {
                let viewer = PeerId { index, serial: 1 };
                if !joins {
                    prop_assert_eq!(audience.remove(viewer), model.remove(&viewer));
                } else if model.insert(viewer) {
                    audience.push(viewer);
                }
                let mut viewers = audience.to_vec();
                viewers.sort_unstable();
                prop_assert_eq!(viewers, model.iter().copied().collect::<Vec<_>>());
            }
        }
    }
}
