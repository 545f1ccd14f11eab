//! Incoming checks: who may ask, and the answers that wait to be sent (RFC 8445 §7.3).
//!
//! Shared by both agents. Nothing here answers a request that isn't authentic: an agent reflects nothing.

use std::collections::VecDeque;

use headwater_stun::attribute::{ErrorCode, UnknownAttributes, Username};
use headwater_stun::{
    Attribute, Class, Message, MessageBuilder, Method, ParseError, TransactionId, Transmit,
};

use crate::attribute::{self, IceControlled, IceControlling, Nomination, Priority, UseCandidate};
use crate::credentials::{Keyed, is_ufrag};
use crate::{Error, Path};

/// Longest datagram looked at. Checks have about 100 bytes; 1,500 leaves room for DTLS in STUN.
pub(crate) const MAX_CHECK_LEN: usize = 1500;
/// Most answers that wait; further requests are refused until some were polled, and peers repeat them.
const MAX_ANSWERS: usize = 32;

/// Finds for whom a first check is: the *receiver's* ufrag, the first half of USERNAME (RFC 8445 §7.2.2).
///
/// `None` if the datagram is no Binding request, or names no proper ufrag. Nothing is authenticated: this only
/// chooses which agent the datagram is given to.
#[must_use]
pub fn ufrag_of_request(datagram: &[u8]) -> Option<&str> {
    if datagram.len() > MAX_CHECK_LEN {
        return None;
    }
    let message = Message::parse(datagram).ok()?;
    if message.class() != Class::Request || message.method() != Method::BINDING {
        return None;
    }
    let Username(username) = message.attribute().ok()??;
    let (receiver, _) = username.split_once(':')?;
    is_ufrag(receiver).then_some(receiver)
}

/// Parses a datagram that may be a check or the response to one.
pub(crate) fn parse(contents: &[u8]) -> Result<Message<'_>, Error> {
    let got = contents.len();
    if got > MAX_CHECK_LEN {
        return Err(ParseError::TooLong { limit: MAX_CHECK_LEN, got }.into());
    }
    let message = Message::parse(contents)?;
    // RFC 8445 §7.1 wants FINGERPRINT in each check. One that lacks it still has its integrity, so it is
    // taken; one whose fingerprint is wrong is something else that looks like STUN.
    message.verify_fingerprint()?;
    Ok(message)
}

/// Whether a request is for the credentials `local` and from a peer with the ufrag `remote`, as far as known.
pub(crate) fn authenticate(
    request: &Message<'_>,
    local: &Keyed,
    remote_ufrag: Option<&str>,
) -> Result<(), Error> {
    let Some(Username(username)) = request.attribute()? else { return Err(Error::Unauthentic) };
    let Some((receiver, sender)) = username.split_once(':') else { return Err(Error::Unauthentic) };
    if receiver != local.ufrag() || remote_ufrag.is_some_and(|it| it != sender) {
        return Err(Error::Unauthentic);
    }
    request.verify_integrity(&local.key).map_err(|_| Error::Unauthentic)
}

/// What a connectivity check says, read once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    pub(crate) transaction_id: TransactionId,
    pub(crate) priority: Option<u32>,
    pub(crate) use_candidate: bool,
    /// The number of a renomination; means nothing unless both sides have agreed on that.
    pub(crate) nomination: Option<u32>,
    /// The peer's tie-breaker if it says that it is controlling.
    pub(crate) controlling: Option<u64>,
    /// The peer's tie-breaker if it says that it is controlled.
    pub(crate) controlled: Option<u64>,
    pub(crate) unknown: UnknownAttributes,
}

impl Check {
    /// One walk over the attributes; the first of a kind counts (RFC 8489 §14).
    pub(crate) fn parse(request: &Message<'_>) -> Result<Self, Error> {
        let mut check = Self {
            transaction_id: request.transaction_id(),
            priority: None,
            use_candidate: false,
            nomination: None,
            controlling: None,
            controlled: None,
            unknown: UnknownAttributes::default(),
        };
        let mut has_unknown = false;
        for raw in request.attributes() {
            match raw.kind {
                Priority::TYPE if check.priority.is_none() => check.priority = Some(Priority::parse(raw)?.0),
                UseCandidate::TYPE if !check.use_candidate => {
                    UseCandidate::parse(raw)?;
                    check.use_candidate = true;
                }
                IceControlling::TYPE if check.controlling.is_none() => {
                    check.controlling = Some(IceControlling::parse(raw)?.0);
                }
                IceControlled::TYPE if check.controlled.is_none() => {
                    check.controlled = Some(IceControlled::parse(raw)?.0);
                }
                // An extension that few agree on: one that is malformed is passed over, as unknown ones are.
                Nomination::TYPE if check.nomination.is_none() => {
                    check.nomination = Nomination::parse(raw).ok().map(|it| it.0);
                }
                Username::TYPE => {}
                kind => has_unknown |= kind.is_required() && !attribute::is_known(kind),
            }
        }
        if has_unknown {
            check.unknown = request.unknown_required(attribute::is_known).collect();
        }
        Ok(check)
    }
}

/// Answers that wait for `poll_transmit`.
#[derive(Debug, Default)]
pub(crate) struct Answers(VecDeque<Answer>);

/// An answer, to be written with the key of the credentials that the request was for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) path: Path,
    pub(crate) transaction_id: TransactionId,
    pub(crate) kind: Kind,
    /// Which generation of our credentials the request was for.
    pub(crate) generation: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Success,
    RoleConflict,
    UnknownAttributes(UnknownAttributes),
}

impl Answers {
    /// Whether there is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        self.0.len() < MAX_ANSWERS
    }

    pub(crate) fn push(&mut self, answer: Answer) {
        debug_assert!(self.has_room(), "the caller asked has_room before it changed anything");
        if self.0.capacity() == 0 {
            // Mostly one waits at a time.
            self.0.reserve_exact(1);
        }
        self.0.push_back(answer);
    }

    /// Drops the answers that nothing can carry any more.
    pub(crate) fn forget(&mut self, is_gone: impl Fn(&Path) -> bool) {
        self.0.retain(|it| !is_gone(&it.path));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Writes the next answer; `key` finds the credentials of a generation that is still in use.
    pub(crate) fn poll_transmit<'k>(
        &mut self,
        credentials: impl Fn(u32) -> Option<&'k Keyed>,
        buf: &mut Vec<u8>,
    ) -> Option<Transmit> {
        loop {
            let Answer { path, transaction_id, kind, generation } = self.0.pop_front()?;
            let Some(Keyed { key, .. }) = credentials(generation) else { continue };
            let class = if matches!(kind, Kind::Success) { Class::Success } else { Class::Error };
            let response = MessageBuilder::new(Method::BINDING, class, transaction_id, buf);
            let response = match kind {
                Kind::Success => response.mapped(path.remote),
                Kind::RoleConflict => response.attribute(&ErrorCode::ROLE_CONFLICT),
                Kind::UnknownAttributes(list) => {
                    response.attribute(&ErrorCode::UNKNOWN_ATTRIBUTE).attribute(&list)
                }
            };
            let len = response.integrity(key).fingerprint();
            return Some(Transmit::new(path.transport, path.local, path.remote, len));
        }
    }
}
