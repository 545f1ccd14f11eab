//! Asks STUN servers what address they see, over a network that loses (RFC 8489 §6.2).
//!
//! ```text
//!  request ──► response ──► Mapped or Refused
//!     ▲           ├─ 401, 438: the same server again, with proof (RFC 8489 §9.2.5)
//!     └───────────┴─ 300: another server (RFC 8489 §10)
//! ```

mod event;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub use event::Event;

use crate::attribute::{
    AlternateDomain, AlternateServer, ErrorCode, MappedAddress, Software, XorMappedAddress,
};
use crate::{
    Attempt, Class, ConfigError, Datagram, Due, Error, LongTerm, Message, MessageBuilder, Method, ParseError,
    Retransmission, TransactionId, Transmit, Transport, Verdict,
};

/// Most transactions open at once, and events waiting.
const MAX_TRANSACTIONS: usize = 32;
/// Longest response read.
const MAX_RESPONSE_LEN: usize = 1500;
/// How often one request may be sent on to another server.
const MAX_REDIRECTS: usize = 3;
/// Servers whose challenge is remembered; the oldest is forgotten first.
const MAX_SESSIONS: usize = 8;

/// What a [`Client`] can be told.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// First wait for a response; doubles with each repetition. 1 ms to 60 s, default 500 ms.
    pub rto: Duration,
    /// Value of SOFTWARE in requests; none by default.
    pub software: Option<String>,
    /// What to prove to servers that ask for proof; none by default. Each server sees it with its own realm.
    pub credentials: Option<LongTerm>,
    /// Whether to ask another server when one says so; `true` by default.
    pub follows_redirects: bool,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self { rto: Duration::from_millis(500), software: None, credentials: None, follows_redirects: true }
    }
}

/// Sends Binding requests, repeats them, and matches the responses.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    rng: ChaCha12Rng,
    now: Instant,
    transactions: Vec<Transaction>,
    /// Requests to be sent now, by the name that the owner knows.
    due: VecDeque<TransactionId>,
    events: VecDeque<Event>,
    /// What servers have said about credentials; the newest last.
    sessions: VecDeque<(SocketAddr, LongTerm)>,
}

