//! What is sent by another way than our own sockets: over connections, through allocations, by other workers.

use std::sync::atomic::Ordering;

use headwater_sfu::{Path, Transmit, Transport};

use super::Worker;
use crate::strays::Stray;

impl Worker {
    /// Sends what the forwarding unit has written to the outbox, from `start` on, along a path that is not plain UDP.
    pub(super) fn send_along(&mut self, transmit: &Transmit, start: usize) {
        let mut bytes = std::mem::take(&mut self.detour);
        bytes.clear();
        bytes.extend_from_slice(&self.outbox.bytes[start..]);
        self.outbox.bytes.truncate(start);
        if !self.send_here(transmit, &bytes) {
            self.send_elsewhere(transmit, &bytes);
        }
        self.detour = bytes;
    }

    /// Answers of the TURN server, and what other workers have for those whose connections are here. Returns whether there
    /// was something.
    pub(super) fn send_for_others(&mut self) -> bool {
        let start = self.outbox.bytes.len();
        let Self { turn, outbox, now, .. } = self;
        if let Some(transmit) = turn.as_mut().and_then(|turn| turn.poll_transmit(*now, &mut outbox.bytes)) {
            let client = Path::new(transmit.transport, transmit.local, transmit.remote);
            self.send_to_client(&transmit, start, &client);
            return true;
        }
        let Some(Stray { path, contents, .. }) = self.deliveries.pop_front() else { return false };
        self.inner.workers()[self.index].strays.fetch_sub(1, Ordering::Relaxed);
        let transmit = Transmit::new(path.transport, path.local, path.remote, contents.len());
        self.send_here(&transmit, &contents);
        true
    }

    /// Looks at the time of the TURN server, and at what it wants.
    pub(super) fn look_at_turn(&mut self) {
        let Self { turn: Some(turn), sfu, now, .. } = self else { return };
        if turn.poll_timeout().is_some_and(|due| due <= *now) {
            turn.handle_timeout(*now);
        }
        turn.settle(*now, sfu);
    }

    /// Returns `false` if the connection, or the allocation, is not here.
    fn send_here(&mut self, transmit: &Transmit, bytes: &[u8]) -> bool {
        let path = Path::new(transmit.transport, transmit.local, transmit.remote);
        if transmit.transport != Transport::Relayed {
            return self.send_over_connection(transmit, bytes, &path);
        }
        let Self { turn: Some(turn), outbox, packed, now, .. } = self else { return false };
        packed.clear();
        let is_here = turn.pack(*now, transmit, bytes, &mut outbox.bytes, packed);
        let mut packed = std::mem::take(packed);
        for (one, start) in packed.drain(..) {
            self.send_to_client(&one, start, &path);
        }
        self.packed = packed;
        is_here
    }

    /// Sends what stands in the outbox from `start` on to a TURN client; `waiting` is the path that it is for.
    fn send_to_client(&mut self, transmit: &Transmit, start: usize, waiting: &Path) {
        let Self { outbox, sockets, connections, sfu, now, .. } = self;
        if transmit.transport == Transport::Udp {
            outbox.push(sockets, transmit, start);
            return;
        }
        let bytes = &outbox.bytes[start..start + transmit.len];
        if connections.send(transmit, bytes, waiting) == Some(true) {
            sfu.set_writable(*now, waiting, false);
        }
    }

    fn send_over_connection(&mut self, transmit: &Transmit, bytes: &[u8], path: &Path) -> bool {
        let Self { connections, sfu, now, .. } = self;
        let sent = connections.send(transmit, bytes, path);
        if sent == Some(true) {
            sfu.set_writable(*now, path, false);
        }
        sent.is_some()
    }

    /// The peer has come over another worker, and that one has what leads to it.
    fn send_elsewhere(&self, transmit: &Transmit, bytes: &[u8]) {
        let path = Path::new(transmit.transport, transmit.local, transmit.remote);
        let Some(worker) = self.elsewhere.worker_of(&path).filter(|worker| *worker != self.index) else {
            return;
        };
        let Some(handle) = self.inner.workers().get(worker) else { return };
        let segment = transmit.segment_size.map_or(bytes.len(), usize::from).max(1);
        for datagram in bytes.chunks(segment) {
            let contents = datagram.to_vec();
            handle.deliver(Stray { from: self.index, hops: 0, path, received: self.now, contents });
        }
    }
}
