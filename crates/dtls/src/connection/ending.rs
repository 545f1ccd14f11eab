//! How an association ends, and who is told.

use super::acks::Acks;
use super::{Connection, MAX_QUEUED, Phase};
use crate::alert::AlertMessage;
use crate::event::{CloseReason, Event};
use crate::handshake::reassembly::Reassembly;
use crate::record::ContentType;
use crate::record::layer::{Epoch, RecordLayer};
use crate::{Refusal, Role};

impl Connection {
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

    /// Ends the handshake and says why.
    pub(super) fn fail(&mut self, refusal: Refusal) {
        self.outgoing.clear();
        self.queue_alert(AlertMessage::fatal(refusal.alert()));
        self.end(CloseReason::Refused(refusal));
    }

    pub(super) fn end(&mut self, reason: CloseReason) {
        self.phase = Phase::Closed;
        self.exchange.flight.forget();
        self.acks = Acks::default();
        self.reassembly = Reassembly::new();
        self.exchange.records = RecordLayer::default();
        self.events.push_back(Event::Closed { reason });
    }
}
