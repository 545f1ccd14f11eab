//! What a connection sends: flights, records, alerts.

use super::{Connection, MAX_QUEUED, Phase};
use crate::alert::AlertMessage;
use crate::record::ContentType;
use crate::record::layer::Epoch;
use crate::{Error, Role};

impl Connection {
    /// Queues the flight's datagrams. Those of the last time that are still there have waited for credit or for the owner:
    /// they are replaced, since the new ones may be smaller. Data waits its turn.
    pub(super) fn send_flight(&mut self) {
        let (now, mtu) = (self.now, self.exchange.config.mtu);
        let exchange = &mut self.exchange;
        let is_handshake = matches!(self.phase, Phase::Handshake(_));
        if is_handshake {
            self.outgoing.clear();
        }
        if self.outgoing.is_empty() || exchange.flight.is_unsent() {
            // Fails only at the end of the sequence numbers, or without entropy: then time-outs end it.
            let _ = exchange.flight.send(now, mtu, &mut exchange.records, &mut self.outgoing);
        }
        exchange.flight.arm(now);
    }

    pub(super) fn queue_record(
        &mut self,
        epoch: Epoch,
        kind: ContentType,
        content: &[u8],
    ) -> Result<(), Error> {
        let mut datagram = Vec::with_capacity(content.len() + self.exchange.records.overhead(epoch));
        self.exchange.records.seal(epoch, kind, content, &mut datagram)?;
        self.outgoing.push_back(datagram);
        Ok(())
    }

    pub(super) fn queue_alert(&mut self, alert: AlertMessage) {
        if self.outgoing.len() > MAX_QUEUED {
            return;
        }
        let newest = self.exchange.records.write_epoch();
        let epoch = match (&self.phase, self.role) {
            (Phase::Established(_), _) => newest,
            // Of epoch 3 the peer may not have the keys.
            (_, _) if newest >= Epoch::HANDSHAKE => Epoch::HANDSHAKE,
            // A server's epoch 1 begins with its Finished, a client's when it has the keys.
            (_, Role::Client) => newest,
            (_, Role::Server) => Epoch::PLAIN,
        };
        let _ = self.queue_record(epoch, ContentType::ALERT, &alert.to_bytes());
    }
}