#[derive(Debug)]
struct Transaction {
    /// What the owner calls it: the id of its first try.
    name: TransactionId,
    /// The id of its present try.
    id: TransactionId,
    transport: Transport,
    local: SocketAddr,
    server: SocketAddr,
    /// Servers asked before this one.
    asked: Vec<SocketAddr>,
    schedule: Retransmission,
    attempt: Attempt,
    /// The request as it is sent and repeated.
    request: Vec<u8>,
    /// Whether an answer came that could not be verified.
    doubted: bool,
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
            sessions: VecDeque::new(),
        })
    }

    /// Asks `server` what address it sees for `local`. The id names the request in events, whatever id its later
    /// tries have.
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
        let name = self.next_id();
        let transaction = Transaction {
            name,
            id: name,
            transport,
            local,
            server,
            asked: Vec::new(),
            schedule: Retransmission::new(self.now, self.config.rto),
            attempt: Attempt::default(),
            request: Vec::new(),
            doubted: false,
        };
        self.start(transaction);
        self.handle_timeout(now);
        Ok(name)
    }

    /// Forgets a request; a response that comes later is [`Error::Unexpected`].
    pub fn cancel(&mut self, transaction_id: TransactionId) {
        self.transactions.retain(|it| it.name != transaction_id);
    }

    /// Takes a response. Of a stream it is one message, cut off by [`Message::len_in_stream`].
    ///
    /// # Errors
    /// [`Error::Malformed`] if it isn't a proper message, [`Error::Unexpected`] if it answers no open request
    /// or comes from elsewhere than where the request went, [`Error::Unauthentic`] if it lacks the proof that the
    /// request asks for.
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
        // RFC 8489 §6.3.4: an unknown attribute that must be understood fails the transaction.
        let understood = response.unknown_required(|_| false).next().is_none();
        let answer = Answer {
            code,
            mapped: mapped_address(&response)?.filter(|_| response.class() == Class::Success && understood),
            alternate: response.attribute()?.filter(|_| code == 300),
            domain: response.attribute()?,
        };

        self.now = self.now.max(now);
        let transaction = &mut self.transactions[index];
        let verdict = match self.sessions.iter_mut().find(|(server, _)| *server == datagram.remote) {
            Some((_, session)) => session.handle_response(&mut transaction.attempt, &response),
            None => Verdict::Genuine,
        };
        if verdict == Verdict::Unauthentic && transaction.transport != Transport::Tcp {
            // The genuine answer may still come.
            transaction.doubted = true;
            return Err(Error::Unauthentic);
        }
        let transaction = self.transactions.swap_remove(index);
        let Transaction { name: transaction_id, server, .. } = transaction;
        match verdict {
            Verdict::Genuine => self.finish(transaction, &answer),
            Verdict::Retry => self.start(transaction),
            Verdict::Unauthentic => self.events.push_back(Event::Unauthentic { transaction_id, server }),
            Verdict::Refused(refusal) => {
                self.events.push_back(Event::Denied { transaction_id, server, refusal });
            }
        }
        Ok(())
    }

    /// Repeats or gives up what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let Self { transactions, due, events, now, .. } = self;
        transactions.retain_mut(|it| match it.schedule.handle_timeout(*now) {
            Due::Nothing => true,
            Due::Send => {
                if !due.contains(&it.name) {
                    due.push_back(it.name);
                }
                true
            }
            Due::GiveUp => {
                let (transaction_id, server) = (it.name, it.server);
                events.push_back(match it.doubted {
                    true => Event::Unauthentic { transaction_id, server },
                    false => Event::TimedOut { transaction_id, server },
                });
                false
            }
        });
    }

    /// Appends the next request to `buf`.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        self.handle_timeout(now);
        loop {
            let name = self.due.pop_front()?;
            // It may have been answered or cancelled since.
            let Some(it) = self.transactions.iter().find(|it| it.name == name) else { continue };
            buf.extend_from_slice(&it.request);
            return Some(Transmit::new(it.transport, it.local, it.server, it.request.len()));
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

    /// Begins a try: another id, other bytes, the waiting from the start.
    fn start(&mut self, mut transaction: Transaction) {
        if !transaction.request.is_empty() {
            transaction.id = self.next_id();
        }
        transaction.schedule = match transaction.transport {
            Transport::Tcp => Retransmission::reliable(self.now),
            Transport::Udp | Transport::Relayed => Retransmission::new(self.now, self.config.rto),
        };
        transaction.doubted = false;
        transaction.request.clear();
        let mut request = MessageBuilder::request(Method::BINDING, transaction.id, &mut transaction.request);
        if let Some(software) = &self.config.software {
            request = request.attribute(&Software(software));
        }
        if let Some(credentials) = &self.config.credentials {
            let known = self.sessions.iter().position(|(server, _)| *server == transaction.server);
            let index = known.unwrap_or_else(|| {
                if self.sessions.len() == MAX_SESSIONS {
                    self.sessions.pop_front();
                }
                self.sessions.push_back((transaction.server, credentials.clone()));
                self.sessions.len() - 1
            });
            self.sessions[index].1.sign(&mut transaction.attempt, request).fingerprint();
        } else {
            request.fingerprint();
        }
        self.transactions.push(transaction);
    }

    fn finish(&mut self, mut transaction: Transaction, answer: &Answer<'_>) {
        let Transaction { name: transaction_id, local, server, .. } = transaction;
        let refused = Event::Refused { transaction_id, server, code: answer.code };
        match answer {
            Answer { mapped: Some(mapped), .. } => {
                let mapped = *mapped;
                self.events.push_back(Event::Mapped { transaction_id, local, server, mapped });
            }
            Answer { alternate: Some(AlternateServer(alternate)), domain, .. }
                if self.config.follows_redirects && transaction.may_go_to(*alternate) =>
            {
                let (alternate, domain) = (*alternate, domain.map(|AlternateDomain(name)| name.to_owned()));
                self.events.push_back(Event::Redirected { transaction_id, server, alternate, domain });
                transaction.asked.push(server);
                transaction.server = alternate;
                transaction.attempt = Attempt::default();
                self.start(transaction);
            }
            _ => self.events.push_back(refused),
        }
    }

    fn next_id(&mut self) -> TransactionId {
        let mut id = [0; TransactionId::LEN];
        self.rng.fill_bytes(&mut id);
        TransactionId::new(id)
    }
}

impl Transaction {
    /// RFC 8489 §10: never twice to the same server, so that servers can't send us in circles. Nor to an address
    /// that can't be a server's, or is of another family (§14.15), which our socket could not reach.
    fn may_go_to(&self, alternate: SocketAddr) -> bool {
        let ip = alternate.ip();
        self.asked.len() < MAX_REDIRECTS
            && alternate != self.server
            && !self.asked.contains(&alternate)
            && alternate.is_ipv4() == self.server.is_ipv4()
            && alternate.port() != 0
            && !ip.is_unspecified()
            && !ip.is_multicast()
    }
}

/// What a response says, apart from its proof.
struct Answer<'a> {
    /// ERROR-CODE's number, 0 without one.
    code: u16,
    mapped: Option<SocketAddr>,
    alternate: Option<AlternateServer>,
    domain: Option<AlternateDomain<'a>>,
}

/// The address in a response; servers older than RFC 5389 send it in clear.
fn mapped_address(response: &Message<'_>) -> Result<Option<SocketAddr>, ParseError> {
    match response.attribute::<XorMappedAddress>()? {
        Some(XorMappedAddress(address)) => Ok(Some(address)),
        None => Ok(response.attribute::<MappedAddress>()?.map(|MappedAddress(address)| address)),
    }
}
