//! Datagrams that arrive at the socket of a worker whose peer they are not.
//!
//! With several workers each has a socket of its own on the one port, and the kernel spreads senders over them by
//! a hash of addresses. A stream's peers all belong to one worker. The user fragment of a STUN request names the
//! worker; of other datagrams the address is remembered, but only once a request from it has authenticated.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Addresses remembered; further ones are not, until old ones have been silent.
const MAX_ADDRESSES: usize = 65_536;
/// An address that was silent for this long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// Which worker an address belongs to.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    owners: HashMap<SocketAddr, (usize, Instant)>,
    swept: Option<Instant>,
}

impl Strays {
    /// Remembers an address.
    pub(crate) fn learn(&mut self, now: Instant, remote: SocketAddr, worker: usize) {
        let sweep = self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= FORGET_AFTER);
        if sweep {
            self.swept = Some(now);
            self.owners.retain(|_, (_, seen)| now.saturating_duration_since(*seen) < FORGET_AFTER);
        }
        if self.owners.len() < MAX_ADDRESSES || self.owners.contains_key(&remote) {
            self.owners.insert(remote, (worker, now));
        }
    }

    /// The worker that a datagram belongs to, if that can be told.
    pub(crate) fn owner_of(&mut self, now: Instant, remote: SocketAddr, contents: &[u8]) -> Option<usize> {
        if let Some(worker) = headwater_sfu::worker_of_request(contents) {
            return Some(worker);
        }
        let (worker, seen) = self.owners.get_mut(&remote)?;
        *seen = now;
        Some(*worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_bounded_and_forgotten() {
        let mut strays = Strays::default();
        let start = Instant::now();
        for port in 0..=u16::MAX {
            strays.learn(start, SocketAddr::from(([192, 0, 2, 1], port)), 1);
            strays.learn(start, SocketAddr::from(([192, 0, 2, 2], port)), 1);
        }
        assert_eq!(strays.owners.len(), MAX_ADDRESSES);
        let known = SocketAddr::from(([192, 0, 2, 1], 5));
        assert_eq!(strays.owner_of(start, known, &[128, 96]), Some(1));
        let later = start + FORGET_AFTER * 2;
        strays.learn(later, SocketAddr::from(([192, 0, 2, 9], 9)), 2);
        assert_eq!(strays.owners.len(), 1);
        assert_eq!(strays.owner_of(later, known, &[128, 96]), None);
    }
}
