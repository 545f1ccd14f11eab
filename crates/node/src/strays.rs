//! Datagrams that arrive at the socket of a worker whose peer they are not.
//!
//! With several workers each has a socket of its own on the one port, and the kernel spreads senders over them by
//! a hash of addresses. A session belongs to the worker that its first check arrived at, until then to the one that answered
//! its offer; after that strays are those whose address has changed. The directory tells whose session a STUN request names;
//! of other datagrams the address is remembered, but only once a request from it has authenticated.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use headwater_sfu::{Path, Transport};

use crate::Inner;

/// Addresses remembered; further ones are not, until old ones have been silent.
const MAX_ADDRESSES: usize = 65_536;
/// An address that was silent for this long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60);
/// Datagrams of other workers' peers that may wait for a worker; further ones are lost, as on the network.
pub(crate) const MAX_STRAYS: usize = 4096;
/// None of the protocols here has longer ones.
pub(crate) const MAX_STRAY_BYTES: usize = 2048;
/// A datagram is not passed on more often: its session is moving faster than itself.
const MAX_HOPS: u8 = 3;

/// A datagram on its way to the worker it belongs to.
pub(crate) struct Stray {
    /// The worker whose socket it arrived at.
    pub(crate) from: usize,
    /// How often it was passed on.
    pub(crate) hops: u8,
    pub(crate) path: Path,
    pub(crate) received: Instant,
    pub(crate) contents: Vec<u8>,
}

/// The same before it is worth a copy.
pub(crate) struct Datagram<'a> {
    pub(crate) from: usize,
    pub(crate) hops: u8,
    pub(crate) path: Path,
    pub(crate) received: Instant,
    pub(crate) contents: &'a [u8],
}

/// Which worker a path belongs to.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    owners: HashMap<Path, (usize, Instant)>,
    swept: Option<Instant>,
    /// Datagrams passed on of sessions that have found their worker before.
    pub(crate) passed_on: u64,
}

impl Strays {
    /// Remembers a path.
    pub(crate) fn learn(&mut self, now: Instant, path: Path, worker: usize) {
        let sweep = self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= FORGET_AFTER);
        if sweep {
            self.swept = Some(now);
            self.owners.retain(|_, (_, seen)| now.saturating_duration_since(*seen) < FORGET_AFTER);
        }
        if self.owners.len() < MAX_ADDRESSES || self.owners.contains_key(&path) {
            self.owners.insert(path, (worker, now));
        }
    }

    /// Gives a datagram that is nobody's here to the worker that it belongs to, if that can be told.
    pub(crate) fn pass_on(&mut self, inner: &Inner, here: usize, now: Instant, datagram: &Datagram<'_>) {
        let &Datagram { from, hops, path, received, contents } = datagram;
        let Some(directory) = &inner.directory else { return };
        let owner = match headwater_sfu::ufrag_of_request(contents) {
            Some(ufrag) => directory.worker_of_ufrag(ufrag),
            None => self.owner_of(now, &path).map(|worker| (worker, true)),
        };
        if let Some((worker, is_placed)) = owner.filter(|(worker, _)| *worker != here)
            && let Some(handle) = inner.workers().get(worker)
            && hops < MAX_HOPS
        {
            self.passed_on += u64::from(is_placed);
            let contents = contents.to_vec();
            handle.send_stray(Stray { from, hops: hops + 1, path, received, contents });
        }
    }

    /// The worker that a path belongs to, if it belongs to one.
    fn owner_of(&mut self, now: Instant, path: &Path) -> Option<usize> {
        let (worker, seen) = self.owners.get_mut(path)?;
        *seen = now;
        Some(*worker)
    }
}

/// Which worker has the connection or the allocation that a path goes through, of peers that are not where it is.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere(HashMap<Path, usize>);

impl Elsewhere {
    /// A datagram of a peer of ours came to another worker.
    pub(crate) fn learn(&mut self, stray: &Stray) {
        if stray.path.transport == Transport::Udp {
            return;
        }
        if self.0.len() >= MAX_ADDRESSES {
            self.0.clear();
        }
        self.0.insert(stray.path, stray.from);
    }

    /// Where to send it from.
    pub(crate) fn worker_of(&self, path: &Path) -> Option<usize> {
        self.0.get(path).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn addresses_are_bounded_and_forgotten() {
        let mut strays = Strays::default();
        let start = Instant::now();
        let path = |last, port| {
            let [local, remote] = [([192, 0, 2, 100], 8189), ([192, 0, 2, last], port)].map(SocketAddr::from);
            Path::new(Transport::Udp, local, remote)
        };
        for port in 0..=u16::MAX {
            strays.learn(start, path(1, port), 1);
            strays.learn(start, path(2, port), 1);
        }
        assert_eq!(strays.owners.len(), MAX_ADDRESSES);
        let known = path(1, 5);
        assert_eq!(strays.owner_of(start, &known), Some(1));
        let later = start + FORGET_AFTER * 2;
        strays.learn(later, path(9, 9), 2);
        assert_eq!(strays.owners.len(), 1);
        assert_eq!(strays.owner_of(later, &known), None);
    }
}
