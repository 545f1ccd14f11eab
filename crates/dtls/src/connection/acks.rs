//! DTLS 1.3: which records of the peer's to acknowledge, and when (RFC 9147 §7).

use std::time::Instant;

use super::{Connection, Phase, Side};
use crate::record::ContentType;
use crate::record::ack::{Ack, MAX_ENTRIES};
use crate::record::layer::RecordNumber;

/// The handshake records that came since we last sent a flight: the flight that answers them acknowledges them.
#[derive(Default)]
pub(super) struct Acks {
    records: Vec<RecordNumber>,
    deadline: Option<Instant>,
}

impl Acks {
    /// A record whose messages we have handled or kept.
    pub(super) fn note(&mut self, number: RecordNumber) {
        if self.records.len() == MAX_ENTRIES {
            self.records.remove(0); // the peer will send it again, and we shall say so again
        }
        self.records.push(number);
    }

    /// Says by `at` what is there, unless the rest comes first.
    pub(super) fn set_deadline(&mut self, at: Instant) {
        if !self.records.is_empty() {
            self.deadline = Some(self.deadline.map_or(at, |deadline| deadline.min(at)));
        }
    }

    /// Says it again at `at` unless the rest comes first.
    fn repeat(&mut self, records: Vec<RecordNumber>, at: Instant) {
        self.records = records;
        self.set_deadline(at);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// They need no ACK any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Connection {
    /// Acknowledges what was noted. Only with keys: in the clear anybody could say it, and we would not listen, either.
    pub(super) fn send_ack(&mut self) {
        let records = std::mem::take(&mut self.acks.records);
        self.acks.clear();
        if records.is_empty() || !self.exchange.records.can_read() || self.outgoing.len() >= super::MAX_QUEUED
        {
            return;
        }
        let mut content = Vec::new();
        let numbers = records.iter().map(|number| (u64::from(number.epoch.0), number.sequence_number));
        Ack::emit(numbers, &mut content);
        // RFC 9147 §7: in the newest epoch, which is no older than what it acknowledges. Lost, it will be called for again.
        let _ = self.queue_record(self.exchange.records.write_epoch(), ContentType::ACK, &content);
        if let Phase::Handshake(handshake) = &self.phase
            && matches!(handshake.side, Side::Client13(_))
        {
            // We have no flight under way that would be repeated, and the server may have to hear of us before it may
            // send more: if neither said anything, both would wait for ever.
            self.acks.repeat(records, self.now + self.exchange.flight.pause(self.now));
        }
    }
}
