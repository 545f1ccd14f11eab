//! One DTLS association: handshake, then data. What is sent is here; what arrives is in the room `receive`.

mod accept;
mod acks;
mod receive;
mod rekey;
mod send;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::alert::{Alert, AlertMessage};
use crate::certificate::Fingerprint;
use crate::config::{Config, Role};
use crate::event::{CloseReason, Event, Version};
use crate::exporter::Exporter;
use crate::handshake::Established;
use crate::handshake::accept::Accept;
use crate::handshake::exchange::Exchange;
use crate::handshake::flight::Flight;
use crate::handshake::offer::Offer;
use crate::handshake::reassembly::Reassembly;
use crate::handshake::side::Side;
use crate::handshake::transcript::Transcript;
use crate::record::layer::RecordLayer;
use crate::record::{ContentType, MAX_PLAINTEXT};
use crate::{ConfigError, Error, ParseError, Refusal};

use acks::Acks;
use receive::Received;
use rekey::Rekey;

/// Bytes that a server may send for each byte received, until the peer has proved that it gets them.
const AMPLIFICATION: usize = 3;
/// Datagrams of application data waiting for `poll_transmit`.
const MAX_QUEUED: usize = 256;

/// Says that bytes were appended to the caller's buffer; they are one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transmit {
    /// How many bytes were appended.
    pub len: usize,
}

/// A DTLS association with one peer, without IO. See the crate's page for how to drive it.
pub struct Connection {
    role: Role,
    now: Instant,
    exchange: Exchange,
    reassembly: Reassembly,
    acks: Acks,
    phase: Phase,
    outgoing: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    /// Bytes that may still be sent to an unproven peer; `None`: it is proven.
    credit: Option<usize>,
}

enum Phase {
    Handshake(Box<Handshake>),
    Established(Box<Data>),
    Closed,
}

/// What is needed from then on.
struct Data {
    version: Version,
    exporter: Exporter,
    /// DTLS 1.3.
    rekey: Option<Rekey>,
}

/// What is needed only until the handshake is done.
struct Handshake {
    side: Side,
    /// When to give up; a server's clock starts with the first hello that it accepts.
    deadline: Option<Instant>,
    doubt: Option<(Instant, CloseReason)>,
    early_records: Vec<Vec<u8>>,
    early_data: Vec<Vec<u8>>,
}

impl Connection {
    /// Starts an association. A client's first flight is ready at once.
    ///
    /// `remote` are the fingerprints that signalling gave for the peer; one has to match. `seed` makes the hello's random
    /// and the cookie secret: it has to be fresh and secret.
    ///
    /// # Errors
    /// [`ConfigError`] if there is nothing to check the peer against, or a setting is out of its range.
    pub fn new(
        config: Arc<Config>,
        role: Role,
        remote: Vec<Fingerprint>,
        seed: [u8; 32],
        now: Instant,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        let is_checkable = match &remote[..] {
            [] => config.danger_accept_any_certificate,
            some => some.iter().any(|fingerprint| fingerprint.algorithm().is_trusted()),
        };
        if !is_checkable {
            return Err(ConfigError::NoFingerprint);
        }
        let mut rng = ChaCha20Rng::from_seed(seed);
        let (mut random, mut cookie_secret) = ([0; 32], [0; 32]);
        rng.fill_bytes(&mut random);
        rng.fill_bytes(&mut cookie_secret);
        let handshake_timeout = config.handshake_timeout;
        let mut exchange = Exchange {
            remote,
            random,
            cookie_secret,
            records: RecordLayer::default(),
            transcript: Transcript::new(),
            flight: Flight::new(config.initial_timeout),
            next_message_seq: 0,
            config,
        };
        let (side, deadline, credit) = match role {
            Role::Client => {
                let offer = Offer::new(&mut exchange).map_err(|_| ConfigError::Crypto)?;
                (Side::Offer(offer), Some(now + handshake_timeout), None)
            }
            Role::Server => (Side::Accept(Accept::new()), None, Some(0)),
        };
        let handshake =
            Handshake { side, deadline, doubt: None, early_records: Vec::new(), early_data: Vec::new() };
        let mut connection = Self {
            role,
            now,
            exchange,
            reassembly: Reassembly::new(),
            acks: Acks::default(),
            phase: Phase::Handshake(Box::new(handshake)),
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
            credit,
        };
        if role == Role::Client {
            connection.send_flight();
        }
        Ok(connection)
    }

