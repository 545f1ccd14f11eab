//! Answers and indications that wait to be sent, in one buffer that is used again and again.

use std::collections::VecDeque;

use headwater_stun::attribute::{ErrorCode, Software};
use headwater_stun::{Class, Key, Message, MessageBuilder, Method, TransactionId, Transmit};

use crate::FiveTuple;

/// Most messages that wait before requests are refused.
const MAX_WAITING: usize = 256;
/// Bytes kept when nothing waits.
const IDLE_CAPACITY: usize = 64 * 1024;

/// Messages for clients.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    software: Option<String>,
    bytes: Vec<u8>,
    /// Bytes at the beginning that were polled.
    taken: usize,
    waiting: VecDeque<(FiveTuple, usize)>,
}

/// What a response must repeat of its request, and how it is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReplyTo {
    pub(super) client: FiveTuple,
    pub(super) method: Method,
    pub(super) to: Responding,
}

/// What makes a response that of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Responding {
    pub(super) transaction_id: TransactionId,
    /// The request had FINGERPRINT.
    pub(super) fingerprint: bool,
    /// With MESSAGE-INTEGRITY-SHA256 rather than MESSAGE-INTEGRITY.
    pub(super) sha256: bool,
}

impl ReplyTo {
    pub(super) fn new(client: FiveTuple, request: &Message<'_>, fingerprint: bool) -> Self {
        let to = Responding { transaction_id: request.transaction_id(), fingerprint, sha256: false };
        Self { client, method: request.method(), to }
    }
}

impl Outbox {
    pub(super) fn new(software: Option<String>) -> Self {
        Self { software, ..Self::default() }
    }

    /// Whether requests must wait.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING
    }

    /// Whether indications that nobody asked for are left out.
    pub(super) fn is_half_full(&self) -> bool {
        self.waiting.len() >= MAX_WAITING / 2
    }

    /// Appends a success response.
    pub(super) fn succeed(
        &mut self,
        to: &ReplyTo,
        key: &Key,
        attributes: impl for<'b> FnOnce(MessageBuilder<'b>) -> MessageBuilder<'b>,
    ) {
        self.protected(to, Class::Success, key, attributes);
    }

    /// Appends an error response to a request that was authentic.
    pub(super) fn refuse(
        &mut self,
        to: &ReplyTo,
        key: &Key,
        code: &ErrorCode<'_>,
        attributes: impl for<'b> FnOnce(MessageBuilder<'b>) -> MessageBuilder<'b>,
    ) {
        self.protected(to, Class::Error, key, |message| attributes(message.attribute(code)));
    }

    fn protected(
        &mut self,
        to: &ReplyTo,
        class: Class,
        key: &Key,
        attributes: impl for<'b> FnOnce(MessageBuilder<'b>) -> MessageBuilder<'b>,
    ) {
        self.make_room();
        let mut message =
            attributes(MessageBuilder::new(to.method, class, to.to.transaction_id, &mut self.bytes));
        if let Some(software) = &self.software {
            message = message.attribute(&Software(software));
        }
        let message = if to.to.sha256 { message.integrity_sha256(key) } else { message.integrity(key) };
        let len = if to.to.fingerprint { message.fingerprint() } else { message.finish() };
        self.waiting.push_back((to.client, len));
    }

    /// Appends a message that `write` makes, if it makes one that is `wanted` for its length.
    pub(super) fn push<E>(
        &mut self,
        client: FiveTuple,
        write: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
        wanted: impl FnOnce(usize) -> Result<(), E>,
    ) -> Result<(), E> {
        self.make_room();
        let start = self.bytes.len();
        let written = write(&mut self.bytes).and_then(|len| wanted(len).map(|()| len));
        match written {
            Ok(len) => self.waiting.push_back((client, len)),
            Err(_) => self.bytes.truncate(start),
        }
        written.map(|_| ())
    }

    /// Takes the first one that waits.
    pub(super) fn poll_transmit(&mut self, buf: &mut Vec<u8>) -> Option<Transmit> {
        let Some((client, len)) = self.waiting.pop_front() else {
            self.make_room();
            return None;
        };
        buf.extend_from_slice(&self.bytes[self.taken..self.taken + len]);
        self.taken += len;
        Some(Transmit::new(client.transport, client.local, client.remote, len))
    }

    fn make_room(&mut self) {
        if self.waiting.is_empty() && self.taken > 0 {
            self.taken = 0;
            self.bytes.clear();
            self.bytes.shrink_to(IDLE_CAPACITY);
        }
    }
}
