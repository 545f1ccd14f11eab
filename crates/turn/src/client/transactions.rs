//! Open requests: their bytes, repetitions, and which response is whose.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_stun::{Attempt, Due, LongTerm, Message, Retransmission, TransactionId, Transport, Verdict};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::request::{Ask, Context};

/// Most requests open at once; what is wanted beyond waits.
const MAX_OPEN: usize = 32;

/// The open requests of one client.
#[derive(Debug)]
pub(super) struct Transactions {
    transport: Transport,
    rto: Duration,
    rng: ChaCha12Rng,
    /// What requests are signed with, and what the server has taught about that.
    credentials: Option<LongTerm>,
    open: Vec<Transaction>,
    due: VecDeque<TransactionId>,
}

/// A request that waits for its response.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) ask: Ask,
    /// From which address of ours.
    pub(super) local: SocketAddr,
    id: TransactionId,
    schedule: Retransmission,
    attempt: Attempt,
    /// A connection of its own is a dialogue of its own: nonces may belong to addresses.
    credentials: Option<Box<LongTerm>>,
    bytes: Vec<u8>,
    /// Whether a response came that could not be verified.
    doubted: bool,
}

/// What a response means for its request, which is closed unless it is `Doubted`.
#[derive(Debug)]
pub(super) enum Response {
    /// Served or refused, as the message says.
    Genuine(Transaction),
    /// It goes out again.
    Retried,
    /// Not verified; the genuine one may still come.
    Doubted,
    /// Not verified, or the credentials don't fit, and none else will come.
    Failed(Transaction, Verdict),
}

impl Transactions {
    pub(super) fn new(
        transport: Transport,
        rto: Duration,
        credentials: Option<LongTerm>,
        seed: [u8; 32],
    ) -> Self {
        let rng = ChaCha12Rng::from_seed(seed);
        Self { transport, rto, rng, credentials, open: Vec::new(), due: VecDeque::new() }
    }

    pub(super) fn has_room(&self) -> bool {
        self.open.len() < MAX_OPEN
    }

    /// Whether a request for this is under way.
    pub(super) fn is_open(&self, ask: &Ask) -> bool {
        self.open.iter().any(|it| it.ask == *ask)
    }

    /// Whether the server has asked for proof before: an unsigned request would be for nothing.
    pub(super) fn knows_realm(&self) -> bool {
        self.credentials.as_ref().is_none_or(|it| it.realm().is_some())
    }

    /// Whether a response to this address of ours is waited for.
    pub(super) fn is_from(&self, local: SocketAddr) -> bool {
        self.open.iter().any(|it| it.local == local)
    }

    /// Forgets all requests, and says what they were.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = (Ask, SocketAddr)> + use<> {
        self.due.clear();
        std::mem::take(&mut self.open).into_iter().map(|it| (it.ask, it.local))
    }

    /// Forgets what the server said about credentials: the next one is another.
    pub(super) fn forget_server(&mut self) {
        if let Some(credentials) = &mut self.credentials {
            credentials.reset();
        }
    }

    pub(super) fn next_id(&mut self) -> TransactionId {
        let mut id = [0; TransactionId::LEN];
        self.rng.fill_bytes(&mut id);
        TransactionId::new(id)
    }

    /// Sends a request.
    pub(super) fn start(&mut self, now: Instant, ask: Ask, local: SocketAddr, context: &Context<'_>) {
        let own = matches!(ask, Ask::BindConnection(_));
        let transaction = Transaction {
            ask,
            local,
            id: TransactionId::new([0; TransactionId::LEN]),
            schedule: Retransmission::reliable(now),
            attempt: Attempt::default(),
            credentials: self.credentials.clone().filter(|_| own).map(Box::new),
            bytes: Vec::new(),
            doubted: false,
        };
        self.send(now, transaction, context);
    }

    /// Begins a try: another id, other bytes, the waiting from the start.
    fn send(&mut self, now: Instant, mut transaction: Transaction, context: &Context<'_>) {
        transaction.id = self.next_id();
        transaction.schedule = match self.transport {
            Transport::Tcp => Retransmission::reliable(now),
            _ => Retransmission::new(now, self.rto),
        };
        transaction.doubted = false;
        transaction.bytes.clear();
        let Transaction { ask, id, attempt, credentials, bytes, .. } = &mut transaction;
        let request = ask.write(context, *id, bytes);
        match credentials.as_deref().or(self.credentials.as_ref()) {
            Some(credentials) => credentials.sign(attempt, request).fingerprint(),
            None => request.fingerprint(),
        };
        // It is due at once, and counted as sent.
        if transaction.schedule.handle_timeout(now) == Due::Send {
            self.due.push_back(transaction.id);
        }
        self.open.push(transaction);
    }

    /// Finds the request that a response from the server to `local` answers, and says what it means.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        local: SocketAddr,
        response: &Message<'_>,
        context: &Context<'_>,
    ) -> Option<Response> {
        let index = self.open.iter().position(|it| {
            it.id == response.transaction_id() && it.local == local && it.ask.method() == response.method()
        })?;
        let transaction = &mut self.open[index];
        let credentials = transaction.credentials.as_deref_mut().or(self.credentials.as_mut());
        let verdict = match credentials {
            Some(credentials) => credentials.handle_response(&mut transaction.attempt, response),
            None => Verdict::Genuine,
        };
        if verdict == Verdict::Unauthentic && self.transport != Transport::Tcp {
            transaction.doubted = true;
            return Some(Response::Doubted);
        }
        let transaction = self.open.swap_remove(index);
        Some(match verdict {
            Verdict::Genuine => Response::Genuine(transaction),
            Verdict::Retry => {
                self.send(now, transaction, context);
                Response::Retried
            }
            Verdict::Unauthentic | Verdict::Refused(_) => Response::Failed(transaction, verdict),
        })
    }

    /// Marks what is to be sent again; gives out one request at a time that no answer came to, and whether there
    /// were answers that could not be verified.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<(Transaction, bool)> {
        let Self { open, due, .. } = self;
        let given_up = open.iter_mut().position(|it| match it.schedule.handle_timeout(now) {
            Due::Nothing => false,
            Due::Send => {
                if !due.contains(&it.id) {
                    due.push_back(it.id);
                }
                false
            }
            Due::GiveUp => true,
        })?;
        let transaction = self.open.swap_remove(given_up);
        let doubted = transaction.doubted;
        Some((transaction, doubted))
    }

    /// Appends the next request; says from which address of ours and how long it is.
    pub(super) fn poll_transmit(&mut self, buf: &mut Vec<u8>) -> Option<(SocketAddr, usize)> {
        loop {
            let id = self.due.pop_front()?;
            // It may have been answered or cancelled since.
            let Some(it) = self.open.iter().find(|it| it.id == id) else { continue };
            buf.extend_from_slice(&it.bytes);
            return Some((it.local, it.bytes.len()));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.open.iter().map(|it| it.schedule.poll_timeout()).min()
    }
}
