//! What users have over all workers; each worker's server counts only its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use headwater_turn::{FiveTuple, RelayId};

/// Allocations of users. It has a name for each user with an allocation.
#[derive(Debug)]
pub(crate) struct Ledger {
    most: u32,
    counts: Mutex<HashMap<Arc<str>, u32>>,
}

impl Ledger {
    /// Each user may have so many.
    pub(crate) fn new(most: u32) -> Self {
        Self { most, counts: Mutex::default() }
    }

    fn charge(&self, user: &Arc<str>) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(Arc::clone(user)).or_default();
        if *count >= self.most {
            return false;
        }
        *count += 1;
        true
    }

    fn refund(&self, user: &Arc<str>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(user);
            }
        }
    }
}

/// One allocation of a user; given back with the last of its relays.
#[derive(Debug)]
struct Charge {
    ledger: Arc<Ledger>,
    user: Arc<str>,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.ledger.refund(&self.user);
    }
}

/// What one worker has charged, by relay.
#[derive(Debug, Default)]
pub(crate) struct Charges {
    ledger: Option<Arc<Ledger>>,
    of: HashMap<RelayId, Arc<Charge>>,
    /// The last one and its client: a second relay follows at once and belongs to the same allocation.
    last: Option<(FiveTuple, RelayId)>,
}

impl Charges {
    /// `None`: nothing is limited over the workers.
    pub(crate) fn new(ledger: Option<Arc<Ledger>>) -> Self {
        Self { ledger, ..Self::default() }
    }

    /// Whether a relay may be opened.
    pub(crate) fn charge(&mut self, relay: RelayId, client: FiveTuple, user: &str) -> bool {
        let Some(ledger) = &self.ledger else { return true };
        let before = self.last.take().filter(|(other, _)| *other == client);
        if let Some(charge) = before.and_then(|(_, first)| self.of.get(&first)) {
            self.of.insert(relay, Arc::clone(charge));
            return true;
        }
        let user = account(user).into();
        if !ledger.charge(&user) {
            return false;
        }
        self.of.insert(relay, Arc::new(Charge { ledger: Arc::clone(ledger), user }));
        self.last = Some((client, relay));
        true
    }

    /// A relay is closed.
    pub(crate) fn refund(&mut self, relay: RelayId) {
        self.last = None;
        self.of.remove(&relay);
    }

    /// An allocation is whole: a relay for the same client is another one's.
    pub(crate) fn close_last(&mut self) {
        self.last = None;
    }
}

/// For time-limited credentials what stands behind the colon: the time before it is another one each time.
fn account(user: &str) -> &str {
    match user.split_once(':') {
        Some((time, name)) if !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => user,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use headwater_stun::Transport;

    use super::*;

    fn client(port: u16) -> FiveTuple {
        let [local, remote] = [1, port].map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        FiveTuple::new(Transport::Udp, local, remote)
    }

    fn relay(index: u32) -> RelayId {
        RelayId { index, serial: 0 }
    }

    #[test]
    fn what_a_user_has_counts_over_all_workers() {
        let ledger = Arc::new(Ledger::new(2));
        let [mut a, mut b] = [(); 2].map(|()| Charges::new(Some(Arc::clone(&ledger))));
        assert!(a.charge(relay(0), client(2), "1700000000:eve"));
        assert!(a.charge(relay(1), client(2), "1700000000:eve"), "the second family of the same allocation");
        assert!(b.charge(relay(0), client(3), "1800000000:eve"));
        assert!(!b.charge(relay(1), client(4), "1700000000:eve"));
        assert!(b.charge(relay(1), client(5), "mallory"));
        // Either of the two may be given up first.
        a.refund(relay(0));
        assert!(!b.charge(relay(2), client(4), "eve"), "the allocation has another relay");
        a.refund(relay(1));
        assert!(b.charge(relay(2), client(4), "eve"));
    }
}