    /// A datagram arrived from the peer. It may have several records; each good one counts.
    ///
    /// # Errors
    /// The first record's [`Error`], if no record was good; nothing has changed then, except that the bytes count for
    /// how much an unproven peer may be sent.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), Error> {
        self.now = self.now.max(now);
        if matches!(self.phase, Phase::Closed) {
            return Err(Error::Closed);
        }
        if let Some(credit) = &mut self.credit {
            *credit = credit.saturating_add(AMPLIFICATION * datagram.len());
        }
        let mut outcome = Err(Error::Malformed(ParseError::Truncated));
        let mut rest = datagram;
        let mut is_first = true;
        while !rest.is_empty() && !matches!(self.phase, Phase::Closed) {
            let start = rest;
            let result = match Received::parse(&mut rest) {
                Ok(record) => self.handle_record(&record, &start[..start.len() - rest.len()]),
                Err(error) => {
                    rest = &[];
                    Err(error.into())
                }
            };
            if is_first || result.is_ok() && outcome.is_err() {
                outcome = result;
            }
            is_first = false;
        }
        self.handle_early_records();
        outcome
    }

    /// Counts `bytes` that came from the peer outside of DTLS, such as an authenticated ICE check on the same path, for how
    /// much an unproven peer may be sent. A short ClientHello alone does not pay for a server's flight; without this the
    /// handshake would wait for its retransmission.
    pub fn credit(&mut self, bytes: usize) {
        if let Some(credit) = &mut self.credit {
            *credit = credit.saturating_add(AMPLIFICATION * bytes);
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let now = self.now;
        if let Phase::Handshake(handshake) = &self.phase {
            if let Some((deadline, reason)) = handshake.doubt
                && deadline <= now
            {
                match reason {
                    CloseReason::Refused(refusal) => self.fail(refusal),
                    _ => self.end(reason),
                }
            } else if handshake.deadline.is_some_and(|deadline| deadline <= now) {
                self.end(CloseReason::TimedOut);
            }
        }
        if self.exchange.flight.deadline().is_some_and(|deadline| deadline <= now) {
            let is_established = matches!(self.phase, Phase::Established(_));
            if is_established && self.exchange.flight.age(now) >= self.exchange.config.handshake_timeout {
                self.exchange.flight.forget(); // whatever the peer lacks, it will not get it like this
                self.abandon_update();
            } else {
                self.exchange.flight.back_off(now);
                self.send_flight();
            }
        }
        if self.acks.deadline().is_some_and(|deadline| deadline <= now) {
            self.send_ack();
        }
    }

    /// How long a packet takes to the peer and back, as ICE measured it: the first time-out of a flight follows it.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.exchange.flight.set_round_trip(round_trip);
    }

    /// Appends the next datagram to `buf`.
    #[must_use]
    pub fn poll_transmit(&mut self, _now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        let len = self.outgoing.front()?.len();
        if let Some(credit) = &mut self.credit {
            *credit = credit.checked_sub(len)?;
        }
        buf.extend_from_slice(&self.outgoing.pop_front()?);
        if self.outgoing.is_empty() {
            self.outgoing = VecDeque::new();
        }
        Some(Transmit { len })
    }

    /// What happened, oldest first.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if event.is_some() && self.events.is_empty() {
            // Mostly it was the last one for hours.
            self.events = VecDeque::new();
        }
        event
    }

    /// When to call [`Self::handle_timeout`]; `None` once closed, and once connected if nothing waits for its ACK.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (doubt, deadline) = match &self.phase {
            Phase::Handshake(handshake) => (handshake.doubt.map(|(at, _)| at), handshake.deadline),
            _ => (None, None),
        };
        let (flight, ack) = (self.exchange.flight.deadline(), self.acks.deadline());
        [doubt, deadline, flight, ack].into_iter().flatten().min()
    }

    /// Sends application data, as one record and one datagram.
    ///
    /// # Errors
    /// [`Error::NotConnected`] before [`Event::Connected`], [`Error::Closed`] after the end, [`Error::TooLong`] over
    /// 16,384 bytes, [`Error::QueueFull`] if the owner doesn't poll, [`Error::LimitReached`] if the key is worn out
    /// and the peer doesn't answer the update of keys.
    pub fn send(&mut self, data: &[u8]) -> Result<(), Error> {
        match self.phase {
            Phase::Handshake(_) => return Err(Error::NotConnected),
            Phase::Closed => return Err(Error::Closed),
            Phase::Established(_) => {}
        }
        if data.len() > MAX_PLAINTEXT {
            return Err(Error::TooLong);
        }
        if self.outgoing.len() >= MAX_QUEUED {
            return Err(Error::QueueFull);
        }
        if self.is_worn_out() {
            return Err(Error::LimitReached);
        }
        self.queue_record(self.exchange.records.write_epoch(), ContentType::APPLICATION_DATA, data)?;
        self.rekey_if_due();
        Ok(())
    }

    /// Ends the association and tells the peer (close_notify).
    pub fn close(&mut self, now: Instant) {
        self.now = self.now.max(now);
        match self.phase {
            Phase::Closed => return,
            Phase::Handshake(_) if self.role == Role::Server && self.exchange.next_message_seq == 0 => {}
            _ => self.queue_alert(AlertMessage::warning(Alert::CLOSE_NOTIFY)),
        }
        self.end(CloseReason::Local);
    }

    /// Keying material for another protocol (RFC 5705 §4); both ends get the same for the same label and context.
    ///
    /// # Errors
    /// [`Error::NotConnected`] before [`Event::Connected`], [`Error::Closed`] after the end,
    /// [`Error::BadExporterInput`] for a label that is the protocol's own or too long.
    pub fn export_keying_material(
        &self,
        label: &str,
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), Error> {
        match &self.phase {
            Phase::Established(data) => data.exporter.export(label, context, out),
            Phase::Handshake(_) => Err(Error::NotConnected),
            Phase::Closed => Err(Error::Closed),
        }
    }

    /// Which end we are.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Between [`Event::Connected`] and [`Event::Closed`].
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Established(_))
    }

    /// As a server: whether a hello of the client was taken. With [`Config::require_cookie`] it has then shown that it gets
    /// what is sent to its address.
    #[must_use]
    pub fn has_taken_hello(&self) -> bool {
        match &self.phase {
            Phase::Handshake(handshake) => !matches!(handshake.side, Side::Offer(_) | Side::Accept(_)),
            Phase::Established(_) => true,
            Phase::Closed => false,
        }
    }

    /// Whether the peer may be connected before we are: its data, or SRTP, may then come right behind what we still need of
    /// its handshake. So it is for a server of DTLS 1.3 and a client of 1.2.
    #[must_use]
    pub fn is_peer_ahead(&self) -> bool {
        match &self.phase {
            Phase::Handshake(handshake) => handshake.side.is_peer_ahead(),
            _ => false,
        }
    }

    fn establish(&mut self, established: Established) {
        let Established { connected, exporter, traffic } = established;
        let version = connected.version;
        let data = Data { version, exporter, rekey: traffic.map(Rekey::new) };
        let previous = std::mem::replace(&mut self.phase, Phase::Established(Box::new(data)));
        self.credit = None; // its Finished shows that it has our random
        if version == Version::Dtls12 && self.role == Role::Client {
            // The server, who spoke last, keeps its own to repeat it. In DTLS 1.3 an ACK says that nothing is missing.
            self.exchange.flight.forget();
        }
        self.exchange.transcript = Transcript::new();
        self.exchange.remote = Vec::new();
        self.events.push_back(Event::Connected(connected));
        if let Phase::Handshake(handshake) = previous {
            self.events.extend(handshake.early_data.into_iter().map(Event::Data));
        }
    }

    /// Ends the handshake and says why.
    fn fail(&mut self, refusal: Refusal) {
        self.outgoing.clear();
        self.queue_alert(AlertMessage::fatal(refusal.alert()));
        self.end(CloseReason::Refused(refusal));
    }

    fn end(&mut self, reason: CloseReason) {
        self.phase = Phase::Closed;
        self.exchange.flight.forget();
        self.acks = Acks::default();
        self.reassembly = Reassembly::new();
        self.exchange.records = RecordLayer::default();
        self.events.push_back(Event::Closed { reason });
    }
}
