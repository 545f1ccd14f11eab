//! Asks STUN servers what address they see, over a network that loses (RFC 8489 §6.2).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::attribute::{ErrorCode, MappedAddress, Software, XorMappedAddress};
use crate::{
    Class, ConfigError, Datagram, Due, Error, Message, MessageBuilder, Method, ParseError, Retransmission,
    TransactionId, Transmit, Transport,
};

/// Most transactions open at once, and events waiting.
const MAX_TRANSACTIONS: usize = 32;
/// Longest response read.
const MAX_RESPONSE_LEN: usize = 1500;

/// What a [`Client`] can be told.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// First wait for a response; doubles with each repetition. 1 ms to 60 s, default 500 ms.
    pub rto: Duration,
    /// Value of SOFTWARE in requests; none by default.
    pub software: Option<String>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self { rto: Duration::from_millis(500), software: None }
    }
}

/// What became of a request.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server answered.
    Mapped {
        /// The request.
        transaction_id: TransactionId,
        /// The address of ours that it went from.
        local: SocketAddr,
        /// The server.
        server: SocketAddr,
        /// The address that the server saw.
        mapped: SocketAddr,
    },
    /// The server answered with an error, or without an address in its answer (then the code is 0).
    Refused {
        /// The request.
        transaction_id: TransactionId,
        /// The server.
        server: SocketAddr,
        /// ERROR-CODE's number.
        code: u16,
    },
    /// No answer came within 79 RTOs (39.5 s by default).
    TimedOut {
        /// The request.
        transaction_id: TransactionId,
        /// The server.
        server: SocketAddr,
    },
}

/// Sends Binding requests, repeats them, and matches the responses.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    rng: ChaCha12Rng,
    now: Instant,
    transactions: Vec<Transaction>,
    /// Ids of transactions whose request is to be sent now.
    due: VecDeque<TransactionId>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
struct Transaction {
    id: TransactionId,
    transport: Transport,
    local: SocketAddr,
    server: SocketAddr,
    schedule: Retransmission,
}

impl Client {
    /// A client without open requests. `seed` makes its transaction ids; it must be secret and fresh.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] if `rto` is.
    pub fn new(config: ClientConfig, seed: [u8; 32], now: Instant) -> Result<Self, ConfigError> {
        if !(Duration::from_millis(1)..=Duration::from_secs(60)).contains(&config.rto) {
            return Err(ConfigError::OutOfRange("rto"));
        }
        Ok(Self {
            config,
            rng: ChaCha12Rng::from_seed(seed),
            now,
            transactions: Vec::new(),
            due: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    /// Asks `server` what address it sees for `local`.
    ///
    /// # Errors
    /// [`Error::TooManyTransactions`] if 32 are open or finished ones were not polled.
    pub fn binding(
        &mut self,
        now: Instant,
        transport: Transport,
        local: SocketAddr,
        server: SocketAddr,
    ) -> Result<TransactionId, Error> {
        if self.transactions.len() + self.events.len() >= MAX_TRANSACTIONS {
            return Err(Error::TooManyTransactions);
        }
        self.now = self.now.max(now);
        let mut id = [0; TransactionId::LEN];
        self.rng.fill_bytes(&mut id);
        let id = TransactionId::new(id);
        let schedule = match transport {
            Transport::Udp | Transport::Relayed => Retransmission::new(self.now, self.config.rto),
            Transport::Tcp => Retransmission::reliable(self.now),
        };
        self.transactions.push(Transaction { id, transport, local, server, schedule });
        self.handle_timeout(now);
        Ok(id)
    }

    /// Forgets a request; a response that comes later is [`Error::Unexpected`].
    pub fn cancel(&mut self, transaction_id: TransactionId) {
        self.transactions.retain(|it| it.id != transaction_id);
    }

    /// Takes a response.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it isn't a proper message, [`Error::Unexpected`] if it answers no open request
    /// or comes from elsewhere than where the request went.
    pub fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) -> Result<(), Error> {
        let got = datagram.contents.len();
        if got > MAX_RESPONSE_LEN {
            return Err(ParseError::TooLong { limit: MAX_RESPONSE_LEN, got }.into());
        }
        let response = Message::parse(datagram.contents)?;
        response.verify_fingerprint()?;
        let is_response = matches!(response.class(), Class::Success | Class::Error);
        let index = self.transactions.iter().position(|it| {
            it.id == response.transaction_id()
                && it.server == datagram.remote
                && it.local == datagram.local
                && it.transport == datagram.transport
        });
        let (true, Method::BINDING, Some(index)) = (is_response, response.method(), index) else {
            return Err(Error::Unexpected);
        };
        let code = response.attribute::<ErrorCode<'_>>()?.map_or(0, |it| it.code());
        let mapped = mapped_address(&response)?;
        // RFC 8489 §6.3.4: an unknown attribute that must be understood fails the transaction.
        let understood = response.unknown_required(|_| false).next().is_none();

        self.now = self.now.max(now);
        let Transaction { id: transaction_id, local, server, .. } = self.transactions.swap_remove(index);
        self.events.push_back(match (response.class(), mapped) {
            (Class::Success, Some(mapped)) if understood => {
                Event::Mapped { transaction_id, local, server, mapped }
            }
            _ => Event::Refused { transaction_id, server, code },
        });
        Ok(())
    }

    /// Repeats or gives up what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let Self { transactions, due, events, now, .. } = self;
        transactions.retain_mut(|it| match it.schedule.handle_timeout(*now) {
            Due::Nothing => true,
            Due::Send => {
                if !due.contains(&it.id) {
                    due.push_back(it.id);
                }
                true
            }
            Due::GiveUp => {
                events.push_back(Event::TimedOut { transaction_id: it.id, server: it.server });
                false
            }
        });
    }

    /// Appends the next request to `buf`.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        self.handle_timeout(now);
        loop {
            let id = self.due.pop_front()?;
            // It may have been answered or cancelled since.
            let Some(it) = self.transactions.iter().find(|it| it.id == id) else { continue };
            let mut request = MessageBuilder::request(Method::BINDING, id, buf);
            if let Some(software) = &self.config.software {
                request = request.attribute(&Software(software));
            }
            let len = request.fingerprint();
            return Some(Transmit::new(it.transport, it.local, it.server, len));
        }
    }

    /// What became of a request.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.transactions.iter().map(|it| it.schedule.poll_timeout()).min()
    }
}

/// The address in a response; servers older than RFC 5389 send it in clear.
fn mapped_address(response: &Message<'_>) -> Result<Option<SocketAddr>, ParseError> {
    match response.attribute::<XorMappedAddress>()? {
        Some(XorMappedAddress(address)) => Ok(Some(address)),
        None => Ok(response.attribute::<MappedAddress>()?.map(|MappedAddress(address)| address)),
    }
}
