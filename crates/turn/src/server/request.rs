//! A request's way: proof of its sender, then its method, then an answer (RFC 8656 §5).

use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_stun::attribute::{AlternateServer, ErrorCode, PasswordAlgorithms};
use headwater_stun::{Challenge, Claim, Datagram, Message, Method, ParseError, SecurityFeatures, Transport};

use super::credentials::Credential;
use super::outbox::ReplyTo;
use super::refusal::{ALLOCATION_MISMATCH, Refusal, WRONG_CREDENTIALS};
use super::{MAX_EVENTS, Server};
use crate::attribute::{
    ALLOCATE, CHANNEL_BIND, CONNECT, CONNECTION_BIND, CREATE_PERMISSION, Lifetime, REFRESH,
};
use crate::{Error, FiveTuple};

/// Longest request that a [`Server`] reads. The longest that makes sense has a few hundred bytes.
pub const MAX_REQUEST_LEN: usize = 4096;
/// What users may prove their passwords with.
const ALGORITHMS: PasswordAlgorithms<'static> = PasswordAlgorithms::SHA256_AND_MD5;

/// What nonces say of a server. Names that are made elsewhere can't be found by their hash.
pub(super) const fn features(knows_all_users: bool) -> SecurityFeatures {
    SecurityFeatures { password_algorithms: true, username_anonymity: knows_all_users }
}

impl Server {
    /// Serves a request, or says why not.
    pub(super) fn request(
        &mut self,
        now: Instant,
        datagram: Datagram<'_>,
        request: &Message<'_>,
    ) -> Result<(), Error> {
        let got = request.as_bytes().len();
        if got > MAX_REQUEST_LEN {
            return Err(ParseError::TooLong { limit: MAX_REQUEST_LEN, got }.into());
        }
        if self.outbox.is_full() || self.events.len() >= MAX_EVENTS {
            return Err(Error::Overloaded);
        }
        if request.method() == Method::BINDING {
            return self.binding(now, datagram);
        }
        let client = FiveTuple::new(datagram.transport, datagram.local, datagram.remote);
        let mut to = ReplyTo::new(client, request, request.verify_fingerprint()?);
        let (user, sha256) = match self.authenticate(now, request, &client) {
            Ok(proven) => proven,
            Err(code) => return self.challenge(now, request, &client, &code),
        };
        to.to.sha256 = sha256;
        if let Err(refusal) = self.dispatch(now, request, &to, &user) {
            self.refuse(&to, &user, &refusal);
        }
        Ok(())
    }

    fn dispatch(
        &mut self,
        now: Instant,
        request: &Message<'_>,
        to: &ReplyTo,
        user: &Arc<Credential>,
    ) -> Result<(), Refusal> {
        Refusal::of_unknown(request)?;
        match request.method() {
            ALLOCATE => self.allocate(now, request, to, user),
            REFRESH => self.refresh(now, request, to, user),
            CREATE_PERMISSION => self.create_permission(now, request, to, user),
            CHANNEL_BIND => self.channel_bind(now, request, to, user),
            CONNECT => self.connect(now, request, to, user),
            CONNECTION_BIND => self.connection_bind(request, to, user),
            _ => Err(ErrorCode::BAD_REQUEST.into()),
        }
    }

    pub(super) fn refuse(&mut self, to: &ReplyTo, user: &Credential, refusal: &Refusal) {
        self.counters.note_error(refusal.code.code());
        self.outbox.refuse(to, &user.key, &refusal.code, |mut message| {
            if !refusal.unknown.is_empty() {
                message = message.attribute(&refusal.unknown);
            }
            match refusal.alternate {
                Some(server) => message.attribute(&AlternateServer(server)),
                None => message,
            }
        });
    }

    /// The allocation of a client that may give orders about it.
    pub(super) fn owned(&self, to: &ReplyTo, user: &Credential) -> Result<u32, Refusal> {
        let key = self.clients.allocation(&to.client).ok_or(ALLOCATION_MISMATCH)?;
        let allocation = &self.allocations[key as usize];
        if !allocation.is_open() {
            return Err(ALLOCATION_MISMATCH.into());
        }
        // RFC 8656 §5: all requests about an allocation have the credentials that it was made with.
        if allocation.session.credential.user != user.user {
            return Err(WRONG_CREDENTIALS.into());
        }
        Ok(key)
    }

