//! Datagram to records to messages, and what each may do in which phase.

use std::time::Duration;

use super::{Connection, Phase, Side};
use crate::alert::{Alert, AlertMessage};
use crate::config::Role;
use crate::event::{CloseReason, Event, Version};
use crate::handshake::reassembly::Place;
use crate::handshake::{Failure, Fragment, Progress};
use crate::message::HandshakeType;
use crate::record::ack::Ack;
use crate::record::layer::{Epoch, Opened, RecordNumber};
use crate::record::unified::UnifiedRecord;
use crate::record::{ContentType, Record};
use crate::{Error, ParseError, Refusal};

/// After something that anybody could have sent said that the handshake is hopeless (a hello that we must refuse, a
/// plaintext alert), this long passes without progress before we believe it.
const DOUBT: Duration = Duration::from_secs(2);
/// Protected records kept while the messages that bring their keys are still on their way; more are dropped.
const MAX_EARLY_RECORDS: usize = 8;
/// The longest of them.
const MAX_EARLY_RECORD_LEN: usize = 2048;
/// Application data kept while the peer's Finished is still on its way; more is dropped.
const MAX_EARLY_DATA: usize = 8;
/// Events of application data waiting for `poll_event`; more are dropped, as the network would.
const MAX_EVENTS: usize = 1024;
/// Record numbers of one ACK that are looked at; an honest one names the records of one flight.
const MAX_ACKNOWLEDGED: usize = 64;

