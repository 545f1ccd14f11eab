//! Puts handshake messages together from fragments that come in any order, twice, overlapping, or never.
//!
//! Everything here is fed by whoever can send to us, so everything is bounded: [`MAX_AHEAD`] messages of at most
//! [`MAX_MESSAGE`](super::MAX_MESSAGE) bytes, [`MAX_BUFFERED`] bytes together, [`MAX_RANGES`](super::ranges::MAX_RANGES) pieces of each.

use std::collections::BTreeMap;

use super::body::Body;
use super::{Fragment, Message};
use crate::Error;
use crate::message::HandshakeType;

/// How far ahead of the next message a fragment may be. The longest flight has five messages and a Finished.
pub(crate) const MAX_AHEAD: u32 = 8;

/// The most bytes of unfinished messages. When a fragment of the next message needs room, messages ahead of it are
/// forgotten, the furthest first; a fragment of any other message is refused.
pub(crate) const MAX_BUFFERED: usize = 32 * 1024;

pub(crate) struct Reassembly {
    /// Beyond 16 bits when all numbers are used: they don't wrap.
    next: u32,
    partial: BTreeMap<u16, Partial>,
    /// From here on nothing counts that came in the clear (DTLS 1.3, after the hellos).
    needs_protection: bool,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The next message or one after it.
    Ahead,
    /// A message that was already handled: the peer repeats itself.
    Behind,
}

struct Partial {
    kind: HandshakeType,
    body: Body,
    is_protected: bool,
}

impl Reassembly {
    pub(crate) fn new() -> Self {
        Self { next: 0, partial: BTreeMap::new(), needs_protection: false }
    }

    /// Messages before this one were handled elsewhere.
    pub(crate) fn begin_at(&mut self, message_seq: u16) {
        self.next = message_seq.into();
    }

    /// The hellos chose DTLS 1.3: all that follows is protected.
    pub(crate) fn require_protection(&mut self) {
        self.needs_protection = true;
        self.partial.retain(|_, partial| partial.is_protected);
    }

    /// Takes a fragment. In DTLS 1.2 Finished is the only message under the new keys (RFC 6347 §4.2.4).
    pub(crate) fn insert(&mut self, fragment: &Fragment<'_>, is_protected: bool) -> Result<Place, Error> {
        let Some(ahead) = u32::from(fragment.message_seq).checked_sub(self.next) else {
            return Ok(Place::Behind);
        };
        if ahead >= MAX_AHEAD {
            return Err(Error::LimitReached);
        }
        if (self.needs_protection || fragment.kind == HandshakeType::FINISHED) != is_protected {
            return Err(Error::Unexpected);
        }
        if fragment.data.is_empty() && fragment.length > 0 {
            return Ok(Place::Ahead); // RFC 6347 §4.2.3 allows it; there is nothing in it to keep
        }

        // What is authentic is not disturbed by what is not. Else a contradiction is settled for the newer one: the
        // older may be somebody else's, and the peer repeats itself.
        if let Some(partial) = self.partial.get(&fragment.message_seq)
            && (partial.kind != fragment.kind || partial.body.len() != fragment.length)
        {
            if partial.is_protected && !is_protected {
                return Err(Error::Unexpected);
            }
            self.partial.remove(&fragment.message_seq);
        }
        if !self.partial.contains_key(&fragment.message_seq) {
            self.make_room(fragment)?;
        }
        self.partial
            .entry(fragment.message_seq)
            .or_insert_with(|| Partial {
                kind: fragment.kind,
                body: Body::new(fragment.length),
                is_protected,
            })
            .body
            .fill(fragment)?;
        Ok(Place::Ahead)
    }

    /// The next message, if it is whole. It stays the next one until [`Self::advance`]; asked again before that,
    /// it has to arrive anew.
    pub(crate) fn take_next(&mut self) -> Option<(Message, bool)> {
        let message_seq = u16::try_from(self.next).ok()?;
        if !self.partial.get(&message_seq)?.body.is_whole() {
            return None;
        }
        let partial = self.partial.remove(&message_seq)?;
        let message = Message { kind: partial.kind, message_seq, body: partial.body.into_bytes() };
        Some((message, partial.is_protected))
    }

    /// Whether the message of this number was handled before.
    pub(crate) fn is_behind(&self, message_seq: u16) -> bool {
        u32::from(message_seq) < self.next
    }

    /// Whether nothing waits for a part of it, or for a message before it.
    pub(crate) fn is_settled(&self) -> bool {
        self.partial.is_empty()
    }

    /// The message was accepted.
    pub(crate) fn advance(&mut self) {
        self.next = self.next.saturating_add(1);
    }

    fn make_room(&mut self, fragment: &Fragment<'_>) -> Result<(), Error> {
        loop {
            let used: usize = self.partial.values().map(|partial| partial.body.len()).sum();
            if used + fragment.length <= MAX_BUFFERED {
                return Ok(());
            }
            if u32::from(fragment.message_seq) != self.next {
                return Err(Error::LimitReached);
            }
            self.partial.pop_last(); // not empty: a single message is below the bound
        }
    }
}