    /// Who sent this request, and whether answers are signed with SHA-256; or what to answer.
    fn authenticate(
        &mut self,
        now: Instant,
        request: &Message<'_>,
        client: &FiveTuple,
    ) -> Result<(Arc<Credential>, bool), ErrorCode<'static>> {
        let claim = Claim::of(request, Some(ALGORITHMS))?;
        let unix = self.unix(now);
        let verifies = |key: &_| request.verify_integrity(key).is_ok();
        let known = self
            .clients
            .allocation(client)
            .map(|key| &self.allocations[key as usize].session.credential)
            .filter(|it| it.is_of(claim.user, &self.config.realm) && it.algorithm == claim.algorithm)
            .filter(|it| verifies(&it.key));
        let proven = match known {
            Some(known) => Some(known.clone()),
            None => self.credentials.find(claim.user, claim.algorithm, unix, verifies),
        };
        // An allocation doesn't outlive its credentials by more than a lifetime; but it may be given up at any time.
        let gives_up = || request.method() == REFRESH && request.attribute() == Ok(Some(Lifetime(0)));
        let proven = proven
            .filter(|_| claim.realm == self.config.realm)
            .filter(|it| !it.has_expired(unix) || gives_up());
        let Some(credential) = proven else {
            self.counters.failed_authentications += 1;
            return Err(ErrorCode::UNAUTHENTICATED);
        };
        // Last, as RFC 8489 §9.2.4 orders it: a wrong password is told at once, and who knows the right one gets on
        // with the new nonce.
        if !self.nonces.is_good(claim.nonce, unix, client.remote.ip()) {
            return Err(ErrorCode::STALE_NONCE);
        }
        Ok((credential, claim.chose))
    }

    /// Answers a request whose sender is not known: with the means to prove who it is, if that is what it lacks.
    fn challenge(
        &mut self,
        now: Instant,
        request: &Message<'_>,
        client: &FiveTuple,
        code: &ErrorCode<'static>,
    ) -> Result<(), Error> {
        let nonce = self.nonces.make(self.unix(now), client.remote.ip());
        let challenge =
            Challenge { realm: &self.config.realm, nonce: nonce.as_str(), algorithms: Some(ALGORITHMS) };
        // The number says it, and a longer answer could be turned on somebody else.
        let terse = ErrorCode::new(code.code(), "").unwrap_or(*code);
        let limiter = &mut self.limiter;
        let sent = request.as_bytes().len();
        let answered = self.outbox.push(
            *client,
            |buf| match code.code() {
                400 => Ok(headwater_stun::MessageBuilder::error(request, &terse, buf).finish()),
                _ => Ok(challenge.respond(request, &terse, buf).finish()),
            },
            |len| match client.transport {
                Transport::Udp if !limiter.allow(now, client.remote.ip(), len.saturating_sub(sent)) => {
                    Err(Error::Overloaded)
                }
                _ => Ok(()),
            },
        );
        match answered {
            Ok(()) => self.counters.note_error(code.code()),
            Err(_) => self.counters.withheld_answers += 1,
        }
        answered
    }

    /// Answers a Binding request, as any STUN server (RFC 8489 §12).
    fn binding(&mut self, now: Instant, datagram: Datagram<'_>) -> Result<(), Error> {
        let client = FiveTuple::new(datagram.transport, datagram.local, datagram.remote);
        let limiter = &mut self.limiter;
        let mut withheld = false;
        let answered = self.outbox.push(
            client,
            |buf| match headwater_stun::respond(datagram, buf) {
                Ok(transmit) => Ok(transmit.len),
                Err(headwater_stun::Error::Malformed(error)) => Err(Error::Malformed(error)),
                Err(_) => Err(Error::Unexpected),
            },
            |len| {
                let more = len.saturating_sub(datagram.contents.len());
                withheld =
                    client.transport == Transport::Udp && !limiter.allow(now, client.remote.ip(), more);
                if withheld { Err(Error::Overloaded) } else { Ok(()) }
            },
        );
        self.counters.withheld_answers += u64::from(withheld);
        self.counters.bindings += u64::from(answered.is_ok());
        answered
    }

    /// The time since 1970.
    pub(super) fn unix(&self, now: Instant) -> Duration {
        self.unix + now.saturating_duration_since(self.start)
    }
}