/// A record in either form.
#[derive(Clone, Copy)]
pub(super) enum Received<'a> {
    /// Epoch 0, and epoch 1 of DTLS 1.2.
    Numbered(Record<'a>),
    /// Protected, DTLS 1.3.
    Unified(UnifiedRecord<'a>),
}

impl<'a> Received<'a> {
    /// Takes the first record off `datagram`.
    pub(super) fn parse(datagram: &mut &'a [u8]) -> Result<Self, ParseError> {
        if datagram.first().copied().is_some_and(UnifiedRecord::is_unified) {
            UnifiedRecord::parse(datagram).map(Self::Unified)
        } else {
            Record::parse(datagram).map(Self::Numbered)
        }
    }
}

/// Why a protected message that cannot be handled ends the connection: nobody but the peer can have sent it, so it won't
/// get better (RFC 8446 §4.6).
fn fatal(error: Error) -> Refusal {
    match error {
        Error::Malformed(_) => Refusal::Malformed,
        _ => Refusal::UnexpectedMessage,
    }
}

impl Connection {
    pub(super) fn handle_record(&mut self, record: &Received<'_>, bytes: &[u8]) -> Result<(), Error> {
        match record {
            Received::Numbered(record) if record.epoch == 0 => self.handle_plain_record(record),
            Received::Numbered(Record { epoch: 2.., .. }) => {
                Err(Error::Unexpected) // no renegotiation, no third epoch
            }
            _ if !self.exchange.records.can_read() => self.keep_early_record(record, bytes),
            Received::Numbered(record) => {
                let opened = self.exchange.records.open(record)?;
                self.handle_opened(opened)
            }
            Received::Unified(record) => {
                let opened = self.exchange.records.open_unified(record)?;
                self.credit = None; // it has our share, so it gets what we send
                self.handle_opened(opened)
            }
        }
    }

    /// Anybody could have sent it. Once the handshake is done, nothing in the clear means anything.
    fn handle_plain_record(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let Phase::Handshake(handshake) = &mut self.phase else {
            return Err(Error::Unexpected);
        };
        match record.content_type {
            ContentType::HANDSHAKE => {
                if matches!(handshake.side, Side::Accept(_)) {
                    self.exchange.records.skip_plain_to(record.sequence_number);
                }
                let sequence_number = record.sequence_number;
                self.handle_handshake(record.fragment, RecordNumber { epoch: Epoch::PLAIN, sequence_number })
            }
            // Its news is already in the epoch of the records that follow it.
            ContentType::CHANGE_CIPHER_SPEC if record.fragment == [1] => Ok(()),
            ContentType::ALERT => {
                let is_late = match handshake.side {
                    // Nothing was said yet that the peer could object to.
                    Side::Accept(_) => self.exchange.next_message_seq == 0,
                    // DTLS 1.3: a peer that has keys uses them.
                    Side::Client13(_) => true,
                    Side::Server13(_) => self.credit.is_none(),
                    _ => false,
                };
                if is_late {
                    return Err(Error::Unexpected);
                }
                let alert = AlertMessage::parse(record.fragment)?;
                let reason = match alert.description {
                    Alert::CLOSE_NOTIFY => CloseReason::CloseNotify,
                    description if alert.is_fatal => CloseReason::Alert(description),
                    _ => return Ok(()),
                };
                handshake.doubt.get_or_insert((self.now + DOUBT, reason));
                Ok(())
            }
            // An ACK in the clear (RFC 9147 §4.1) would make us hold back what the peer may still need.
            _ => Err(Error::Unexpected),
        }
    }

    pub(super) fn handle_opened(&mut self, opened: Opened) -> Result<(), Error> {
        let Opened { content_type, plaintext, number } = opened;
        match content_type {
            ContentType::HANDSHAKE => self.handle_handshake(&plaintext, number),
            ContentType::ALERT => self.handle_alert(AlertMessage::parse(&plaintext)?, number.epoch),
            ContentType::APPLICATION_DATA if number.epoch != Epoch::HANDSHAKE => self.handle_data(plaintext),
            ContentType::ACK if number.epoch >= Epoch::HANDSHAKE => self.handle_ack(&Ack::parse(&plaintext)?),
            _ => Err(Error::Unexpected),
        }
    }

    /// The messages that bring the keys are still on their way.
    fn keep_early_record(&mut self, record: &Received<'_>, bytes: &[u8]) -> Result<(), Error> {
        let Phase::Handshake(handshake) = &mut self.phase else {
            return Err(Error::Unexpected);
        };
        let is_awaited = match (&handshake.side, record) {
            (Side::Server12(_), Received::Numbered(_)) => true,
            (Side::Offer(_), Received::Unified(_)) => self.exchange.config.speaks(Version::Dtls13),
            _ => false,
        };
        if !is_awaited {
            return Err(Error::Unexpected);
        }
        if handshake.early_records.len() >= MAX_EARLY_RECORDS || bytes.len() > MAX_EARLY_RECORD_LEN {
            return Err(Error::LimitReached);
        }
        handshake.early_records.push(bytes.to_vec());
        Ok(())
    }

    /// The keys may be here now.
    pub(super) fn handle_early_records(&mut self) {
        if !self.exchange.records.can_read() {
            return;
        }
        let Phase::Handshake(handshake) = &mut self.phase else { return };
        for bytes in std::mem::take(&mut handshake.early_records) {
            if let Ok(record) = Received::parse(&mut &bytes[..]) {
                // What is refused now would have been refused when it came.
                let _ = self.handle_record(&record, &bytes);
            }
        }
    }

    /// The peer has these records of ours.
    fn handle_ack(&mut self, ack: &Ack<'_>) -> Result<(), Error> {
        let flight = &mut self.exchange.flight;
        if flight.is_empty() {
            return Ok(()); // an old one
        }
        let mut is_done = false;
        for number in ack.numbers().take(MAX_ACKNOWLEDGED) {
            is_done |= flight.acknowledge(number);
        }
        if is_done {
            self.handle_flight_acknowledged();
        } else if flight.may_repeat(self.now) {
            self.send_flight(); // RFC 9147 §7.2: only what it lacks
        }
        Ok(())
    }

    fn handle_data(&mut self, data: Vec<u8>) -> Result<(), Error> {
        match &mut self.phase {
            Phase::Handshake(handshake) if handshake.early_data.len() < MAX_EARLY_DATA => {
                handshake.early_data.push(data);
                Ok(())
            }
            Phase::Established(_) if self.events.len() < MAX_EVENTS => {
                self.events.push_back(Event::Data(data));
                Ok(())
            }
            _ => Err(Error::LimitReached),
        }
    }

    /// An alert that is authentic. DTLS 1.3 does not look at the level (RFC 8446 §6).
    fn handle_alert(&mut self, alert: AlertMessage, epoch: Epoch) -> Result<(), Error> {
        if alert.description == Alert::CLOSE_NOTIFY {
            // RFC 5246 §7.2.1: answered with our own, and nothing is sent after it.
            self.queue_alert(AlertMessage::warning(Alert::CLOSE_NOTIFY));
            self.end(CloseReason::CloseNotify);
        } else if alert.is_fatal || epoch >= Epoch::HANDSHAKE && alert.description != Alert::USER_CANCELED {
            self.end(CloseReason::Alert(alert.description));
        }
        Ok(())
    }

    pub(super) fn handle_handshake(&mut self, content: &[u8], number: RecordNumber) -> Result<(), Error> {
        if content.is_empty() {
            return Err(ParseError::Truncated.into()); // RFC 5246 §6.2.1: no empty handshake records
        }
        match &self.phase {
            // The handshake has its own keys; what the peer says with those for data comes after it, and will come again.
            Phase::Handshake(_) if number.epoch >= Epoch::DATA => return Err(Error::Unexpected),
            Phase::Handshake(_) => {}
            Phase::Established(data) if data.version == Version::Dtls12 => {
                return self.handle_late_handshake(content);
            }
            _ => return self.handle_post_handshake(content, number),
        }
        let (is_repeat, outcome) = self.insert_fragments(content, number);
        if outcome.is_ok() {
            self.note_for_ack(number);
        }
        let handled = self.handle_messages();
        self.acknowledge_later();
        if is_repeat && self.exchange.flight.may_repeat(self.now) {
            self.exchange.flight.count_loss();
            self.send_flight();
        }
        handled.and(outcome)
    }

    /// Keeps the fragments of one record. Whether one of them is of a message that was handled before.
    fn insert_fragments(&mut self, content: &[u8], number: RecordNumber) -> (bool, Result<(), Error>) {
        let is_protected = number.epoch != Epoch::PLAIN;
        let is_over = number.epoch == Epoch::HANDSHAKE && matches!(self.phase, Phase::Established(_));
        let mut rest = content;
        let mut is_repeat = false;
        let mut outcome = Err(ParseError::Truncated.into());
        while !rest.is_empty() {
            let placed = Fragment::parse(&mut rest).map_err(Error::from).and_then(|fragment| {
                if fragment.kind == HandshakeType::HELLO_REQUEST {
                    return Ok(Place::Behind); // RFC 5246 §7.4.1.1: ignored while we are at it anyway
                }
                if is_over && !self.reassembly.is_behind(fragment.message_seq) {
                    return Err(Error::Unexpected); // what is new comes with the new keys
                }
                let place = self.reassembly.insert(&fragment, is_protected)?;
                is_repeat |= place == Place::Behind;
                Ok(place)
            });
            match placed {
                Ok(_) => outcome = Ok(()),
                Err(error) => {
                    outcome = outcome.or(Err(error));
                    break;
                }
            }
        }
        (is_repeat, outcome)
    }

    /// DTLS 1.3: a record was kept.
    fn note_for_ack(&mut self, number: RecordNumber) {
        // A record in the clear may be anybody's; but when its ACK leaves, the ServerHello is complete and nothing in the
        // clear is missing any more.
        if let Phase::Handshake(handshake) = &self.phase
            && matches!(handshake.side, Side::Offer(_) | Side::Client13(_) | Side::Server13(_))
        {
            self.acks.note(number);
        }
    }

    /// DTLS 1.3: a flight of ours acknowledges the peer's. If there is none yet because only a part of the peer's is here,
    /// and the rest does not come soon, an ACK says what there is (RFC 9147 §7.1).
    fn acknowledge_later(&mut self) {
        match &self.phase {
            Phase::Handshake(handshake) if handshake.side.is_dtls13() => {
                self.acks.set_deadline(self.now + self.exchange.flight.patience());
            }
            // Of the client's last flight; nothing else answers it.
            Phase::Established(data) if data.version == Version::Dtls13 && self.role == Role::Server => {
                self.send_ack();
            }
            _ => {}
        }
    }

    /// Hands whole messages to the role, in order.
    fn handle_messages(&mut self) -> Result<(), Error> {
        let mut has_progress = false;
        loop {
            let Phase::Handshake(handshake) = &mut self.phase else { return Ok(()) };
            let Some((message, is_protected)) = self.reassembly.take_next() else { return Ok(()) };
            match handshake.side.handle_message(&mut self.exchange, &message) {
                Ok(progress) => {
                    has_progress = true;
                    self.reassembly.advance();
                    handshake.doubt = None;
                    if handshake.side.is_dtls13() {
                        self.reassembly.require_protection();
                    }
                    if self.exchange.flight.is_unsent() {
                        let timeout = self.exchange.config.handshake_timeout;
                        handshake.deadline.get_or_insert(self.now + timeout);
                        self.acks.clear();
                        self.send_flight();
                    }
                    if let Progress::Done(established) = progress {
                        self.establish(*established);
                    }
                }
                Err(Failure::Discard(error)) if is_protected => {
                    self.fail(fatal(error));
                    return Ok(());
                }
                Err(Failure::Discard(error)) => {
                    if let Error::Refused(refusal) = error {
                        let doubt = (self.now + DOUBT, CloseReason::Refused(refusal));
                        handshake.doubt.get_or_insert(doubt);
                    }
                    return if has_progress { Ok(()) } else { Err(error) };
                }
                Err(Failure::Fatal(refusal)) => {
                    self.fail(refusal);
                    return Ok(());
                }
            }
        }
    }

    /// DTLS 1.3: a message after the handshake, or one of the handshake again, whose ACK was lost.
    fn handle_post_handshake(&mut self, content: &[u8], number: RecordNumber) -> Result<(), Error> {
        let (is_repeat, outcome) = self.insert_fragments(content, number);
        outcome?;
        while let Some((message, _)) = self.reassembly.take_next() {
            self.reassembly.advance();
            let handled = match message.kind {
                HandshakeType::KEY_UPDATE => self.handle_key_update(&message.body, number.epoch),
                HandshakeType::NEW_SESSION_TICKET if self.role == Role::Client => Ok(()), // we never resume
                _ => Err(Error::Unexpected),
            };
            if let Err(error) = handled {
                self.fail(fatal(error));
                return Ok(());
            }
        }
        // A server's flight again: it lacks ours, which is the answer. All else is answered by an ACK, once it was handled:
        // who hears that its KeyUpdate arrived goes on with keys that we must have by then.
        let is_flight = is_repeat && number.epoch == Epoch::HANDSHAKE && self.role == Role::Client;
        if is_flight && !self.exchange.flight.is_empty() {
            if self.exchange.flight.may_repeat(self.now) {
                self.send_flight();
            }
        } else {
            self.acks.note(number);
            if self.reassembly.is_settled() {
                self.send_ack();
            }
        }
        self.begin_update();
        Ok(())
    }

    /// DTLS 1.2: a handshake message under the keys of a finished handshake: the peer repeats its Finished because it lacks ours,
    /// or wants to renegotiate.
    fn handle_late_handshake(&mut self, content: &[u8]) -> Result<(), Error> {
        let fragment = Fragment::parse(&mut &content[..])?;
        let may_answer = self.exchange.flight.may_repeat(self.now);
        match fragment.kind {
            HandshakeType::FINISHED if self.role == Role::Server => {
                if may_answer {
                    self.send_flight();
                }
                Ok(())
            }
            HandshakeType::FINISHED => Ok(()), // answered, two sides would answer each other for ever
            HandshakeType::HELLO_REQUEST | HandshakeType::CLIENT_HELLO => {
                self.queue_alert(AlertMessage::warning(Alert::NO_RENEGOTIATION));
                Ok(())
            }
            _ => Err(Error::Unexpected),
        }
    }
}
