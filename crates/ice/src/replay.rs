//! Transaction ids seen lately, so that an overheard request can't be used from another address.
//!
//! STUN has no protection against replay, and a check that names a new address moves media there. An honest
//! peer takes a fresh id for each check and repeats it only from the same address.

use headwater_stun::TransactionId;

/// How many ids are remembered: at least five minutes of what browsers send on one path.
const MAX_REMEMBERED: usize = 128;

/// The last ids of authenticated requests; 8 of their 12 random bytes are enough to know them by.
#[derive(Debug, Default)]
pub(crate) struct RecentIds {
    ids: Vec<u64>,
    oldest: usize,
}

impl RecentIds {
    pub(crate) fn contains(&self, id: TransactionId) -> bool {
        self.ids.contains(&short(id))
    }

    /// Remembers an id; the oldest is forgotten when there are too many.
    pub(crate) fn insert(&mut self, id: TransactionId) {
        if self.ids.len() < MAX_REMEMBERED {
            self.ids.push(short(id));
        } else if let Some(slot) = self.ids.get_mut(self.oldest) {
            *slot = short(id);
            self.oldest = (self.oldest + 1) % MAX_REMEMBERED;
        }
    }
}

fn short(id: TransactionId) -> u64 {
    let [head @ .., _, _, _, _] = *id.as_bytes();
    u64::from_be_bytes(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_id_is_forgotten_first() {
        let id = |n: u8| TransactionId::new([n; 12]);
        let mut recent = RecentIds::default();
        (0..128).for_each(|n| recent.insert(id(n)));
        assert!(recent.contains(id(0)));
        recent.insert(id(200));
        assert!(!recent.contains(id(0)));
        assert!(recent.contains(id(1)) && recent.contains(id(200)));
    }
}
