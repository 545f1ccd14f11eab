//! What a node counts.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use headwater_sfu::Totals;

use crate::worker::{Turn, Worker};

/// Counts over all workers.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Connected publishers.
    pub publishers: u64,
    /// Connected viewers.
    pub viewers: u64,
    /// Sessions that are not connected yet.
    pub pending: u64,
    /// Live streams.
    pub streams: u64,
    /// Connected sessions by DTLS version, key-exchange group and SRTP profile (IANA numbers).
    pub security: HashMap<(String, u16, u16), u64>,
    /// Handshakes finished since the start, by DTLS version, key-exchange group and SRTP profile (IANA numbers).
    pub handshakes: HashMap<(String, u16, u16), u64>,
    /// How often a worker failed and began anew.
    pub panics: u64,
    /// Everything since the start, one entry for each worker.
    pub totals: Vec<Totals>,
    /// Connected viewers of each worker.
    pub viewers_by_worker: Vec<u64>,
    /// Connections given to the workers: ICE-TCP, TURN over TCP and TLS.
    pub connections: u64,
    /// What the TURN server did.
    pub turn: TurnCounters,
}

/// What the TURN server beside the media did, over all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TurnCounters {
    /// Allocations now.
    pub allocations: u64,
    /// Allocations made since the start.
    pub allocated: u64,
    /// Datagrams of clients handed to the media, and of the media handed to clients.
    pub packets: [u64; 2],
    /// Their bytes.
    pub bytes: [u64; 2],
    /// Requests with wrong or expired credentials.
    pub failed_authentications: u64,
    /// Data that was refused: improper, not permitted, over a limit; of clients and for clients.
    pub refused: [u64; 2],
}

impl TurnCounters {
    pub(crate) fn add(&mut self, other: &Self) {
        let sum = |ours: &mut [u64; 2], theirs: [u64; 2]| {
            ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours += theirs);
        };
        self.allocations += other.allocations;
        self.allocated += other.allocated;
        sum(&mut self.packets, other.packets);
        sum(&mut self.bytes, other.bytes);
        self.failed_authentications += other.failed_authentications;
        sum(&mut self.refused, other.refused);
    }
}

impl Worker {
    pub(crate) fn count(&self) -> Counters {
        let mut counters = Counters::default();
        for peer in self.sfu.peers(self.now) {
            match (peer.is_connected, peer.is_publisher) {
                (false, _) => counters.pending += 1,
                (true, true) => counters.publishers += 1,
                (true, false) => counters.viewers += 1,
            }
            if let Some(security) = peer.security.filter(|_| peer.is_connected) {
                let key = (security.version, security.group, security.srtp_profile);
                *counters.security.entry(key).or_default() += 1;
            }
        }
        for (security, count) in self.sfu.handshakes() {
            let key = (security.version.clone(), security.group, security.srtp_profile);
            *counters.handshakes.entry(key).or_default() += count;
        }
        let streams = self.sfu.streams(self.now);
        counters.streams =
            streams.iter().filter(|stream| stream.is_live && !stream.is_replica).count() as u64;
        let mut totals = self.sfu.counters();
        totals.handed_off = self.links.handed_off;
        totals.hand_off_drops = self.links.dropped;
        totals.wrong_worker = self.strays.passed_on;
        totals.kernel_drops = self.kernel_drops();
        counters.totals = vec![totals];
        counters.viewers_by_worker = vec![counters.viewers];
        counters.connections = self.inner.workers()[self.index].streams.load(Ordering::Relaxed) as u64;
        counters.turn = self.turn.as_ref().map(Turn::counters).unwrap_or_default();
        counters
    }
}
