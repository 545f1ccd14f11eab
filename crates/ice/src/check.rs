//! One connectivity check: the request we send and the response we accept (RFC 8445 §7.2).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use headwater_stun::attribute::{ErrorCode, Username, XorMappedAddress};
use headwater_stun::{
    Class, Due, Message, MessageBuilder, Method, Retransmission, TransactionId, Transmit, Transport,
};

use crate::attribute::{self, IceControlled, IceControlling, Priority, UseCandidate};
use crate::credentials::Keyed;
use crate::role::RoleState;
use crate::{Error, Path, Role};

/// A check that is repeated later than this is not waited for.
const MAX_REPETITION: Duration = Duration::from_secs(1);

/// Whether and how a check nominates its pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nominating {
    No,
    /// By USE-CANDIDATE.
    Plain,
    /// By NOMINATION with this number, which both sides have agreed on.
    Numbered(u32),
}

/// A check under way.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) id: TransactionId,
    /// The role it was made in, to tell what a 487 is about.
    pub(crate) role: Role,
    pub(crate) nominating: Nominating,
    schedule: Retransmission,
    /// How often it was sent, and when first.
    sent: (u32, Instant),
    /// When it was repeated first.
    repeated: Option<Instant>,
    /// To be written at the next poll.
    is_due: bool,
}

impl Transaction {
    pub(crate) fn new(
        now: Instant,
        transport: Transport,
        rto: Duration,
        id: TransactionId,
        role: Role,
        nominating: Nominating,
    ) -> Self {
        let schedule = match transport {
            Transport::Tcp => Retransmission::reliable(now),
            _ => Retransmission::new(now, rto),
        };
        Self { id, role, nominating, schedule, sent: (0, now), repeated: None, is_due: false }
    }

    /// Marks a sending that is due; `false` when the check is given up.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        match self.schedule.handle_timeout(now) {
            Due::Nothing => true,
            Due::Send => {
                let (times, first) = self.sent;
                self.sent = (times.saturating_add(1), if times == 0 { now } else { first });
                self.repeated = self.repeated.or_else(|| (times == 1).then_some(now));
                self.is_due = true;
                true
            }
            Due::GiveUp => false,
        }
    }

    /// How long the answer that came now took. After a repetition nobody knows which of the two it answers (Karn).
    pub(crate) fn round_trip(&self, now: Instant) -> Option<Duration> {
        let (times, first) = self.sent;
        (times == 1).then(|| now.saturating_duration_since(first))
    }

    /// When it was sent first.
    pub(crate) const fn begun(&self) -> Instant {
        self.sent.1
    }

    /// When it is repeated first, or was. Over TCP, where it isn't, the system has repeated it by then.
    pub(crate) fn repeated_at(&self) -> Instant {
        let (_, first) = self.sent;
        self.repeated.unwrap_or_else(|| self.schedule.poll_timeout().min(first + MAX_REPETITION))
    }

    pub(crate) const fn poll_timeout(&self) -> Instant {
        self.schedule.poll_timeout()
    }

    /// The peer's check came through on this pair: repeat ours at once rather than at the end of an RTO.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.schedule.hurry(now);
    }

    /// Whether it is to be written now; asking marks it as written.
    pub(crate) fn take_due(&mut self) -> bool {
        std::mem::take(&mut self.is_due)
    }
}

/// What a check says, whoever sends it: the checklist or consent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'k> {
    pub(crate) local: &'k Keyed,
    pub(crate) remote: &'k Keyed,
    pub(crate) role: RoleState,
    /// The priority that our side would have as a peer-reflexive candidate.
    pub(crate) priority: u32,
}

impl Request<'_> {
    /// Appends the request to `buf`.
    pub(crate) fn write(
        &self,
        path: Path,
        id: TransactionId,
        nominating: Nominating,
        buf: &mut Vec<u8>,
    ) -> Transmit {
        let Self { local, remote, role, priority } = self;
        // The receiver's ufrag stands first (RFC 8445 §7.2.2).
        let username = format!("{}:{}", remote.ufrag(), local.ufrag());
        let mut request = MessageBuilder::request(Method::BINDING, id, buf)
            .attribute(&Username(&username))
            .attribute(&Priority(*priority));
        request = match role.role {
            Role::Controlling => request.attribute(&IceControlling(role.tie_breaker)),
            Role::Controlled => request.attribute(&IceControlled(role.tie_breaker)),
        };
        request = match nominating {
            Nominating::No => request,
            Nominating::Plain => request.attribute(&UseCandidate),
            // USE-CANDIDATE beside it serves a peer that has forgotten what it agreed on.
            Nominating::Numbered(number) => {
                request.attribute(&UseCandidate).attribute(&attribute::Nomination(number))
            }
        };
        let len = request.integrity(&remote.key).fingerprint();
        Transmit::new(path.transport, path.local, path.remote, len)
    }
}

/// An authentic response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The peer saw this address.
    Success(SocketAddr),
    /// 487: both think they have the same role.
    RoleConflict,
    /// Any other error.
    Refused,
}

/// Reads the response to a check that went along `sent` from one that came along `received`.
pub(crate) fn read_response(
    response: &Message<'_>,
    remote: &Keyed,
    sent: Path,
    received: Path,
) -> Result<Outcome, Error> {
    // RFC 8445 §7.2.5.2.1 would fail the pair if addresses aren't symmetric. Whoever overhears a response could
    // then fail pairs by repeating it from elsewhere, so it is only refused, and the check runs into its timeout.
    if sent != received {
        return Err(Error::Unexpected);
    }
    response.verify_integrity(&remote.key).map_err(|_| Error::Unauthentic)?;
    if response.class() == Class::Error {
        let code = response.attribute::<ErrorCode<'_>>()?.map(|it| it.code());
        let is_conflict = code == Some(ErrorCode::ROLE_CONFLICT.code());
        return Ok(if is_conflict { Outcome::RoleConflict } else { Outcome::Refused });
    }
    let is_understood = response.unknown_required(attribute::is_known).next().is_none();
    match response.attribute()? {
        Some(XorMappedAddress(mapped)) if is_understood => Ok(Outcome::Success(mapped)),
        _ => Ok(Outcome::Refused),
    }
}
