//! Datagram to records to messages, and what each may do in which phase.

use std::time::Duration;

use super::{Connection, Handshake, Phase, Side};
use crate::alert::{Alert, AlertMessage};
use crate::config::Role;
use crate::event::{CloseReason, Event};
use crate::handshake::exchange::Exchange;
use crate::handshake::reassembly::Place;
use crate::handshake::{Failure, Fragment, Message, Progress};
use crate::message::HandshakeType;
use crate::record::{ContentType, MAX_PLAINTEXT, Record};
use crate::{Error, ParseError, Refusal};

/// After something that anybody could have sent said that the handshake is hopeless (a hello that we must refuse, a
/// plaintext alert), this long passes without progress before we believe it.
const DOUBT: Duration = Duration::from_secs(2);
/// Protected records kept while the messages that bring their keys are still on their way; more are dropped.
const MAX_EARLY_RECORDS: usize = 4;
/// The longest of them.
const MAX_EARLY_RECORD_LEN: usize = 2048;
/// Application data kept while the peer's Finished is still on its way; more is dropped.
const MAX_EARLY_DATA: usize = 8;
/// Events of application data waiting for `poll_event`; more are dropped, as the network would.
const MAX_EVENTS: usize = 1024;

impl Connection {
    pub(super) fn handle_record(&mut self, record: &Record<'_>, bytes: &[u8]) -> Result<(), Error> {
        match record.epoch {
            0 => self.handle_plain_record(record),
            1 => self.handle_protected_record(record, bytes),
            _ => Err(Error::Unexpected), // no renegotiation, no third epoch
        }
    }

    /// Anybody could have sent it. Once the handshake is done, nothing in the clear means anything.
    fn handle_plain_record(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let Phase::Handshake(handshake) = &mut self.phase else {
            return Err(Error::Unexpected);
        };
        match record.content_type {
            ContentType::HANDSHAKE => {
                if matches!(&handshake.side, Side::Server(server) if !server.has_answered()) {
                    self.exchange.records.skip_plain_to(record.sequence_number);
                }
                self.handle_handshake(record.fragment, false)
            }
            // Its news is already in the epoch of the records that follow it.
            ContentType::CHANGE_CIPHER_SPEC if record.fragment == [1] => Ok(()),
            ContentType::ALERT => {
                let alert = AlertMessage::parse(record.fragment)?;
                let reason = match alert.description {
                    Alert::CLOSE_NOTIFY => CloseReason::CloseNotify,
                    description if alert.is_fatal => CloseReason::Alert(description),
                    _ => return Ok(()),
                };
                handshake.doubt.get_or_insert((self.now + DOUBT, reason));
                Ok(())
            }
            _ => Err(Error::Unexpected),
        }
    }

    fn handle_protected_record(&mut self, record: &Record<'_>, bytes: &[u8]) -> Result<(), Error> {
        if !self.exchange.records.can_read() {
            return self.keep_early_record(bytes);
        }
        let plaintext = self.exchange.records.open(record)?;
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(ParseError::BadLength.into());
        }
        match record.content_type {
            ContentType::HANDSHAKE => self.handle_handshake(&plaintext, true),
            ContentType::ALERT => self.handle_alert(AlertMessage::parse(&plaintext)?),
            ContentType::APPLICATION_DATA => self.handle_data(plaintext),
            _ => Err(Error::Unexpected),
        }
    }

    fn keep_early_record(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Phase::Handshake(handshake) = &mut self.phase else {
            return Err(Error::Unexpected);
        };
        if !matches!(&handshake.side, Side::Server(server) if server.has_answered()) {
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
            if let Ok(record) = Record::parse(&mut &bytes[..]) {
                // What is refused now would have been refused when it came.
                let _ = self.handle_protected_record(&record, &bytes);
            }
        }
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

    /// An alert that is authentic.
    fn handle_alert(&mut self, alert: AlertMessage) -> Result<(), Error> {
        if alert.description == Alert::CLOSE_NOTIFY {
            // RFC 5246 §7.2.1: answered with our own, and nothing is sent after it.
            self.queue_alert(AlertMessage::warning(Alert::CLOSE_NOTIFY));
            self.end(CloseReason::CloseNotify);
        } else if alert.is_fatal {
            self.end(CloseReason::Alert(alert.description));
        }
        Ok(())
    }

    fn handle_handshake(&mut self, content: &[u8], is_protected: bool) -> Result<(), Error> {
        if content.is_empty() {
            return Err(ParseError::Truncated.into()); // RFC 5246 §6.2.1: no empty handshake records
        }
        let Phase::Handshake(handshake) = &mut self.phase else {
            return self.handle_late_handshake(content);
        };
        let mut rest = content;
        let mut is_repeat = false;
        let mut outcome = Err(ParseError::Truncated.into());
        while !rest.is_empty() {
            let placed = Fragment::parse(&mut rest).map_err(Error::from).and_then(|fragment| {
                if fragment.kind == HandshakeType::HELLO_REQUEST {
                    return Ok(Place::Behind); // RFC 5246 §7.4.1.1: ignored while we are at it anyway
                }
                let place = handshake.reassembly.insert(&fragment, is_protected)?;
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
        let handled = self.handle_messages();
        if is_repeat && self.exchange.flight.may_repeat(self.now) {
            self.send_flight();
        }
        handled.and(outcome)
    }

    /// Hands whole messages to the role, in order.
    fn handle_messages(&mut self) -> Result<(), Error> {
        let mut has_progress = false;
        loop {
            let Phase::Handshake(handshake) = &mut self.phase else { return Ok(()) };
            let Some((message, is_protected)) = handshake.reassembly.take_next() else { return Ok(()) };
            match handshake.handle_message(&mut self.exchange, &message) {
                Ok(progress) => {
                    has_progress = true;
                    handshake.reassembly.advance();
                    handshake.doubt = None;
                    if self.exchange.flight.is_unsent() {
                        let timeout = self.exchange.config.handshake_timeout;
                        handshake.deadline.get_or_insert(self.now + timeout);
                        self.send_flight();
                    }
                    if let Progress::Done(established) = progress {
                        self.establish(*established);
                    }
                }
                // Nobody but the peer can have sent a protected message: it won't get better.
                Err(Failure::Discard(error)) if is_protected => {
                    self.fail(match error {
                        Error::Malformed(_) => Refusal::Malformed,
                        _ => Refusal::UnexpectedMessage,
                    });
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

    /// A handshake message under the keys of a finished handshake: the peer repeats its Finished because it lacks ours,
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

impl Handshake {
    fn handle_message(&mut self, exchange: &mut Exchange, message: &Message) -> Result<Progress, Failure> {
        match &mut self.side {
            Side::Client(client) => client.handle_message(exchange, message),
            Side::Server(server) => server.handle_message(exchange, message),
        }
    }
}
