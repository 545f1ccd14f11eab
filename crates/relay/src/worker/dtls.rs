//! Clients over DTLS, on the port that plain ones may come to as well: told apart by the first byte.

use std::net::SocketAddr;

use headwater_stun::{Datagram, Transmit, Transport};
use headwater_turn::FiveTuple;

use super::Core;
use crate::Identity;
use crate::associations::{Associations, Path, Received};
use crate::relays::Run;

impl Core {
    /// Another certificate for TLS and DTLS, if they are spoken here.
    pub(super) fn set_identity(&mut self, identity: Identity) {
        if let Some(associations) = &mut self.associations {
            associations.set_certificate(identity.dtls.clone());
            self.identity = Some(identity);
        }
    }

    /// Whether a datagram that came to a listener for DTLS is a plain one, for the server. If not it has been dealt with.
    pub(super) fn is_plain(
        &mut self,
        port: usize,
        local: SocketAddr,
        remote: SocketAddr,
        contents: &[u8],
    ) -> bool {
        let path = (local, remote);
        if contents.first().is_some_and(|first| Associations::is_record(*first)) {
            self.receive_records(path, contents);
            return false;
        }
        // Who speaks DTLS does not speak without it: somebody else would, in the same name.
        let is_taken = self.associations.as_ref().is_some_and(|associations| associations.has(path));
        let is_plain = self.outbox.ports[port].is_plain && !is_taken;
        self.counters.refused += u64::from(!is_plain);
        is_plain
    }

    fn receive_records(&mut self, path: Path, records: &[u8]) {
        let Self { associations: Some(associations), server, relays, counters, outbox, now, .. } = self
        else {
            self.counters.refused += 1;
            return;
        };
        let received = associations.receive(*now, path, records, &mut outbox.bytes, |data| {
            let datagram = Datagram::new(Transport::Udp, path.0, path.1, &data);
            match server.handle_datagram(*now, datagram) {
                Ok(Some(to_peer)) => {
                    let mut run = Run::new();
                    run.push(relays, &to_peer);
                    run.flush(relays);
                }
                Ok(None) => {}
                Err(_) => counters.refused += 1,
            }
        });
        match received {
            Received::Open => {
                self.send_records(path);
                self.drain();
            }
            Received::Ended => {
                self.send_records(path);
                self.forget(path);
            }
            Received::Answered(len) => self.answer(path, len),
            Received::Refused(len) => {
                self.counters.refused += 1;
                self.answer(path, len);
            }
        }
    }

    /// The bytes at the outbox' end go to who has no association.
    fn answer(&mut self, path: Path, len: usize) {
        if len > 0 {
            self.outbox.push(&Transmit::new(Transport::Udp, path.0, path.1, len));
        }
    }

    /// What a handshake, an alert or an acknowledgement has to send.
    fn send_records(&mut self, path: Path) {
        let Self { associations: Some(associations), outbox, now, .. } = self else { return };
        while let Some(len) = associations.poll(*now, path, &mut outbox.bytes) {
            outbox.push(&Transmit::new(Transport::Udp, path.0, path.1, len));
        }
    }

    fn forget(&mut self, path: Path) {
        if let Some(associations) = &mut self.associations {
            associations.remove(path);
        }
        self.server.client_closed(self.now, FiveTuple::new(Transport::Udp, path.0, path.1));
        self.has_news = true;
    }

    /// A message for a client over UDP, which may be one with DTLS. HOT.
    pub(super) fn dispatch_secure(&mut self, transmit: &Transmit) {
        let path = (transmit.local, transmit.remote);
        let Self { associations, outbox, now, .. } = self;
        let Some(associations) = associations.as_mut().filter(|associations| associations.has(path)) else {
            return outbox.push(transmit);
        };
        let start = outbox.bytes.len() - transmit.len;
        if associations.seal(*now, path, &mut outbox.bytes, start) {
            let len = outbox.bytes.len() - start;
            outbox.push(&Transmit::new(Transport::Udp, path.0, path.1, len));
        } else {
            outbox.dropped += 1;
        }
    }

    /// Lets time pass for DTLS: for handshakes, or for all.
    pub(super) fn tick_associations(&mut self, all: bool) {
        let Self { associations: Some(associations), server, limits, now, .. } = self else { return };
        let (mut talking, mut ended) = associations.handle_timeout(*now, all);
        if all {
            let has_allocation =
                |path: Path| server.has_allocation(&FiveTuple::new(Transport::Udp, path.0, path.1));
            let stale = associations.stale(*now, limits.setup, limits.idle, has_allocation);
            talking.extend(stale.iter().copied());
            ended.extend(stale);
        }
        talking.into_iter().for_each(|path| self.send_records(path));
        ended.into_iter().for_each(|path| self.forget(path));
    }
}
